#include "bridge/ingress/deadline.h"

#include <setjmp.h>
#include <stdarg.h>

#include <cmocka.h>

static void the_oldest_is_due_first_and_only_when_its_time_has_come(void **state)
{
    (void)state;
    struct deadline_fifo fifo = {.duration_ms = 100};
    struct deadline a = {0}, b = {0};
    assert_true(deadline_wait_ms(&fifo, 0) == DEADLINE_NONE);
    assert_null(deadline_due(&fifo, 1000000));
    deadline_move(&a, &fifo, 1000);
    deadline_move(&b, &fifo, 1050);
    assert_int_equal(deadline_wait_ms(&fifo, 1000), 100);
    assert_null(deadline_due(&fifo, 1099));
    assert_ptr_equal(deadline_due(&fifo, 1100), &a);
    deadline_move(&a, NULL, 1100);
    assert_int_equal(deadline_wait_ms(&fifo, 1100), 50);
    assert_ptr_equal(deadline_due(&fifo, 5000), &b);
    assert_int_equal(deadline_wait_ms(&fifo, 5000), 0);
}

static void a_deadline_is_in_one_fifo_at_a_time(void **state)
{
    (void)state;
    struct deadline_fifo first = {.duration_ms = 10}, second = {.duration_ms = 20};
    struct deadline items[3] = {0};
    for (size_t i = 0; i < 3; i++)
        deadline_move(&items[i], &first, 0);
    deadline_move(&items[1], &second, 5); /* from the middle */
    assert_int_equal(first.len, 2);
    assert_int_equal(second.len, 1);
    assert_ptr_equal(items[0].next, &items[2]);
    assert_ptr_equal(items[2].previous, &items[0]);
    deadline_move(&items[0], &second, 6); /* the oldest */
    deadline_move(&items[2], &second, 7); /* the last one */
    assert_int_equal(first.len, 0);
    assert_null(first.oldest);
    assert_null(first.newest);
    assert_ptr_equal(second.oldest, &items[1]);
    assert_ptr_equal(second.newest, &items[2]);
}

static void moved_to_the_same_fifo_it_begins_anew(void **state)
{
    (void)state;
    struct deadline_fifo fifo = {.duration_ms = 10};
    struct deadline a = {0}, b = {0};
    deadline_move(&a, &fifo, 0);
    deadline_move(&b, &fifo, 1);
    deadline_move(&a, &fifo, 2);
    assert_ptr_equal(deadline_due(&fifo, 11), &b);
    assert_int_equal(fifo.len, 2);
    deadline_move(&b, NULL, 11);
    deadline_move(&b, NULL, 11);
    assert_ptr_equal(deadline_due(&fifo, 12), &a);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_oldest_is_due_first_and_only_when_its_time_has_come),
        cmocka_unit_test(a_deadline_is_in_one_fifo_at_a_time),
        cmocka_unit_test(moved_to_the_same_fifo_it_begins_anew),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
