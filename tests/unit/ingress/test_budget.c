#include "bridge/ingress/budget.h"

#include <pthread.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>

#include <cmocka.h>

static void no_more_is_taken_than_there_is(void **state)
{
    (void)state;
    struct budget *b = NULL;
    assert_int_equal(budget_new(2, 100, &b), STATUS_OK);
    assert_true(budget_take_request(b));
    assert_true(budget_take_request(b));
    assert_false(budget_take_request(b));
    budget_give_request(b);
    assert_true(budget_take_request(b));
    assert_true(budget_take_bytes(b, 60));
    assert_false(budget_take_bytes(b, 41));
    assert_false(budget_take_bytes(b, SIZE_MAX));
    assert_true(budget_take_bytes(b, 40));
    assert_true(budget_take_bytes(b, 0));
    assert_int_equal(budget_requests(b), 2);
    assert_int_equal(budget_bytes(b), 100);
    budget_give_bytes(b, 100);
    assert_int_equal(budget_bytes(b), 0);
    budget_unref(b);
}

static void there_is_room_for_what_could_be_taken(void **state)
{
    (void)state;
    struct budget *b = NULL;
    assert_int_equal(budget_new(2, 100, &b), STATUS_OK);
    assert_true(budget_has_room(b, 2, 100));
    assert_false(budget_has_room(b, 3, 0));
    assert_false(budget_has_room(b, 0, 101));
    assert_true(budget_take_request(b));
    assert_true(budget_take_bytes(b, 60));
    assert_true(budget_has_room(b, 1, 40));
    assert_false(budget_has_room(b, 2, 40));
    assert_false(budget_has_room(b, 1, 41));
    assert_false(budget_has_room(b, 0, SIZE_MAX));
    budget_unref(b);
}

static void *take_and_give(void *ctx)
{
    size_t failed = 0;
    for (size_t i = 0; i < 20000; i++) {
        if (budget_take_bytes(ctx, 3))
            budget_give_bytes(ctx, 3);
        else
            failed++;
    }
    budget_unref(ctx);
    return (void *)failed;
}

static void threads_leave_it_as_they_found_it(void **state)
{
    (void)state;
    struct budget *b = NULL;
    pthread_t threads[4];
    assert_int_equal(budget_new(1, 9, &b), STATUS_OK);
    for (size_t i = 0; i < 4; i++)
        assert_int_equal(pthread_create(&threads[i], NULL, take_and_give, budget_ref(b)), 0);
    for (size_t i = 0; i < 4; i++)
        pthread_join(threads[i], NULL);
    assert_int_equal(budget_bytes(b), 0);
    budget_unref(b);
    budget_unref(NULL);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(no_more_is_taken_than_there_is),
        cmocka_unit_test(there_is_room_for_what_could_be_taken),
        cmocka_unit_test(threads_leave_it_as_they_found_it),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
