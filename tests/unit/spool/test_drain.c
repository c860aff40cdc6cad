/* The drain and topics that Kafka refuses for good: for how long callbacks for them are refused. */
#include "bridge/spool/drain.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "bridge/base/clock.h"

enum { ROWS = 4, LONG_MS = 60000, TURN_MS = 100 };

static struct {
    int64_t now;
    struct backlog backlog;
    struct metrics *metrics;
    struct drain *drain;
    const char *rows[ROWS]; /* topics, of the sequences 1, 2, ...; NULL: there is none */
    size_t emptied;
} f;

/* --- the world: a clock, a spool, and a Kafka ------------------------------------------------- */

int64_t clock_mono_ms(void)
{
    return f.now;
}

int64_t clock_mono_us(void)
{
    return f.now * 1000;
}

int64_t clock_unix_ms(void)
{
    return f.now;
}

enum status spool_read(struct spool *s, int64_t after, size_t max, size_t max_bytes,
                       struct arena *a, struct spooled_record **ret, size_t *ret_len)
{
    (void)s, (void)max_bytes;
    *ret_len = 0;
    *ret = arena_alloc(a, ROWS * sizeof(**ret));
    assert_non_null(*ret);
    for (int64_t i = after; i < ROWS && *ret_len < max; i++)
        if (f.rows[i] != NULL)
            (*ret)[(*ret_len)++] = (struct spooled_record){
                .sequence = i + 1,
                .record = {.topic = f.rows[i], .key = BYTES_LITERAL("k"), .account = "acme"},
            };
    return STATUS_OK;
}

enum status spool_delete(struct spool *s, const int64_t *sequences, size_t len)
{
    (void)s;
    for (size_t i = 0; i < len; i++)
        f.rows[sequences[i] - 1] = NULL;
    return STATUS_OK;
}

static enum status publish(struct event_sink *sink, struct publication *pub)
{
    (void)sink;
    const char *topic = pub->records[0].topic;
    if (strcmp(topic, "missing") == 0)
        return STATUS_REFUSED;
    return STATUS_UNAVAILABLE;
}

static struct event_sink kafka = {publish};

static void on_empty(void *ctx, int64_t now_mono_ms)
{
    (void)ctx, (void)now_mono_ms;
    f.emptied++;
}

static int setup(void **state)
{
    (void)state;
    memset(&f, 0, sizeof(f));
    f.now = 1000;
    backlog_init(&f.backlog, true, f.now);
    if (metrics_new(&f.metrics) != STATUS_OK)
        return -1;
    const struct drain_options options = {
        .sink = &kafka, .backlog = &f.backlog, .metrics = f.metrics, .on_empty = on_empty};
    return drain_new(&options, &f.drain) == STATUS_OK ? 0 : -1;
}

static int teardown(void **state)
{
    (void)state;
    drain_stop(f.drain);
    drain_free(f.drain);
    backlog_done(&f.backlog);
    metrics_free(f.metrics);
    return 0;
}

static void let_pass(int64_t ms)
{
    for (int64_t until = f.now + ms; f.now < until; f.now += TURN_MS)
        (void)!drain_turn(f.drain, f.now);
}

/* --- what is refused ---------------------------------------------------------------------------
 */

static void a_topic_is_refused_as_long_as_its_rows_wait(void **state)
{
    (void)state;
    f.rows[1] = "missing";
    f.rows[2] = "away";
    let_pass(5000);
    assert_false(drain_refuses(f.drain, "missing")); /* a broker that has just come back */
    for (int i = 0; i < 100; i++) {
        let_pass(LONG_MS);
        assert_true(drain_refuses(f.drain, "missing"));
        assert_false(drain_refuses(f.drain, "away"));
    }
}

static void a_refused_topic_is_forgotten_when_nothing_is_left(void **state)
{
    (void)state;
    f.rows[1] = "missing";
    let_pass(LONG_MS);
    assert_true(drain_refuses(f.drain, "missing"));
    f.rows[1] = NULL; /* its database was moved aside */
    let_pass(LONG_MS);
    assert_int_equal(f.emptied, 1);
    assert_false(drain_refuses(f.drain, "missing"));
}

static void a_refused_topic_is_forgotten_when_only_rows_of_others_are_left(void **state)
{
    (void)state;
    f.rows[1] = "missing";
    f.rows[2] = "away";
    let_pass(LONG_MS);
    assert_true(drain_refuses(f.drain, "missing"));
    f.rows[1] = NULL; /* it was damaged, and set aside */
    let_pass(LONG_MS);
    assert_int_equal(f.emptied, 0);
    assert_false(drain_refuses(f.drain, "missing"));
    f.rows[3] = "missing";
    let_pass(5000);
    assert_false(drain_refuses(f.drain, "missing")); /* its time begins anew */
    let_pass(LONG_MS);
    assert_true(drain_refuses(f.drain, "missing"));
}

int main(void)
{
#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)
    const struct CMUnitTest tests[] = {
        TEST(a_topic_is_refused_as_long_as_its_rows_wait),
        TEST(a_refused_topic_is_forgotten_when_nothing_is_left),
        TEST(a_refused_topic_is_forgotten_when_only_rows_of_others_are_left),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
