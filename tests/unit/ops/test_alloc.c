/* Every allocation of ops fails once. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

#include "bridge/base/scoped.h"
#include "bridge/ops/admin.h"
#include "tests/support/alloc_fail.h"

static void metrics_health_and_rejections_are_whole_or_not_there(void **state)
{
    (void)state;
    bool failed = true;
    for (long n = 0; failed; n++) {
        struct metrics *m = NULL;
        struct health *h = NULL;
        struct rejections *r = NULL;
        alloc_fail_at(n);
        enum status status = metrics_new(&m);
        if (status == STATUS_OK)
            status = health_new(&h);
        if (status == STATUS_OK)
            status = rejections_new(&r);
        failed = alloc_fail_end();
        assert_int_equal(status, failed ? STATUS_NOMEM : STATUS_OK);
        assert_int_equal(r == NULL, failed);
        metrics_free(m);
        health_free(h);
        rejections_free(r);
    }
}

static void counting_goes_on_without_memory_for_a_series(void **state)
{
    (void)state;
    const struct metric_label labels[] = {{"provider", "maesn"}};
    bool failed = true;
    for (long n = 0; failed; n++) {
        struct metrics *m;
        assert_int_equal(metrics_new(&m), STATUS_OK);
        alloc_fail_at(n);
        struct counter *c = metrics_counter(m, "a_total", "A.", labels, 1);
        counter_add(c, 3);
        failed = alloc_fail_end();

        CLEANUP(buf_done) struct buf text;
        buf_init(&text, 4096);
        metrics_print(m, &text);
        assert_int_equal(strstr(buf_text(&text), "a_total{provider=\"maesn\"} 3\n") != NULL,
                         !failed);
        assert_int_equal(strstr(buf_text(&text), "_dropped_total 1\n") != NULL, failed);
        metrics_free(m);
    }
}

static void a_listing_without_memory_says_so(void **state)
{
    (void)state;
    struct rejections *r;
    assert_int_equal(rejections_new(&r), STATUS_OK);
    rejections_add(r, &(struct rejection){.path = "/in/x", .reason = "path-unknown"});
    bool failed = true;
    for (long n = 0; failed; n++) {
        CLEANUP(buf_done) struct buf text;
        buf_init(&text, 65536);
        alloc_fail_at(n);
        rejections_print(r, &text);
        failed = alloc_fail_end();
        assert_int_equal(text.status, failed ? STATUS_NOMEM : STATUS_OK);
    }
    rejections_free(r);
}

static void the_admin_listener_is_whole_or_not_there(void **state)
{
    (void)state;
    const struct admin_options opt = {.listen = {.host = "127.0.0.1"}};
    bool failed = true;
    for (long n = 0; failed; n++) {
        struct admin *a = NULL;
        alloc_fail_at(n);
        enum status status = admin_new(&opt, &a, NULL);
        failed = alloc_fail_end();
        assert_int_equal(status, failed ? STATUS_NOMEM : STATUS_OK);
        assert_int_equal(a == NULL, failed);
        admin_free(a);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(metrics_health_and_rejections_are_whole_or_not_there),
        cmocka_unit_test(counting_goes_on_without_memory_for_a_series),
        cmocka_unit_test(a_listing_without_memory_says_so),
        cmocka_unit_test(the_admin_listener_is_whole_or_not_there),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
