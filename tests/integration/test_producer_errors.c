/* The ambiguity table (bridge/kafka/errors.h) over the mock cluster: every error that a broker can
 * answer a produce with, once and for ever, and the client's own; what the publisher is told, what
 * is counted, and what is in Kafka.
 *
 * Whatever the error, three things hold (check_end()):
 *  1. Who is told "durable" has his record in Kafka, in its topic or among the dead letters.
 *  2. Each record is counted once: acked, failed or ambiguous.
 *  3. What is counted as failed is not in Kafka.
 */
#include <librdkafka/rdkafka.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#include "bridge/base/clock.h"
#include "bridge/base/log.h"
#include "bridge/kafka/errors.h"
#include "tests/integration/producer_fixture.h"

/* More than the client can use up before the deadline: an error for ever. */
#define FOR_EVER 1000

/* Of the callback and of the client's own patience: what lasts for ever is over soon, and what does
 * not has time on the slowest machine. */
#define DEADLINE_MS 400
#define PATIENCE_MS 20000

/* Of two brokers, which lead in turn: by murmur2 these are in the partitions 0 and 1 of four. */
#define KEY_OF_BROKER_1 "a"
#define PARTITION_OF_BROKER_1 0
#define KEY_OF_BROKER_2 "d"

/* More than the client makes of one record within this test. */
#define ATTEMPTS_MAX 100

struct counts {
    uint64_t acked;
    uint64_t failed;
    uint64_t ambiguous;
};

static uint64_t count_of(struct fixture *f, const char *topic, const char *result)
{
    return counter_value(metrics_counter(
        f->metrics, "maesn_bridge_kafka_messages_total",
        "Records by the result of their delivery report; ambiguous: maybe stored nevertheless.",
        (const struct metric_label[]){{"topic", topic}, {"result", result}}, 2));
}

/* Of both topics: a dead letter counts where it goes. */
static struct counts counts_of(struct fixture *f)
{
    struct counts counts = {0};
    static const char *const topics[] = {TOPIC, DEAD_LETTERS};
    for (size_t i = 0; i < 2; i++) {
        counts.acked += count_of(f, topics[i], "acked");
        counts.failed += count_of(f, topics[i], "failed");
        counts.ambiguous += count_of(f, topics[i], "ambiguous");
    }
    return counts;
}

static void start(struct fixture *f, int64_t deadline_ms)
{
    fixture_init(f, 1);
    log_set_level(LOG_ERROR);
    f->options.deadline_ms = deadline_ms;
    fixture_start(f);
}

struct end {
    enum status status; /* what the publisher was told */
    struct counts counts;
    unsigned in_topic;
    unsigned in_dead_letters;
};

static void check_end(const char *what, const struct end *end)
{
    unsigned stored = end->in_topic + end->in_dead_letters;
    if (end->status == STATUS_OK && stored == 0)
        fail_msg("%s: it was told durable, and is not there", what);
    if (end->counts.acked + end->counts.failed + end->counts.ambiguous != 1)
        fail_msg("%s: counted acked %u, failed %u, ambiguous %u", what, (unsigned)end->counts.acked,
                 (unsigned)end->counts.failed, (unsigned)end->counts.ambiguous);
    if ((end->status == STATUS_OK) != (end->counts.acked == 1))
        fail_msg("%s: told %s, counted otherwise", what, status_name(end->status));
    if (end->counts.failed == 1 && stored > 0)
        fail_msg("%s: counted as failed, and yet it is there", what);
}

/* One record, with so many produce requests answered with the error. */
static struct end publish_through(rd_kafka_resp_err_t err, int times)
{
    struct fixture f;
    start(&f, times == FOR_EVER ? DEADLINE_MS : PATIENCE_MS);
    mock_cluster_fail_produce(f.cluster, (int)err, times);
    struct outcome *o = fixture_publish(&f, "k", "record", 1);
    assert_int_equal(o->accepted, STATUS_OK);
    struct end end = {.status = outcome_wait(o, 2 * PATIENCE_MS)};
    outcome_free(o);
    end.counts = counts_of(&f);
    end.in_topic = mock_cluster_count(f.cluster, TOPIC, "record");
    end.in_dead_letters = mock_cluster_count(f.cluster, DEAD_LETTERS, "record");
    fixture_done(&f);
    check_end(rd_kafka_err2name(err), &end);
    return end;
}

/* What a broker can answer, or the client can make of an answer; not what only its own functions
 * return. */
static bool can_be_answered(const struct errors_row *row)
{
    return row->err > 0 || row->err == RD_KAFKA_RESP_ERR_UNKNOWN;
}

/* Whether librdkafka repeats the request by itself after this answer.
 * Source: rdkafka_request.c, rd_kafka_handle_Produce_error() and rd_kafka_err_action(), 2.0.2. */
static bool is_repeated(rd_kafka_resp_err_t err)
{
    switch (err) {
    case RD_KAFKA_RESP_ERR_UNKNOWN_TOPIC_OR_PART:
    case RD_KAFKA_RESP_ERR_LEADER_NOT_AVAILABLE:
    case RD_KAFKA_RESP_ERR_NOT_LEADER_FOR_PARTITION:
    case RD_KAFKA_RESP_ERR_REQUEST_TIMED_OUT:
    case RD_KAFKA_RESP_ERR_BROKER_NOT_AVAILABLE:
    case RD_KAFKA_RESP_ERR_REPLICA_NOT_AVAILABLE:
    case RD_KAFKA_RESP_ERR_NOT_ENOUGH_REPLICAS:
    case RD_KAFKA_RESP_ERR_NOT_ENOUGH_REPLICAS_AFTER_APPEND:
    case RD_KAFKA_RESP_ERR_KAFKA_STORAGE_ERROR:
        return true;
    case RD_KAFKA_RESP_ERR_INVALID_MSG: /* 2.8.0 does, 2.0.2 does not (measured) */
        return rd_kafka_version() >= 0x020800ff;
    default:
        return false;
    }
}

static void expect(const struct errors_row *row, const struct end *end)
{
    const char *name = rd_kafka_err2name(row->err);
    enum status status = row->verdict == VERDICT_OPERATOR ? STATUS_REFUSED : STATUS_UNAVAILABLE;
    if (end->status != status)
        fail_msg("%s: told %s instead of %s", name, status_name(end->status), status_name(status));
    if ((end->counts.ambiguous == 1) != row->may_be_stored)
        fail_msg("%s: %s as ambiguous", name, row->may_be_stored ? "not counted" : "counted");
}

static void an_answer_with_an_error_ends_as_the_table_says(void **state)
{
    (void)state;
    size_t len;
    size_t seen = 0;
    const struct errors_row *rows = errors_rows(&len);
    for (size_t i = 0; i < len; i++) {
        if (!can_be_answered(&rows[i]) || is_repeated(rows[i].err) ||
            rows[i].verdict == VERDICT_REFUSED)
            continue;
        struct end end = publish_through(rows[i].err, 1);
        expect(&rows[i], &end);
        assert_int_equal(end.in_topic + end.in_dead_letters, 0);
        seen++;
    }
    assert_in_range(seen, 30, 60);
}

static void what_the_client_repeats_by_itself_is_durable_when_it_passes(void **state)
{
    (void)state;
    size_t len;
    const struct errors_row *rows = errors_rows(&len);
    for (size_t i = 0; i < len; i++) {
        if (!can_be_answered(&rows[i]) || !is_repeated(rows[i].err))
            continue;
        struct end end = publish_through(rows[i].err, 1);
        if (end.status != STATUS_OK || end.in_topic != 1)
            fail_msg("%s: told %s, %u times there", rd_kafka_err2name(rows[i].err),
                     status_name(end.status), end.in_topic);
    }
}

static void what_the_client_repeats_in_vain_is_not_durable(void **state)
{
    (void)state;
    size_t len;
    const struct errors_row *rows = errors_rows(&len);
    for (size_t i = 0; i < len; i++) {
        if (!can_be_answered(&rows[i]) || !is_repeated(rows[i].err))
            continue;
        struct end end = publish_through(rows[i].err, FOR_EVER);
        if (end.status == STATUS_OK || end.in_topic != 0)
            fail_msg("%s: told %s, %u times there", rd_kafka_err2name(rows[i].err),
                     status_name(end.status), end.in_topic);
    }
}

static void what_is_refused_for_its_content_is_a_dead_letter_or_nothing(void **state)
{
    (void)state;
    size_t len;
    const struct errors_row *rows = errors_rows(&len);
    for (size_t i = 0; i < len; i++) {
        if (rows[i].verdict != VERDICT_REFUSED)
            continue;
        /* once: the batch may be to blame, and the record goes again alone */
        struct end end = publish_through(rows[i].err, 1);
        assert_int_equal(end.status, STATUS_OK);
        assert_int_equal(end.in_topic, 1);
        /* alone, too: its dead letter */
        end = publish_through(rows[i].err, 2);
        assert_int_equal(end.status, STATUS_OK);
        assert_int_equal(end.in_topic, 0);
        assert_int_equal(end.in_dead_letters, 1);
        /* and that one as well */
        end = publish_through(rows[i].err, FOR_EVER);
        assert_int_equal(end.status, STATUS_UNAVAILABLE);
        assert_int_equal(end.counts.failed, 1);
        assert_int_equal(end.in_topic + end.in_dead_letters, 0);
    }
}

/* What brokers answer to other requests, or will only answer in a version to come. */
static void an_answer_nobody_knows_is_ambiguous(void **state)
{
    (void)state;
    static const int unknown[] = {RD_KAFKA_RESP_ERR_ILLEGAL_GENERATION, 250, 9999};
    for (size_t i = 0; i < sizeof unknown / sizeof unknown[0]; i++) {
        struct end end = publish_through((rd_kafka_resp_err_t)unknown[i], 1);
        assert_int_equal(end.status, STATUS_UNAVAILABLE);
        assert_int_equal(end.counts.ambiguous, 1);
    }
}

static void a_connection_cut_instead_of_an_answer_is_durable_when_it_is_back(void **state)
{
    (void)state;
    struct end end = publish_through(RD_KAFKA_RESP_ERR__TRANSPORT, 1);
    assert_int_equal(end.status, STATUS_OK);
    end = publish_through(RD_KAFKA_RESP_ERR__TRANSPORT, FOR_EVER);
    assert_int_equal(end.status, STATUS_UNAVAILABLE);
}

/* The broker has stored it and says so too late. */
static void an_answer_that_is_late_is_ambiguous_and_the_record_is_there(void **state)
{
    (void)state;
    struct fixture f;
    start(&f, 3000); /* it has to be sent within this time */
    mock_cluster_delay_produce(f.cluster, 1, 60000);
    struct outcome *o = fixture_publish(&f, "k", "late", 1);
    struct end end = {.status = outcome_wait(o, PATIENCE_MS)};
    outcome_free(o);
    assert_int_equal(end.status, STATUS_UNAVAILABLE);
    end.counts = counts_of(&f);
    end.in_topic = mock_cluster_count(f.cluster, TOPIC, "late");
    assert_int_equal(end.counts.ambiguous, 1);
    check_end("a late answer", &end);
    fixture_done(&f);
}

/* The broker is gone before anything is sent. */
static void what_was_never_sent_is_failed_and_not_there(void **state)
{
    (void)state;
    struct fixture f;
    start(&f, DEADLINE_MS);
    mock_cluster_set_down(f.cluster, 1, true);
    struct outcome *o = fixture_publish(&f, "k", "unsent", 1);
    struct end end = {.status = o->accepted};
    bool was_taken = o->accepted == STATUS_OK;
    if (was_taken)
        end.status = outcome_wait(o, 10000);
    outcome_free(o);
    assert_int_equal(end.status, STATUS_UNAVAILABLE);
    mock_cluster_set_down(f.cluster, 1, false);
    end.counts = counts_of(&f);
    end.in_topic = mock_cluster_count(f.cluster, TOPIC, "unsent");
    if (was_taken)
        check_end("a record that was never sent", &end);
    assert_int_equal(end.counts.ambiguous, 0);
    assert_int_equal(end.in_topic, 0);
    fixture_done(&f);
}

struct search {
    struct fixture *f;
    const char *value;
};

static bool is_stored(void *ctx)
{
    const struct search *search = ctx;
    return mock_cluster_count_in(search->f->cluster, TOPIC, PARTITION_OF_BROKER_1, search->value) >
           0;
}

/* Both kinds of purge: what was sent may be stored, what was not is not. Broker 1 never answers,
 * not even to what is sent again when librdkafka has lost patience with it; broker 2 was never
 * there. */
static void at_the_stop_what_was_sent_is_ambiguous_and_what_was_not_is_failed(void **state)
{
    (void)state;
    struct fixture f;
    fixture_init(&f, 2);
    log_set_level(LOG_ERROR);
    f.options.deadline_ms = 20000; /* nobody's patience but the stop's ends it */
    mock_cluster_set_down(f.cluster, 2, true);
    fixture_start(&f);
    for (int i = 0; i < ATTEMPTS_MAX; i++)
        mock_cluster_delay_produce(f.cluster, 1, 60000);
    struct outcome *sent = fixture_publish(&f, KEY_OF_BROKER_1, "sent", 1);
    assert_true(eventually(is_stored, &(struct search){&f, "sent"}, 10000));
    struct outcome *unsent = fixture_publish(&f, KEY_OF_BROKER_2, "unsent", 1);
    assert_int_equal(producer_stop(f.producer, clock_mono_ms()), 2);
    assert_int_equal(outcome_wait(sent, 1000), STATUS_UNAVAILABLE);
    assert_int_equal(outcome_wait(unsent, 1000), STATUS_UNAVAILABLE);
    outcome_free(sent);
    outcome_free(unsent);
    struct counts counts = counts_of(&f);
    assert_int_equal(counts.ambiguous, 1);
    assert_int_equal(counts.failed, 1);
    assert_int_equal(counts.acked, 0);
    producer_free(f.producer);
    f.producer = NULL;
    mock_cluster_set_down(f.cluster, 2, false);
    assert_in_range(mock_cluster_count(f.cluster, TOPIC, "sent"), 1, ATTEMPTS_MAX);
    assert_int_equal(mock_cluster_count(f.cluster, TOPIC, "unsent"), 0);
    fixture_done(&f);
}

int main(int argc, char **argv)
{
    mock_cluster_main_if_asked(argc, argv);
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(an_answer_with_an_error_ends_as_the_table_says),
        cmocka_unit_test(what_the_client_repeats_by_itself_is_durable_when_it_passes),
        cmocka_unit_test(what_the_client_repeats_in_vain_is_not_durable),
        cmocka_unit_test(what_is_refused_for_its_content_is_a_dead_letter_or_nothing),
        cmocka_unit_test(an_answer_nobody_knows_is_ambiguous),
        cmocka_unit_test(a_connection_cut_instead_of_an_answer_is_durable_when_it_is_back),
        cmocka_unit_test(an_answer_that_is_late_is_ambiguous_and_the_record_is_there),
        cmocka_unit_test(what_was_never_sent_is_failed_and_not_there),
        cmocka_unit_test(at_the_stop_what_was_sent_is_ambiguous_and_what_was_not_is_failed),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
