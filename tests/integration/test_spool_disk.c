/* The spool on a disk that fails: what was STORED is there, whatever happens to the rest. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "bridge/base/log.h"
#include "bridge/ops/metrics.h"
#include "tests/support/faulty_disk.h"
#include "tests/support/spool_fixture.h"

/* Cuts in one run; POWER_CUTS=5000 for more. */
enum { POWER_CUTS = 300 };

static struct spool_fixture f;

static int setup(void **state)
{
    (void)state;
    faulty_disk_start();
    spool_fixture_init(&f);
    return 0;
}

static int teardown(void **state)
{
    (void)state;
    faulty_disk_set_flush_stuck(false);
    spool_fixture_done(&f);
    return 0;
}

static bool is_healthy(struct spool *s)
{
    struct diag diag = {0};
    return spool_is_healthy(s, &diag);
}

/* --- power ---------------------------------------------------------------------------------- */

enum { PUTS = 120, BURST = 8 };

/* What one life of a spool promised, publication by publication. */
struct promises {
    bool is_stored[PUTS];
    bool may_be_deleted[PUTS];
    size_t puts;
};

/* Deletes the rest: closing then makes the files small, and may be as far as the power lasts. */
static void empty(struct spool *s, struct promises *p, struct test_entry *entries[], size_t deleted,
                  uint64_t *seed)
{
    faulty_disk_power_off_after((long)(faulty_disk_random(seed) % 60));
    for (; deleted < p->puts; deleted++) {
        p->may_be_deleted[deleted] = true;
        int64_t sequence = entries[deleted]->entry.first_sequence;
        if (p->is_stored[deleted])
            assert_int_equal(spool_delete(s, &sequence, 1), STATUS_OK);
    }
}

/* Puts bursts and deletes from the front, until the power goes or all is done. The quota is small,
 * so that its log is short: checkpoints come often. */
static void live(const char *directory, struct promises *p, uint64_t *seed)
{
    struct test_entry *entries[PUTS] = {0};
    size_t deleted = 0;
    struct spool *s = test_spool_open(directory, 1 << 20, f.metrics, &f.wait);
    faulty_disk_power_off_after((long)(faulty_disk_random(seed) % 500));
    while (p->puts < PUTS && !faulty_disk_is_off()) {
        size_t ended = f.wait.ended, taken = 0, first = p->puts;
        for (size_t i = 0; i < BURST; i++) {
            char name[24];
            snprintf(name, sizeof(name), "p%03zu", p->puts);
            entries[p->puts] = test_entry_new(&f.wait, name, 1, faulty_disk_random(seed) % 6000);
            taken += spool_put(s, &entries[p->puts]->entry) == STATUS_OK;
            p->puts++;
        }
        test_wait_for(&f.wait, ended + taken);
        for (size_t i = first; i < p->puts; i++)
            p->is_stored[i] =
                entries[i]->outcome == SPOOL_STORED && entries[i]->entry.first_sequence > 0;
        while (deleted < first && faulty_disk_random(seed) % 3 > 0) {
            p->may_be_deleted[deleted] = true;
            int64_t sequence = entries[deleted]->entry.first_sequence;
            if (p->is_stored[deleted])
                assert_int_equal(spool_delete(s, &sequence, 1), STATUS_OK);
            deleted++;
        }
    }
    if (faulty_disk_random(seed) % 2 == 0 && !faulty_disk_is_off())
        empty(s, p, entries, deleted, seed);
    spool_close(s);
    for (size_t i = 0; i < p->puts; i++)
        test_entry_unref(entries[i]);
}

/* How many that were promised are missing. */
static size_t count_missing(const char *directory, const struct promises *p)
{
    size_t missing = 0;
    struct spool *s = test_spool_open(directory, 1 << 20, f.metrics, NULL);
    char *ids = test_spool_ids(s);
    const char *last = ids;
    for (size_t i = 0; i < p->puts; i++) {
        char id[32];
        snprintf(id, sizeof(id), "p%03zu-0 ", i);
        const char *found = strstr(ids, id);
        missing += found == NULL && p->is_stored[i] && !p->may_be_deleted[i];
        if (found == NULL)
            continue;
        assert_true(found >= last); /* in their order */
        assert_null(strstr(found + 1, id));
        last = found;
    }
    free(ids);
    spool_close(s);
    return missing;
}

static size_t cut_power(uint64_t seed, bool flush_lies)
{
    char before[64], after[64];
    struct promises p = {0};
    spool_fixture_make_directory(before);
    spool_fixture_make_directory(after);
    faulty_disk_start();
    faulty_disk_set_flush_lies(flush_lies);
    live(before, &p, &seed);
    faulty_disk_cut(seed, after);
    faulty_disk_start();
    size_t missing = count_missing(after, &p);
    spool_fixture_remove_directory(before);
    spool_fixture_remove_directory(after);
    return missing;
}

static unsigned cuts(void)
{
    const char *wanted = getenv("POWER_CUTS");
    unsigned n = 0;
    for (; wanted != NULL && *wanted >= '0' && *wanted <= '9' && n < 1000000; wanted++)
        n = n * 10 + (unsigned)(*wanted - '0');
    return n == 0 ? POWER_CUTS : n;
}

static void nothing_stored_is_missing_after_a_power_cut(void **state)
{
    (void)state;
    unsigned n = cuts();
    for (unsigned i = 1; i <= n; i++)
        if (cut_power(i, false) > 0)
            fail_msg("the cut with seed %u lost what was stored", i);
    spool_fixture_assert_metric(&f, "maesn_bridge_spool_quarantined_total", "0");
    spool_fixture_assert_metric(&f, "maesn_bridge_spool_damaged_records_total", "0");
    printf("%u power cuts\n", n);
}

/* The test of the test: without its flush a commit is not durable, and this is noticed. */
static void a_disk_that_pretends_to_flush_is_found_out(void **state)
{
    (void)state;
    size_t missing = 0;
    for (unsigned i = 1; i <= 40; i++)
        missing += cut_power(i, true);
    assert_true(missing > 0);
}

/* --- a full disk ---------------------------------------------------------------------------- */

/* Puts until the disk refuses; more than the log and the database have room for. */
static enum spool_outcome fill(void)
{
    enum spool_outcome outcome = SPOOL_STORED;
    for (int i = 0; i < 100 && outcome == SPOOL_STORED; i++)
        outcome = test_put(f.spool, &f.wait, "x", 1, 100000);
    return outcome;
}

static void a_full_disk_refuses_and_takes_again_when_there_is_room(void **state)
{
    (void)state;
    struct diag diag = {0};
    assert_int_equal(test_put(f.spool, &f.wait, "a", 2, 10), SPOOL_STORED);
    faulty_disk_set_full(true);
    assert_in_range(fill(), SPOOL_FULL, SPOOL_FAILED);
    assert_false(spool_is_healthy(f.spool, &diag));
    assert_non_null(strstr(diag.text, "database or disk is full"));
    struct test_entry *e = test_entry_new(&f.wait, "b", 1, 10);
    assert_int_not_equal(spool_put(f.spool, &e->entry), STATUS_OK); /* at once, not after a wait */
    size_t changes = f.wait.changes;
    faulty_disk_set_full(false);
    test_eventually(is_healthy, f.spool);
    test_wait_for_changes(&f.wait, changes + 1);
    size_t ended = f.wait.ended;
    assert_int_equal(spool_put(f.spool, &e->entry), STATUS_OK);
    test_wait_for(&f.wait, ended + 1);
    assert_int_equal(e->outcome, SPOOL_STORED);
    test_entry_unref(e);
    char *ids = test_spool_ids(f.spool);
    assert_memory_equal(ids, "a-0 a-1 ", 8);
    assert_non_null(strstr(ids, "b-0 "));
    free(ids);
}

static bool has_one(struct spool *s)
{
    return spool_records(s) == 1 && spool_bytes(s) < 1000;
}

static void what_is_deleted_on_a_full_disk_is_gone_when_there_is_room(void **state)
{
    (void)state;
    const int64_t first = 1;
    assert_int_equal(test_put(f.spool, &f.wait, "a", 1, 10000), SPOOL_STORED);
    assert_int_equal(test_put(f.spool, &f.wait, "b", 1, 10), SPOOL_STORED);
    faulty_disk_set_full(true);
    assert_int_equal(spool_delete(f.spool, &first, 1), STATUS_OK);
    assert_int_equal(spool_records(f.spool), 1);
    faulty_disk_set_full(false);
    test_eventually(has_one, f.spool);
    test_assert_ids(f.spool, "b-0 ");
}

/* --- reads that fail --- */

/* Reads once. */
static enum status read_once(struct spool *s)
{
    struct arena *a = arena_new(100000);
    struct spooled_record *records;
    size_t len;
    enum status status = spool_read(s, 0, 10, 100000, a, &records, &len);
    arena_free(a);
    return status;
}

static bool is_read(struct spool *s)
{
    return read_once(s) == STATUS_OK;
}

static bool is_told(struct spool *s)
{
    return read_once(s) == STATUS_UNAVAILABLE && !is_healthy(s);
}

static void a_disk_that_fails_to_read_is_told_of_and_nothing_is_set_aside(void **state)
{
    (void)state;
    assert_int_equal(test_put(f.spool, &f.wait, "a", 2, 10), SPOOL_STORED);
    faulty_disk_set_read_fails(true);
    assert_int_equal(read_once(f.spool), STATUS_UNAVAILABLE);
    assert_true(is_healthy(f.spool)); /* it may be over in a moment */
    test_eventually(is_told, f.spool);
    faulty_disk_set_read_fails(false);
    test_eventually(is_healthy, f.spool);
    test_eventually(is_read, f.spool);
    test_assert_ids(f.spool, "a-0 a-1 ");
    spool_fixture_assert_metric(&f, "maesn_bridge_spool_quarantined_total", "0");
}

/* --- flushes that fail ---------------------------------------------------------------------- */

static void a_failed_flush_is_told_and_the_spool_comes_back(void **state)
{
    (void)state;
    struct diag diag = {0};
    assert_int_equal(test_put(f.spool, &f.wait, "a", 2, 10), SPOOL_STORED);
    faulty_disk_set_flush_fails(true);
    assert_int_equal(test_put(f.spool, &f.wait, "b", 3, 10), SPOOL_FAILED);
    assert_false(spool_is_healthy(f.spool, &diag));
    assert_non_null(strstr(diag.text, "disk I/O error"));
    struct test_entry *e = test_entry_new(&f.wait, "c", 1, 10);
    assert_int_equal(spool_put(f.spool, &e->entry), STATUS_UNAVAILABLE);
    spool_fixture_assert_metric(&f, "maesn_bridge_spool_refused_total{reason=\"failed\"}", "1");
    spool_fixture_assert_metric(&f, "maesn_bridge_spool_healthy", "0");
    size_t changes = f.wait.changes;
    faulty_disk_set_flush_fails(false);
    test_eventually(is_healthy, f.spool);
    test_wait_for_changes(&f.wait, changes + 1);
    assert_int_equal(spool_put(f.spool, &e->entry), STATUS_OK);
    test_wait_for(&f.wait, 3);
    assert_int_equal(e->outcome, SPOOL_STORED);
    test_entry_unref(e);
    /* b was answered 503 and is there all the same: it is delivered, and counted. */
    test_assert_ids(f.spool, "a-0 a-1 b-0 b-1 b-2 c-0 ");
    spool_fixture_assert_metric(&f, "maesn_bridge_spool_ambiguous_records_total", "3");
    spool_fixture_assert_metric(&f, "maesn_bridge_spool_healthy", "1");
}

static void nothing_stored_is_missing_after_a_failed_flush_and_a_power_cut(void **state)
{
    (void)state;
    char after[64];
    spool_fixture_make_directory(after);
    assert_int_equal(test_put(f.spool, &f.wait, "a", 2, 10), SPOOL_STORED);
    faulty_disk_set_flush_fails(true);
    assert_int_equal(test_put(f.spool, &f.wait, "b", 1, 10), SPOOL_FAILED);
    faulty_disk_set_flush_fails(false);
    test_eventually(is_healthy, f.spool);
    assert_int_equal(test_put(f.spool, &f.wait, "c", 1, 10), SPOOL_STORED);
    faulty_disk_power_off_after(0);
    while (test_put(f.spool, &f.wait, "d", 1, 10) == SPOOL_STORED)
        ;
    faulty_disk_cut(1, after);
    faulty_disk_start();
    spool_close(f.spool);
    f.spool = test_spool_open(after, 0, f.metrics, &f.wait);
    char *ids = test_spool_ids(f.spool);
    assert_non_null(strstr(ids, "a-0 a-1 "));
    assert_non_null(strstr(ids, "c-0 "));
    free(ids);
    spool_close(f.spool);
    f.spool = NULL;
    spool_fixture_remove_directory(after);
}

/* --- flushes that take for ever ------------------------------------------------------------- */

static bool is_unhealthy(struct spool *s)
{
    return !is_healthy(s);
}

static void a_disk_that_does_not_answer_is_not_waited_for(void **state)
{
    (void)state;
    struct test_entry *first = test_entry_new(&f.wait, "a", 1, 10);
    struct test_entry *second = test_entry_new(&f.wait, "b", 1, 10);
    faulty_disk_set_flush_stuck(true);
    assert_int_equal(spool_put(f.spool, &first->entry), STATUS_OK);
    test_eventually(is_unhealthy, f.spool);
    struct diag diag = {0};
    assert_false(spool_is_healthy(f.spool, &diag));
    assert_string_equal(diag.text, "the disk has not answered for 2 s");
    assert_int_equal(spool_put(f.spool, &second->entry), STATUS_UNAVAILABLE);
    spool_fixture_assert_metric(&f, "maesn_bridge_spool_healthy", "0");
    faulty_disk_set_flush_stuck(false);
    test_wait_for(&f.wait, 1);
    assert_int_equal(first->outcome, SPOOL_STORED);
    assert_true(is_healthy(f.spool));
    spool_fixture_assert_metric(&f, "maesn_bridge_spool_healthy", "1");
    test_entry_unref(first);
    test_entry_unref(second);
}

static void little_memory_waits_for_a_disk_that_does_not_answer(void **state)
{
    (void)state;
    enum { LEN = 40, MIB = 1 << 20 };
    struct test_entry *entries[LEN];
    size_t taken = 0;
    faulty_disk_set_flush_stuck(true);
    for (size_t i = 0; i < LEN; i++) {
        entries[i] = test_entry_new(&f.wait, "a", 1, MIB - 1000);
        taken += spool_put(f.spool, &entries[i]->entry) == STATUS_OK;
    }
    assert_int_equal(taken, 32); /* though there is room for 64 in the spool */
    faulty_disk_set_flush_stuck(false);
    test_wait_for(&f.wait, taken);
    for (size_t i = 0; i < LEN; i++)
        test_entry_unref(entries[i]);
}

int main(void)
{
#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)
    log_set_level(LOG_WARN);
    const struct CMUnitTest tests[] = {
        TEST(nothing_stored_is_missing_after_a_power_cut),
        TEST(a_disk_that_pretends_to_flush_is_found_out),
        TEST(a_full_disk_refuses_and_takes_again_when_there_is_room),
        TEST(what_is_deleted_on_a_full_disk_is_gone_when_there_is_room),
        TEST(a_disk_that_fails_to_read_is_told_of_and_nothing_is_set_aside),
        TEST(a_failed_flush_is_told_and_the_spool_comes_back),
        TEST(nothing_stored_is_missing_after_a_failed_flush_and_a_power_cut),
        TEST(a_disk_that_does_not_answer_is_not_waited_for),
        TEST(little_memory_waits_for_a_disk_that_does_not_answer),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
