#include "bridge/status/history.h"

#include <math.h>
#include <setjmp.h>
#include <stdarg.h>

#include <cmocka.h>

static void add(struct history *h, int64_t at_mono_ms, double value)
{
    const struct history_sample sample = {at_mono_ms, {value}};
    history_add(h, &sample);
}

static void the_oldest_sample_goes_when_the_ring_is_full(void **state)
{
    (void)state;
    struct history h = {.len = 0};
    for (int i = 0; i < HISTORY_SAMPLES + 3; i++) {
        add(&h, i, i);
        assert_int_equal(h.len, i < HISTORY_SAMPLES ? i + 1 : HISTORY_SAMPLES);
        assert_int_equal(history_at(&h, h.len - 1)->at_mono_ms, i);
    }
    assert_int_equal(history_at(&h, 0)->at_mono_ms, 3);
}

static void the_latest_value_is_one_that_is_known_and_not_too_old(void **state)
{
    (void)state;
    struct history h = {.len = 0};
    assert_true(isnan(history_latest(&h, 0, 0)));
    add(&h, 1000, 5);
    add(&h, 2000, (double)NAN);
    assert_true(history_latest(&h, 0, 1000) == 5);
    assert_true(isnan(history_latest(&h, 0, 1001)));
}

static void the_mean_is_of_what_is_known_and_not_too_old(void **state)
{
    (void)state;
    struct history h = {.len = 0};
    assert_true(isnan(history_mean(&h, 0, 0)));
    add(&h, 1000, 100);
    add(&h, 2000, 5);
    add(&h, 3000, (double)NAN);
    add(&h, 4000, 7);
    assert_true(history_mean(&h, 0, 2000) == 6);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_oldest_sample_goes_when_the_ring_is_full),
        cmocka_unit_test(the_latest_value_is_one_that_is_known_and_not_too_old),
        cmocka_unit_test(the_mean_is_of_what_is_known_and_not_too_old),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
