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

static int set_up(void **state)
{
    static struct fixture f;
    fixture_init(&f, 1);
    *state = &f;
    return 0;
}

/* All that a test publishes it waits for, so nothing is left to give up. */
static int tear_down(void **state)
{
    return fixture_done(*state) == 0 ? 0 : -1;
}

/* With a producer that needs no options of the test's own. */
static int set_up_started(void **state)
{
    (void)set_up(state);
    fixture_start(*state);
    return 0;
}

static void a_publication_is_done_when_its_record_is_in_kafka(void **state)
{
    struct fixture *f = *state;
    struct outcome *o = fixture_publish(f, "INVOICE:acme-42", "one", 1);
    assert_int_equal(outcome_wait(o, 5000), STATUS_OK);
    assert_int_equal(mock_cluster_count(f->cluster, TOPIC, "one"), 1);
    outcome_free(o);
}

static void an_array_is_done_once_and_keeps_its_order(void **state)
{
    struct fixture *f = *state;
    struct outcome *o = fixture_publish(f, "INVOICE:acme-42", "e", 20);
    assert_int_equal(outcome_wait(o, 5000), STATUS_OK);
    char *dump = mock_cluster_dump(f->cluster, TOPIC);
    char expected[2048] = "";
    for (int i = 0; i < 20; i++) {
        size_t len = strlen(expected);
        snprintf(expected + len, sizeof expected - len, "%c INVOICE:acme-42 e-%d\n", dump[0], i);
    }
    assert_string_equal(dump, expected);
    free(dump);
    outcome_free(o);
}

static void a_cold_topic_costs_no_second(void **state)
{
    struct fixture *f = *state;
    struct outcome *o = fixture_publish(f, "k", "first", 1);
    assert_int_equal(outcome_wait(o, 5000), STATUS_OK);
    /* Without the metadata fetched ahead it is 1000 ms in librdkafka 2.0.2. */
    assert_true(o->done_at_mono_ms - o->published_at_mono_ms < 500);
    outcome_free(o);
}

static void a_topic_is_unavailable_at_once_until_it_is_known(void **state)
{
    struct fixture *f = *state;
    static const char *const topics[] = {"maesn.nowhere"};
    f->options.topics = topics;
    fixture_start(f);
    struct outcome *o = fixture_publish(f, "k", "lost?", 1);
    assert_int_equal(o->accepted, STATUS_UNAVAILABLE); /* TOPIC was not named: it is learnt now */
    outcome_free(o);
    int64_t until = clock_mono_ms() + 5000;
    enum status status;
    do {
        o = fixture_publish(f, "k", "found", 1);
        status = o->accepted;
        if (status == STATUS_OK)
            assert_int_equal(outcome_wait(o, 5000), STATUS_OK);
        outcome_free(o);
    } while (status != STATUS_OK && clock_mono_ms() < until);
    assert_int_equal(status, STATUS_OK);
}

static void a_record_refused_with_its_batch_is_sent_alone_first(void **state)
{
    struct fixture *f = *state;
    f->options.linger_ms = 50; /* the three are one batch */
    fixture_start(f);
    mock_cluster_fail_produce(f->cluster, RD_KAFKA_RESP_ERR_MSG_SIZE_TOO_LARGE, 1);
    struct outcome *o = fixture_publish(f, "k", "batch", 3);
    assert_int_equal(outcome_wait(o, 5000), STATUS_OK);
    char *dump = mock_cluster_dump(f->cluster, TOPIC);
    char expected[128];
    snprintf(expected, sizeof expected, "%c k batch-0\n%c k batch-1\n%c k batch-2\n", dump[0],
             dump[0], dump[0]);
    assert_string_equal(dump, expected);
    free(dump);
    dump = mock_cluster_dump(f->cluster, DEAD_LETTERS);
    assert_string_equal(dump, "");
    free(dump);
    outcome_free(o);
}

static uint64_t dead_letters(struct fixture *f)
{
    return counter_value(
        metrics_counter(f->metrics, "maesn_bridge_dead_letters_total", "Durable dead letters.",
                        &(const struct metric_label){"reason", "refused-by-broker"}, 1));
}

static void a_record_the_broker_refuses_for_good_is_a_durable_dead_letter(void **state)
{
    struct fixture *f = *state;
    mock_cluster_fail_produce(f->cluster, RD_KAFKA_RESP_ERR_INVALID_RECORD, 2);
    struct outcome *o = fixture_publish(f, "k", "refused", 1);
    assert_int_equal(outcome_wait(o, 5000), STATUS_OK);
    assert_int_equal(mock_cluster_count(f->cluster, TOPIC, "refused"), 0);
    char *dump = mock_cluster_dump(f->cluster, DEAD_LETTERS);
    assert_string_equal(dump, "0 acme-42 refused\n");
    free(dump);
    assert_int_equal(dead_letters(f), 1);
    outcome_free(o);
}

static void a_record_too_large_even_for_a_dead_letter_is_refused(void **state)
{
    struct fixture *f = *state;
    static const struct cluster_property raw = {"message.max.bytes", "1000"};
    f->options.cluster.raw = &raw;
    f->options.cluster.raw_len = 1;
    fixture_start(f);
    /* A dead letter keeps all of the record. */
    char key[2001];
    memset(key, 'k', sizeof key - 1);
    key[sizeof key - 1] = '\0';
    struct outcome *o = fixture_publish(f, key, "large", 1);
    assert_int_equal(o->accepted, STATUS_REFUSED);
    char *dump = mock_cluster_dump(f->cluster, DEAD_LETTERS);
    assert_string_equal(dump, "");
    free(dump);
    outcome_free(o);
}

static void a_dead_letter_that_cannot_be_written_is_unavailable(void **state)
{
    struct fixture *f = *state;
    mock_cluster_fail_produce(f->cluster, RD_KAFKA_RESP_ERR_INVALID_RECORD, 4);
    struct outcome *o = fixture_publish(f, "k", "refused", 1);
    assert_int_equal(outcome_wait(o, 5000), STATUS_UNAVAILABLE);
    char *dump = mock_cluster_dump(f->cluster, DEAD_LETTERS);
    assert_string_equal(dump, "");
    free(dump);
    assert_int_equal(dead_letters(f), 0);
    outcome_free(o);
}

static void what_an_operator_can_mend_is_refused_and_never_a_dead_letter(void **state)
{
    struct fixture *f = *state;
    mock_cluster_fail_produce(f->cluster, RD_KAFKA_RESP_ERR_TOPIC_AUTHORIZATION_FAILED, 1);
    struct outcome *o = fixture_publish(f, "k", "forbidden", 1);
    assert_int_equal(outcome_wait(o, 5000), STATUS_REFUSED);
    assert_int_equal(atomic_load(&o->pub.maybe_durable), 0);
    outcome_free(o);
    char *dump = mock_cluster_dump(f->cluster, DEAD_LETTERS);
    assert_string_equal(dump, "");
    free(dump);
}

static void a_full_queue_is_busy_and_nothing_of_it_is_lost(void **state)
{
    struct fixture *f = *state;
    static const struct cluster_property raw = {"queue.buffering.max.messages", "10"};
    f->options.cluster.raw = &raw;
    f->options.cluster.raw_len = 1;
    fixture_start(f);
    mock_cluster_freeze(f->cluster);
    struct outcome *outcomes[20];
    for (int i = 0; i < 20; i++) {
        outcomes[i] = fixture_publish(f, "k", "queued", 1);
        assert_int_equal(outcomes[i]->accepted, i < 10 ? STATUS_OK : STATUS_BUSY);
    }
    /* An array whose end finds no room has its one end all the same. */
    struct outcome *array = fixture_publish(f, "k", "array", 5);
    assert_int_equal(array->accepted, STATUS_BUSY);
    outcome_free(array);
    mock_cluster_thaw(f->cluster);
    for (int i = 0; i < 20; i++) {
        if (i < 10)
            assert_int_equal(outcome_wait(outcomes[i], 5000), STATUS_OK);
        outcome_free(outcomes[i]);
    }
    assert_int_equal(mock_cluster_count(f->cluster, TOPIC, "queued"), 10);
}

static void an_array_that_fits_in_part_is_unavailable_once(void **state)
{
    struct fixture *f = *state;
    static const struct cluster_property raw = {"queue.buffering.max.messages", "10"};
    f->options.cluster.raw = &raw;
    f->options.cluster.raw_len = 1;
    fixture_start(f);
    mock_cluster_freeze(f->cluster);
    struct outcome *array = fixture_publish(f, "k", "array", 15);
    assert_int_equal(array->accepted, STATUS_OK);
    mock_cluster_thaw(f->cluster);
    assert_int_equal(outcome_wait(array, 5000), STATUS_UNAVAILABLE);
    outcome_free(array);
}

static void write_file(const char *path, const char *text)
{
    FILE *file = fopen(path, "w");
    assert_non_null(file);
    fputs(text, file);
    assert_int_equal(fclose(file), 0);
}

static void changed_credentials_replace_the_producer_without_a_gap(void **state)
{
    struct fixture *f = *state;
    write_file("password", "one");
    f->options.cluster.sasl_password_file = "password";
    fixture_start(f);
    struct diag diag = {0};
    assert_int_equal(producer_reload(f->producer, &diag), STATUS_OK); /* nothing changed */
    static struct outcome *outcomes[300];
    for (int i = 0; i < 300; i++) {
        if (i % 100 == 50) {
            write_file("password", i == 50 ? "two" : "three");
            assert_int_equal(producer_reload(f->producer, &diag), STATUS_OK);
        }
        char value[32];
        snprintf(value, sizeof value, "reload-%d", i);
        outcomes[i] = fixture_publish(f, "k", value, 1);
    }
    for (int i = 0; i < 300; i++) {
        assert_int_equal(outcome_wait(outcomes[i], 5000), STATUS_OK);
        outcome_free(outcomes[i]);
    }
    write_file("password", "");
    assert_int_equal(producer_reload(f->producer, &diag), STATUS_INVALID);
    assert_non_null(strstr(diag.text, "password"));
    struct outcome *o = fixture_publish(f, "k", "old-credentials-go-on", 1);
    assert_int_equal(outcome_wait(o, 5000), STATUS_OK);
    outcome_free(o);
}

static void a_fatal_error_replaces_the_producer(void **state)
{
    struct fixture *f = *state;
    f->options.idempotence = true;
    fixture_start(f);
    struct outcome *o = fixture_publish(f, "k", "before", 1);
    assert_int_equal(outcome_wait(o, 5000), STATUS_OK);
    outcome_free(o);
    mock_cluster_fail_produce(f->cluster, RD_KAFKA_RESP_ERR_OUT_OF_ORDER_SEQUENCE_NUMBER, 1);
    struct outcome *outcomes[20];
    for (int i = 0; i < 20; i++)
        outcomes[i] = fixture_publish(f, "k", "through-it", 1);
    for (int i = 0; i < 20; i++) {
        (void)outcome_wait(outcomes[i], 5000);
        outcome_free(outcomes[i]);
    }
    o = fixture_publish(f, "k", "after", 1);
    assert_int_equal(outcome_wait(o, 5000), STATUS_OK);
    outcome_free(o);
}

#define T(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)
#define STARTED(name) cmocka_unit_test_setup_teardown(name, set_up_started, tear_down)

int main(int argc, char **argv)
{
    mock_cluster_main_if_asked(argc, argv);
    const struct CMUnitTest tests[] = {
        STARTED(a_publication_is_done_when_its_record_is_in_kafka),
        STARTED(an_array_is_done_once_and_keeps_its_order),
        STARTED(a_cold_topic_costs_no_second),
        T(a_topic_is_unavailable_at_once_until_it_is_known),
        T(a_record_refused_with_its_batch_is_sent_alone_first),
        STARTED(a_record_the_broker_refuses_for_good_is_a_durable_dead_letter),
        T(a_record_too_large_even_for_a_dead_letter_is_refused),
        STARTED(a_dead_letter_that_cannot_be_written_is_unavailable),
        STARTED(what_an_operator_can_mend_is_refused_and_never_a_dead_letter),
        T(a_full_queue_is_busy_and_nothing_of_it_is_lost),
        T(an_array_that_fits_in_part_is_unavailable_once),
        T(changed_credentials_replace_the_producer_without_a_gap),
        T(a_fatal_error_replaces_the_producer),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
