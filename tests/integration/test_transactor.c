/* The transactional producer of many topics, and the reader of a topic from beginning to end,
 * against librdkafka's mock cluster: as far as that goes. It knows no read_committed and no
 * fencing; those are tested end to end, with `replay`. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>

#include <cmocka.h>
#include <librdkafka/rdkafka.h>

#include "bridge/base/buf.h"
#include "bridge/base/clock.h"
#include "bridge/base/log.h"
#include "bridge/base/scoped.h"
#include "bridge/kafka/topic_reader.h"
#include "bridge/kafka/transactor.h"
#include "tests/support/alloc_fail.h"
#include "tests/support/mock_cluster.h"

#define FIRST "maesn.invoice"
#define SECOND "maesn.customer"

/* How long anything may take that is expected to happen. */
#define PATIENCE_MS 20000

DEFINE_CLEANUP(struct transactor *, transactor_free)
DEFINE_CLEANUP(struct topic_reader *, topic_reader_free)

struct fixture {
    struct mock_cluster *mock;
    struct cluster cluster;
};

static void fixture_init(struct fixture *f)
{
    f->mock = mock_cluster_new(1);
    mock_cluster_create_topic(f->mock, FIRST, 2);
    mock_cluster_create_topic(f->mock, SECOND, 1);
    f->cluster = (struct cluster){.brokers = mock_cluster_bootstrap(f->mock),
                                  .sasl_password_file = "",
                                  .key_password_file = ""};
}

static void fixture_done(struct fixture *f)
{
    mock_cluster_free(f->mock);
}

static int64_t in_time(void)
{
    return clock_mono_ms() + PATIENCE_MS;
}

static void require(enum status status, const struct diag *diag)
{
    if (status != STATUS_OK)
        fail_msg("%s: %s", status_name(status), diag->text);
}

static struct transactor *new_transactor(const struct fixture *f)
{
    struct transactor *t = NULL;
    struct diag diag = {0};
    require(transactor_new(&f->cluster, "test", &t, &diag), &diag);
    return t;
}

static struct transactor *claimed(const struct fixture *f)
{
    struct transactor *t = new_transactor(f);
    struct diag diag = {0};
    require(transactor_claim(t, in_time(), &diag), &diag);
    return t;
}

static const struct record_header headers[] = {{"ce_id", {(const uint8_t *)"d-1", 3}},
                                               {"empty", {(const uint8_t *)"", 0}}};

static void put(struct transactor *t, const char *topic, int32_t partition, const char *key,
                const char *value)
{
    struct diag diag = {0};
    const struct transactor_record record = {.topic = topic,
                                             .partition = partition,
                                             .key = bytes_of_text(key),
                                             .value = bytes_of_text(value),
                                             .headers = headers,
                                             .headers_len = 2};
    require(transactor_put(t, &record, &diag), &diag);
}

/* A line "partition@offset key=value name:value..." a record. */
static void read_all(const struct fixture *f, const char *topic, struct buf *ret)
{
    CLEANUP(topic_reader_free_scoped) struct topic_reader *r = NULL;
    const struct topic_reader_record *rec = NULL;
    struct diag diag = {0};
    require(topic_reader_new(&f->cluster, topic, in_time(), &r, &diag), &diag);
    require(topic_reader_next(r, in_time(), &rec, &diag), &diag);
    for (; rec != NULL; require(topic_reader_next(r, in_time(), &rec, &diag), &diag)) {
        assert_string_equal(rec->record.topic, topic);
        buf_printf(ret, "%d@%d ", rec->partition, (int)rec->offset);
        buf_append_bytes(ret, rec->record.key);
        buf_append_text(ret, "=");
        buf_append_bytes(ret, rec->record.value);
        for (size_t i = 0; i < rec->record.headers_len; i++) {
            buf_printf(ret, " %s:", rec->record.headers[i].name);
            buf_append_bytes(ret, rec->record.headers[i].value);
        }
        buf_append_text(ret, rec->record.value.data == NULL ? " (none)\n" : "\n");
    }
    assert_true(topic_reader_passed(r) == topic_reader_total(r));
}

static void what_is_committed_to_several_topics_is_read_back_whole(void **state)
{
    (void)state;
    CLEANUP(fixture_done) struct fixture f;
    CLEANUP(buf_done) struct buf text;
    fixture_init(&f);
    buf_init(&text, 65536);
    CLEANUP(transactor_free_scoped) struct transactor *t = claimed(&f);
    struct diag diag = {0};
    for (int n = 0; n < 2; n++) {
        require(transactor_begin(t, &diag), &diag);
        put(t, FIRST, 1, "k", n == 0 ? "1" : "2");
        put(t, FIRST, 0, "k", "");
        put(t, SECOND, TRANSACTOR_PARTITION_OF_KEY, NULL, NULL);
        require(transactor_commit(t, in_time(), &diag), &diag);
        assert_int_equal(transactor_state(t), TRANSACTOR_READY);
    }
    read_all(&f, FIRST, &text);
    read_all(&f, SECOND, &text);
    assert_string_equal(buf_text(&text), "0@0 k= ce_id:d-1 empty:\n"
                                         "0@1 k= ce_id:d-1 empty:\n"
                                         "1@0 k=1 ce_id:d-1 empty:\n"
                                         "1@1 k=2 ce_id:d-1 empty:\n"
                                         "0@0 = ce_id:d-1 empty: (none)\n"
                                         "0@1 = ce_id:d-1 empty: (none)\n");
}

static void a_key_meets_the_partition_that_java_chooses(void **state)
{
    (void)state;
    CLEANUP(fixture_done) struct fixture f;
    CLEANUP(buf_done) struct buf text;
    fixture_init(&f);
    buf_init(&text, 65536);
    CLEANUP(transactor_free_scoped) struct transactor *t = claimed(&f);
    struct diag diag = {0};
    require(transactor_begin(t, &diag), &diag);
    /* murmur2 of these, positive, modulo 2: org.apache.kafka.common.utils.Utils. */
    put(t, FIRST, TRANSACTOR_PARTITION_OF_KEY, "21", "");
    put(t, FIRST, TRANSACTOR_PARTITION_OF_KEY, "foobar", "");
    require(transactor_commit(t, in_time(), &diag), &diag);
    read_all(&f, FIRST, &text);
    assert_string_equal(buf_text(&text), "0@0 21= ce_id:d-1 empty:\n"
                                         "0@1 foobar= ce_id:d-1 empty:\n");
}

static void a_record_that_can_never_be_taken_ends_its_transaction_only(void **state)
{
    (void)state;
    CLEANUP(fixture_done) struct fixture f;
    fixture_init(&f);
    CLEANUP(transactor_free_scoped) struct transactor *t = claimed(&f);
    struct diag diag = {0};
    require(transactor_begin(t, &diag), &diag);
    char *large = calloc(1, 2000001);
    assert_non_null(large);
    const struct transactor_record record = {.topic = FIRST, .value = bytes_of(large, 2000000)};
    assert_int_equal(transactor_put(t, &record, &diag), STATUS_INVALID);
    free(large);
    assert_non_null(strstr(diag.text, "too large"));
    assert_int_equal(transactor_state(t), TRANSACTOR_READY);
    require(transactor_begin(t, &diag), &diag);
    put(t, FIRST, 0, "k", "1");
    require(transactor_commit(t, in_time(), &diag), &diag);
}

static void nothing_is_begun_before_the_claim(void **state)
{
    (void)state;
    CLEANUP(fixture_done) struct fixture f;
    fixture_init(&f);
    CLEANUP(transactor_free_scoped) struct transactor *t = new_transactor(&f);
    assert_int_equal(transactor_begin(t, NULL), STATUS_UNAVAILABLE);
    assert_int_equal(transactor_state(t), TRANSACTOR_UNCLAIMED);
}

static void a_claim_is_made_once(void **state)
{
    (void)state;
    CLEANUP(fixture_done) struct fixture f;
    fixture_init(&f);
    CLEANUP(transactor_free_scoped) struct transactor *t = claimed(&f);
    struct diag diag = {0};
    assert_int_equal(transactor_claim(t, in_time(), &diag), STATUS_UNAVAILABLE);
    assert_string_equal(diag.text, "it was claimed before");
    assert_int_equal(transactor_state(t), TRANSACTOR_READY);
}

static void a_claim_that_nobody_answers_in_time_can_be_made_again(void **state)
{
    (void)state;
    CLEANUP(fixture_done) struct fixture f;
    fixture_init(&f);
    CLEANUP(transactor_free_scoped) struct transactor *t = new_transactor(&f);
    struct diag diag = {0};
    mock_cluster_freeze(f.mock);
    assert_int_equal(transactor_claim(t, clock_mono_ms() + 200, &diag), STATUS_UNAVAILABLE);
    assert_int_equal(transactor_state(t), TRANSACTOR_UNCLAIMED);
    mock_cluster_thaw(f.mock);
    require(transactor_claim(t, in_time(), &diag), &diag);
    assert_int_equal(transactor_state(t), TRANSACTOR_READY);
}

static void a_claim_that_is_forbidden_is_called_so(void **state)
{
    (void)state;
    static const int errors[] = {RD_KAFKA_RESP_ERR_TRANSACTIONAL_ID_AUTHORIZATION_FAILED,
                                 RD_KAFKA_RESP_ERR_CLUSTER_AUTHORIZATION_FAILED};
    for (size_t i = 0; i < sizeof errors / sizeof errors[0]; i++) {
        CLEANUP(fixture_done) struct fixture f;
        fixture_init(&f);
        CLEANUP(transactor_free_scoped) struct transactor *t = new_transactor(&f);
        mock_cluster_fail_requests(f.mock, API_INIT_PRODUCER_ID, errors[i], 1);
        assert_int_equal(transactor_claim(t, in_time(), NULL), STATUS_INVALID);
        assert_int_equal(transactor_state(t), TRANSACTOR_LOST);
    }
}

/* How a transaction of one record ends when a broker answers so, once. */
static const struct {
    int api_key, err;
    enum status status;
    enum transactor_state state;
} ends[] = {
    /* the coordinator moves: asked again, it commits */
    {API_END_TXN, RD_KAFKA_RESP_ERR_COORDINATOR_NOT_AVAILABLE, STATUS_OK, TRANSACTOR_READY},
    /* somebody else has the id; older brokers say so by the epoch */
    {API_END_TXN, RD_KAFKA_RESP_ERR_PRODUCER_FENCED, STATUS_UNAVAILABLE, TRANSACTOR_FENCED},
    {API_END_TXN, RD_KAFKA_RESP_ERR_INVALID_PRODUCER_EPOCH, STATUS_UNAVAILABLE, TRANSACTOR_FENCED},
    /* the right was taken away meanwhile */
    {API_END_TXN, RD_KAFKA_RESP_ERR_TRANSACTIONAL_ID_AUTHORIZATION_FAILED, STATUS_INVALID,
     TRANSACTOR_LOST},
    /* the topic's max.message.bytes: that record's fault alone */
    {API_PRODUCE, RD_KAFKA_RESP_ERR_MSG_SIZE_TOO_LARGE, STATUS_INVALID, TRANSACTOR_READY},
    /* another time it may be taken */
    {API_PRODUCE, RD_KAFKA_RESP_ERR_TOPIC_AUTHORIZATION_FAILED, STATUS_UNAVAILABLE,
     TRANSACTOR_READY},
};

static void a_transaction_is_called_committed_only_when_it_was(void **state)
{
    (void)state;
    for (size_t i = 0; i < sizeof ends / sizeof ends[0]; i++) {
        CLEANUP(fixture_done) struct fixture f;
        fixture_init(&f);
        CLEANUP(transactor_free_scoped) struct transactor *t = claimed(&f);
        struct diag diag = {0};
        require(transactor_begin(t, &diag), &diag);
        mock_cluster_fail_requests(f.mock, ends[i].api_key, ends[i].err, 1);
        put(t, FIRST, 0, "k", "1"); /* is sent at once */
        enum status status = transactor_commit(t, in_time(), &diag);
        if (status != ends[i].status || transactor_state(t) != ends[i].state)
            fail_msg("row %zu: %s, state %d: %s", i, status_name(status), transactor_state(t),
                     diag.text);
        bool goes_on = ends[i].state == TRANSACTOR_READY;
        assert_int_equal(transactor_begin(t, &diag), goes_on ? STATUS_OK : STATUS_UNAVAILABLE);
        if (!goes_on)
            continue;
        put(t, SECOND, 0, "k", "2");
        require(transactor_commit(t, in_time(), &diag), &diag);
        assert_int_equal(mock_cluster_count(f.mock, SECOND, "2"), 1);
    }
}

static void a_commit_that_nobody_answers_in_time_is_called_neither(void **state)
{
    (void)state;
    CLEANUP(fixture_done) struct fixture f;
    fixture_init(&f);
    CLEANUP(transactor_free_scoped) struct transactor *t = claimed(&f);
    struct diag diag = {0};
    require(transactor_begin(t, &diag), &diag);
    put(t, FIRST, 0, "k", "1");
    mock_cluster_freeze(f.mock);
    assert_int_equal(transactor_commit(t, clock_mono_ms() + 200, &diag), STATUS_UNAVAILABLE);
    assert_string_equal(diag.text, "nobody knows whether it was committed");
    assert_int_equal(transactor_state(t), TRANSACTOR_LOST);
    assert_int_equal(transactor_begin(t, NULL), STATUS_UNAVAILABLE);
    mock_cluster_thaw(f.mock);
}

static void a_topic_is_looked_at_without_a_claim(void **state)
{
    (void)state;
    CLEANUP(fixture_done) struct fixture f;
    fixture_init(&f);
    CLEANUP(transactor_free_scoped) struct transactor *t = new_transactor(&f);
    struct diag diag = {0};
    int32_t partitions = 0;
    require(transactor_look(t, FIRST, in_time(), &partitions, &diag), &diag);
    assert_int_equal(partitions, 2);
    mock_cluster_freeze(f.mock);
    assert_int_equal(transactor_look(t, SECOND, clock_mono_ms() + 200, &partitions, NULL),
                     STATUS_UNAVAILABLE);
    mock_cluster_thaw(f.mock);
}

static void a_reader_waits_for_brokers_that_are_mute_and_ends_where_the_topic_ended(void **state)
{
    (void)state;
    CLEANUP(fixture_done) struct fixture f;
    fixture_init(&f);
    CLEANUP(transactor_free_scoped) struct transactor *t = claimed(&f);
    CLEANUP(topic_reader_free_scoped) struct topic_reader *r = NULL;
    const struct topic_reader_record *rec = NULL;
    struct diag diag = {0};
    require(transactor_begin(t, &diag), &diag);
    put(t, FIRST, 1, "k", "1");
    require(transactor_commit(t, in_time(), &diag), &diag);
    require(topic_reader_new(&f.cluster, FIRST, in_time(), &r, &diag), &diag);
    assert_true(topic_reader_beginning(r, 0) == 0);
    assert_true(topic_reader_beginning(r, 2) == INT64_MAX);
    /* What comes now is left to the next reader. */
    require(transactor_begin(t, &diag), &diag);
    put(t, FIRST, 0, "k", "2");
    put(t, FIRST, 1, "k", "2");
    require(transactor_commit(t, in_time(), &diag), &diag);

    mock_cluster_freeze(f.mock);
    assert_int_equal(topic_reader_next(r, clock_mono_ms() + 200, &rec, &diag), STATUS_BUSY);
    assert_null(rec);
    mock_cluster_thaw(f.mock);
    require(topic_reader_next(r, in_time(), &rec, &diag), &diag);
    assert_int_equal(rec->partition, 1);
    assert_int_equal(rec->offset, 0);
    require(topic_reader_next(r, in_time(), &rec, &diag), &diag);
    assert_null(rec);
    require(topic_reader_next(r, in_time(), &rec, &diag), &diag);
    assert_null(rec);
}

static void a_reader_whose_brokers_are_mute_is_not_made(void **state)
{
    (void)state;
    CLEANUP(fixture_done) struct fixture f;
    fixture_init(&f);
    struct topic_reader *r = NULL;
    struct diag diag = {0};
    mock_cluster_freeze(f.mock);
    int64_t started = clock_mono_ms();
    assert_int_equal(topic_reader_new(&f.cluster, FIRST, started + 300, &r, &diag),
                     STATUS_UNAVAILABLE);
    assert_true(clock_mono_ms() - started < 5000);
    assert_string_equal(diag.text, FIRST ": the brokers do not answer");
    assert_null(r);
    mock_cluster_thaw(f.mock);
}

static void without_memory_nothing_is_made(void **state)
{
    (void)state;
    CLEANUP(fixture_done) struct fixture f;
    fixture_init(&f);
    bool failed = true;
    for (long n = 0; failed; n++) {
        struct transactor *t = NULL;
        alloc_fail_at(n);
        enum status status = transactor_new(&f.cluster, "test", &t, NULL);
        failed = alloc_fail_end();
        assert_int_equal(status, failed ? STATUS_NOMEM : STATUS_OK);
        transactor_free(t);
    }
    failed = true;
    for (long n = 0; failed; n++) {
        struct topic_reader *r = NULL;
        alloc_fail_at(n);
        enum status status = topic_reader_new(&f.cluster, FIRST, in_time(), &r, NULL);
        failed = alloc_fail_end();
        assert_int_equal(status, failed ? STATUS_NOMEM : STATUS_OK);
        topic_reader_free(r);
    }
}

int main(int argc, char **argv)
{
    mock_cluster_main_if_asked(argc, argv);
    log_set_level(LOG_ERROR); /* librdkafka's warnings, from its threads, would take memory, too */
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(what_is_committed_to_several_topics_is_read_back_whole),
        cmocka_unit_test(a_key_meets_the_partition_that_java_chooses),
        cmocka_unit_test(a_record_that_can_never_be_taken_ends_its_transaction_only),
        cmocka_unit_test(nothing_is_begun_before_the_claim),
        cmocka_unit_test(a_claim_is_made_once),
        cmocka_unit_test(a_claim_that_nobody_answers_in_time_can_be_made_again),
        cmocka_unit_test(a_claim_that_is_forbidden_is_called_so),
        cmocka_unit_test(a_transaction_is_called_committed_only_when_it_was),
        cmocka_unit_test(a_commit_that_nobody_answers_in_time_is_called_neither),
        cmocka_unit_test(a_topic_is_looked_at_without_a_claim),
        cmocka_unit_test(a_reader_waits_for_brokers_that_are_mute_and_ends_where_the_topic_ended),
        cmocka_unit_test(a_reader_whose_brokers_are_mute_is_not_made),
        cmocka_unit_test(without_memory_nothing_is_made),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
