/* What the spooling sink does where two things happen at once, and where memory is short: a case
 * each. Histories of them are in test_spooling_model.c. */
#include "bridge/spool/spooling_sink.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#include "bridge/base/buf.h"
#include "bridge/base/clock.h"
#include "tests/support/alloc_fail.h"

enum { RECORDS = 130, DEADLINE_MS = 1000, SOFT_MS = DEADLINE_MS * SPOOLING_SOFT_PERCENT / 100 };

static struct {
    int64_t now;
    struct backlog backlog;
    struct metrics *metrics;
    struct spooling_sink *sink;
    struct record records[RECORDS];
    struct publication outer;
    size_t answers;
    enum status answer; /* the last one */
    bool is_released;

    enum status taking;          /* what Kafka's sink says */
    struct publication *attempt; /* what it has */
    enum status putting;         /* what the spool says */
    struct spool_entry *entry;   /* what it has */
    size_t puts, withdrawn, deleted;
    enum status deleting;
    bool refuses;
    void (*meanwhile)(void); /* happens where the test says, once */
} f;

static void let_happen(void)
{
    void (*happens)(void) = f.meanwhile;
    f.meanwhile = NULL;
    if (happens != NULL)
        happens();
}

/* --- the world: a clock, a spool, and a Kafka ------------------------------------------------- */

static bool happens_at_the_clock;

int64_t clock_mono_ms(void)
{
    if (happens_at_the_clock)
        let_happen();
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

bool __real_publication_is_abandoned(const struct publication *pub);
bool __wrap_publication_is_abandoned(const struct publication *pub);

bool __wrap_publication_is_abandoned(const struct publication *pub)
{
    bool is = __real_publication_is_abandoned(pub);
    if (!happens_at_the_clock)
        let_happen();
    return is;
}

enum status spool_put(struct spool *s, struct spool_entry *entry)
{
    (void)s;
    f.puts++;
    if (f.putting != STATUS_OK)
        return f.putting;
    (void)publication_ref(entry->pub);
    f.entry = entry;
    return STATUS_OK;
}

void spool_withdraw(struct spool_entry *entry)
{
    (void)entry;
    f.withdrawn++;
}

enum status spool_delete(struct spool *s, const int64_t *sequences, size_t len)
{
    (void)s;
    for (size_t i = 0; i < len; i++)
        assert_int_equal(sequences[i], 7 + f.deleted++);
    return f.deleting;
}

static enum status take(struct event_sink *sink, struct publication *pub)
{
    (void)sink;
    if (f.taking == STATUS_OK)
        f.attempt = publication_ref(pub);
    return f.taking;
}

static struct event_sink kafka = {take};

static bool is_refused(void *ctx, const char *topic)
{
    (void)ctx, (void)topic;
    return f.refuses;
}

/* The attempt's end. */
static void report(enum status status)
{
    struct publication *attempt = f.attempt;
    f.attempt = NULL;
    (void)attempt->on_done(attempt, status);
    publication_unref(attempt);
}

static void acknowledge(void)
{
    report(STATUS_OK);
}

static void break_off(void)
{
    report(STATUS_UNAVAILABLE);
}

/* The storing's end. */
static void conclude(enum spool_outcome outcome)
{
    struct spool_entry *entry = f.entry;
    struct publication *pub = entry->pub;
    f.entry = NULL;
    entry->first_sequence = 7;
    entry->on_end(entry, outcome);
    publication_unref(pub);
}

static bool on_done(struct publication *pub, enum status status)
{
    (void)pub;
    f.answers++;
    f.answer = status;
    return true;
}

static void on_release(struct publication *pub)
{
    (void)pub;
    f.is_released = true;
}

static void start(bool has_stored, bool (*asks)(void *, const char *))
{
    f.now = 1000;
    backlog_init(&f.backlog, has_stored, f.now);
    const struct spooling_sink_options options = {.inner = &kafka,
                                                  .backlog = &f.backlog,
                                                  .deadline_ms = DEADLINE_MS,
                                                  .metrics = f.metrics,
                                                  .is_refused = asks};
    assert_int_equal(spooling_sink_new(&options, &f.sink), STATUS_OK);
    publication_init(&f.outer);
    for (size_t i = 0; i < RECORDS; i++)
        f.records[i] = (struct record){.topic = "there"};
    f.outer.records = f.records;
    f.outer.records_len = RECORDS;
    f.outer.on_done = on_done;
    f.outer.on_release = on_release;
}

static int setup(void **state)
{
    (void)state;
    memset(&f, 0, sizeof(f));
    happens_at_the_clock = false;
    return metrics_new(&f.metrics) == STATUS_OK ? 0 : -1;
}

static int teardown(void **state)
{
    (void)state;
    publication_unref(&f.outer);
    spooling_sink_free(f.sink);
    backlog_done(&f.backlog);
    metrics_free(f.metrics);
    return f.is_released ? 0 : -1;
}

static enum status publish(void)
{
    return event_sink_publish(spooling_sink_port(f.sink), &f.outer);
}

static void meet_the_soft_limit(void)
{
    f.now += SOFT_MS;
    (void)!spooling_sink_turn(f.sink, f.now);
}

static void assert_answer(enum status expected)
{
    assert_int_equal(f.answers, 1);
    assert_int_equal(f.answer, expected);
}

/* --- cases ------------------------------------------------------------------------------------ */

static void without_memory_nothing_is_taken(void **state)
{
    (void)state;
    start(false, is_refused);
    alloc_fail_at(0);
    enum status status = publish();
    assert_true(alloc_fail_end());
    assert_int_equal(status, STATUS_NOMEM);
    assert_null(f.attempt);
    assert_int_equal(f.answers, 0);
}

static void what_is_due_already_is_stored_at_once(void **state)
{
    (void)state;
    start(false, is_refused);
    f.outer.due_mono_ms = f.now - 1;
    assert_int_equal(publish(), STATUS_OK);
    (void)!spooling_sink_turn(f.sink, f.now);
    assert_int_equal(f.puts, 1);
    conclude(SPOOL_STORED);
    assert_answer(STATUS_OK);
    break_off();
}

static void behind_others_a_refused_topic_is_refused(void **state)
{
    (void)state;
    start(true, is_refused);
    f.refuses = true;
    assert_int_equal(publish(), STATUS_REFUSED);
    assert_int_equal(f.puts, 0);
}

static void nobody_has_to_know_which_topics_are_refused(void **state)
{
    (void)state;
    start(true, NULL);
    assert_int_equal(publish(), STATUS_OK);
    conclude(SPOOL_STORED);
    assert_answer(STATUS_OK);
}

/* Of many records, too. */
static void what_is_acknowledged_before_it_is_stored_is_deleted(void **state)
{
    (void)state;
    start(false, is_refused);
    assert_int_equal(publish(), STATUS_OK);
    meet_the_soft_limit();
    acknowledge();
    assert_answer(STATUS_OK);
    assert_int_equal(f.withdrawn, 1);
    conclude(SPOOL_STORED); /* too late to withdraw it */
    assert_answer(STATUS_OK);
    assert_int_equal(f.deleted, RECORDS);
}

static void rows_that_could_not_be_deleted_count_as_duplicates(void **state)
{
    (void)state;
    struct buf text;
    buf_init(&text, 1 << 16);
    start(false, is_refused);
    f.deleting = STATUS_NOMEM;
    assert_int_equal(publish(), STATUS_OK);
    meet_the_soft_limit();
    acknowledge();
    conclude(SPOOL_STORED);
    metrics_print(f.metrics, &text);
    assert_non_null(
        strstr(buf_text(&text), "\nmaesn_bridge_spool_duplicates_possible_total 130\n"));
    buf_done(&text);
}

static void an_attempt_acknowledged_at_the_soft_limit_is_not_stored(void **state)
{
    (void)state;
    start(false, is_refused);
    assert_int_equal(publish(), STATUS_OK);
    f.meanwhile = acknowledge;
    meet_the_soft_limit();
    assert_answer(STATUS_OK);
    assert_int_equal(f.puts, 0);
}

static void an_attempt_that_fails_at_the_soft_limit_is_stored_once(void **state)
{
    (void)state;
    start(false, is_refused);
    assert_int_equal(publish(), STATUS_OK);
    f.meanwhile = break_off;
    meet_the_soft_limit();
    assert_int_equal(f.puts, 1);
    assert_int_equal(f.answers, 0);
    conclude(SPOOL_STORED);
    assert_answer(STATUS_OK);
}

static void an_attempt_and_a_storing_that_fail_at_once_are_answered_once(void **state)
{
    (void)state;
    start(false, is_refused);
    assert_int_equal(publish(), STATUS_OK);
    meet_the_soft_limit();
    happens_at_the_clock = true; /* after the storing has failed, before that is judged */
    f.meanwhile = break_off;
    conclude(SPOOL_FAILED);
    assert_null(f.attempt);
    assert_answer(STATUS_UNAVAILABLE);
}

int main(void)
{
#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)
    const struct CMUnitTest tests[] = {
        TEST(without_memory_nothing_is_taken),
        TEST(what_is_due_already_is_stored_at_once),
        TEST(behind_others_a_refused_topic_is_refused),
        TEST(nobody_has_to_know_which_topics_are_refused),
        TEST(what_is_acknowledged_before_it_is_stored_is_deleted),
        TEST(rows_that_could_not_be_deleted_count_as_duplicates),
        TEST(an_attempt_acknowledged_at_the_soft_limit_is_not_stored),
        TEST(an_attempt_that_fails_at_the_soft_limit_is_stored_once),
        TEST(an_attempt_and_a_storing_that_fail_at_once_are_answered_once),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
