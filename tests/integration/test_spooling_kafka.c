/* The spool in front of the producer, over librdkafka's mock cluster. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>
#include <librdkafka/rdkafka.h>

#include "bridge/base/clock.h"
#include "bridge/spool/spooling.h"
#include "tests/integration/producer_fixture.h"
#include "tests/support/spool_fixture.h"

/* So few of a key in a page are delivered one by one. */
#define FEW 8

struct whole {
    struct fixture kafka;
    struct spooling *spooling;
    char directory[64];
};

static void whole_init(struct whole *w)
{
    *w = (struct whole){0};
    fixture_init(&w->kafka, 1);
    w->kafka.options.stall_ms = 1500;
    w->kafka.options.linger_ms = 0; /* a request for nearly every record */
    fixture_start(&w->kafka);
    spool_fixture_make_directory(w->directory);
}

static void whole_open(struct whole *w)
{
    const struct spooling_options opt = {.directory = w->directory,
                                         .max_bytes = 64 << 20,
                                         .deadline_ms = 2500,
                                         .inner = producer_sink(w->kafka.producer),
                                         .metrics = w->kafka.metrics};
    struct diag diag = {0};
    if (spooling_new(&opt, &w->spooling, &diag) != STATUS_OK)
        fail_msg("%s", diag.text);
}

static void whole_done(struct whole *w)
{
    spooling_stop(w->spooling);
    (void)producer_stop(w->kafka.producer, clock_mono_ms() + 5000);
    spooling_free(w->spooling);
    spool_fixture_remove_directory(w->directory);
    fixture_done(&w->kafka);
}

/* What a former process left. */
static void leave_in_spool(struct whole *w, const char *name, size_t records)
{
    struct test_wait wait;
    struct metrics *metrics;
    test_wait_init(&wait);
    assert_int_equal(metrics_new(&metrics), STATUS_OK);
    struct spool *s = test_spool_open(w->directory, 0, metrics, &wait);
    assert_int_equal(test_put(s, &wait, name, records, 10), SPOOL_STORED);
    spool_close(s);
    metrics_free(metrics);
}

static bool is_drained(void *ctx)
{
    struct whole *w = ctx;
    char engaged[32], records[32];
    (void)test_metric(w->kafka.metrics, "maesn_bridge_spool_engaged", engaged);
    (void)test_metric(w->kafka.metrics, "maesn_bridge_spool_records", records);
    return strcmp(engaged, "0") == 0 && strcmp(records, "0") == 0;
}

static unsigned lines(const char *text)
{
    unsigned count = 0;
    for (; *text != '\0'; text++)
        count += *text == '\n';
    return count;
}

/* How many records came to Kafka behind a later one. */
static unsigned overtaken(const char *dump, const char *name, unsigned records)
{
    unsigned count = 0, latest = 0;
    bool *seen = calloc(records, sizeof(*seen));
    assert_non_null(seen);
    size_t len = strlen(name);
    for (const char *line = dump; *line != '\0'; line = strchr(line, '\n') + 1) {
        const char *value = strstr(line, name);
        assert_non_null(value);
        unsigned n = (unsigned)(value[len + 1] - '0'); /* there are FEW */
        assert_true(n < records);
        count += !seen[n] && n < latest;
        seen[n] = true;
        latest = n > latest ? n : latest;
    }
    for (unsigned n = 0; n < records; n++)
        assert_true(seen[n]);
    free(seen);
    return count;
}

/* As after a broker's return, when its followers are not in sync yet. */
static void
what_a_broker_refuses_for_now_is_not_overtaken_by_what_is_drained_behind_it(void **state)
{
    (void)state;
    struct whole w;
    whole_init(&w);
    leave_in_spool(&w, "left", FEW);
    mock_cluster_set_rtt(w.kafka.cluster, 1, 20);
    for (int i = 0; i < 20; i++) {
        mock_cluster_fail_produce(w.kafka.cluster, RD_KAFKA_RESP_ERR_NOT_ENOUGH_REPLICAS, 1);
        mock_cluster_fail_produce(w.kafka.cluster, RD_KAFKA_RESP_ERR_NO_ERROR, 2);
    }
    whole_open(&w);
    assert_true(eventually(is_drained, &w, 20000));
    char *dump = mock_cluster_dump(w.kafka.cluster, TOPIC);
    assert_int_equal(lines(dump), FEW);
    assert_int_equal(overtaken(dump, "left", FEW), 0);
    free(dump);
    whole_done(&w);
}

static void what_a_former_process_left_is_delivered(void **state)
{
    (void)state;
    struct whole w;
    whole_init(&w);
    leave_in_spool(&w, "left", 300);
    whole_open(&w);
    assert_true(eventually(is_drained, &w, 20000));
    char *dump = mock_cluster_dump(w.kafka.cluster, TOPIC);
    assert_int_equal(lines(dump), 300);
    free(dump);
    whole_done(&w);
}

static void a_record_from_the_spool_that_is_refused_for_good_becomes_its_dead_letter(void **state)
{
    (void)state;
    struct whole w;
    whole_init(&w);
    leave_in_spool(&w, "refused", 1);
    /* Once, and once more when it is sent alone. */
    mock_cluster_fail_produce(w.kafka.cluster, RD_KAFKA_RESP_ERR_INVALID_RECORD, 2);
    whole_open(&w);
    assert_true(eventually(is_drained, &w, 20000));
    char *dump = mock_cluster_dump(w.kafka.cluster, DEAD_LETTERS);
    assert_int_equal(lines(dump), 1);
    free(dump);
    dump = mock_cluster_dump(w.kafka.cluster, TOPIC);
    assert_int_equal(lines(dump), 0);
    free(dump);
    whole_done(&w);
}

static void a_record_from_the_spool_stays_until_its_permission_is_there(void **state)
{
    (void)state;
    struct whole w;
    whole_init(&w);
    leave_in_spool(&w, "forbidden", 3);
    mock_cluster_fail_produce(w.kafka.cluster, RD_KAFKA_RESP_ERR_TOPIC_AUTHORIZATION_FAILED, 3);
    whole_open(&w);
    assert_true(eventually(is_drained, &w, 20000));
    char *dump = mock_cluster_dump(w.kafka.cluster, TOPIC);
    assert_int_equal(lines(dump), 3);
    free(dump);
    whole_done(&w);
}

static void a_callback_that_is_not_acknowledged_in_time_is_answered_from_the_spool(void **state)
{
    (void)state;
    struct whole w;
    whole_init(&w);
    whole_open(&w);
    mock_cluster_freeze(w.kafka.cluster);
    struct outcome *first = fixture_publish_to(spooling_sink(w.spooling), "k", "first");
    assert_int_equal(outcome_wait(first, 2400), STATUS_OK);
    int64_t waited = first->done_at_mono_ms - first->published_at_mono_ms;
    assert_true(waited >= 1450 && waited < 2400);
    /* From now on they need not wait for Kafka. */
    struct outcome *second = fixture_publish_to(spooling_sink(w.spooling), "k", "second");
    assert_int_equal(outcome_wait(second, 1000), STATUS_OK);
    mock_cluster_thaw(w.kafka.cluster);
    assert_true(eventually(is_drained, &w, 20000));
    assert_true(mock_cluster_count(w.kafka.cluster, TOPIC, "first") >= 1);
    assert_int_equal(mock_cluster_count(w.kafka.cluster, TOPIC, "second"), 1);
    struct outcome *third = fixture_publish_to(spooling_sink(w.spooling), "k", "third");
    assert_int_equal(outcome_wait(third, 1400), STATUS_OK); /* by Kafka itself */
    assert_int_equal(mock_cluster_count(w.kafka.cluster, TOPIC, "third"), 1);
    whole_done(&w);
    outcome_free(first);
    outcome_free(second);
    outcome_free(third);
}

int main(int argc, char **argv)
{
    mock_cluster_main_if_asked(argc, argv);
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(what_a_former_process_left_is_delivered),
        cmocka_unit_test(
            what_a_broker_refuses_for_now_is_not_overtaken_by_what_is_drained_behind_it),
        cmocka_unit_test(a_record_from_the_spool_that_is_refused_for_good_becomes_its_dead_letter),
        cmocka_unit_test(a_record_from_the_spool_stays_until_its_permission_is_there),
        cmocka_unit_test(a_callback_that_is_not_acknowledged_in_time_is_answered_from_the_spool),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
