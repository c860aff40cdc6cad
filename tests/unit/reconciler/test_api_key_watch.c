#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "bridge/reconciler/api_key_watch.h"

static void three_accounts_in_a_row_are_the_api_key(void **state)
{
    (void)state;
    struct api_key_watch w = {0};
    assert_false(api_key_watch_forbidden(&w, "a"));
    assert_false(api_key_watch_forbidden(&w, "a")); /* the same one says nothing more */
    assert_false(api_key_watch_forbidden(&w, "b"));
    assert_true(api_key_watch_forbidden(&w, "c"));
}

static void a_success_between_makes_them_three_accounts(void **state)
{
    (void)state;
    struct api_key_watch w = {0};
    api_key_watch_forbidden(&w, "a");
    api_key_watch_forbidden(&w, "b");
    assert_false(api_key_watch_succeeded(&w));
    assert_false(api_key_watch_forbidden(&w, "c"));
}

static void a_refused_key_is_tested_once_an_interval_until_it_is_taken(void **state)
{
    (void)state;
    struct api_key_watch w = {0};
    assert_true(api_key_watch_may_call(&w, 5, 100));
    api_key_watch_forbidden(&w, "a");
    api_key_watch_forbidden(&w, "b");
    api_key_watch_forbidden(&w, "c");
    assert_false(api_key_watch_may_call(&w, 10, 100));
    assert_false(api_key_watch_may_call(&w, 109, 100));
    assert_true(api_key_watch_may_call(&w, 110, 100));
    assert_false(api_key_watch_may_call(&w, 111, 100));
    assert_true(api_key_watch_succeeded(&w)); /* the blocks are withdrawn */
    assert_true(api_key_watch_may_call(&w, 112, 100));
    assert_false(api_key_watch_succeeded(&w));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(three_accounts_in_a_row_are_the_api_key),
        cmocka_unit_test(a_success_between_makes_them_three_accounts),
        cmocka_unit_test(a_refused_key_is_tested_once_an_interval_until_it_is_taken),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
