#include "bridge/base/buf.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

#include "bridge/base/scoped.h"

static void pieces_come_one_after_the_other(void **state)
{
    (void)state;
    CLEANUP(buf_done) struct buf b;
    buf_init(&b, 100);
    assert_string_equal(buf_text(&b), "");
    buf_append_text(&b, "a");
    buf_append(&b, "bcd", 2);
    buf_append_bytes(&b, BYTES_LITERAL("d\0e"));
    buf_printf(&b, "%03d", 7);
    assert_int_equal(b.status, STATUS_OK);
    assert_true(bytes_equal(buf_bytes(&b), BYTES_LITERAL("abcd\0e007")));
    assert_int_equal(b.data[b.len], '\0');
}

static void nothing_at_all_is_an_empty_run_and_not_none(void **state)
{
    (void)state;
    CLEANUP(buf_done) struct buf b;
    buf_init(&b, 100);
    assert_non_null(buf_bytes(&b).data);
    buf_append(&b, NULL, 0);
    assert_int_equal(b.status, STATUS_OK);
    assert_int_equal(buf_bytes(&b).len, 0);
    assert_string_equal(buf_text(&b), "");
}

static void the_maximum_is_met_exactly_and_what_came_before_stays(void **state)
{
    (void)state;
    CLEANUP(buf_done) struct buf b;
    buf_init(&b, 5);
    buf_append_text(&b, "abc");
    buf_append_text(&b, "de");
    assert_int_equal(b.status, STATUS_OK);
    buf_append_text(&b, "f");
    assert_int_equal(b.status, STATUS_INVALID);
    assert_string_equal(buf_text(&b), "abcde");
}

static void after_a_failure_nothing_is_appended(void **state)
{
    (void)state;
    CLEANUP(buf_done) struct buf b;
    buf_init(&b, 5);
    buf_append_text(&b, "abc");
    buf_printf(&b, "%s", "toolong");
    buf_append_text(&b, "d"); /* would fit, and would make a text that nobody wrote */
    buf_printf(&b, "e");
    assert_int_equal(b.status, STATUS_INVALID);
    assert_string_equal(buf_text(&b), "abc");
}

static void a_buffer_can_be_used_again(void **state)
{
    (void)state;
    CLEANUP(buf_done) struct buf b;
    buf_init(&b, 3);
    buf_append_text(&b, "long");
    assert_int_equal(b.status, STATUS_INVALID);
    buf_done(&b);
    buf_append_text(&b, "abc");
    assert_int_equal(b.status, STATUS_OK);
    assert_string_equal(buf_text(&b), "abc");
}

static void room_is_reserved_within_the_maximum(void **state)
{
    (void)state;
    CLEANUP(buf_done) struct buf b;
    buf_init(&b, 10);
    assert_int_equal(buf_reserve(&b, 11), STATUS_INVALID);
    assert_int_equal(buf_reserve(&b, 10), STATUS_OK);
    const uint8_t *data = b.data;
    buf_append_text(&b, "0123456789");
    assert_ptr_equal(b.data, data); /* nothing was moved: no copy of a secret is left behind */
    assert_string_equal(buf_text(&b), "0123456789");
}

static void many_small_pieces_grow_it(void **state)
{
    (void)state;
    CLEANUP(buf_done) struct buf b;
    buf_init(&b, 100000);
    for (int i = 0; i < 100000; i++)
        buf_append(&b, "x", 1);
    assert_int_equal(b.status, STATUS_OK);
    assert_int_equal(b.len, 100000);
    assert_int_equal(strlen(buf_text(&b)), 100000);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(pieces_come_one_after_the_other),
        cmocka_unit_test(nothing_at_all_is_an_empty_run_and_not_none),
        cmocka_unit_test(the_maximum_is_met_exactly_and_what_came_before_stays),
        cmocka_unit_test(after_a_failure_nothing_is_appended),
        cmocka_unit_test(a_buffer_can_be_used_again),
        cmocka_unit_test(room_is_reserved_within_the_maximum),
        cmocka_unit_test(many_small_pieces_grow_it),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
