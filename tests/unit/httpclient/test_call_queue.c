#include "bridge/httpclient/call_queue.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>

#include <cmocka.h>

#include "bridge/httpclient/backoff.h"

/* The first base has no limits of its own, the second a window and a common hold. */
static const struct http_base bases[] = {
    {.url = "http://a"},
    {.url = "http://b", .requests_max = 2, .window_ms = 1000, .is_held_whole = true},
};

static const struct call_end fine = {.arrivals = 1, .retry_after_ms = -1};

static struct call_queue *make(unsigned concurrency)
{
    struct call_queue *q;
    assert_int_equal(call_queue_new(bases, 2, concurrency, &q), STATUS_OK);
    return q;
}

static void add(struct call_queue *q, struct call *call, int64_t now)
{
    assert_int_equal(call_queue_add(q, call, now), STATUS_OK);
}

#define GET(base_, key_)                                                                           \
    {                                                                                              \
        .base = (base_), .key = (char *)(key_), .start_within_ms = 100000                          \
    }
#define POST(base_, key_)                                                                          \
    {                                                                                              \
        .method = HTTP_POST, .base = (base_), .key = (char *)(key_), .start_within_ms = 100000     \
    }

static void calls_of_one_key_go_one_after_another_in_order(void **state)
{
    struct call a1 = GET(0, "a"), a2 = GET(0, "a"), b1 = GET(0, "b");
    struct call_queue *q = make(10);
    (void)state;
    add(q, &a1, 0);
    add(q, &a2, 0);
    add(q, &b1, 0);
    assert_ptr_equal(call_queue_start(q, 0), &a1);
    assert_ptr_equal(call_queue_start(q, 0), &b1);
    assert_null(call_queue_start(q, 0));
    assert_false(call_queue_end(q, &a1, &fine, 5));
    assert_ptr_equal(call_queue_start(q, 5), &a2);
    assert_false(call_queue_end(q, &a2, &fine, 6));
    assert_false(call_queue_end(q, &b1, &fine, 6));
    assert_int_equal(call_queue_next_at(q, 6), INT64_MAX);
    call_queue_free(q);
}

static void the_same_key_at_two_bases_is_two_keys(void **state)
{
    struct call a = GET(0, "a"), b = GET(1, "a");
    struct call_queue *q = make(10);
    (void)state;
    add(q, &a, 0);
    add(q, &b, 0);
    assert_non_null(call_queue_start(q, 0));
    assert_non_null(call_queue_start(q, 0));
    assert_false(call_queue_end(q, &a, &fine, 5));
    assert_false(call_queue_end(q, &b, &fine, 5));
    call_queue_free(q);
}

static void no_more_calls_are_under_way_than_there_are_places(void **state)
{
    struct call calls[] = {GET(0, "a"), GET(0, "b"), GET(0, "c")};
    struct call_queue *q = make(2);
    (void)state;
    for (int i = 0; i < 3; i++)
        add(q, &calls[i], 0);
    assert_ptr_equal(call_queue_start(q, 0), &calls[0]);
    assert_ptr_equal(call_queue_start(q, 0), &calls[1]);
    assert_null(call_queue_start(q, 0));
    assert_int_equal(call_queue_next_at(q, 0), 100001); /* when the third one expires */
    assert_false(call_queue_end(q, &calls[0], &fine, 1));
    assert_int_equal(call_queue_next_at(q, 1), 1);
    assert_ptr_equal(call_queue_start(q, 1), &calls[2]);
    assert_false(call_queue_end(q, &calls[1], &fine, 1));
    assert_false(call_queue_end(q, &calls[2], &fine, 1));
    call_queue_free(q);
}

static void writes_go_before_reads_of_their_own_and_of_other_keys(void **state)
{
    struct call get_a = GET(0, "a"), get_b = GET(0, "b"), post_b = POST(0, "b"),
                post_c = POST(1, "c");
    struct call *expected[] = {&post_b, &post_c, &get_a, &get_b};
    struct call_queue *q = make(1);
    (void)state;
    add(q, &get_a, 0);
    add(q, &get_b, 0);
    add(q, &post_b, 0);
    add(q, &post_c, 0);
    for (int i = 0; i < 4; i++) {
        assert_ptr_equal(call_queue_start(q, 0), expected[i]);
        assert_false(call_queue_end(q, expected[i], &fine, 0));
    }
    call_queue_free(q);
}

static void a_full_window_keeps_its_base_waiting_and_no_other(void **state)
{
    struct call b[] = {GET(1, "b1"), GET(1, "b2"), GET(1, "b3"), POST(1, "b4")};
    struct call a = GET(0, "a");
    struct call_queue *q = make(10);
    (void)state;
    for (int i = 0; i < 3; i++)
        add(q, &b[i], 0);
    assert_ptr_equal(call_queue_start(q, 0), &b[0]);
    assert_ptr_equal(call_queue_start(q, 0), &b[1]);
    assert_null(call_queue_start(q, 0));
    assert_false(call_queue_end(q, &b[0], &fine, 10));
    assert_false(call_queue_end(q, &b[1], &fine, 20));
    assert_null(call_queue_start(q, 20));
    assert_int_equal(call_queue_next_at(q, 20), 1011);
    add(q, &a, 30);
    add(q, &b[3], 40); /* gets the place that becomes free: GETs give way */
    assert_ptr_equal(call_queue_start(q, 40), &a);
    assert_null(call_queue_start(q, 1010));
    assert_ptr_equal(call_queue_start(q, 1011), &b[3]);
    assert_null(call_queue_start(q, 1011));
    assert_ptr_equal(call_queue_start(q, 1021), &b[2]);
    assert_false(call_queue_end(q, &a, &fine, 1030));
    assert_false(call_queue_end(q, &b[2], &fine, 1030));
    assert_false(call_queue_end(q, &b[3], &fine, 1030));
    call_queue_free(q);
}

static void a_failed_get_waits_longer_each_time_and_holds_its_key(void **state)
{
    const struct call_end failed = {.arrivals = 1,
                                    .failed = true,
                                    .may_repeat = true,
                                    .retry_after_ms = -1,
                                    .chance = UINT32_MAX};
    struct call first = GET(0, "a"), second = POST(0, "a");
    struct call_queue *q = make(10);
    int64_t now = 0;
    (void)state;
    add(q, &first, now);
    for (unsigned i = 1; i <= 5; i++) {
        assert_ptr_equal(call_queue_start(q, now), &first);
        assert_true(call_queue_end(q, &first, &failed, now));
        assert_int_equal(call_queue_held_until(q, &first, now), now + backoff_ms(i, UINT32_MAX));
        assert_int_equal(call_queue_next_at(q, now), now + backoff_ms(i, UINT32_MAX));
        assert_null(call_queue_start(q, now + backoff_ms(i, UINT32_MAX) - 1));
        now += backoff_ms(i, UINT32_MAX);
    }
    add(q, &second, now);
    assert_ptr_equal(call_queue_start(q, now), &second); /* writes go first here too */
    assert_false(call_queue_end(q, &second, &fine, now));
    assert_ptr_equal(call_queue_start(q, now), &first);
    assert_true(call_queue_end(q, &first, &failed, now)); /* after a success it begins anew */
    assert_int_equal(call_queue_held_until(q, &first, now), now + BACKOFF_FIRST_MS);
    call_queue_remove(q, &first, now);
    call_queue_free(q);
}

static void retry_after_is_obeyed_but_never_shortens_the_backoff(void **state)
{
    static const struct {
        int64_t retry_after_ms, pause_ms;
    } rows[] = {
        {-1, 500}, /* none */
        {0, 500},  {499, 500}, {30000, 30000}, {3600000, 3600000},
    };
    (void)state;
    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        struct call_queue *q = make(10);
        struct call call = GET(0, "a");
        const struct call_end end = {.arrivals = 1,
                                     .failed = true,
                                     .is_throttled = true,
                                     .retry_after_ms = rows[i].retry_after_ms,
                                     .chance = UINT32_MAX};
        add(q, &call, 7);
        assert_ptr_equal(call_queue_start(q, 7), &call);
        assert_false(call_queue_end(q, &call, &end, 10));
        assert_int_equal(call_queue_held_until(q, &call, 10), 10 + rows[i].pause_ms);
        /* The hold outlives the call. */
        struct call next = GET(0, "a"), other = GET(0, "b");
        next.start_within_ms = other.start_within_ms = 5000000;
        add(q, &next, 10);
        add(q, &other, 10);
        assert_ptr_equal(call_queue_start(q, 10), &other);
        assert_null(call_queue_start(q, 9 + rows[i].pause_ms));
        assert_ptr_equal(call_queue_start(q, 10 + rows[i].pause_ms), &next);
        assert_false(call_queue_end(q, &next, &fine, 4000000));
        assert_false(call_queue_end(q, &other, &fine, 4000000));
        assert_int_equal(call_queue_held_until(q, &call, 4000000), 0);
        call_queue_free(q);
    }
}

static void a_base_that_is_held_whole_holds_every_key(void **state)
{
    const struct call_end throttled = {
        .arrivals = 1, .failed = true, .is_throttled = true, .retry_after_ms = 30000};
    struct call b1 = GET(1, "b1"), b2 = POST(1, "b2"), a = GET(0, "a");
    struct call_queue *q = make(10);
    (void)state;
    add(q, &b1, 0);
    assert_ptr_equal(call_queue_start(q, 0), &b1);
    assert_false(call_queue_end(q, &b1, &throttled, 0));
    add(q, &b2, 1);
    add(q, &a, 1);
    assert_int_equal(call_queue_held_until(q, &b2, 1), 30000);
    assert_ptr_equal(call_queue_start(q, 1), &a);
    assert_null(call_queue_start(q, 29999));
    assert_ptr_equal(call_queue_start(q, 30000), &b2);
    assert_false(call_queue_end(q, &a, &fine, 30000));
    assert_false(call_queue_end(q, &b2, &fine, 30000));
    call_queue_free(q);
}

static void a_call_expires_only_after_its_last_instant(void **state)
{
    struct call a = GET(0, "a"), b = GET(0, "a");
    struct call_queue *q = make(1);
    (void)state;
    a.start_within_ms = b.start_within_ms = 50;
    add(q, &a, 100);
    assert_ptr_equal(call_queue_start(q, 150), &a);
    add(q, &b, 100);
    assert_int_equal(call_queue_next_at(q, 150), 151);
    assert_null(call_queue_expired(q, 150));
    assert_ptr_equal(call_queue_expired(q, 151), &b);
    call_queue_remove(q, &b, 151);
    assert_null(call_queue_expired(q, 151));
    assert_false(call_queue_end(q, &a, &fine, 151));
    call_queue_free(q);
}

static void a_call_is_not_repeated_when_its_pause_ends_too_late(void **state)
{
    const struct call_end failed = {.arrivals = 1,
                                    .failed = true,
                                    .may_repeat = true,
                                    .retry_after_ms = -1,
                                    .chance = UINT32_MAX};
    struct call a = GET(0, "a");
    struct call_queue *q = make(1);
    (void)state;
    a.start_within_ms = 1000;
    add(q, &a, 0);
    assert_ptr_equal(call_queue_start(q, 0), &a);
    assert_true(call_queue_end(q, &a, &failed, 100)); /* again at 600 */
    assert_ptr_equal(call_queue_start(q, 600), &a);
    assert_false(call_queue_end(q, &a, &failed, 610)); /* would be at 1360 */
    call_queue_free(q);
}

static void keys_without_calls_or_holds_are_forgotten(void **state)
{
    struct call_queue *q = make(1);
    (void)state;
    for (int i = 0; i < 100000; i++) { /* memory is the leak checker's to judge */
        char key[16];
        snprintf(key, sizeof(key), "k%d", i);
        struct call a = GET(0, key);
        add(q, &a, i);
        assert_ptr_equal(call_queue_start(q, i), &a);
        assert_false(call_queue_end(q, &a, &fine, i));
        assert_int_equal(call_queue_next_at(q, i), INT64_MAX);
    }
    call_queue_free(q);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(calls_of_one_key_go_one_after_another_in_order),
        cmocka_unit_test(the_same_key_at_two_bases_is_two_keys),
        cmocka_unit_test(no_more_calls_are_under_way_than_there_are_places),
        cmocka_unit_test(writes_go_before_reads_of_their_own_and_of_other_keys),
        cmocka_unit_test(a_full_window_keeps_its_base_waiting_and_no_other),
        cmocka_unit_test(a_failed_get_waits_longer_each_time_and_holds_its_key),
        cmocka_unit_test(retry_after_is_obeyed_but_never_shortens_the_backoff),
        cmocka_unit_test(a_base_that_is_held_whole_holds_every_key),
        cmocka_unit_test(a_call_expires_only_after_its_last_instant),
        cmocka_unit_test(a_call_is_not_repeated_when_its_pause_ends_too_late),
        cmocka_unit_test(keys_without_calls_or_holds_are_forgotten),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
