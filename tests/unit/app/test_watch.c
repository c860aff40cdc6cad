#include "bridge/app/watch.h"

#include <setjmp.h>
#include <stdarg.h>

#include <cmocka.h>

#include "bridge/base/clock.h"
#include "tests/support/alloc_fail.h"

static void a_watch_is_whole_or_not_there(void **state)
{
    (void)state;
    bool failed = true;
    for (long n = 0; failed; n++) {
        struct watch *w = NULL;
        alloc_fail_at(n);
        enum status status = watch_new(WATCH_POLL_MS, &w, NULL);
        failed = alloc_fail_end();
        assert_int_equal(status, failed ? STATUS_NOMEM : STATUS_OK);
        assert_int_equal(w == NULL, failed);
        watch_free(w);
    }
}

static void a_set_is_replaced_whole_or_not_at_all(void **state)
{
    (void)state;
    static const char *const paths[] = {"/proc/self/status", "/", "relative", "/proc/none/x"};
    struct watch *w;
    assert_int_equal(watch_new(WATCH_POLL_MS, &w, NULL), STATUS_OK);
    bool failed = true;
    for (long n = 0; failed; n++) {
        alloc_fail_at(n);
        enum status status = watch_replace(w, paths, 4, clock_unix_ms());
        failed = alloc_fail_end();
        assert_int_equal(status, failed ? STATUS_NOMEM : STATUS_OK);
        (void)watch_changed(w); /* the set that is in force can be walked */
    }
    watch_free(w);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_watch_is_whole_or_not_there),
        cmocka_unit_test(a_set_is_replaced_whole_or_not_at_all),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
