#include "bridge/ingress/replays.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>

#include <cmocka.h>

static bool note(struct replays *r, const char *ce_id, int64_t second)
{
    return replays_note(r, bytes_of_text(ce_id), second * 1000);
}

static struct replays *make(uint32_t window_s)
{
    struct replays *r = NULL;
    assert_int_equal(replays_new(&r), STATUS_OK);
    replays_set_window(r, window_s);
    return r;
}

static void what_comes_again_within_the_window_is_seen(void **state)
{
    (void)state;
    struct replays *r = make(300);
    assert_false(note(r, "a", 1000));
    assert_false(note(r, "b", 1000));
    assert_true(note(r, "a", 1000));
    assert_true(note(r, "a", 1300));
    assert_true(note(r, "a", 1600)); /* counted from the last time */
    assert_false(note(r, "a", 1901));
    assert_false(note(r, "b", 1901));
    assert_true(note(r, "b", 1901));
    replays_free(r);
}

static void without_a_window_nothing_is_noted(void **state)
{
    (void)state;
    struct replays *r = make(0);
    assert_false(note(r, "a", 1000));
    assert_false(note(r, "a", 1000));
    replays_set_window(r, 10);
    assert_false(note(r, "a", 1000));
    assert_true(note(r, "a", 1000));
    replays_free(r);
}

static void ten_thousand_callbacks_are_told_apart_and_nearly_all_found_again(void **state)
{
    (void)state;
    struct replays *r = make(300);
    char id[64];
    for (int i = 0; i < 10000; i++) {
        snprintf(id, sizeof(id), "%032x", i);
        assert_false(note(r, id, 1000 + i / 100));
    }
    unsigned found = 0;
    for (int i = 0; i < 10000; i++) {
        snprintf(id, sizeof(id), "%032x", i);
        found += note(r, id, 1100);
    }
    assert_in_range(found, 9950, 10000);
    replays_free(r);
}

/* A day at full load: the table does not grow, and what it forgets is not a replay. */
static void what_does_not_fit_is_forgotten_and_never_invented(void **state)
{
    (void)state;
    struct replays *r = make(86400);
    char id[64];
    for (int i = 0; i < 1000000; i++) {
        snprintf(id, sizeof(id), "%032x", i);
        assert_false(note(r, id, 1000 + i / 1000));
    }
    assert_true(note(r, id, 2000));
    replays_free(r);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(what_comes_again_within_the_window_is_seen),
        cmocka_unit_test(without_a_window_nothing_is_noted),
        cmocka_unit_test(ten_thousand_callbacks_are_told_apart_and_nearly_all_found_again),
        cmocka_unit_test(what_does_not_fit_is_forgotten_and_never_invented),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
