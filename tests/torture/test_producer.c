/* The producer from its start to its stop, against librdkafka's mock cluster: whatever fails, each
 * publication is reported once, as durable only when Kafka has its records or their dead letters;
 * what was refused is nowhere, and later publications are taken. */
#include <poll.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

#include "bridge/base/clock.h"
#include "tests/integration/producer_fixture.h"
#include "tests/torture/torture.h"

enum {
    RECORDS = 2, /* of each publication */
    CLAIMS_MAX = 4096,
    PATIENCE_MS = 20000,
};

/* What was said of a publication, looked up in the cluster when all is over. */
struct claim {
    char value[16];
    bool is_durable, is_refused;
};

static struct fixture f; /* whose cluster serves all runs */
static struct claim claims[CLAIMS_MAX];
static size_t claims_len;
static unsigned publications;

/* Returns whether its records are durable. */
static bool publish(void)
{
    assert_true(claims_len < CLAIMS_MAX);
    struct claim *claim = &claims[claims_len++];
    snprintf(claim->value, sizeof(claim->value), "%u", ++publications);
    struct outcome *o = fixture_publish(&f, "INVOICE:acme-42", claim->value, RECORDS);
    claim->is_refused = o->accepted != STATUS_OK;
    claim->is_durable = !claim->is_refused && outcome_wait(o, PATIENCE_MS) == STATUS_OK;
    outcome_free(o); /* which asserts that it was reported once, if it was taken */
    return claim->is_durable;
}

/* Until something has failed and one is durable after it, or nothing is left to fail. */
static void use(void)
{
    int64_t until_mono_ms = clock_mono_ms() + PATIENCE_MS;
    for (bool had_failed = false, is_durable = false; !is_durable || !had_failed;) {
        assert_true(clock_mono_ms() < until_mono_ms);
        had_failed = torture_has_failed();
        is_durable = publish();
        if (is_durable && !torture_has_failed())
            return;
        if (!is_durable)
            poll(NULL, 0, 20);
    }
}

/* In a line of its own: "partition key value". */
static bool holds(const char *dump, const char *value)
{
    size_t len = strlen(value);
    for (const char *at = dump; (at = strstr(at, value)) != NULL; at += len)
        if (at != dump && at[-1] == ' ' && at[len] == '\n')
            return true;
    return false;
}

static void check_claims(void)
{
    char *records = mock_cluster_dump(f.cluster, TOPIC);
    char *dead_letters = mock_cluster_dump(f.cluster, DEAD_LETTERS);
    for (size_t i = 0; i < claims_len; i++) {
        for (size_t k = 0; k < RECORDS; k++) {
            char value[32];
            snprintf(value, sizeof(value), "%s-%zu", claims[i].value, k);
            bool is_there = holds(records, value) || holds(dead_letters, value);
            if (claims[i].is_durable && !is_there)
                fail_msg("%s was said to be durable, and is nowhere", value);
            if (claims[i].is_refused && is_there)
                fail_msg("%s was refused, and is there", value);
        }
    }
    free(records);
    free(dead_letters);
    claims_len = 0;
}

static void live(void *ctx)
{
    struct diag diag = {0};
    f.options.topics_len = *(const bool *)ctx ? 1 : 0;
    assert_int_equal(metrics_new(&f.metrics), STATUS_OK);
    f.options.metrics = f.metrics;
    torture_begin();
    enum status status = producer_new(&f.options, &f.producer, &diag);
    assert_true(status == STATUS_OK || torture_has_failed());
    if (status == STATUS_OK) {
        use();
        assert_int_equal(producer_stop(f.producer, clock_mono_ms() + PATIENCE_MS), 0);
        producer_free(f.producer);
        f.producer = NULL;
    }
    torture_pause();
    metrics_free(f.metrics);
    f.metrics = NULL;
    if (claims_len > CLAIMS_MAX / 2) /* a cluster does not keep all for ever */
        check_claims();
}

static void a_topic_that_was_named_at_the_start(void **state)
{
    (void)state;
    torture(live, &(bool){true}, 60);
    check_claims();
}

static void a_topic_that_is_learnt_from_a_record(void **state)
{
    (void)state;
    torture(live, &(bool){false}, 60);
    check_claims();
}

static int set_up(void **state)
{
    (void)state;
    torture_log();
    fixture_init(&f, 1);
    f.options.deadline_ms = 1000;
    metrics_free(f.metrics);
    f.metrics = NULL;
    return 0;
}

static int tear_down(void **state)
{
    (void)state;
    mock_cluster_free(f.cluster);
    return 0;
}

int main(int argc, char **argv)
{
    mock_cluster_main_if_asked(argc, argv);
#define T(name) cmocka_unit_test_teardown(name, torture_teardown)
    const struct CMUnitTest tests[] = {
        T(a_topic_that_was_named_at_the_start),
        T(a_topic_that_is_learnt_from_a_record),
    };
    return cmocka_run_group_tests(tests, set_up, tear_down);
}
