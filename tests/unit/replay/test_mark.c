#include "bridge/replay/mark.h"

#include <setjmp.h>
#include <stdarg.h>

#include <cmocka.h>

#include "bridge/base/scoped.h"

static void a_key_names_partition_and_offset_and_is_read_back(void **state)
{
    static const struct {
        int32_t partition;
        int64_t offset;
        const char *key;
    } rows[] = {
        {0, 0, "0/0"},
        {3, 1042, "3/1042"},
        {INT32_MAX, INT64_MAX, "2147483647/9223372036854775807"},
    };
    (void)state;
    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        char key[MARK_KEY_SIZE];
        int32_t partition = -1;
        int64_t offset = -1;
        mark_key(rows[i].partition, rows[i].offset, key);
        assert_string_equal(key, rows[i].key);
        assert_true(mark_key_read(bytes_of_text(key), &partition, &offset));
        assert_int_equal(partition, rows[i].partition);
        assert_true(offset == rows[i].offset);
    }
}

static void nothing_else_is_a_key(void **state)
{
    static const char *const rows[] = {
        "",    "/",     "1",
        "1/",  "/1",    "1/2 ",
        "1/x", "-1/2",  "2147483648/0", /* beyond any partition */
        "a/1", "1/2/3", "0/9223372036854775808",
    };
    (void)state;
    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        int32_t partition = 7;
        int64_t offset = 7;
        assert_false(mark_key_read(bytes_of_text(rows[i]), &partition, &offset));
        assert_int_equal(partition, 7);
        assert_true(offset == 7);
    }
}

static void a_mark_is_of_the_letter_with_its_id_only(void **state)
{
    (void)state;
    CLEANUP(buf_done) struct buf value;
    buf_init(&value, 4096);
    mark_value("d-1\"", 2, 1767323046001, &value);
    assert_string_equal(buf_text(&value), "{\"version\":1,\"ce_id\":\"d-1\\\"\",\"records\":2,"
                                          "\"replayed_at\":\"2026-01-02T03:04:06.001Z\"}");
    assert_true(mark_is_of(buf_bytes(&value), "d-1\""));
    assert_false(mark_is_of(buf_bytes(&value), "d-1"));
    assert_false(mark_is_of(buf_bytes(&value), "d-1\"2"));
    assert_false(mark_is_of(BYTES_LITERAL(""), "d-1"));
}

static void the_topic_stands_beside_that_of_the_letters(void **state)
{
    (void)state;
    struct arena *a = arena_new(4096);
    assert_string_equal(mark_topic("maesn.dead-letter", a), "maesn.dead-letter.replayed");
    arena_free(a);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_key_names_partition_and_offset_and_is_read_back),
        cmocka_unit_test(nothing_else_is_a_key),
        cmocka_unit_test(a_mark_is_of_the_letter_with_its_id_only),
        cmocka_unit_test(the_topic_stands_beside_that_of_the_letters),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
