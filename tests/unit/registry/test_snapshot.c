#include "bridge/registry/snapshot.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cmocka.h>

#include "bridge/base/buf.h"
#include "bridge/base/crypto.h"
#include "bridge/base/file.h"
#include "bridge/base/scoped.h"
#include "tests/support/alloc_fail.h"

#define TOPIC "maesn.bridge.registry"
#define WRITTEN_AT 1767323046001

static char directory[64];
static char path[128];

static int make_directory(void **state)
{
    (void)state;
    snprintf(directory, sizeof(directory), "/tmp/maesn-bridge-snapshot-XXXXXX");
    assert_non_null(mkdtemp(directory));
    snprintf(path, sizeof(path), "%s/registry.snapshot", directory);
    return 0;
}

static int remove_directory(void **state)
{
    (void)state;
    unlink(path);
    return rmdir(directory); /* fails when something was left in it */
}

static const struct {
    int32_t partition;
    const char *key, *value;
} records[] = {
    {0, "/in/maesn/a/invoice/all/1", "sealed"},
    {3, "/in/maesn/b/invoice/all/1", "older"},
    {3, "/in/maesn/b/invoice/all/1", ""},
    {3, "/in/maesn/c/invoice/all/1", NULL}, /* a tombstone */
};
#define RECORDS (sizeof(records) / sizeof(records[0]))

/* A line a record. */
#define EXPECTED                                                                                   \
    "0/4 /in/maesn/a/invoice/all/1=sealed\n"                                                       \
    "3/4 /in/maesn/b/invoice/all/1=older\n"                                                        \
    "3/4 /in/maesn/b/invoice/all/1=\n"                                                             \
    "3/4 /in/maesn/c/invoice/all/1 gone\n"

static enum status note(void *ctx, const struct snapshot_record *record)
{
    struct buf *lines = ctx;
    buf_printf(lines, "%d/%d ", record->partition, record->partitions);
    buf_append_bytes(lines, record->key);
    buf_append_text(lines, record->value.data == NULL ? " gone" : "=");
    buf_append_bytes(lines, record->value);
    buf_append_text(lines, "\n");
    return STATUS_OK;
}

static enum status write_snapshot(void)
{
    struct snapshot_writer *w = NULL;
    enum status status = snapshot_writer_new(path, TOPIC, 4, WRITTEN_AT, &w, NULL);
    for (size_t i = 0; status == STATUS_OK && i < RECORDS; i++)
        status = snapshot_writer_add(w, records[i].partition, bytes_of_text(records[i].key),
                                     bytes_of_text(records[i].value), NULL);
    if (status == STATUS_OK)
        status = snapshot_writer_commit(w, NULL);
    snapshot_writer_free(w);
    return status;
}

static void write_bytes(struct bytes bytes)
{
    FILE *file = fopen(path, "w");
    assert_non_null(file);
    assert_int_equal(fwrite(bytes.data, 1, bytes.len, file), bytes.len);
    assert_int_equal(fclose(file), 0);
}

static void what_was_written_is_read_in_its_order(void **state)
{
    (void)state;
    CLEANUP(buf_done) struct buf lines;
    buf_init(&lines, 65536);
    int64_t written_at = 0;
    struct diag diag = {0};
    assert_int_equal(write_snapshot(), STATUS_OK);
    assert_int_equal(snapshot_read(path, TOPIC, note, &lines, &written_at, &diag), STATUS_OK);
    assert_string_equal(buf_text(&lines), EXPECTED);
    assert_true(written_at == WRITTEN_AT);
    struct stat st;
    assert_int_equal(stat(path, &st), 0);
    assert_int_equal(st.st_mode & 0777, 0600);
}

static void a_file_that_is_not_as_it_was_written_is_refused(void **state)
{
    (void)state;
    CLEANUP(buf_done) struct buf whole;
    buf_init(&whole, 65536);
    assert_int_equal(write_snapshot(), STATUS_OK);
    assert_int_equal(file_read(path, &whole, NULL), STATUS_OK);
    for (size_t i = 0; i < whole.len; i++) { /* each byte another, and cut off there */
        for (int cut = 0; cut < 2; cut++) {
            CLEANUP(buf_done) struct buf lines;
            buf_init(&lines, 65536);
            int64_t written_at = 7;
            whole.data[i] ^= 0x41;
            write_bytes(bytes_of(whole.data, cut ? i : whole.len));
            whole.data[i] ^= 0x41;
            assert_int_equal(snapshot_read(path, TOPIC, note, &lines, &written_at, NULL),
                             STATUS_INVALID);
            assert_true(written_at == 7);
        }
    }
    uint8_t *longer = malloc(whole.len + 1);
    assert_non_null(longer);
    memcpy(longer, whole.data, whole.len);
    longer[whole.len] = 0;
    write_bytes(bytes_of(longer, whole.len + 1));
    free(longer);
    CLEANUP(buf_done) struct buf lines;
    int64_t written_at;
    buf_init(&lines, 65536);
    assert_int_equal(snapshot_read(path, TOPIC, note, &lines, &written_at, NULL), STATUS_INVALID);
}

static void a_file_of_another_topic_is_refused_and_none_is_told_apart(void **state)
{
    (void)state;
    CLEANUP(buf_done) struct buf lines;
    buf_init(&lines, 65536);
    int64_t written_at;
    struct diag diag = {0};
    assert_int_equal(snapshot_read(path, TOPIC, note, &lines, &written_at, &diag),
                     STATUS_UNAVAILABLE);
    assert_int_equal(write_snapshot(), STATUS_OK);
    diag.text[0] = '\0';
    assert_int_equal(snapshot_read(path, "other", note, &lines, &written_at, &diag),
                     STATUS_INVALID);
    assert_non_null(strstr(diag.text, "it is of another topic than other"));
    assert_string_equal(buf_text(&lines), "");
}

static void what_is_not_committed_leaves_the_one_before(void **state)
{
    (void)state;
    assert_int_equal(write_snapshot(), STATUS_OK);
    struct snapshot_writer *w = NULL;
    assert_int_equal(snapshot_writer_new(path, TOPIC, 4, 1, &w, NULL), STATUS_OK);
    assert_int_equal(snapshot_writer_add(w, 0, BYTES_LITERAL("k"), BYTES_LITERAL("v"), NULL),
                     STATUS_OK);
    snapshot_writer_free(w);
    CLEANUP(buf_done) struct buf lines;
    buf_init(&lines, 65536);
    int64_t written_at = 0;
    assert_int_equal(snapshot_read(path, TOPIC, note, &lines, &written_at, NULL), STATUS_OK);
    assert_string_equal(buf_text(&lines), EXPECTED);
}

static void what_cannot_take_its_place_is_told_of_and_removed(void **state)
{
    (void)state;
    struct snapshot_writer *w = NULL;
    struct diag diag = {0};
    char unfinished[sizeof(path) + sizeof(".new")];
    snprintf(unfinished, sizeof(unfinished), "%s.new", path);
    assert_int_equal(snapshot_writer_new(path, TOPIC, 4, 1, &w, &diag), STATUS_OK);
    assert_int_equal(access(unfinished, F_OK), 0);
    assert_int_equal(mkdir(path, 0700), 0); /* no file can be renamed to it */
    assert_int_equal(snapshot_writer_commit(w, &diag), STATUS_UNAVAILABLE);
    assert_non_null(strstr(diag.text, "registry.snapshot: Is a directory"));
    assert_int_equal(access(unfinished, F_OK), -1);
    snapshot_writer_free(w);
    assert_int_equal(rmdir(path), 0);
}

static void a_directory_that_is_missing_is_named(void **state)
{
    (void)state;
    struct snapshot_writer *w = NULL;
    struct diag diag = {0};
    assert_int_equal(snapshot_writer_new("/nonexistent/registry.snapshot", TOPIC, 4, 1, &w, &diag),
                     STATUS_UNAVAILABLE);
    assert_string_equal(diag.text, "/nonexistent/registry.snapshot: No such file or directory");
    assert_null(w);
}

static void without_memory_nothing_is_left_behind(void **state)
{
    (void)state;
    bool failed = true;
    for (long n = 0; failed; n++) {
        alloc_fail_at(n);
        enum status status = write_snapshot();
        failed = alloc_fail_end();
        assert_int_equal(status, failed ? STATUS_NOMEM : STATUS_OK);
    }
    failed = true;
    for (long n = 0; failed; n++) {
        CLEANUP(buf_done) struct buf lines;
        buf_init(&lines, 65536);
        assert_int_equal(buf_reserve(&lines, 4096), STATUS_OK);
        int64_t written_at = 7;
        alloc_fail_at(n);
        enum status status = snapshot_read(path, TOPIC, note, &lines, &written_at, NULL);
        failed = alloc_fail_end();
        assert_true(status == STATUS_OK ? !failed : failed);
    }
}

int main(void)
{
    if (crypto_start() != STATUS_OK)
        return 1;
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(what_was_written_is_read_in_its_order, make_directory,
                                        remove_directory),
        cmocka_unit_test_setup_teardown(a_file_that_is_not_as_it_was_written_is_refused,
                                        make_directory, remove_directory),
        cmocka_unit_test_setup_teardown(a_file_of_another_topic_is_refused_and_none_is_told_apart,
                                        make_directory, remove_directory),
        cmocka_unit_test_setup_teardown(what_is_not_committed_leaves_the_one_before, make_directory,
                                        remove_directory),
        cmocka_unit_test_setup_teardown(what_cannot_take_its_place_is_told_of_and_removed,
                                        make_directory, remove_directory),
        cmocka_unit_test(a_directory_that_is_missing_is_named),
        cmocka_unit_test_setup_teardown(without_memory_nothing_is_left_behind, make_directory,
                                        remove_directory),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
