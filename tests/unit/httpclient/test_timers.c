#include "bridge/httpclient/timers.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

enum { TIMERS = 500 };

static void timers_come_out_in_order_whatever_was_set_moved_and_cleared(void **state)
{
    struct timers t = {0};
    struct timer all[TIMERS] = {0};
    uint32_t seed = 7;
    size_t set = TIMERS;
    (void)state;
    assert_int_equal(timers_reserve(&t, TIMERS), STATUS_OK);
    for (int round = 0; round < 3; round++)
        for (size_t i = 0; i < TIMERS; i++) {
            seed = seed * 1664525 + 1013904223; /* Source: Numerical Recipes */
            timers_set(&t, &all[i], seed >> 20);
        }
    for (size_t i = 0; i < TIMERS; i += 3, set--)
        timers_clear(&t, &all[i]);
    timers_clear(&t, &all[0]); /* not set: nothing to do */

    for (int64_t before = 0; set > 0; set--) {
        struct timer *first = timers_first(&t);
        assert_non_null(first);
        assert_true(first->at_mono_ms >= before);
        assert_true((first - all) % 3 != 0);
        before = first->at_mono_ms;
        timers_clear(&t, first);
        assert_int_equal(first->place, 0);
    }
    assert_null(timers_first(&t));
    timers_done(&t);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(timers_come_out_in_order_whatever_was_set_moved_and_cleared),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
