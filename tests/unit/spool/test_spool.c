#include "bridge/spool/spool.h"

#include <fcntl.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cmocka.h>

#include "tests/support/alloc_fail.h"
#include "tests/support/spool_fixture.h"

static struct spool_fixture f;

static void reopen_spool(void)
{
    spool_close(f.spool);
    spool_fixture_open(&f, 0);
}

static int setup(void **state)
{
    (void)state;
    spool_fixture_init(&f);
    return 0;
}

static int teardown(void **state)
{
    (void)state;
    spool_fixture_done(&f);
    return 0;
}

static bool is_empty(struct spool *s)
{
    return spool_records(s) == 0 && spool_bytes(s) == 0;
}

static void delete_all(void)
{
    struct arena *a = arena_new(1 << 26);
    struct spooled_record *records = NULL;
    int64_t after = 0;
    size_t len = 0;
    do {
        assert_int_equal(spool_read(f.spool, after, 50, 1 << 20, a, &records, &len), STATUS_OK);
        for (size_t i = 0; i < len; i++) {
            after = records[i].sequence;
            assert_int_equal(spool_delete(f.spool, &after, 1), STATUS_OK);
        }
    } while (len > 0);
    arena_free(a);
}

/* --- storing and reading -------------------------------------------------------------------- */

static void what_is_stored_is_read_back_in_order(void **state)
{
    (void)state;
    assert_int_equal(test_put(f.spool, &f.wait, "a", 2, 10), SPOOL_STORED);
    assert_int_equal(test_put(f.spool, &f.wait, "b", 1, 10), SPOOL_STORED);
    assert_int_equal(test_put(f.spool, &f.wait, "c", 3, 10), SPOOL_STORED);
    test_assert_ids(f.spool, "a-0 a-1 b-0 c-0 c-1 c-2 ");
    assert_int_equal(spool_records(f.spool), 6);
}

static void what_is_stored_is_there_after_a_restart(void **state)
{
    (void)state;
    assert_int_equal(test_put(f.spool, &f.wait, "a", 2, 10), SPOOL_STORED);
    uint64_t bytes = spool_bytes(f.spool);
    reopen_spool();
    assert_int_equal(spool_records(f.spool), 2);
    assert_int_equal(spool_bytes(f.spool), bytes);
    assert_int_equal(test_put(f.spool, &f.wait, "b", 1, 10), SPOOL_STORED);
    test_assert_ids(f.spool, "a-0 a-1 b-0 ");
}

static void what_is_deleted_does_not_come_back(void **state)
{
    (void)state;
    assert_int_equal(test_put(f.spool, &f.wait, "a", 3, 10), SPOOL_STORED);
    delete_all();
    test_eventually(is_empty, f.spool);
    test_assert_ids(f.spool, "");
    reopen_spool();
    test_assert_ids(f.spool, "");
    assert_int_equal(spool_records(f.spool), 0);
}

static void what_is_to_be_deleted_is_not_read_again(void **state)
{
    (void)state;
    assert_int_equal(test_put(f.spool, &f.wait, "a", 400, 10), SPOOL_STORED);
    assert_int_equal(test_put(f.spool, &f.wait, "b", 1, 10), SPOOL_STORED);
    for (int64_t sequence = 1; sequence <= 400; sequence++)
        assert_int_equal(spool_delete(f.spool, &sequence, 1), STATUS_OK);
    test_assert_ids(f.spool, "b-0 "); /* while some are gone and some still go */
}

static void a_sequence_never_comes_twice(void **state)
{
    (void)state;
    assert_int_equal(test_put(f.spool, &f.wait, "a", 3, 10), SPOOL_STORED);
    delete_all();
    reopen_spool();
    struct test_entry *e = test_entry_new(&f.wait, "b", 2, 10);
    assert_int_equal(spool_put(f.spool, &e->entry), STATUS_OK);
    test_wait_for(&f.wait, 2);
    assert_int_equal(e->outcome, SPOOL_STORED);
    assert_int_equal(e->entry.first_sequence, 4);
    test_entry_unref(e);
}

static void a_read_goes_as_far_as_its_bounds(void **state)
{
    (void)state;
    struct arena *a = arena_new(1 << 26);
    struct spooled_record *records = NULL;
    size_t len = 0;
    assert_int_equal(test_put(f.spool, &f.wait, "a", 10, 1000), SPOOL_STORED);
    assert_int_equal(spool_read(f.spool, 0, 3, 1 << 20, a, &records, &len), STATUS_OK);
    assert_int_equal(len, 3); /* as many as asked for */
    assert_int_equal(spool_read(f.spool, 3, 100, 2500, a, &records, &len), STATUS_OK);
    assert_int_equal(len, 2); /* as many as fit the bytes */
    assert_int_equal(records[0].sequence, 4);
    assert_int_equal(spool_read(f.spool, 5, 100, 1, a, &records, &len), STATUS_OK);
    assert_int_equal(len, 1); /* at least one */
    assert_int_equal(spool_read(f.spool, 10, 100, 1 << 20, a, &records, &len), STATUS_OK);
    assert_int_equal(len, 0); /* there is none */
    arena_free(a);
    a = arena_new(15000);
    assert_int_equal(spool_read(f.spool, 0, 100, 1 << 20, a, &records, &len), STATUS_OK);
    assert_in_range(len, 1, 9); /* as many as the arena holds */
    arena_free(a);
    a = arena_new(1000);
    assert_int_equal(spool_read(f.spool, 0, 100, 1 << 20, a, &records, &len), STATUS_NOMEM);
    arena_free(a);
}

static void a_publication_of_more_than_a_batch_is_stored_whole(void **state)
{
    (void)state;
    assert_int_equal(test_put(f.spool, &f.wait, "a", 3000, 900), SPOOL_STORED);
    assert_int_equal(spool_records(f.spool), 3000);
}

/* --- withdrawing and refusing --------------------------------------------------------------- */

static void what_is_withdrawn_in_time_is_not_stored(void **state)
{
    (void)state;
    struct test_entry *e = test_entry_new(&f.wait, "a", 2, 10);
    spool_withdraw(&e->entry);
    assert_int_equal(spool_put(f.spool, &e->entry), STATUS_OK);
    test_wait_for(&f.wait, 1);
    assert_int_equal(e->outcome, SPOOL_WITHDRAWN);
    test_entry_unref(e);
    test_assert_ids(f.spool, "");
    assert_int_equal(spool_bytes(f.spool), 0);
}

static void a_full_spool_refuses_until_something_is_deleted(void **state)
{
    (void)state;
    struct diag diag = {0};
    spool_close(f.spool);
    spool_fixture_open(&f, 1 << 20);
    assert_true(spool_is_healthy(f.spool, &diag));
    for (int i = 0; i < 10; i++)
        assert_int_equal(test_put(f.spool, &f.wait, "a", 1, 104000), SPOOL_STORED);
    struct test_entry *e = test_entry_new(&f.wait, "b", 1, 20000);
    assert_int_equal(spool_put(f.spool, &e->entry), STATUS_BUSY);
    assert_false(spool_is_healthy(f.spool, &diag));
    assert_string_equal(diag.text, "the spool is full: 1040240 of 1048576 bytes");
    size_t changes = f.wait.changes;
    delete_all();
    test_wait_for_changes(&f.wait, changes + 1); /* there is room again */
    test_eventually(is_empty, f.spool);
    assert_int_equal(spool_put(f.spool, &e->entry), STATUS_OK);
    test_wait_for(&f.wait, 11);
    assert_int_equal(e->outcome, SPOOL_STORED);
    test_entry_unref(e);
}

static void what_waits_counts_for_the_quota(void **state)
{
    (void)state;
    enum { LEN = 40 };
    struct test_entry *entries[LEN];
    size_t taken = 0;
    spool_close(f.spool);
    spool_fixture_open(&f, 1 << 20);
    for (size_t i = 0; i < LEN; i++) {
        entries[i] = test_entry_new(&f.wait, "a", 1, 100000);
        taken += spool_put(f.spool, &entries[i]->entry) == STATUS_OK;
    }
    test_wait_for(&f.wait, taken);
    assert_int_equal(taken, 10);
    assert_int_equal(spool_records(f.spool), 10);
    for (size_t i = 0; i < LEN; i++)
        test_entry_unref(entries[i]);
}

static void the_one_who_empties_it_is_told_when_something_came_after_its_end(void **state)
{
    (void)state;
    assert_int_equal(test_put(f.spool, &f.wait, "a", 1, 10), SPOOL_STORED);
    test_wait_for_changes(&f.wait, 1); /* it was never read */
    test_assert_ids(f.spool, "a-0 ");
    assert_int_equal(test_put(f.spool, &f.wait, "b", 1, 10), SPOOL_STORED);
    test_wait_for_changes(&f.wait, 2); /* though a-0 is not deleted yet */
    assert_int_equal(test_put(f.spool, &f.wait, "c", 1, 10), SPOOL_STORED);
    test_assert_ids(f.spool, "a-0 b-0 c-0 ");
    assert_int_equal(f.wait.changes, 2); /* nobody had read b-0 */
}

static void closing_concludes_everything_handed_in(void **state)
{
    (void)state;
    enum { LEN = 200 };
    struct test_entry *entries[LEN];
    for (size_t i = 0; i < LEN; i++) {
        entries[i] = test_entry_new(&f.wait, "a", 7, 3000);
        assert_int_equal(spool_put(f.spool, &entries[i]->entry), STATUS_OK);
    }
    spool_close(f.spool);
    assert_int_equal(f.wait.ended, LEN);
    for (size_t i = 0; i < LEN; i++) {
        assert_int_equal(entries[i]->outcome, SPOOL_STORED);
        test_entry_unref(entries[i]);
    }
    spool_fixture_open(&f, 0);
    assert_int_equal(spool_records(f.spool), 7 * LEN);
}

/* --- its files ------------------------------------------------------------------------------ */

static void its_files_are_for_nobody_else(void **state)
{
    (void)state;
    static const char *const names[] = {"spool.db", "spool.db-wal", "spool.db-shm", "spool.lock"};
    assert_int_equal(test_put(f.spool, &f.wait, "a", 1, 10), SPOOL_STORED);
    for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++) {
        char path[128];
        struct stat st;
        snprintf(path, sizeof(path), "%s/%s", f.directory, names[i]);
        assert_int_equal(stat(path, &st), 0);
        assert_int_equal(st.st_mode & 0777, 0600);
    }
}

static void two_cannot_have_the_same_directory(void **state)
{
    (void)state;
    struct spool *second = NULL;
    struct diag diag = {0};
    const struct spool_options options = {
        .directory = f.directory, .max_bytes = 1 << 20, .metrics = f.metrics};
    assert_int_equal(spool_open(&options, &second, &diag), STATUS_INVALID);
    char expected[128];
    snprintf(expected, sizeof(expected), "%s: another process has this spool", f.directory);
    assert_string_equal(diag.text, expected);
    assert_null(second);
}

static void a_directory_that_is_not_there_is_an_error(void **state)
{
    (void)state;
    struct spool *s = NULL;
    struct diag diag = {0};
    const struct spool_options options = {
        .directory = "not-there", .max_bytes = 1 << 20, .metrics = f.metrics};
    assert_int_equal(spool_open(&options, &s, &diag), STATUS_INVALID);
    assert_string_equal(diag.text, "not-there: No such file or directory, expected a directory");
}

static void memory_that_runs_short_while_opening_is_told(void **state)
{
    (void)state;
    spool_close(f.spool);
    f.spool = NULL;
    bool failed = true;
    const struct spool_options options = {
        .directory = f.directory, .max_bytes = 1 << 20, .metrics = f.metrics};
    for (long n = 0; failed && f.spool == NULL; n++) {
        struct diag diag = {0};
        alloc_fail_at(n);
        enum status status = spool_open(&options, &f.spool, &diag);
        failed = alloc_fail_end();
        assert_true(status == STATUS_OK || (failed && status == STATUS_NOMEM));
    }
    assert_non_null(f.spool);
}

static void memory_that_runs_short_while_deleting_is_told(void **state)
{
    (void)state;
    int64_t sequence = 1;
    assert_int_equal(test_put(f.spool, &f.wait, "a", 1, 10), SPOOL_STORED);
    alloc_fail_at(0);
    enum status status = spool_delete(f.spool, &sequence, 1);
    assert_true(alloc_fail_end());
    assert_int_equal(status, STATUS_NOMEM);
    assert_int_equal(spool_records(f.spool), 1);
    assert_int_equal(spool_delete(f.spool, &sequence, 1), STATUS_OK);
    assert_int_equal(spool_records(f.spool), 0);
}

int main(void)
{
#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)
    const struct CMUnitTest tests[] = {
        TEST(what_is_stored_is_read_back_in_order),
        TEST(what_is_stored_is_there_after_a_restart),
        TEST(what_is_deleted_does_not_come_back),
        TEST(what_is_to_be_deleted_is_not_read_again),
        TEST(a_sequence_never_comes_twice),
        TEST(a_read_goes_as_far_as_its_bounds),
        TEST(a_publication_of_more_than_a_batch_is_stored_whole),
        TEST(what_is_withdrawn_in_time_is_not_stored),
        TEST(a_full_spool_refuses_until_something_is_deleted),
        TEST(what_waits_counts_for_the_quota),
        TEST(the_one_who_empties_it_is_told_when_something_came_after_its_end),
        TEST(closing_concludes_everything_handed_in),
        TEST(its_files_are_for_nobody_else),
        TEST(two_cannot_have_the_same_directory),
        TEST(a_directory_that_is_not_there_is_an_error),
        TEST(memory_that_runs_short_while_opening_is_told),
        TEST(memory_that_runs_short_while_deleting_is_told),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
