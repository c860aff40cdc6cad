#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#include "bridge/reconciler/schedule.h"

#define ACCOUNTS 10000
#define INTERVAL 900000

static struct schedule_slot slots[ACCOUNTS];

static void fill(struct schedule *s)
{
    schedule_init(s, INTERVAL);
    memset(slots, 0, sizeof(slots));
    for (unsigned i = 0; i < ACCOUNTS; i++) {
        char account[32];
        snprintf(account, sizeof(account), "acme-%u", i);
        assert_int_equal(schedule_add(s, &slots[i], account, 1000), STATUS_OK);
    }
}

static void the_first_passes_run_at_once_and_the_later_ones_evenly(void **state)
{
    (void)state;
    struct schedule s;
    fill(&s);
    unsigned taken = 0;
    for (struct schedule_slot *slot; (slot = schedule_take(&s, 1000)) != NULL; taken++)
        schedule_put_back(&s, slot, 1000, 0);
    assert_int_equal(taken, ACCOUNTS);

    /* Of each tenth of the interval, about a tenth of the accounts; twice each. */
    for (unsigned tenth = 0; tenth < 20; tenth++) {
        int64_t now = 1000 + (int64_t)(tenth + 1) * (INTERVAL / 10);
        taken = 0;
        for (struct schedule_slot *slot; (slot = schedule_take(&s, now)) != NULL; taken++)
            schedule_put_back(&s, slot, now, 0);
        assert_in_range(taken, ACCOUNTS / 10 - 150, ACCOUNTS / 10 + 150);
    }
    schedule_done(&s);
}

static void what_falls_due_before_its_turn_comes_first(void **state)
{
    (void)state;
    struct schedule s;
    struct schedule_slot slot = {0};
    schedule_init(&s, INTERVAL);
    assert_int_equal(schedule_add(&s, &slot, "acme", 0), STATUS_OK);
    assert_ptr_equal(schedule_take(&s, 0), &slot);
    assert_int_equal(schedule_next_mono_ms(&s), INT64_MAX);
    int64_t turn = slot.phase_ms;
    schedule_put_back(&s, &slot, 0, 5);
    assert_int_equal(schedule_next_mono_ms(&s), 5);
    assert_null(schedule_take(&s, 4));
    assert_ptr_equal(schedule_take(&s, 5), &slot);
    schedule_put_back(&s, &slot, 5, turn + 1); /* later than its turn */
    assert_int_equal(schedule_next_mono_ms(&s), turn);
    schedule_done(&s);
}

static void a_nudge_is_not_lost_on_a_pass_that_is_under_way(void **state)
{
    (void)state;
    struct schedule s;
    struct schedule_slot slot = {0};
    schedule_init(&s, INTERVAL);
    assert_int_equal(schedule_add(&s, &slot, "acme", 0), STATUS_OK);
    assert_ptr_equal(schedule_take(&s, 0), &slot);
    schedule_nudge(&s, &slot, 1);
    schedule_put_back(&s, &slot, 2, 0);
    assert_ptr_equal(schedule_take(&s, 2), &slot);
    schedule_put_back(&s, &slot, 3, 0);
    assert_null(schedule_take(&s, 3));
    schedule_nudge(&s, &slot, 4);
    assert_ptr_equal(schedule_take(&s, 4), &slot);
    schedule_done(&s);
}

static void removed_ones_do_not_come_back(void **state)
{
    (void)state;
    struct schedule s;
    fill(&s);
    for (unsigned i = 0; i < ACCOUNTS; i += 2)
        schedule_remove(&s, &slots[i]);
    struct schedule_slot never_added = {0};
    schedule_remove(&s, &never_added);
    unsigned taken = 0;
    for (struct schedule_slot *slot; (slot = schedule_take(&s, 1000)) != NULL; taken++) {
        assert_int_equal((slot - slots) % 2, 1);
        schedule_remove(&s, slot); /* while its pass is under way */
    }
    assert_int_equal(taken, ACCOUNTS / 2);
    assert_int_equal(s.scheduled, 0);
    schedule_done(&s);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_first_passes_run_at_once_and_the_later_ones_evenly),
        cmocka_unit_test(what_falls_due_before_its_turn_comes_first),
        cmocka_unit_test(a_nudge_is_not_lost_on_a_pass_that_is_under_way),
        cmocka_unit_test(removed_ones_do_not_come_back),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
