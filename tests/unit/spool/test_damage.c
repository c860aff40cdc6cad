/* A database that is damaged: moved aside as it is, loudly, and a new one begins. */
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <setjmp.h>
#include <sqlite3.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cmocka.h>

#include "bridge/base/file.h"
#include "bridge/base/log.h"
#include "bridge/spool/store.h"
#include "bridge/spool/store_reader.h"
#include "tests/support/spool_fixture.h"

enum { RECORDS = 400, PAGE = 4096 };

static struct spool_fixture f;
static struct buf before; /* the damaged file */

static int setup(void **state)
{
    (void)state;
    buf_init(&before, 64 << 20);
    spool_fixture_init(&f);
    return 0;
}

static int teardown(void **state)
{
    (void)state;
    spool_fixture_done(&f);
    buf_done(&before);
    return 0;
}

static void read_whole(const char *path, struct buf *ret)
{
    struct diag diag = {0};
    ret->len = 0;
    assert_int_equal(file_read(path, ret, &diag), STATUS_OK);
}

static void overwrite(off_t offset, const void *data, size_t len)
{
    int fd = open(f.database, O_WRONLY | O_CLOEXEC);
    assert_true(fd >= 0);
    assert_int_equal(pwrite(fd, data, len, offset), len);
    close(fd);
}

/* --- what may happen to a file -------------------------------------------------------------- */

static void cut_in_half(void)
{
    struct stat st;
    assert_int_equal(stat(f.database, &st), 0);
    assert_int_equal(truncate(f.database, st.st_size / 2 / PAGE * PAGE), 0);
}

static void cut_to_nothing(void)
{
    assert_int_equal(truncate(f.database, 0), 0);
}

static void spoil_the_header(void)
{
    overwrite(0, "SQLite format 4", 16);
}

static void spoil_a_page(void)
{
    static uint8_t noise[PAGE];
    memset(noise, 0xa5, sizeof(noise));
    overwrite(10 * PAGE, noise, sizeof(noise));
}

static void spoil_the_schema(void)
{
    static const uint8_t noise[PAGE - 100];
    overwrite(100, noise, sizeof(noise));
}

static void replace_with_text(void)
{
    cut_to_nothing();
    overwrite(0, "this is no database, though it is a file of some length\n", 56);
}

static void execute(const char *sql)
{
    sqlite3 *db = NULL;
    assert_int_equal(sqlite3_open(f.database, &db), SQLITE_OK);
    assert_int_equal(sqlite3_exec(db, sql, NULL, NULL, NULL), SQLITE_OK);
    assert_int_equal(sqlite3_exec(db, "PRAGMA wal_checkpoint(TRUNCATE)", NULL, NULL, NULL),
                     SQLITE_OK);
    sqlite3_close(db);
}

static void put_another_programs(void)
{
    execute("PRAGMA application_id = 252006673");
}

static void put_a_later_version(void)
{
    execute("PRAGMA user_version = 2");
}

static void drop_a_table(void)
{
    execute("DROP TABLE totals");
}

static void empty_behind_its_back(void)
{
    execute("DELETE FROM record");
}

static const struct {
    void (*damage)(void);
    const char *why;
} damages[] = {
    {cut_in_half, "database disk image is malformed"},
    {cut_to_nothing, "it is no spool: application_id 0, expected 1835168624"},
    {spoil_the_header, "file is not a database"},
    {spoil_a_page, "quick_check: "},
    {spoil_the_schema, "database disk image is malformed"},
    {replace_with_text, "file is not a database"},
    {put_another_programs, "it is no spool: application_id 252006673, expected 1835168624"},
    {put_a_later_version, "its layout is version 2, this program knows version 1"},
    {drop_a_table, "no such table: totals"},
    {empty_behind_its_back, "its totals disagree with its records"},
};

/* The name of the one that was moved aside. */
static void find_damaged(char ret[384], const char *end)
{
    DIR *d = opendir(f.directory);
    size_t found = 0;
    assert_non_null(d);
    for (const struct dirent *e; (e = readdir(d)) != NULL;) {
        size_t len = strlen(e->d_name), end_len = strlen(end);
        if (strncmp(e->d_name, "spool.db.damaged-", 17) != 0 || len < end_len ||
            strcmp(e->d_name + len - end_len, end) != 0)
            continue;
        snprintf(ret, 384, "%s/%s", f.directory, e->d_name);
        found++;
    }
    closedir(d);
    assert_int_equal(found, 1);
}

/* Opens the spool with its log lines in `log`. */
static void open_and_listen(struct buf *log)
{
    int fds[2];
    assert_int_equal(pipe(fds), 0);
    log_set_fd(fds[1]);
    spool_fixture_open(&f, 0);
    log_set_fd(2);
    close(fds[1]);
    char block[4096];
    for (ssize_t len; (len = read(fds[0], block, sizeof(block))) > 0;)
        buf_append(log, block, (size_t)len);
    close(fds[0]);
}

static void assert_is_moved_aside(const char *why)
{
    char path[384];
    struct buf moved, log;
    buf_init(&moved, 64 << 20);
    buf_init(&log, 1 << 16);
    read_whole(f.database, &before);
    open_and_listen(&log);
    assert_non_null(strstr(buf_text(&log), "\"event\":\"spool.quarantined\""));
    if (strstr(buf_text(&log), why) == NULL)
        fail_msg("%s does not say: %s", buf_text(&log), why);
    find_damaged(path, "Z");
    read_whole(path, &moved);
    assert_true(bytes_equal(buf_bytes(&moved), buf_bytes(&before)));
    buf_done(&moved);
    buf_done(&log);
}

static void a_damaged_database_is_moved_aside_and_a_new_one_begins(void **state)
{
    for (size_t i = 0; i < sizeof(damages) / sizeof(damages[0]); i++) {
        assert_int_equal(test_put(f.spool, &f.wait, "a", RECORDS, 300), SPOOL_STORED);
        spool_close(f.spool);
        damages[i].damage();
        assert_is_moved_aside(damages[i].why);
        spool_fixture_assert_metric(&f, "maesn_bridge_spool_quarantined_total", "1");
        assert_int_equal(spool_records(f.spool), 0);
        assert_int_equal(test_put(f.spool, &f.wait, "b", 1, 10), SPOOL_STORED);
        teardown(state);
        setup(state);
    }
}

static void a_log_without_its_database_is_moved_aside(void **state)
{
    (void)state;
    char path[384], log[128];
    spool_close(f.spool);
    assert_int_equal(unlink(f.database), 0);
    snprintf(log, sizeof(log), "%s-wal", f.database);
    FILE *file = fopen(log, "w");
    assert_non_null(file);
    fputs("a log", file);
    fclose(file);
    spool_fixture_open(&f, 0);
    read_whole((find_damaged(path, "Z-wal"), path), &before);
    assert_string_equal(buf_text(&before), "a log");
    spool_fixture_assert_metric(&f, "maesn_bridge_spool_quarantined_total", "1");
}

static void two_that_are_damaged_within_a_second_are_both_kept(void **state)
{
    (void)state;
    size_t kept = 0;
    for (int i = 0; i < 3; i++) {
        spool_close(f.spool);
        replace_with_text();
        spool_fixture_open(&f, 0);
    }
    DIR *d = opendir(f.directory);
    assert_non_null(d);
    for (const struct dirent *e; (e = readdir(d)) != NULL;)
        kept +=
            strncmp(e->d_name, "spool.db.damaged-", 17) == 0 && strstr(e->d_name, "-wal") == NULL;
    closedir(d);
    assert_int_equal(kept, 3);
}

/* --- a disk that does not answer ------------------------------------------------------------ */

static int stats_failing; /* so many calls of fstatat() fail */

int __real_fstatat(int fd, const char *name, struct stat *ret, int flags);
int __wrap_fstatat(int fd, const char *name, struct stat *ret, int flags);

int __wrap_fstatat(int fd, const char *name, struct stat *ret, int flags)
{
    if (stats_failing == 0)
        return __real_fstatat(fd, name, ret, flags);
    stats_failing--;
    errno = EIO;
    return -1;
}

static bool has_three(struct spool *s)
{
    return spool_is_healthy(s, NULL) && spool_records(s) == 3;
}

static void a_database_that_cannot_be_seen_for_a_moment_is_not_made_anew(void **state)
{
    (void)state;
    assert_int_equal(test_put(f.spool, &f.wait, "a", 3, 10), SPOOL_STORED);
    spool_close(f.spool);
    stats_failing = 2; /* of the database, and of its log or of the next try */
    spool_fixture_open(&f, 0);
    test_eventually(has_three, f.spool);
    spool_fixture_assert_metric(&f, "maesn_bridge_spool_quarantined_total", "0");
}

/* --- damage that is found later ------------------------------------------------------------- */

static bool has_one_less(struct spool *s)
{
    return spool_records(s) == 2;
}

static void a_record_whose_checksum_is_wrong_is_set_aside_and_the_others_are_read(void **state)
{
    (void)state;
    assert_int_equal(test_put(f.spool, &f.wait, "abcdefgh", 3, 10), SPOOL_STORED);
    spool_close(f.spool);
    read_whole(f.database, &before);
    const uint8_t *at = memmem(before.data, before.len, "abcdefgh-1", 10);
    assert_non_null(at);
    overwrite(at - before.data, "X", 1);
    spool_fixture_open(&f, 0);
    assert_int_equal(spool_records(f.spool), 3);
    char *ids = test_spool_ids(f.spool);
    assert_string_equal(ids, "abcdefgh-0 abcdefgh-2 ");
    free(ids);
    test_eventually(has_one_less, f.spool);
    spool_close(f.spool);
    spool_fixture_open(&f, 0);
    assert_int_equal(spool_records(f.spool), 2);
    spool_fixture_assert_metric(&f, "maesn_bridge_spool_damaged_records_total", "1");
    spool_fixture_assert_metric(&f, "maesn_bridge_spool_quarantined_total", "0");
    execute("CREATE TEMP TABLE one (n CHECK (n = 1));"
            "INSERT INTO one SELECT count(*) FROM damaged WHERE sequence = 2");
}

static bool is_moved(struct spool *s)
{
    char value[32];
    struct diag diag = {0};
    test_metric(f.metrics, "maesn_bridge_spool_quarantined_total", value);
    return strcmp(value, "1") == 0 && spool_is_healthy(s, &diag);
}

static void damage_found_while_reading_moves_the_database_aside(void **state)
{
    (void)state;
    struct arena *a = arena_new(64 << 20);
    struct spooled_record *records = NULL;
    size_t len = 0;
    assert_int_equal(test_put(f.spool, &f.wait, "a", RECORDS, 300), SPOOL_STORED);
    spool_close(f.spool); /* the log is in the database */
    spool_fixture_open(&f, 0);
    spoil_a_page();
    assert_int_equal(spool_read(f.spool, 0, RECORDS, 64 << 20, a, &records, &len),
                     STATUS_UNAVAILABLE);
    test_eventually(is_moved, f.spool);
    assert_int_equal(spool_records(f.spool), 0);
    struct test_entry *e = test_entry_new(&f.wait, "b", 1, 10);
    assert_int_equal(spool_put(f.spool, &e->entry), STATUS_OK);
    test_wait_for(&f.wait, 2);
    assert_int_equal(e->outcome, SPOOL_STORED);
    assert_int_equal(e->entry.first_sequence, RECORDS + 1); /* deletes of the old hit nothing new */
    test_entry_unref(e);
    arena_free(a);
}

/* --- damage that is found while the disk fails ---------------------------------------------- */

static enum {
    NOTHING_MEANWHILE = 0,
    FAILURE_WHILE_READING,   /* a commit fails; then the reader has found damage */
    READING_WHILE_COMMITTING /* a reader finds damage; then the commit fails */
} meanwhile;

static bool is_commit_failing;
static struct test_entry *failing;

enum status __real_store_commit(struct store *store, struct diag *diag);
enum status __wrap_store_commit(struct store *store, struct diag *diag);
enum status __real_store_reader_read(struct store_reader *r, const struct store_range *range,
                                     struct arena *a, struct store_page *ret, struct diag *diag);
enum status __wrap_store_reader_read(struct store_reader *r, const struct store_range *range,
                                     struct arena *a, struct store_page *ret, struct diag *diag);

static void read_damage(void)
{
    struct arena *a = arena_new(1 << 20);
    struct spooled_record *records = NULL;
    size_t len = 0;
    assert_int_equal(spool_read(f.spool, 0, 10, 1 << 20, a, &records, &len), STATUS_UNAVAILABLE);
    arena_free(a);
}

enum status __wrap_store_commit(struct store *store, struct diag *diag)
{
    if (!is_commit_failing)
        return __real_store_commit(store, diag);
    is_commit_failing = false;
    if (meanwhile == READING_WHILE_COMMITTING)
        read_damage();
    return diag_set(diag, STATUS_UNAVAILABLE, "disk I/O error");
}

static bool is_unhealthy(struct spool *s)
{
    struct diag diag = {0};
    return !spool_is_healthy(s, &diag);
}

static void put_failing(void)
{
    is_commit_failing = true;
    failing = test_entry_new(&f.wait, "failing", 1, 10);
    assert_int_equal(spool_put(f.spool, &failing->entry), STATUS_OK);
}

enum status __wrap_store_reader_read(struct store_reader *r, const struct store_range *range,
                                     struct arena *a, struct store_page *ret, struct diag *diag)
{
    if (meanwhile == NOTHING_MEANWHILE)
        return __real_store_reader_read(r, range, a, ret, diag);
    if (meanwhile == FAILURE_WHILE_READING) {
        put_failing();
        test_eventually(is_unhealthy, f.spool);
    }
    meanwhile = NOTHING_MEANWHILE;
    return diag_set(diag, STATUS_INVALID, "database disk image is malformed");
}

static void damage_that_was_read_before_it_was_opened_anew_is_forgotten(void **state)
{
    (void)state;
    assert_int_equal(test_put(f.spool, &f.wait, "a", 3, 10), SPOOL_STORED);
    for (int i = FAILURE_WHILE_READING; i <= READING_WHILE_COMMITTING; i++) {
        size_t ended = f.wait.ended;
        meanwhile = i;
        if (i == FAILURE_WHILE_READING)
            read_damage();
        else
            put_failing();
        test_wait_for(&f.wait, ended + 1);
        assert_int_equal(failing->outcome, SPOOL_FAILED);
        test_entry_unref(failing);
        test_eventually(has_three, f.spool);
        /* What a reader reported would come before this. */
        assert_int_equal(test_put(f.spool, &f.wait, "b", 1, 10), SPOOL_STORED);
        int64_t b = 4;
        assert_int_equal(spool_delete(f.spool, &b, 1), STATUS_OK);
        spool_fixture_assert_metric(&f, "maesn_bridge_spool_quarantined_total", "0");
    }
}

int main(void)
{
#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)
    const struct CMUnitTest tests[] = {
        TEST(a_damaged_database_is_moved_aside_and_a_new_one_begins),
        TEST(a_log_without_its_database_is_moved_aside),
        TEST(two_that_are_damaged_within_a_second_are_both_kept),
        TEST(a_database_that_cannot_be_seen_for_a_moment_is_not_made_anew),
        TEST(a_record_whose_checksum_is_wrong_is_set_aside_and_the_others_are_read),
        TEST(damage_found_while_reading_moves_the_database_aside),
        TEST(damage_that_was_read_before_it_was_opened_anew_is_forgotten),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
