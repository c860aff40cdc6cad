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

static void a_distance_is_told_in_the_unit_that_fits(void **state)
{
    static const struct {
        int64_t ms;
        const char *text;
    } rows[] = {
        {0, "now"},           {1999, "now"},           {-2000, "2 s ago"},
        {119999, "in 119 s"}, {-120000, "2 min ago"},  {5400000, "in 90 min"},
        {7200000, "in 2 h"},  {-172800000, "2 d ago"}, {31536000000, "in 365 d"},
    };
    (void)state;
    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        char text[TEXT_DISTANCE_SIZE];
        text_distance(1795293215356 + rows[i].ms, 1795293215356, text);
        assert_string_equal(text, rows[i].text);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(columns_are_as_wide_as_their_widest_cell),
        cmocka_unit_test(colours_take_no_room),
        cmocka_unit_test(a_distance_is_told_in_the_unit_that_fits),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
