/* The drain: what is sent together and how much at once, topics that Kafka refuses for good, and
 * what becomes of rows while memory is short or the disk mute. */
#include "bridge/spool/drain.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "bridge/base/clock.h"
#include "tests/support/alloc_fail.h"

enum { ROWS = 200, LONG_MS = 60000, TURN_MS = 100 };

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
    size_t published; /* publications that were taken or not */
    size_t away;      /* so many are not taken from now on */
    size_t padding;   /* bytes that a reading takes of its arena beside the rows */
    bool is_heavy;    /* rows of a megabyte */
    enum status reading;
    size_t deletes_failing; /* so many calls from now on */
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
    static const uint8_t megabyte[1 << 20];
    (void)s, (void)max_bytes;
    *ret_len = 0;
    size_t len = 0;
    if (f.reading != STATUS_OK)
        return f.reading;
    for (int i = 0; i < ROWS; i++)
        len += f.rows[i] != NULL;
    *ret = arena_alloc(a, (len + 1) * sizeof(**ret));
    if (*ret == NULL || (f.padding > 0 && arena_alloc(a, f.padding) == NULL))
        return STATUS_NOMEM;
    for (int64_t i = after; i < ROWS && *ret_len < max; i++) {
        f.sequences[i] = i + 1;
        if (f.rows[i] != NULL)
            (*ret)[(*ret_len)++] = (struct spooled_record){
                .sequence = i + 1,
                .record = {.topic = f.rows[i],
                           .key = BYTES_LITERAL("k"),
                           .value = f.is_heavy ? bytes_of(megabyte, sizeof(megabyte))
                                               : bytes_of(&f.sequences[i], sizeof(f.sequences[i])),
                           .account = "acme"},
            };
    }
    return STATUS_OK;
}

enum status spool_delete(struct spool *s, const int64_t *sequences, size_t len)
{
    (void)s;
    if (f.deletes_failing > 0) {
        f.deletes_failing--;
        return STATUS_NOMEM;
    }
    for (size_t i = 0; i < len; i++)
        f.rows[sequences[i] - 1] = NULL;
    return STATUS_OK;
}

static enum status publish(struct event_sink *sink, struct publication *pub)
{
    (void)sink;
    const char *topic = pub->records[0].topic;
    f.published++;
    if (strncmp(topic, "missing", 7) == 0)
        return STATUS_REFUSED;
    if (strncmp(topic, "there", 5) != 0 || f.away > 0) {
        f.away -= f.away > 0;
        return STATUS_UNAVAILABLE;
    }
    f.sent[f.sent_len++] = publication_ref(pub);
    return STATUS_OK;
}

static struct event_sink kafka = {publish};

static void on_empty(void *ctx, int64_t now_mono_ms)
{
    (void)ctx, (void)now_mono_ms;
    f.emptied++;
}

static int start_drain(void)
{
    const struct drain_options options = {
        .sink = &kafka, .backlog = &f.backlog, .metrics = f.metrics, .on_empty = on_empty};
    return drain_new(&options, &f.drain) == STATUS_OK ? 0 : -1;
}

static int setup(void **state)
{
    (void)state;
    memset(&f, 0, sizeof(f));
    f.now = 1000;
    backlog_init(&f.backlog, true, f.now);
    if (metrics_new(&f.metrics) != STATUS_OK)
        return -1;
    return start_drain();
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

/* The oldest of what was sent is acknowledged. */
static void report_acknowledged(void)
{
    struct publication *pub = f.sent[0];
    memmove(&f.sent[0], &f.sent[1], --f.sent_len * sizeof(f.sent[0]));
    (void)pub->on_done(pub, STATUS_OK);
    publication_unref(pub);
}

/* Likewise, and the drain has its turn. */
static void acknowledge(void)
{
    report_acknowledged();
    let_pass(TURN_MS);
}

/* Until there is nothing left to be sent. */
static void acknowledge_all(void)
{
    for (int i = 0; i < 5; i++) {
        let_pass(LONG_MS);
        while (f.sent_len > 0)
            acknowledge();
    }
}

/* So many rows, each of a class of its own. */
static void fill(int len, const char *prefix)
{
    static char names[ROWS][16];
    for (int i = 0; i < len; i++) {
        snprintf(names[i], sizeof(names[i]), "%s-%d", prefix, i);
        f.rows[i] = names[i];
    }
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
    for (int i = 0; i < 130; i++)
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

/* A class is a hash: here of two topics. */
static void
rows_of_two_topics_of_a_class_are_sent_one_after_the_other_and_not_together(void **state)
{
    (void)state;
    static const char one[] = "there", other[] = "there-1048";
    static const char *const topics[] = {one, one, other, one, other, other, one, one, other, one};
    static const size_t lens[] = {2, 1, 1, 2, 2, 1, 1};
    for (size_t i = 0; i < sizeof(topics) / sizeof(topics[0]); i++)
        f.rows[i] = topics[i];
    let_pass(LONG_MS);
    int64_t sequence = 1;
    for (size_t i = 0; i < sizeof(lens) / sizeof(lens[0]); i++) {
        assert_int_equal(f.sent_len, 1);
        assert_int_equal(f.sent[0]->records_len, lens[i]);
        assert_int_equal(first_sequence(f.sent[0]), sequence);
        sequence += (int64_t)lens[i];
        acknowledge();
    }
    assert_int_equal(f.sent_len, 0);
}

/* --- how much at once --------------------------------------------------------------------------
 */

static void no_more_than_128_records_are_under_way(void **state)
{
    (void)state;
    fill(150, "there");
    let_pass(LONG_MS);
    assert_int_equal(f.sent_len, 128);
    acknowledge();
    assert_int_equal(f.sent_len, 128);
    acknowledge_all();
    assert_int_equal(f.published, 150);
    assert_int_equal(f.emptied, 1);
}

static void while_two_megabytes_are_under_way_nothing_else_is_sent_or_tried(void **state)
{
    (void)state;
    f.is_heavy = true;
    fill(4, "there");
    f.away = 1; /* the first is blocked */
    let_pass(TURN_MS);
    assert_int_equal(f.sent_len, 2);
    let_pass(LONG_MS);
    assert_int_equal(f.sent_len, 2);
    assert_int_equal(f.published, 3);
    acknowledge_all();
    assert_int_equal(f.published, 5);
    assert_int_equal(f.emptied, 1);
}

static void of_many_that_are_blocked_64_are_tried_at_once(void **state)
{
    (void)state;
    fill(70, "there");
    f.away = SIZE_MAX;
    let_pass(TURN_MS);
    assert_int_equal(f.published, 70);
    let_pass(TURN_MS);
    assert_int_equal(f.published, 70 + 64);
}

static void more_than_a_page_that_is_acknowledged_at_once_is_deleted(void **state)
{
    (void)state;
    fill(160, "there");
    f.away = 2 * 60; /* of two turns: then 100 are under way, and 60 that are tried again */
    let_pass(3 * TURN_MS);
    assert_int_equal(f.sent_len, 160);
    while (f.sent_len > 0)
        report_acknowledged();
    let_pass(TURN_MS);
    for (int i = 0; i < 160; i++)
        assert_null(f.rows[i]);
    let_pass(LONG_MS);
    assert_int_equal(f.published, 160 + 2 * 60);
    assert_int_equal(f.emptied, 1);
}

/* --- when memory is short, or the disk mute ----------------------------------------------------
 */

/* Wherever in the arena's blocks it is. */
static void a_reading_without_memory_is_made_again(void **state)
{
    for (size_t padding = 0; padding < 8192; padding += 16) {
        bool failed = true;
        for (long n = 0; failed; n++) {
            fill(2, "there");
            f.padding = padding;
            alloc_fail_at(n);
            (void)!drain_turn(f.drain, f.now);
            failed = alloc_fail_end();
            assert_int_equal(f.sent_len, failed ? 0 : 2);
            f.now += TURN_MS;
            let_pass(TURN_MS);
            assert_int_equal(f.sent_len, 2);
            acknowledge();
            acknowledge();
            assert_null(f.rows[0]);
            assert_null(f.rows[1]);
            assert_int_equal(f.published, 2);
            (void)teardown(state);
            assert_int_equal(setup(state), 0);
        }
    }
}

static void a_blocked_row_that_was_not_tried_for_lack_of_memory_is_tried_again(void **state)
{
    (void)state;
    f.rows[0] = "away";
    let_pass(TURN_MS);
    for (f.padding = 0; f.padding < 8192; f.padding += 16) {
        bool failed = true;
        for (long n = 0; failed; n++) {
            size_t before = f.published;
            alloc_fail_at(n);
            (void)!drain_turn(f.drain, f.now);
            failed = alloc_fail_end();
            f.now += TURN_MS;
            assert_true(f.published == before + 1 || (failed && f.published == before));
        }
    }
    assert_int_equal(f.emptied, 0);
    assert_non_null(f.rows[0]);
}

static void a_disk_that_does_not_read_is_asked_again(void **state)
{
    (void)state;
    f.rows[0] = "there";
    f.reading = STATUS_UNAVAILABLE;
    let_pass(LONG_MS);
    assert_int_equal(f.sent_len, 0);
    assert_int_equal(f.emptied, 0);
    f.reading = STATUS_OK;
    let_pass(LONG_MS);
    assert_int_equal(f.sent_len, 1);
    acknowledge();
}

static void
what_could_not_be_handed_in_to_be_deleted_is_handed_in_again_and_not_sent_again(void **state)
{
    (void)state;
    fill(3, "there");
    let_pass(TURN_MS);
    assert_int_equal(f.sent_len, 3);
    f.deletes_failing = 2;
    while (f.sent_len > 0)
        report_acknowledged();
    let_pass(TURN_MS);
    assert_non_null(f.rows[0]);
    let_pass(LONG_MS);
    for (int i = 0; i < 3; i++)
        assert_null(f.rows[i]);
    assert_int_equal(f.published, 3);
    assert_int_equal(f.emptied, 1);
}

static void what_cannot_be_handed_in_at_the_end_is_delivered_once_more(void **state)
{
    (void)state;
    fill(2, "there");
    let_pass(TURN_MS);
    while (f.sent_len > 0)
        report_acknowledged();
    f.deletes_failing = 1;
    drain_free(f.drain);
    assert_non_null(f.rows[0]);
    assert_int_equal(start_drain(), 0);
    let_pass(TURN_MS);
    assert_int_equal(f.sent_len, 2);
    while (f.sent_len > 0)
        acknowledge();
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

static void a_refused_topic_stays_refused_while_another_one_is_under_way(void **state)
{
    (void)state;
    f.rows[0] = "missing";
    f.rows[1] = "there";
    let_pass(LONG_MS);
    assert_int_equal(f.sent_len, 1);
    assert_true(drain_refuses(f.drain, "missing"));
    assert_false(drain_refuses(f.drain, "there"));
    acknowledge();
    assert_true(drain_refuses(f.drain, "missing"));
}

/* Callbacks for further ones are stored, as for a topic that comes back. */
static void no_more_than_16_topics_are_refused(void **state)
{
    (void)state;
    fill(17, "missing");
    let_pass(LONG_MS);
    size_t refused = 0;
    for (int i = 0; i < 17; i++)
        refused += drain_refuses(f.drain, f.rows[i]);
    assert_int_equal(refused, 16);
}

static void a_topic_longer_than_any_of_kafka_is_not_refused(void **state)
{
    (void)state;
    static char longest[250], longer[251];
    memset(longest, 'g', sizeof(longest) - 1);
    memset(longer, 'g', sizeof(longer) - 1);
    memcpy(longest, "missing", 7);
    memcpy(longer, "missing", 7);
    f.rows[0] = longest;
    f.rows[1] = longer;
    let_pass(LONG_MS);
    assert_true(drain_refuses(f.drain, longest));
    assert_false(drain_refuses(f.drain, longer));
}

int main(void)
{
#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)
    const struct CMUnitTest tests[] = {
        TEST(a_reading_without_memory_is_made_again), /* first: an arena that is kept needs none */
        TEST(rows_of_a_key_are_sent_one_after_the_other),
        TEST(other_keys_do_not_wait_for_a_key),
        TEST(of_a_key_with_many_rows_several_are_sent_together),
        TEST(rows_of_two_topics_of_a_class_are_sent_one_after_the_other_and_not_together),
        TEST(no_more_than_128_records_are_under_way),
        TEST(while_two_megabytes_are_under_way_nothing_else_is_sent_or_tried),
        TEST(of_many_that_are_blocked_64_are_tried_at_once),
        TEST(more_than_a_page_that_is_acknowledged_at_once_is_deleted),
        TEST(a_blocked_row_that_was_not_tried_for_lack_of_memory_is_tried_again),
        TEST(a_disk_that_does_not_read_is_asked_again),
        TEST(what_could_not_be_handed_in_to_be_deleted_is_handed_in_again_and_not_sent_again),
        TEST(what_cannot_be_handed_in_at_the_end_is_delivered_once_more),
        TEST(a_topic_is_refused_as_long_as_its_rows_wait),
        TEST(a_refused_topic_is_forgotten_when_nothing_is_left),
        TEST(a_refused_topic_is_forgotten_when_only_rows_of_others_are_left),
        TEST(a_refused_topic_stays_refused_while_another_one_is_under_way),
        TEST(no_more_than_16_topics_are_refused),
        TEST(a_topic_longer_than_any_of_kafka_is_not_refused),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
