/* The copy of the registry's routes on disk: whatever fails while one is written, the file is the
 * one before or the new one, and whole; whatever fails while it is read, it is not taken for whole.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

#include "bridge/base/crypto.h"
#include "bridge/registry/snapshot.h"
#include "tests/torture/torture.h"

#define TOPIC "maesn.bridge.registry"

static char path[64];

/* Two records, whose values begin with this letter. */
static enum status write_snapshot(char letter)
{
    struct snapshot_writer *w = NULL;
    enum status status = snapshot_writer_new(path, TOPIC, 3, 1795293215356, &w, NULL);
    char value[] = "? value";
    value[0] = letter;
    for (int32_t i = 0; i < 2 && status == STATUS_OK; i++)
        status = snapshot_writer_add(w, i, BYTES_LITERAL("key"), bytes_of_text(value), NULL);
    if (status == STATUS_OK)
        status = snapshot_writer_commit(w, NULL);
    snapshot_writer_free(w);
    return status;
}

struct seen {
    char letter;
    size_t records;
};

static enum status see(void *ctx, const struct snapshot_record *record)
{
    struct seen *seen = ctx;
    assert_int_equal(record->value.len, 7);
    seen->letter = (char)record->value.data[0];
    seen->records++;
    return STATUS_OK;
}

static enum status read_snapshot(struct seen *ret)
{
    int64_t written_at_unix_ms = 0;
    *ret = (struct seen){0};
    enum status status = snapshot_read(path, TOPIC, see, ret, &written_at_unix_ms, NULL);
    assert_true(status != STATUS_OK || (ret->records == 2 && written_at_unix_ms == 1795293215356));
    return status;
}

static void write_once(void *ctx)
{
    (void)ctx;
    struct seen seen;
    assert_int_equal(write_snapshot('a'), STATUS_OK);
    torture_begin();
    enum status status = write_snapshot('b');
    torture_pause();
    assert_true(status == STATUS_OK || torture_has_failed());
    assert_int_equal(read_snapshot(&seen), STATUS_OK);
    assert_true(seen.letter == 'b' || status != STATUS_OK);
}

static void whatever_fails_while_a_snapshot_is_written(void **state)
{
    (void)state;
    torture(write_once, NULL, 100);
}

static void read_once(void *ctx)
{
    (void)ctx;
    struct seen seen;
    torture_begin();
    enum status status = read_snapshot(&seen);
    torture_pause();
    assert_true(status == STATUS_OK || torture_has_failed());
}

static void whatever_fails_while_a_snapshot_is_read(void **state)
{
    (void)state;
    assert_int_equal(write_snapshot('a'), STATUS_OK);
    torture(read_once, NULL, 100);
}

static int start(void **state)
{
    (void)state;
    static char directory[] = "snapshot-XXXXXX";
    assert_non_null(mkdtemp(directory));
    snprintf(path, sizeof(path), "%s/routes", directory);
    return crypto_start() == STATUS_OK ? 0 : -1;
}

static int end(void **state)
{
    (void)state;
    unlink(path);
    *strrchr(path, '/') = '\0';
    return rmdir(path);
}

int main(void)
{
#define T(name) cmocka_unit_test_teardown(name, torture_teardown)
    const struct CMUnitTest tests[] = {
        T(whatever_fails_while_a_snapshot_is_written),
        T(whatever_fails_while_a_snapshot_is_read),
    };
    return cmocka_run_group_tests(tests, start, end);
}
