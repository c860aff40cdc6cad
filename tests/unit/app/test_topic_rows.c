#include "bridge/app/topic_rows.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>

#include <cmocka.h>

#include "bridge/base/buf.h"
#include "bridge/base/scoped.h"
#include "tests/support/alloc_fail.h"

static void append_row(void *ctx, const struct topic_row *row)
{
    buf_printf(ctx, "%d %.*s=%.*s\n", (int)row->partition, (int)row->key.len, row->key.data,
               (int)row->value.len, row->value.data);
}

static void assert_rows(const struct topic_rows *rows, const char *expected)
{
    CLEANUP(buf_done) struct buf text;
    buf_init(&text, 4096);
    topic_rows_each(rows, append_row, &text);
    assert_string_equal(buf_text(&text), expected);
}

static void put(struct topic_rows *rows, int32_t partition, const char *key, const char *value)
{
    assert_int_equal(topic_rows_put(rows, partition, bytes_of_text(key), bytes_of_text(value)),
                     STATUS_OK);
}

static void the_latest_record_of_each_key_stays_in_the_order_of_keys(void **state)
{
    (void)state;
    CLEANUP(topic_rows_done) struct topic_rows rows = {0};
    put(&rows, 0, "b", "1");
    put(&rows, 0, "ab", "2");
    put(&rows, 0, "a", "3");
    put(&rows, 0, "b", "4");
    put(&rows, 1, "b", "");
    assert_rows(&rows, "0 a=3\n0 ab=2\n0 b=4\n1 b=\n");
    assert_int_equal(rows.len, 4);
}

static void a_tombstone_takes_its_key_away_in_its_partition(void **state)
{
    (void)state;
    CLEANUP(topic_rows_done) struct topic_rows rows = {0};
    put(&rows, 0, "a", "1");
    put(&rows, 1, "a", "2");
    put(&rows, 1, "a", NULL);
    put(&rows, 1, "never there", NULL);
    assert_rows(&rows, "0 a=1\n");
    assert_int_equal(rows.len, 1);
    assert_null(topic_rows_find(&rows, 1, BYTES_LITERAL("a")));
    assert_true(
        bytes_equal(topic_rows_find(&rows, 0, BYTES_LITERAL("a"))->value, BYTES_LITERAL("1")));
}

static void short_memory_leaves_the_rows_as_they_were(void **state)
{
    (void)state;
    CLEANUP(topic_rows_done) struct topic_rows rows = {0};
    put(&rows, 0, "a", "1");
    bool failed = true;
    for (long n = 0; failed; n++) {
        alloc_fail_at(n);
        enum status status = topic_rows_put(&rows, 0, BYTES_LITERAL("b"), BYTES_LITERAL("2"));
        failed = alloc_fail_end();
        assert_int_equal(status, failed ? STATUS_NOMEM : STATUS_OK);
        assert_int_equal(rows.len, failed ? 1 : 2);
    }
    assert_rows(&rows, "0 a=1\n0 b=2\n");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_latest_record_of_each_key_stays_in_the_order_of_keys),
        cmocka_unit_test(a_tombstone_takes_its_key_away_in_its_partition),
        cmocka_unit_test(short_memory_leaves_the_rows_as_they_were),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
