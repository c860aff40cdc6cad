#include "bridge/cli/text_table.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

#include "bridge/base/scoped.h"

static const char *const headings[] = {"NAME", "STATE"};

static void columns_are_as_wide_as_their_widest_cell(void **state)
{
    (void)state;
    CLEANUP(text_table_done) struct text_table t;
    CLEANUP(buf_done) struct buf text;
    buf_init(&text, 4096);
    text_table_init(&t, headings, 2);
    text_table_add(&t, TEXT_PLAIN, "%s", "a-long-name");
    text_table_add(&t, TEXT_GREEN, "%s", "active");
    text_table_add(&t, TEXT_PLAIN, "%s", "");
    text_table_add(&t, TEXT_PLAIN, "%d", 7);
    text_table_print(&t, false, &text);
    assert_string_equal(buf_text(&text), "NAME         STATE\n"
                                         "a-long-name  active\n"
                                         "-            7\n");
}

static void colours_take_no_room(void **state)
{
    (void)state;
    CLEANUP(text_table_done) struct text_table t;
    CLEANUP(buf_done) struct buf text;
    buf_init(&text, 4096);
    text_table_init(&t, headings, 2);
    text_table_add(&t, TEXT_RED, "%s", "a");
    text_table_add(&t, TEXT_PLAIN, "%s", "b");
    text_table_print(&t, true, &text);
    assert_string_equal(buf_text(&text), "\033[2mNAME\033[0m  \033[2mSTATE\033[0m\n"
                                         "\033[31ma\033[0m     b\n");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(columns_are_as_wide_as_their_widest_cell),
        cmocka_unit_test(colours_take_no_room),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
