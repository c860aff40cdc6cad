#include "bridge/spool/store_reader.h"

#include <dirent.h>
#include <fcntl.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cmocka.h>

#include "bridge/base/file.h"
#include "bridge/base/log.h"
#include "tests/support/alloc_fail.h"
#include "tests/support/spool_fixture.h"

enum { PAGE = 4096 };

static struct spool_fixture f;
static struct store_reader *reader;
static struct arena *arena;

static int setup(void **state)
{
    (void)state;
    spool_fixture_init(&f);
    arena = arena_new(SIZE_MAX / 4);
    return arena == NULL ? -1 : 0;
}

static int teardown(void **state)
{
    (void)state;
    store_reader_close(reader);
    reader = NULL;
    arena_free(arena);
    spool_fixture_done(&f);
    return 0;
}

static void close_spool(void)
{
    spool_close(f.spool);
    f.spool = NULL;
}

static void open_reader(void)
{
    struct diag diag = {0};
    store_reader_close(reader);
    reader = NULL;
    if (store_reader_open(f.database, &reader, &diag) != STATUS_OK)
        fail_msg("%s", diag.text);
}

/* All there is, gaps left out. */
static size_t count_readable(size_t *ret_gaps)
{
    struct store_range range = {.max = 100, .max_bytes = 1 << 20};
    size_t records = 0;
    *ret_gaps = 0;
    while (range.after != INT64_MAX) {
        struct store_page page;
        struct diag diag = {0};
        enum status status = store_reader_read(reader, &range, arena, &page, &diag);
        for (size_t i = 0; i < page.len; i++) {
            assert_true(page.records[i].sequence > range.after);
            range.after = page.records[i].sequence;
        }
        records += page.len;
        if (status == STATUS_INVALID) {
            ++*ret_gaps;
            range.after = store_reader_skip(reader, STORE_RECORDS, range.after);
        } else {
            assert_int_equal(status, STATUS_OK);
            if (page.is_at_end)
                range.after = INT64_MAX;
        }
    }
    return records;
}

static void a_running_spool_can_be_read_beside_it(void **state)
{
    (void)state;
    size_t gaps = 0;
    open_reader();
    assert_int_equal(count_readable(&gaps), 0);
    assert_int_equal(test_put(f.spool, &f.wait, "a", 300, 100), SPOOL_STORED);
    assert_int_equal(count_readable(&gaps), 300);
    assert_int_equal(gaps, 0);
}

static void a_survey_counts_by_topic(void **state)
{
    (void)state;
    static const char *const topics[] = {"maesn.invoice", "maesn.customer", "maesn.invoice"};
    struct store_survey survey;
    struct diag diag = {0};
    for (size_t i = 0; i < 3; i++) {
        struct test_entry *e = test_entry_new(&f.wait, "a", 2, 0);
        e->pub.records[0].topic = e->pub.records[1].topic = topics[i];
        assert_int_equal(spool_put(f.spool, &e->entry), STATUS_OK);
        test_wait_for(&f.wait, i + 1);
        test_entry_unref(e);
    }
    open_reader();
    assert_int_equal(store_reader_survey(reader, arena, &survey, &diag), STATUS_OK);
    assert_int_equal(survey.all.records, 6);
    assert_int_equal(survey.all.bytes, spool_bytes(f.spool));
    assert_true(survey.all.oldest_unix_ms > 0);
    assert_true(survey.all.oldest_unix_ms <= survey.all.newest_unix_ms);
    assert_int_equal(survey.topics_len, 2);
    assert_string_equal(survey.topics[0].name, "maesn.customer");
    assert_int_equal(survey.topics[0].records, 2);
    assert_string_equal(survey.topics[1].name, "maesn.invoice");
    assert_int_equal(survey.topics[1].records, 4);
    assert_int_equal(survey.damaged, 0);
}

static void the_survey_of_an_empty_spool_is_empty(void **state)
{
    (void)state;
    struct store_survey survey;
    struct diag diag = {0};
    open_reader();
    assert_int_equal(store_reader_survey(reader, arena, &survey, &diag), STATUS_OK);
    assert_int_equal(survey.all.records, 0);
    assert_int_equal(survey.topics_len, 0);
}

static size_t count_files(void)
{
    size_t files = 0;
    DIR *d = opendir(f.directory);
    assert_non_null(d);
    while (readdir(d) != NULL)
        files++;
    closedir(d);
    return files;
}

static void a_database_at_rest_is_read_without_a_trace(void **state)
{
    (void)state;
    char moved[128];
    size_t gaps = 0;
    assert_int_equal(test_put(f.spool, &f.wait, "a", 10, 100), SPOOL_STORED);
    close_spool();
    snprintf(moved, sizeof(moved), "%s/100%%?#", f.directory); /* names SQLite's URIs must bear */
    assert_int_equal(rename(f.database, moved), 0);
    snprintf(f.database, sizeof(f.database), "%s/100%%?#", f.directory);
    size_t files = count_files();
    open_reader();
    assert_int_equal(count_readable(&gaps), 10);
    store_reader_close(reader);
    reader = NULL;
    assert_int_equal(count_files(), files);
}

static void what_is_readable_of_a_damaged_database_is_read(void **state)
{
    (void)state;
    enum { RECORDS = 3000 };
    static uint8_t noise[PAGE];
    struct stat st;
    size_t gaps = 0;
    assert_int_equal(test_put(f.spool, &f.wait, "a", RECORDS, 300), SPOOL_STORED);
    close_spool();
    memset(noise, 0xa5, sizeof(noise));
    int fd = open(f.database, O_WRONLY | O_CLOEXEC);
    assert_true(fd >= 0 && fstat(fd, &st) == 0);
    /* Two pages with records in the middle, and one near the end. */
    off_t pages = st.st_size / PAGE;
    assert_int_equal(pwrite(fd, noise, PAGE, pages / 2 * PAGE), PAGE);
    assert_int_equal(pwrite(fd, noise, PAGE, (pages / 2 + 1) * PAGE), PAGE);
    assert_int_equal(pwrite(fd, noise, PAGE, (pages - 9) * PAGE), PAGE);
    close(fd);
    open_reader();
    /* A page holds some eight of them. */
    assert_in_range(count_readable(&gaps), RECORDS - 30, RECORDS - 15);
    assert_in_range(gaps, 2, 3);
}

static void memory_that_runs_short_while_opening_is_told(void **state)
{
    (void)state;
    struct diag diag = {0};
    alloc_fail_at(0);
    enum status status = store_reader_open(f.database, &reader, &diag);
    assert_true(alloc_fail_end());
    assert_int_equal(status, STATUS_NOMEM);
    assert_null(reader);
}

/* --- the log, while somebody reads ---------------------------------------------------------- */

static atomic_bool is_over;

static void *read_for_ever(void *arg)
{
    struct store_reader *r = arg;
    while (!atomic_load(&is_over)) {
        const struct store_range range = {.max = 50, .max_bytes = 1 << 20};
        struct store_page page;
        struct diag diag = {0};
        struct arena *a = arena_new(1 << 24);
        if (a == NULL || store_reader_read(r, &range, a, &page, &diag) != STATUS_OK)
            abort();
        arena_free(a);
    }
    return NULL;
}

static void the_log_stays_short_though_somebody_always_reads(void **state)
{
    (void)state;
    enum { PUTS = 300, VALUE = 2000, LOG_MAX = 1 << 20 };
    pthread_t threads[2];
    struct store_reader *readers[2] = {0};
    char log[128];
    struct stat st;
    close_spool();
    spool_fixture_open(&f, 1 << 20); /* its log: 64 KiB */
    atomic_store(&is_over, false);
    for (int i = 0; i < 2; i++) {
        struct diag diag = {0};
        assert_int_equal(store_reader_open(f.database, &readers[i], &diag), STATUS_OK);
        assert_int_equal(pthread_create(&threads[i], NULL, read_for_ever, readers[i]), 0);
    }
    snprintf(log, sizeof(log), "%s-wal", f.database);
    for (int64_t i = 1; i <= PUTS; i++) {
        assert_int_equal(test_put(f.spool, &f.wait, "a", 1, VALUE), SPOOL_STORED);
        assert_int_equal(stat(log, &st), 0);
        assert_in_range(st.st_size, 0, LOG_MAX);
        assert_int_equal(spool_delete(f.spool, &i, 1), STATUS_OK);
    }
    atomic_store(&is_over, true);
    for (int i = 0; i < 2; i++) {
        pthread_join(threads[i], NULL);
        store_reader_close(readers[i]);
    }
}

int main(void)
{
#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)
    log_set_level(LOG_WARN);
    const struct CMUnitTest tests[] = {
        TEST(a_running_spool_can_be_read_beside_it),
        TEST(a_survey_counts_by_topic),
        TEST(the_survey_of_an_empty_spool_is_empty),
        TEST(a_database_at_rest_is_read_without_a_trace),
        TEST(what_is_readable_of_a_damaged_database_is_read),
        TEST(memory_that_runs_short_while_opening_is_told),
        TEST(the_log_stays_short_though_somebody_always_reads),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
