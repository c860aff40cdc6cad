#include "bridge/base/distance.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

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
        char text[DISTANCE_TEXT_SIZE];
        distance_text(1795293215356 + rows[i].ms, 1795293215356, text);
        assert_string_equal(text, rows[i].text);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_distance_is_told_in_the_unit_that_fits),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
