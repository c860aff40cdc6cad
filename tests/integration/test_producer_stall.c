/* The producer while brokers are mute, gone, or moved: who is told what, and what is in Kafka in
 * the end. */
#include <librdkafka/rdkafka.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include <cmocka.h>

#include "bridge/base/clock.h"
#include "bridge/kafka/instance.h"
#include "bridge/kafka/lane.h"
#include "tests/integration/producer_fixture.h"

#define BURST 400
#define TO_AND_FRO 60

static void wait_ms(int64_t ms)
{
    nanosleep(&(const struct timespec){ms / 1000, ms % 1000 * 1000000}, NULL);
}

static void assert_durable(struct fixture *f, const char *key, const char *value)
{
    struct outcome *o = fixture_publish(f, key, value, 1);
    assert_int_equal(outcome_wait(o, 5000), STATUS_OK);
    outcome_free(o);
}

/* Publishes until it is acknowledged again; each attempt waits for its end. Returns how long it
 * took. */
static int64_t ms_until_durable(struct fixture *f, const char *key)
{
    int64_t start = clock_mono_ms();
    for (;;) {
        struct outcome *o = fixture_publish(f, key, "again", 1);
        bool is_durable = o->accepted == STATUS_OK && outcome_wait(o, 5000) == STATUS_OK;
        outcome_free(o);
        int64_t took = clock_mono_ms() - start;
        if (is_durable || took > 20000)
            return took;
        wait_ms(5);
    }
}

/* What the ingress does at the deadline. */
static void abandon_all(struct outcome *const outcomes[], size_t len)
{
    for (size_t i = 0; i < len; i++)
        publication_abandon(&outcomes[i]->pub);
}

static bool is_healthy(void *ctx)
{
    struct fixture *f = ctx;
    return producer_is_healthy(f->producer, &(struct diag){0});
}

static bool is_unhealthy(void *ctx)
{
    return !is_healthy(ctx);
}

static void
of_what_a_frozen_broker_left_unacknowledged_only_what_was_on_the_wire_arrives(void **state)
{
    (void)state;
    struct fixture f;
    fixture_init(&f, 1);
    fixture_start(&f);
    for (int i = 0; i < 4; i++)
        assert_durable(&f, (const char *[]){"a", "b", "c", "d"}[i], "before");
    mock_cluster_freeze(f.cluster);

    /* A callback every few milliseconds, in all partitions, until long after the pause. */
    static struct outcome *outcomes[BURST];
    size_t refused_at_once = 0;
    for (int i = 0; i < BURST; i++) {
        char key[16];
        char value[32];
        snprintf(key, sizeof key, "key-%d", i % 16);
        snprintf(value, sizeof value, "frozen-%d", i);
        outcomes[i] = fixture_publish(&f, key, value, 1);
        refused_at_once += outcomes[i]->accepted != STATUS_OK;
        wait_ms(8);
    }
    assert_true(refused_at_once > 0);
    wait_ms(2500);
    abandon_all(outcomes, BURST);
    assert_false(producer_is_healthy(f.producer, &(struct diag){0}));

    mock_cluster_thaw(f.cluster);
    assert_in_range(ms_until_durable(&f, "a"), 0, 2000);
    char *dump = mock_cluster_dump(f.cluster, TOPIC);
    unsigned arrived = 0;
    for (int i = 0; i < BURST; i++) {
        char line[48];
        snprintf(line, sizeof line, " frozen-%d\n", i);
        const char *found = strstr(dump, line);
        arrived += found != NULL;
        if (outcomes[i]->accepted != STATUS_OK)
            assert_null(found);
        else if (outcome_wait(outcomes[i], 5000) == STATUS_OK)
            assert_non_null(found);
        outcome_free(outcomes[i]);
    }
    print_message("%u of %d arrived, %zu were refused at once\n", arrived, BURST, refused_at_once);
    /* A connection has at most five unanswered requests, each with the records of a millisecond. */
    assert_in_range(arrived, 0, 20);
    free(dump);
    fixture_done(&f);
}

static void answers_are_positive_again_within_two_seconds_of_a_restart(void **state)
{
    (void)state;
    struct fixture f;
    fixture_init(&f, 1);
    fixture_start(&f);
    assert_durable(&f, "a", "before");
    mock_cluster_set_down(f.cluster, 1, true);
    int64_t until = clock_mono_ms() + 4000;
    while (clock_mono_ms() < until) {
        struct outcome *o = fixture_publish(&f, "a", "down", 1);
        if (o->accepted == STATUS_OK)
            assert_int_equal(outcome_wait(o, 5000), STATUS_UNAVAILABLE);
        outcome_free(o);
        wait_ms(20);
    }
    mock_cluster_set_down(f.cluster, 1, false);
    assert_in_range(ms_until_durable(&f, "a"), 0, 2000);
    assert_int_equal(mock_cluster_count(f.cluster, TOPIC, "down"), 0);
    fixture_done(&f);
}

/* The keys' partitions are 0, 1, 2 and 3 by murmur2; partition p is led by broker p % 3 + 1. */
static void a_mute_broker_does_not_stop_the_partitions_of_the_others(void **state)
{
    (void)state;
    struct fixture f;
    fixture_init(&f, 3);
    fixture_start(&f);
    const char *keys[] = {"a", "d", "c", "f"};
    for (int i = 0; i < 4; i++)
        assert_durable(&f, keys[i], "before");
    mock_cluster_set_rtt(f.cluster, 1, 60000);
    int failed = 0;
    int durable = 0;
    int64_t start = clock_mono_ms();
    for (int64_t took = 0; took < 5000 || (durable <= 20 && took < 30000);
         took = clock_mono_ms() - start) {
        struct outcome *all[4];
        for (int i = 0; i < 4; i++)
            all[i] = fixture_publish(&f, keys[i], "during", 1);
        for (int i = 0; i < 4; i++) {
            bool is_durable =
                all[i]->accepted == STATUS_OK && outcome_wait(all[i], 6000) == STATUS_OK;
            bool is_mute = instance_partition(bytes_of_text(keys[i]), 4) % 3 == 0;
            if (!is_mute)
                assert_true(is_durable);
            durable += is_durable;
            failed += !is_durable;
            outcome_free(all[i]);
        }
        wait_ms(20);
    }
    assert_true(failed > 0);
    assert_true(durable > 20);
    fixture_done(&f);
}

/* The brokers that lead nothing in use are idle meanwhile. */
static void records_move_on_from_a_leader_used_for_ms(int64_t used_ms)
{
    struct fixture f;
    fixture_init(&f, 3);
    fixture_start(&f);
    for (int64_t until = clock_mono_ms() + used_ms; clock_mono_ms() < until; wait_ms(50))
        assert_durable(&f, "INVOICE:acme-42", "before");
    int32_t partition = instance_partition(BYTES_LITERAL("INVOICE:acme-42"), 4);
    int old_leader = partition % 3 + 1;
    mock_cluster_set_rtt(f.cluster, old_leader, 60000);
    struct outcome *o = fixture_publish(&f, "INVOICE:acme-42", "moved", 5);
    wait_ms(1000); /* the election */
    mock_cluster_set_leader(f.cluster, TOPIC, partition, old_leader % 3 + 1);
    assert_int_equal(outcome_wait(o, 5000), STATUS_OK);
    assert_in_range(o->done_at_mono_ms - o->published_at_mono_ms, 1000, 2500);
    outcome_free(o);
    assert_durable(&f, "INVOICE:acme-42", "after");
    fixture_done(&f);
}

static void records_in_flight_to_a_mute_leader_reach_the_new_one_in_time(void **state)
{
    (void)state;
    records_move_on_from_a_leader_used_for_ms(150);
}

/* librdkafka asks the broker it used last, to the second, who leads now: the mute one. */
static void so_do_those_to_the_only_leader_that_was_in_use(void **state)
{
    (void)state;
    records_move_on_from_a_leader_used_for_ms(3000);
}

static void set_all_rtts(struct fixture *f, int rtt_ms)
{
    for (int broker = 1; broker <= 3; broker++)
        mock_cluster_set_rtt(f->cluster, broker, rtt_ms);
}

/* librdkafka may stay with a broker that led in between, when it hears of the next leader while it
 * follows: nothing is acknowledged any more, until a new instance takes over (flow_is_stuck()).
 * That takes a machine with much to do, and not every round comes to it. */
static void a_leader_that_goes_and_comes_back_is_found_again(void **state)
{
    (void)state;
    static struct outcome *outcomes[TO_AND_FRO];
    const char *key = "INVOICE:acme-42";
    struct fixture f;
    fixture_init(&f, 3);
    fixture_start(&f);
    assert_durable(&f, key, "before");
    int32_t partition = instance_partition(bytes_of_text(key), 4);
    int leader = partition % 3 + 1;
    for (int round = 0; round < 5; round++) {
        /* The answers about the one wait until those about the other are there. */
        mock_cluster_set_leader(f.cluster, TOPIC, partition, leader % 3 + 1);
        set_all_rtts(&f, 300);
        for (int i = 0; i < TO_AND_FRO; i++) {
            if (i == TO_AND_FRO / 2 + round) {
                mock_cluster_set_leader(f.cluster, TOPIC, partition, leader);
                set_all_rtts(&f, 0);
            }
            outcomes[i] = fixture_publish(&f, key, "meanwhile", 1);
            wait_ms(20);
        }
        int64_t took = ms_until_durable(&f, key);
        abandon_all(outcomes, TO_AND_FRO);
        for (int i = 0; i < TO_AND_FRO; i++)
            outcome_free(outcomes[i]);
        assert_in_range(took, 0, 15000);
        if (took > 1500)
            break; /* there may have been a new instance, and the next one is half a minute away */
    }
    fixture_done(&f);
}

/* As long as a broker's garbage collection may take, and short of a pause: the record is on its way
 * all the time, and librdkafka looks for questions without an answer once a second. */
static void what_is_under_way_to_a_broker_that_stops_for_a_while_is_sent_once(void **state)
{
    (void)state;
    struct fixture f;
    fixture_init(&f, 3);
    f.options.deadline_ms = 20000;
    fixture_start(&f);
    for (int i = 0; i < 4; i++)
        assert_durable(&f, (const char *[]){"a", "b", "c", "d"}[i], "before");
    wait_ms(600); /* no contact is under way, should one of these have taken long */
    mock_cluster_freeze(f.cluster);
    struct outcome *o = fixture_publish(&f, "a", "once", 1);
    wait_ms(2500);
    mock_cluster_thaw(f.cluster);
    assert_int_equal(outcome_wait(o, 20000), STATUS_OK);
    outcome_free(o);
    assert_durable(&f, "a", "after");
    assert_int_equal(mock_cluster_count(f.cluster, TOPIC, "once"), 1);
    fixture_done(&f);
}

static void a_leader_that_answers_but_does_not_acknowledge_gets_a_few_records_only(void **state)
{
    (void)state;
    struct fixture f;
    fixture_init(&f, 1);
    fixture_start(&f);
    assert_durable(&f, "a", "before");
    /* Every retry of the next seconds is refused: not enough replicas. */
    mock_cluster_fail_produce(f.cluster, RD_KAFKA_RESP_ERR_NOT_ENOUGH_REPLICAS, 10000);
    static struct outcome *outcomes[BURST];
    for (int i = 0; i < BURST; i++) {
        outcomes[i] = fixture_publish(&f, "a", "unreplicated", 1);
        wait_ms(10);
    }
    wait_ms(2600);
    abandon_all(outcomes, BURST);
    for (int i = 0; i < BURST; i++) {
        if (outcomes[i]->accepted == STATUS_OK)
            assert_int_equal(outcome_wait(outcomes[i], 5000), STATUS_UNAVAILABLE);
        outcome_free(outcomes[i]);
    }
    assert_int_equal(mock_cluster_count(f.cluster, TOPIC, "unreplicated"), 0);
    fixture_done(&f);
}

/* What the first records of a trial end with without being stored, and the key they have. */
struct trial_end {
    int answered_with; /* 0: nothing is sent */
    const char *key;
};

/* More than a trial lets out at once, all held by a lane whose broker is gone, and a record behind
 * them that is fine. Until the trial were over by the clock it takes longer than this waits. */
static void go_through_a_trial(const struct trial_end *end, const char *key_of_the_last)
{
    struct fixture f;
    fixture_init(&f, 1);
    f.options.deadline_ms = 60000;
    f.options.stall_ms = 50000;
    f.options.linger_ms = 100; /* what a trial lets out is one request, and has one answer */
    static const struct cluster_property raw[] = {{"message.max.bytes", "1000"}};
    f.options.cluster.raw = raw;
    f.options.cluster.raw_len = 1;
    fixture_start(&f);
    assert_durable(&f, key_of_the_last, "before");
    assert_true(eventually(is_healthy, &f, 20000));
    mock_cluster_set_down(f.cluster, 1, true);
    assert_true(eventually(is_unhealthy, &f, 20000));
    struct outcome *outcomes[2 * LANE_TRIAL_WINDOW];
    for (int i = 0; i < 2 * LANE_TRIAL_WINDOW; i++)
        outcomes[i] = fixture_publish(&f, end->key, "first", 1);
    struct outcome *last = fixture_publish(&f, key_of_the_last, "last", 1);
    if (end->answered_with != 0)
        mock_cluster_fail_produce(f.cluster, end->answered_with, 1);
    mock_cluster_set_down(f.cluster, 1, false);
    assert_int_equal(outcome_wait(last, 30000), STATUS_OK);
    assert_int_equal(mock_cluster_count(f.cluster, TOPIC, "last"), 1);
    for (int i = 0; i < 2 * LANE_TRIAL_WINDOW; i++) {
        (void)outcome_wait(outcomes[i], 30000);
        outcome_free(outcomes[i]);
    }
    outcome_free(last);
    fixture_done(&f);
}

static void a_trial_goes_on_after_records_that_were_refused(void **state)
{
    (void)state;
    static char long_key[1500];
    memset(long_key, 'k', sizeof long_key - 1);
    const struct trial_end ends[] = {
        {RD_KAFKA_RESP_ERR_POLICY_VIOLATION, "a"}, /* somebody has to mend it */
        {RD_KAFKA_RESP_ERR_INVALID_RECORD, "a"},   /* in company, and then alone */
        {0, long_key},                             /* too large for the client */
    };
    const char *keys[] = {"a", "d", "c", "f"}; /* of the partitions 0, 1, 2 and 3 */
    for (size_t i = 0; i < sizeof ends / sizeof ends[0]; i++)
        go_through_a_trial(&ends[i], keys[instance_partition(bytes_of_text(ends[i].key), 4)]);
}

/* A callback that waited for its secret first is due long before the deadline counted from its
 * publication. That deadline is out of reach here, and the broker is mute until the record has come
 * back: nothing but its due time brings it, and only from our own hands. */
static void what_is_held_is_not_sent_once_its_callback_is_due(void **state)
{
    (void)state;
    struct fixture f;
    fixture_init(&f, 1);
    f.options.deadline_ms = 60000;
    f.options.stall_ms = 1000;
    fixture_start(&f);
    assert_durable(&f, "a", "before");
    /* Health is found once a second: from here on only a pause can end it. */
    assert_true(eventually(is_healthy, &f, 20000));
    mock_cluster_freeze(f.cluster);
    struct outcome *sent = fixture_publish(&f, "a", "sent", 1);
    assert_true(eventually(is_unhealthy, &f, 20000));
    f.due_in_ms = 200;
    struct outcome *held = fixture_publish(&f, "a", "held", 1);
    assert_int_equal(outcome_wait(held, 20000), STATUS_UNAVAILABLE);
    assert_true(held->done_at_mono_ms >= held->pub.due_mono_ms);
    f.due_in_ms = 0;
    mock_cluster_thaw(f.cluster);
    assert_int_equal(outcome_wait(sent, 20000), STATUS_OK);
    assert_durable(&f, "a", "after");
    assert_int_equal(mock_cluster_count(f.cluster, TOPIC, "held"), 0);
    outcome_free(sent);
    outcome_free(held);
    fixture_done(&f);
}

static void stopping_with_the_broker_gone_still_reports_each_record(void **state)
{
    (void)state;
    struct fixture f;
    fixture_init(&f, 1);
    fixture_start(&f);
    assert_durable(&f, "a", "before");
    mock_cluster_freeze(f.cluster);
    struct outcome *outcomes[50];
    for (int i = 0; i < 50; i++)
        outcomes[i] = fixture_publish(&f, "a", "stopped", 1);
    int64_t start = clock_mono_ms();
    assert_int_equal(producer_stop(f.producer, start + 300), 50);
    assert_in_range(clock_mono_ms() - start, 250, 2000);
    for (int i = 0; i < 50; i++) {
        assert_int_equal(outcome_wait(outcomes[i], 0), STATUS_UNAVAILABLE);
        outcome_free(outcomes[i]);
    }
    struct outcome *late = fixture_publish(&f, "a", "late", 1);
    assert_int_equal(late->accepted, STATUS_UNAVAILABLE);
    outcome_free(late);
    producer_free(f.producer);
    f.producer = NULL;
    fixture_done(&f);
}

static void stopping_delivers_what_is_under_way(void **state)
{
    (void)state;
    struct fixture f;
    fixture_init(&f, 1);
    f.options.linger_ms = 200;
    fixture_start(&f);
    struct outcome *o = fixture_publish(&f, "a", "last", 20);
    assert_int_equal(producer_stop(f.producer, clock_mono_ms() + 5000), 0);
    assert_int_equal(outcome_wait(o, 0), STATUS_OK);
    outcome_free(o);
    producer_free(f.producer);
    f.producer = NULL;
    fixture_done(&f);
}

int main(int argc, char **argv)
{
    mock_cluster_main_if_asked(argc, argv);
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(
            of_what_a_frozen_broker_left_unacknowledged_only_what_was_on_the_wire_arrives),
        cmocka_unit_test(answers_are_positive_again_within_two_seconds_of_a_restart),
        cmocka_unit_test(a_mute_broker_does_not_stop_the_partitions_of_the_others),
        cmocka_unit_test(records_in_flight_to_a_mute_leader_reach_the_new_one_in_time),
        cmocka_unit_test(so_do_those_to_the_only_leader_that_was_in_use),
        cmocka_unit_test(a_leader_that_goes_and_comes_back_is_found_again),
        cmocka_unit_test(what_is_under_way_to_a_broker_that_stops_for_a_while_is_sent_once),
        cmocka_unit_test(a_leader_that_answers_but_does_not_acknowledge_gets_a_few_records_only),
        cmocka_unit_test(a_trial_goes_on_after_records_that_were_refused),
        cmocka_unit_test(what_is_held_is_not_sent_once_its_callback_is_due),
        cmocka_unit_test(stopping_with_the_broker_gone_still_reports_each_record),
        cmocka_unit_test(stopping_delivers_what_is_under_way),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
