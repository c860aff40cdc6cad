/* The reader of what comes from now on, against librdkafka's mock cluster. */
#include "bridge/kafka/topic_tail.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdlib.h>

#include <cmocka.h>
#include <librdkafka/rdkafka.h>

#include "bridge/base/clock.h"
#include "bridge/base/log.h"
#include "bridge/domain/murmur2.h"
#include "tests/support/mock_cluster.h"

#define TOPIC "maesn.probe"
#define PARTITIONS 4
#define KEY "PROBE:probe"

/* How long anything may take that is expected to happen. */
#define PATIENCE_MS 20000

struct fixture {
    struct mock_cluster *mock;
    struct cluster cluster;
    rd_kafka_t *producer;
    struct topic_tail *tail;
    struct diag diag;
};

static int set_up(void **state)
{
    struct fixture *f = calloc(1, sizeof(*f));
    char why[256];
    assert_non_null(f);
    log_set_level(LOG_ERROR);
    f->mock = mock_cluster_new(1);
    mock_cluster_create_topic(f->mock, TOPIC, PARTITIONS);
    f->cluster = (struct cluster){.brokers = mock_cluster_bootstrap(f->mock),
                                  .sasl_password_file = "",
                                  .key_password_file = ""};
    rd_kafka_conf_t *conf = rd_kafka_conf_new();
    rd_kafka_conf_set(conf, "bootstrap.servers", f->cluster.brokers, why, sizeof(why));
    rd_kafka_conf_set(conf, "linger.ms", "0", why, sizeof(why));
    f->producer = rd_kafka_new(RD_KAFKA_PRODUCER, conf, why, sizeof(why));
    assert_non_null(f->producer);
    assert_int_equal(topic_tail_new(&f->cluster, TOPIC, BYTES_LITERAL(KEY), &f->tail, &f->diag),
                     STATUS_OK);
    *state = f;
    return 0;
}

static int tear_down(void **state)
{
    struct fixture *f = *state;
    topic_tail_free(f->tail);
    rd_kafka_destroy(f->producer);
    mock_cluster_free(f->mock);
    free(f);
    return 0;
}

static int32_t partition_of_key(void)
{
    return murmur2_partition(BYTES_LITERAL(KEY), PARTITIONS);
}

static void produce(struct fixture *f, int32_t partition, const char *value)
{
    assert_int_equal(
        rd_kafka_producev(f->producer, RD_KAFKA_V_TOPIC(TOPIC), RD_KAFKA_V_PARTITION(partition),
                          RD_KAFKA_V_KEY(KEY, strlen(KEY)),
                          RD_KAFKA_V_VALUE((char *)value, strlen(value)),
                          RD_KAFKA_V_HEADER("ce_id", value, strlen(value)), RD_KAFKA_V_END),
        RD_KAFKA_RESP_ERR_NO_ERROR);
    assert_int_equal(rd_kafka_flush(f->producer, PATIENCE_MS), RD_KAFKA_RESP_ERR_NO_ERROR);
}

static void begin(struct fixture *f)
{
    assert_int_equal(topic_tail_partition(f->tail), -1);
    if (topic_tail_begin(f->tail, clock_mono_ms() + PATIENCE_MS, &f->diag) != STATUS_OK)
        fail_msg("%s", f->diag.text);
    assert_int_equal(topic_tail_partition(f->tail), partition_of_key());
}

static const struct topic_tail_record *next(struct fixture *f)
{
    const struct topic_tail_record *found = NULL;
    if (topic_tail_next(f->tail, clock_mono_ms() + PATIENCE_MS, &found, &f->diag) != STATUS_OK)
        fail_msg("%s", f->diag.text);
    return found;
}

static void only_what_comes_to_the_keys_partition_from_now_on_is_handed_out(void **state)
{
    struct fixture *f = *state;
    produce(f, partition_of_key(), "before");
    begin(f);
    int64_t now_unix_ms = clock_unix_ms();
    produce(f, (partition_of_key() + 1) % PARTITIONS, "elsewhere");
    produce(f, partition_of_key(), "one");
    produce(f, partition_of_key(), "two");
    const struct topic_tail_record *found = next(f);
    assert_int_equal(found->offset, 1);
    assert_in_range(found->timestamp_unix_ms, now_unix_ms, now_unix_ms + PATIENCE_MS);
    assert_string_equal(found->record.topic, TOPIC);
    assert_true(bytes_equal(found->record.key, BYTES_LITERAL(KEY)));
    assert_true(bytes_equal(found->record.value, BYTES_LITERAL("one")));
    assert_true(bytes_equal(record_header(&found->record, "ce_id"), BYTES_LITERAL("one")));
    assert_true(bytes_equal(next(f)->record.value, BYTES_LITERAL("two")));
}

static void nothing_is_waited_for_no_longer_than_until_the_instant(void **state)
{
    struct fixture *f = *state;
    const struct topic_tail_record *found;
    begin(f);
    int64_t began = clock_mono_ms();
    assert_int_equal(topic_tail_next(f->tail, began + 300, &found, &f->diag), STATUS_BUSY);
    assert_in_range(clock_mono_ms() - began, 250, 2000);
    produce(f, partition_of_key(), "late");
    assert_true(bytes_equal(next(f)->record.value, BYTES_LITERAL("late")));
}

static void it_begins_when_a_broker_that_was_away_is_back(void **state)
{
    struct fixture *f = *state;
    mock_cluster_set_down(f->mock, 1, true);
    int64_t began = clock_mono_ms();
    assert_int_equal(topic_tail_begin(f->tail, began + 500, &f->diag), STATUS_BUSY);
    assert_in_range(clock_mono_ms() - began, 450, 3000);
    while (topic_tail_trouble(f->tail)[0] == '\0' && clock_mono_ms() < began + PATIENCE_MS)
        assert_int_equal(topic_tail_begin(f->tail, clock_mono_ms() + 100, &f->diag), STATUS_BUSY);
    assert_non_null(strstr(topic_tail_trouble(f->tail), "127.0.0.1"));
    mock_cluster_set_down(f->mock, 1, false);
    begin(f);
    produce(f, partition_of_key(), "one");
    assert_true(bytes_equal(next(f)->record.value, BYTES_LITERAL("one")));
}

int main(int argc, char **argv)
{
    mock_cluster_main_if_asked(argc, argv);
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(
            only_what_comes_to_the_keys_partition_from_now_on_is_handed_out, set_up, tear_down),
        cmocka_unit_test_setup_teardown(nothing_is_waited_for_no_longer_than_until_the_instant,
                                        set_up, tear_down),
        cmocka_unit_test_setup_teardown(it_begins_when_a_broker_that_was_away_is_back, set_up,
                                        tear_down),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
