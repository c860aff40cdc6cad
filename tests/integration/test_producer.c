/* The producer against librdkafka's mock cluster: what is durable, what is not, and what is kept.
 */
#include <librdkafka/rdkafka.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "bridge/base/clock.h"
#include "tests/integration/producer_fixture.h"

static void a_publication_is_done_when_its_record_is_in_kafka(void **state)
{
    (void)state;
    struct fixture f;
    fixture_init(&f, 1);
    fixture_start(&f);
    struct outcome *o = fixture_publish(&f, "INVOICE:acme-42", "one", 1);
    assert_int_equal(outcome_wait(o, 5000), STATUS_OK);
    assert_int_equal(mock_cluster_count(f.cluster, TOPIC, "one"), 1);
    outcome_free(o);
    assert_int_equal(fixture_done(&f), 0);
}

static void an_array_is_done_once_and_keeps_its_order(void **state)
{
    (void)state;
    struct fixture f;
    fixture_init(&f, 1);
    fixture_start(&f);
    struct outcome *o = fixture_publish(&f, "INVOICE:acme-42", "e", 20);
    assert_int_equal(outcome_wait(o, 5000), STATUS_OK);
    char *dump = mock_cluster_dump(f.cluster, TOPIC);
    char expected[2048] = "";
    for (int i = 0; i < 20; i++) {
        size_t len = strlen(expected);
        snprintf(expected + len, sizeof expected - len, "%c INVOICE:acme-42 e-%d\n", dump[0], i);
    }
    assert_string_equal(dump, expected);
    free(dump);
    outcome_free(o);
    assert_int_equal(fixture_done(&f), 0);
}

static void a_cold_topic_costs_no_second(void **state)
{
    (void)state;
    struct fixture f;
    fixture_init(&f, 1);
    fixture_start(&f);
    struct outcome *o = fixture_publish(&f, "k", "first", 1);
    assert_int_equal(outcome_wait(o, 5000), STATUS_OK);
    /* Without the metadata fetched ahead it is 1000 ms in librdkafka 2.0.2. */
    assert_true(o->done_at_mono_ms - o->published_at_mono_ms < 500);
    outcome_free(o);
    fixture_done(&f);
}

static void a_missing_topic_is_unavailable_at_once_and_found_when_it_is_made(void **state)
{
    (void)state;
    struct fixture f;
    fixture_init(&f, 1);
    static const char *const topics[] = {"maesn.nowhere"};
    f.options.topics = topics;
    fixture_start(&f);
    struct outcome *o = fixture_publish(&f, "k", "lost?", 1);
    assert_int_equal(o->accepted, STATUS_UNAVAILABLE); /* TOPIC was not named: it is learnt now */
    outcome_free(o);
    int64_t until = clock_mono_ms() + 5000;
    enum status status;
    do {
        o = fixture_publish(&f, "k", "found", 1);
        status = o->accepted;
        if (status == STATUS_OK)
            assert_int_equal(outcome_wait(o, 5000), STATUS_OK);
        outcome_free(o);
    } while (status != STATUS_OK && clock_mono_ms() < until);
    assert_int_equal(status, STATUS_OK);
    fixture_done(&f);
}

int main(int argc, char **argv)
{
    mock_cluster_main_if_asked(argc, argv);
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_publication_is_done_when_its_record_is_in_kafka),
        cmocka_unit_test(an_array_is_done_once_and_keeps_its_order),
        cmocka_unit_test(a_cold_topic_costs_no_second),
        cmocka_unit_test(a_missing_topic_is_unavailable_at_once_and_found_when_it_is_made),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
