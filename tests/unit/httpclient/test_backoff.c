#include "bridge/httpclient/backoff.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

static void the_pause_grows_by_half_up_to_a_minute(void **state)
{
    static const struct {
        unsigned failures;
        int64_t longest_ms;
    } rows[] = {
        {0, 500}, /* no failure is like the first one */
        {1, 500},
        {2, 750},
        {3, 1125},
        {4, 1687},
        {12, 43222},
        {13, BACKOFF_MAX_MS},
        {14, BACKOFF_MAX_MS},
        {UINT32_MAX, BACKOFF_MAX_MS},
    };
    (void)state;
    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        assert_int_equal(backoff_ms(rows[i].failures, UINT32_MAX), rows[i].longest_ms);
        assert_int_equal(backoff_ms(rows[i].failures, 0), rows[i].longest_ms / 2);
    }
}

static void chance_spreads_the_upper_half(void **state)
{
    (void)state;
    assert_int_equal(backoff_ms(1, UINT32_MAX / 2), 374);
    assert_int_equal(backoff_ms(1, UINT32_MAX / 10), 274);
    assert_int_equal(backoff_ms(20, UINT32_MAX / 2), 44999);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_pause_grows_by_half_up_to_a_minute),
        cmocka_unit_test(chance_spreads_the_upper_half),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
