#include "bridge/httpclient/window.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdlib.h>

#include <cmocka.h>

#include "tests/support/alloc_fail.h"

#define WINDOW_MS 300000

static void request(struct window *w, int64_t at)
{
    window_start(w);
    window_end(w, 1, at);
}

static void without_a_maximum_there_is_always_room(void **state)
{
    struct window w;
    (void)state;
    assert_int_equal(window_init(&w, 0, WINDOW_MS), STATUS_OK);
    for (int i = 0; i < 1000; i++) {
        window_start(&w);
        assert_int_equal(window_free_at(&w, 7), 7);
    }
    window_end(&w, 1, 7);
    window_done(&w);
}

static void a_full_window_frees_a_place_when_its_oldest_request_leaves(void **state)
{
    struct window w;
    (void)state;
    assert_int_equal(window_init(&w, 3, WINDOW_MS), STATUS_OK);
    request(&w, 1000);
    request(&w, 2000);
    assert_true(window_free_at(&w, 2500) <= 2500);
    request(&w, 3000);
    assert_int_equal(window_free_at(&w, 3000), 1000 + WINDOW_MS + 1);
    request(&w, 301001);
    assert_int_equal(window_free_at(&w, 301001), 2000 + WINDOW_MS + 1);
    window_done(&w);
}

static void a_request_under_way_takes_a_place_until_a_window_after_its_end(void **state)
{
    struct window w;
    (void)state;
    assert_int_equal(window_init(&w, 2, WINDOW_MS), STATUS_OK);
    window_start(&w);
    window_start(&w);
    assert_int_equal(window_free_at(&w, 999999), INT64_MAX);
    window_end(&w, 1, 20000);
    assert_int_equal(window_free_at(&w, 20000), 20000 + WINDOW_MS + 1);
    window_done(&w);
}

static void a_request_that_never_left_gives_its_place_back(void **state)
{
    struct window w;
    (void)state;
    assert_int_equal(window_init(&w, 1, WINDOW_MS), STATUS_OK);
    window_start(&w);
    window_end(&w, 0, 10);
    assert_true(window_free_at(&w, 10) <= 10);
    window_done(&w);
}

static void a_request_sent_twice_takes_two_places(void **state)
{
    struct window w;
    (void)state;
    assert_int_equal(window_init(&w, 2, WINDOW_MS), STATUS_OK);
    window_start(&w);
    window_end(&w, 2, 10);
    assert_int_equal(window_free_at(&w, 10), 10 + WINDOW_MS + 1);
    window_done(&w);
}

/* A clock that a generator of requests with unlike delays drives; arrivals are held against the
 * promise afterwards. Source of the generator: Numerical Recipes' LCG. */
static void no_stretch_of_the_window_holds_more_arrivals_than_the_maximum(void **state)
{
    enum { MAX = 7, REQUESTS = 2000, SLOTS = 4 };
    struct window w;
    int64_t arrivals[REQUESTS], ends[SLOTS] = {0};
    size_t arrivals_len = 0;
    uint32_t seed = 1;
    int64_t now = 0;
    (void)state;
    assert_int_equal(window_init(&w, MAX, 1000), STATUS_OK);
    while (arrivals_len < REQUESTS) {
        for (size_t i = 0; i < SLOTS; i++) {
            if (ends[i] != 0 && ends[i] <= now) {
                window_end(&w, 1, now);
                ends[i] = 0;
            }
            if (ends[i] == 0 && arrivals_len < REQUESTS && window_free_at(&w, now) <= now) {
                seed = seed * 1664525 + 1013904223;
                int64_t delay = seed >> 8 & 511;
                window_start(&w);
                ends[i] = now + delay + 1;
                arrivals[arrivals_len++] = now + delay * (seed >> 24) / 256;
            }
        }
        now++;
    }
    for (size_t i = 0; i < REQUESTS; i++) {
        size_t in_window = 0;
        for (size_t j = 0; j < REQUESTS; j++)
            in_window += arrivals[j] >= arrivals[i] && arrivals[j] <= arrivals[i] + 1000;
        assert_in_range(in_window, 1, MAX);
    }
    assert_in_range(now, REQUESTS / MAX * 1000 - 1000, 2 * REQUESTS / MAX * 1000); /* nor idles */
    window_done(&w);
}

static void without_memory_there_is_no_window(void **state)
{
    struct window w;
    (void)state;
    alloc_fail_at(0);
    enum status status = window_init(&w, 3, WINDOW_MS);
    assert_true(alloc_fail_end());
    assert_int_equal(status, STATUS_NOMEM);
    window_done(&w);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(without_a_maximum_there_is_always_room),
        cmocka_unit_test(a_full_window_frees_a_place_when_its_oldest_request_leaves),
        cmocka_unit_test(a_request_under_way_takes_a_place_until_a_window_after_its_end),
        cmocka_unit_test(a_request_that_never_left_gives_its_place_back),
        cmocka_unit_test(a_request_sent_twice_takes_two_places),
        cmocka_unit_test(no_stretch_of_the_window_holds_more_arrivals_than_the_maximum),
        cmocka_unit_test(without_memory_there_is_no_window),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
