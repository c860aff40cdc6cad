#include "bridge/ingress/limit.h"

#include <pthread.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdatomic.h>
#include <stddef.h>

#include <cmocka.h>

#define SECOND INT64_C(1000000)

/* An arbitrary start of the clock: not the one at which a bucket was "never used". */
static const int64_t start = 77 * SECOND;

static struct limit *make(size_t keys, uint32_t per_s, uint32_t burst)
{
    struct limit *l = NULL;
    assert_int_equal(limit_new(keys, &l), STATUS_OK);
    limit_set(l, (struct limit_rate){per_s, burst});
    return l;
}

/* How many tokens there are at once, at most max. */
static unsigned take_all(struct limit *l, uint64_t key, int64_t now, unsigned max)
{
    unsigned taken = 0;
    while (taken < max && limit_take(l, key, now))
        taken++;
    return taken;
}

static void a_burst_is_taken_at_once_and_then_as_many_as_the_rate_makes(void **state)
{
    (void)state;
    struct limit *l = make(8, 10, 5);
    assert_int_equal(take_all(l, 1, start, 100), 5);
    assert_int_equal(take_all(l, 1, start + SECOND / 20, 100), 0);
    assert_int_equal(take_all(l, 1, start + SECOND / 10, 100), 1);
    assert_int_equal(take_all(l, 1, start + SECOND / 10 * 4, 100), 3);
    assert_int_equal(take_all(l, 1, start + 60 * SECOND, 100), 5); /* never more than the burst */
    limit_free(l);
}

static void a_refusal_costs_nothing(void **state)
{
    (void)state;
    struct limit *l = make(8, 10, 1);
    assert_true(limit_take(l, 1, start));
    for (int i = 0; i < 1000; i++)
        assert_false(limit_take(l, 1, start + i));
    assert_true(limit_take(l, 1, start + SECOND / 10));
    limit_free(l);
}

static void each_key_has_a_bucket_of_its_own(void **state)
{
    (void)state;
    struct limit *l = make(1024, 1, 3);
    for (uint64_t key = 0; key < 64; key++)
        assert_int_equal(take_all(l, key, start, 100), 3);
    for (uint64_t key = 0; key < 64; key++)
        assert_int_equal(take_all(l, key, start, 100), 0);
    limit_free(l);
}

static void without_a_rate_nothing_is_refused(void **state)
{
    (void)state;
    struct limit *l = make(8, 0, 1);
    assert_int_equal(take_all(l, 1, start, 10000), 10000);
    limit_free(l);
}

static void a_burst_of_none_counts_as_one(void **state)
{
    (void)state;
    struct limit *l = make(8, 1, 0);
    assert_int_equal(take_all(l, 1, start, 100), 1);
    limit_free(l);
}

static void a_new_rate_is_in_force_at_once(void **state)
{
    (void)state;
    struct limit *l = make(8, 1, 1000);
    assert_int_equal(take_all(l, 1, start, 2000), 1000);
    /* What is owed to the old rate, sixteen minutes, is forgiven but for the new burst. */
    limit_set(l, (struct limit_rate){10, 10});
    assert_false(limit_take(l, 1, start));
    assert_int_equal(take_all(l, 1, start + SECOND, 100), 10);
    limit_set(l, (struct limit_rate){0, 1});
    assert_int_equal(take_all(l, 1, start + SECOND, 100), 100);
    limit_free(l);
}

/* Ten times as many keys as there are places, each within its limit. */
static void a_full_table_refuses_nobody_who_is_within_his_limit(void **state)
{
    (void)state;
    struct limit *l = make(64, 1, 2);
    for (uint64_t key = 0; key < 640; key++)
        assert_true(limit_take(l, key, start));
    for (uint64_t key = 0; key < 640; key++)
        assert_true(limit_take(l, key, start + 10));
    limit_free(l);
}

static void who_floods_keeps_his_place_among_those_who_do_not(void **state)
{
    (void)state;
    struct limit *l = make(64, 1, 100);
    assert_int_equal(take_all(l, 12345, start, 1000), 100);
    for (uint64_t key = 0; key < 640; key++)
        assert_true(limit_take(l, key, start));
    assert_false(limit_take(l, 12345, start));
    limit_free(l);
}

static struct limit *shared;
static atomic_size_t taken;

static void *take_many(void *ctx)
{
    (void)ctx;
    for (int i = 0; i < 20000; i++)
        atomic_fetch_add(&taken, limit_take(shared, 7, start));
    return NULL;
}

static void threads_together_take_no_more_than_there_is(void **state)
{
    (void)state;
    pthread_t threads[4];
    shared = make(8, 1, 30000);
    for (size_t i = 0; i < 4; i++)
        assert_int_equal(pthread_create(&threads[i], NULL, take_many, NULL), 0);
    for (size_t i = 0; i < 4; i++)
        pthread_join(threads[i], NULL);
    assert_int_equal(taken, 30000);
    limit_free(shared);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_burst_is_taken_at_once_and_then_as_many_as_the_rate_makes),
        cmocka_unit_test(a_refusal_costs_nothing),
        cmocka_unit_test(each_key_has_a_bucket_of_its_own),
        cmocka_unit_test(without_a_rate_nothing_is_refused),
        cmocka_unit_test(a_burst_of_none_counts_as_one),
        cmocka_unit_test(a_new_rate_is_in_force_at_once),
        cmocka_unit_test(a_full_table_refuses_nobody_who_is_within_his_limit),
        cmocka_unit_test(who_floods_keeps_his_place_among_those_who_do_not),
        cmocka_unit_test(threads_together_take_no_more_than_there_is),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
