/* The drain: what is sent together, and topics that Kafka refuses for good: for how long callbacks
 * for them are refused. */
#include "bridge/spool/drain.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "bridge/base/clock.h"

enum { ROWS = 130, LONG_MS = 60000, TURN_MS = 100 };

static struct {
    int64_t now;
    struct backlog backlog;
    struct metrics *metrics;
    struct drain *drain;
    const char *rows[ROWS]; /* topics, of the sequences 1, 2, ...; NULL: there is none */
    size_t emptied;
    int64_t sequences[ROWS];
    struct publication *sent[ROWS]; /* what "there" has not acknowledged yet */
    size_t sent_len;
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
    size_t len = 0;
    for (int i = 0; i < ROWS; i++)
        len += f.rows[i] != NULL;
    *ret = arena_alloc(a, (len + 1) * sizeof(**ret));
    assert_non_null(*ret);
    for (int64_t i = after; i < ROWS && *ret_len < max; i++) {
        f.sequences[i] = i + 1;
        if (f.rows[i] != NULL)
            (*ret)[(*ret_len)++] = (struct spooled_record){
                .sequence = i + 1,
                .record = {.topic = f.rows[i],
                           .key = BYTES_LITERAL("k"),
                           .value = bytes_of(&f.sequences[i], sizeof(f.sequences[i])),
                           .account = "acme"},
            };
    }
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
    if (strncmp(topic, "there", 5) != 0)
        return STATUS_UNAVAILABLE;
    f.sent[f.sent_len++] = publication_ref(pub);
    return STATUS_OK;
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

/* --- what is sent together ---------------------------------------------------------------------
 */

static int64_t first_sequence(const struct publication *pub)
{
    int64_t sequence;
    memcpy(&sequence, pub->records[0].value.data, sizeof(sequence));
    return sequence;
}

/* The oldest of what was sent is acknowledged, and the drain has its turn. */
static void acknowledge(void)
{
    struct publication *pub = f.sent[0];
    memmove(&f.sent[0], &f.sent[1], --f.sent_len * sizeof(f.sent[0]));
    (void)pub->on_done(pub, STATUS_OK);
    publication_unref(pub);
    let_pass(TURN_MS);
}

static void rows_of_a_key_are_sent_one_after_the_other(void **state)
{
    (void)state;
    for (int i = 0; i < 8; i++)
        f.rows[i] = "there";
    let_pass(LONG_MS);
    for (int64_t sequence = 1; sequence <= 8; sequence++) {
        assert_int_equal(f.sent_len, 1);
        assert_int_equal(f.sent[0]->records_len, 1);
        assert_int_equal(first_sequence(f.sent[0]), sequence);
        acknowledge();
    }
    assert_int_equal(f.sent_len, 0);
    let_pass(LONG_MS);
    assert_int_equal(f.emptied, 1);
}

static void other_keys_do_not_wait_for_a_key(void **state)
{
    (void)state;
    f.rows[0] = f.rows[1] = f.rows[3] = "there";
    f.rows[2] = "there-too";
    f.rows[4] = "there-three";
    let_pass(TURN_MS);
    assert_int_equal(f.sent_len, 3);
    assert_int_equal(first_sequence(f.sent[1]), 3);
    assert_int_equal(first_sequence(f.sent[2]), 5);
    acknowledge();
    assert_int_equal(f.sent_len, 3);
    assert_int_equal(first_sequence(f.sent[2]), 2);
    while (f.sent_len > 0)
        acknowledge();
    let_pass(LONG_MS);
    assert_int_equal(f.emptied, 1);
}

/* A page of them in eight round trips. */
static void of_a_key_with_many_rows_several_are_sent_together(void **state)
{
    (void)state;
    for (int i = 0; i < ROWS; i++)
        f.rows[i] = "there";
    let_pass(LONG_MS);
    for (int i = 0; i < 8; i++) {
        assert_int_equal(f.sent_len, 1);
        assert_int_equal(f.sent[0]->records_len, 16);
        assert_int_equal(first_sequence(f.sent[0]), 1 + 16 * i);
        acknowledge();
    }
    assert_int_equal(f.sent[0]->records_len, 1);
    acknowledge();
    acknowledge();
    assert_int_equal(f.sent_len, 0);
    let_pass(LONG_MS);
    assert_int_equal(f.emptied, 1);
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
        TEST(rows_of_a_key_are_sent_one_after_the_other),
        TEST(other_keys_do_not_wait_for_a_key),
        TEST(of_a_key_with_many_rows_several_are_sent_together),
        TEST(a_topic_is_refused_as_long_as_its_rows_wait),
        TEST(a_refused_topic_is_forgotten_when_nothing_is_left),
        TEST(a_refused_topic_is_forgotten_when_only_rows_of_others_are_left),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
