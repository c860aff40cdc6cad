#include "bridge/kafka/lane.h"

#include <setjmp.h>
#include <stdarg.h>
#include <string.h>

#include <cmocka.h>

#define STALL_MS 1000

struct fixture {
    struct lane lane;
    struct lane_entry entries[64];
    size_t len;
};

static void init(struct fixture *f)
{
    memset(f, 0, sizeof *f);
    lane_init(&f->lane, "maesn.invoice", 0, 3);
    f->lane.leader = 1;
}

/* What publish does. Returns what the gate said. */
static enum lane_gate publish(struct fixture *f, int64_t now)
{
    enum lane_gate gate = lane_gate(&f->lane, now);
    struct lane_entry *entry = &f->entries[f->len];
    if (gate != LANE_GATE_REFUSE) {
        f->len++;
        lane_enter(&f->lane, entry, now);
    }
    if (gate == LANE_GATE_SEND)
        lane_send(&f->lane, entry, now);
    if (gate == LANE_GATE_HOLD)
        lane_hold(&f->lane, entry);
    lane_check(&f->lane);
    return gate;
}

static void acknowledge(struct fixture *f, size_t index)
{
    lane_remove(&f->entries[index]);
    (void)lane_acknowledge(&f->lane);
    lane_check(&f->lane);
}

/* What comes back of a purge. */
static void give_back(struct fixture *f, size_t index)
{
    lane_remove(&f->entries[index]);
    lane_hold(&f->lane, &f->entries[index]);
    lane_check(&f->lane);
}

static void a_new_lane_sends_at_once(void **state)
{
    (void)state;
    struct fixture f;
    init(&f);
    assert_int_equal(publish(&f, 100), LANE_GATE_SEND);
    assert_int_equal(lane_wait_ms(&f.lane, 150), 50);
    assert_false(lane_is_empty(&f.lane));
    acknowledge(&f, 0);
    assert_true(lane_is_empty(&f.lane));
    assert_int_equal(lane_wait_ms(&f.lane, 150), 0);
    lane_done(&f.lane);
}

static void the_oldest_record_decides_when_a_lane_is_stalled(void **state)
{
    (void)state;
    struct fixture f;
    init(&f);
    publish(&f, 100);
    publish(&f, 900);
    assert_false(lane_is_stalled(&f.lane, STALL_MS, 1100));
    assert_true(lane_is_stalled(&f.lane, STALL_MS, 1101));
    acknowledge(&f, 0);
    assert_false(lane_is_stalled(&f.lane, STALL_MS, 1900));
    assert_true(lane_is_stalled(&f.lane, STALL_MS, 1901));
    lane_done(&f.lane);
}

static void a_paused_lane_refuses_and_is_not_stalled_again(void **state)
{
    (void)state;
    struct fixture f;
    init(&f);
    publish(&f, 100);
    lane_pause(&f.lane, 0, 1200);
    assert_int_equal(publish(&f, 1201), LANE_GATE_REFUSE);
    assert_false(lane_is_stalled(&f.lane, STALL_MS, 9999));
    assert_null(lane_next_to_send(&f.lane));
    lane_done(&f.lane);
}

static void new_records_join_a_pause_while_the_oldest_may_still_make_it(void **state)
{
    (void)state;
    struct fixture f;
    init(&f);
    publish(&f, 100);
    lane_pause(&f.lane, 500, 1200);
    assert_int_equal(publish(&f, 1699), LANE_GATE_HOLD);
    assert_null(lane_next_to_send(&f.lane));
    assert_int_equal(publish(&f, 1700), LANE_GATE_REFUSE);
    lane_try(&f.lane);
    assert_ptr_equal(lane_next_to_send(&f.lane), &f.entries[1]);
    lane_pause(&f.lane, 500, 2800); /* fruitless: nobody is waited for any more */
    assert_int_equal(publish(&f, 2801), LANE_GATE_REFUSE);
    lane_done(&f.lane);
}

static void what_comes_back_is_held_in_the_order_of_acceptance(void **state)
{
    (void)state;
    struct fixture f;
    init(&f);
    for (int i = 0; i < 4; i++)
        publish(&f, 100 + i);
    const size_t order[] = {2, 0, 3, 1}; /* reports of one purge come from several queues */
    for (size_t i = 0; i < 4; i++)
        give_back(&f, order[i]);
    for (size_t i = 0; i < 4; i++) {
        struct lane_entry *first = lane_next_to_send(&f.lane);
        assert_ptr_equal(first, &f.entries[i]);
        lane_remove(first);
    }
    lane_done(&f.lane);
}

static void a_new_record_queues_behind_held_ones(void **state)
{
    (void)state;
    struct fixture f;
    init(&f);
    publish(&f, 100);
    give_back(&f, 0);
    assert_int_equal(publish(&f, 101), LANE_GATE_HOLD);
    assert_ptr_equal(lane_first_held(&f.lane), &f.entries[0]);
    lane_done(&f.lane);
}

static void a_trial_sends_a_few_and_holds_the_rest(void **state)
{
    (void)state;
    struct fixture f;
    init(&f);
    lane_pause(&f.lane, 0, 100);
    lane_try(&f.lane);
    for (int i = 0; i < LANE_TRIAL_WINDOW; i++)
        assert_int_equal(publish(&f, 200), LANE_GATE_SEND);
    assert_int_equal(publish(&f, 200), LANE_GATE_HOLD);
    assert_null(lane_next_to_send(&f.lane));
    acknowledge(&f, 0);
    assert_int_equal(f.lane.state, LANE_FLOWING);
    assert_ptr_equal(lane_next_to_send(&f.lane), &f.entries[LANE_TRIAL_WINDOW]);
    lane_done(&f.lane);
}

static void a_trial_without_acknowledgement_stalls_from_its_first_record_on(void **state)
{
    (void)state;
    struct fixture f;
    init(&f);
    lane_pause(&f.lane, 0, 100);
    lane_try(&f.lane);
    assert_false(lane_is_stalled(&f.lane, STALL_MS, 99999)); /* nothing was tried yet */
    publish(&f, 5000);
    assert_false(lane_is_stalled(&f.lane, STALL_MS, 6000));
    assert_true(lane_is_stalled(&f.lane, STALL_MS, 6001));
    lane_pause(&f.lane, 0, 6001);
    lane_try(&f.lane);
    assert_false(lane_is_stalled(&f.lane, STALL_MS, 7000)); /* a new trial has a new clock */
    lane_done(&f.lane);
}

static void stragglers_of_an_outage_do_not_stall_the_lane_again(void **state)
{
    (void)state;
    struct fixture f;
    init(&f);
    publish(&f, 100);
    publish(&f, 100);
    lane_pause(&f.lane, 0, 1200);
    acknowledge(&f, 0); /* the broker is back; the other report is still to come */
    assert_int_equal(f.lane.state, LANE_FLOWING);
    assert_false(lane_is_stalled(&f.lane, STALL_MS, 5000));
    assert_false(lane_is_empty(&f.lane));
    acknowledge(&f, 1);
    assert_true(lane_is_empty(&f.lane));
    lane_done(&f.lane);
}

static void a_lane_has_moved_when_its_records_went_to_another_leader(void **state)
{
    (void)state;
    struct fixture f;
    init(&f);
    assert_false(lane_has_moved(&f.lane));
    assert_int_equal(lane_awaited_leader(&f.lane), -1);
    publish(&f, 100);
    assert_false(lane_has_moved(&f.lane));
    assert_int_equal(lane_awaited_leader(&f.lane), 1);
    f.lane.leader = -1; /* an election: nobody leads */
    assert_false(lane_has_moved(&f.lane));
    f.lane.leader = 2;
    assert_true(lane_has_moved(&f.lane));
    give_back(&f, 0);
    assert_false(lane_has_moved(&f.lane));
    struct lane_entry *entry = lane_next_to_send(&f.lane);
    lane_remove(entry);
    lane_send(&f.lane, entry, 200);
    assert_false(lane_has_moved(&f.lane));
    assert_int_equal(lane_wait_ms(&f.lane, 200), 100); /* its callback has waited since then */
    lane_done(&f.lane);
}

static void a_fruitless_trial_makes_the_next_one_refuse_what_it_cannot_send(void **state)
{
    (void)state;
    struct fixture f;
    init(&f);
    lane_pause(&f.lane, 0, 100);
    lane_try(&f.lane);
    publish(&f, 200);
    lane_pause(&f.lane, 0, 1300);
    lane_try(&f.lane);
    for (int i = 0; i < LANE_TRIAL_WINDOW; i++)
        assert_int_equal(publish(&f, 1400), LANE_GATE_SEND);
    assert_int_equal(publish(&f, 1400), LANE_GATE_REFUSE);
    acknowledge(&f, 0);
    assert_int_equal(publish(&f, 1500), LANE_GATE_SEND);
    lane_done(&f.lane);
}

static void a_trial_that_begins_anew_has_all_its_room_whatever_comes_back(void **state)
{
    (void)state;
    struct fixture f;
    init(&f);
    lane_pause(&f.lane, 0, 100);
    lane_try(&f.lane);
    for (int i = 0; i < 3; i++)
        publish(&f, 200);
    lane_try(&f.lane);
    assert_false(lane_is_stalled(&f.lane, 1000, 2000)); /* nothing was sent in it yet */
    for (int i = 0; i < 3; i++)
        lane_unsend(&f.lane, &f.entries[i]);
    for (int i = 0; i < LANE_TRIAL_WINDOW; i++)
        assert_int_equal(publish(&f, 300), LANE_GATE_SEND);
    assert_int_equal(publish(&f, 300), LANE_GATE_HOLD);
    assert_true(lane_is_stalled(&f.lane, 1000, 1301));
    lane_done(&f.lane);
}

static void a_trial_is_seen_to_its_end_though_all_it_sent_has_left(void **state)
{
    (void)state;
    struct fixture f;
    init(&f);
    lane_pause(&f.lane, 0, 100);
    assert_false(lane_is_idle(&f.lane));
    lane_try(&f.lane);
    assert_true(lane_is_idle(&f.lane));
    for (int i = 0; i < LANE_TRIAL_WINDOW; i++)
        assert_int_equal(publish(&f, 200), LANE_GATE_SEND);
    for (int i = 0; i < LANE_TRIAL_WINDOW; i++)
        lane_remove(&f.entries[i]); /* failed, and maybe stored: no place is free */
    assert_true(lane_is_empty(&f.lane));
    assert_false(lane_is_idle(&f.lane));
    assert_true(lane_is_stalled(&f.lane, 1000, 1201));
    lane_pause(&f.lane, 0, 1201);
    lane_try(&f.lane);
    assert_int_equal(publish(&f, 1300), LANE_GATE_SEND);
    assert_false(lane_is_stuck(&f.lane, 300, 1600));
    assert_true(lane_is_stuck(&f.lane, 300, 1601));
    acknowledge(&f, LANE_TRIAL_WINDOW);
    assert_false(lane_is_stuck(&f.lane, 300, 1700));
    assert_true(lane_is_idle(&f.lane));
    lane_done(&f.lane);
}

static void a_record_that_must_be_alone_has_no_company_in_the_client(void **state)
{
    (void)state;
    struct fixture f;
    init(&f);
    for (int i = 0; i < 3; i++)
        publish(&f, 100);
    f.entries[0].is_alone = true;
    give_back(&f, 0);
    assert_null(lane_next_to_send(&f.lane)); /* two others are out */
    acknowledge(&f, 1);
    assert_null(lane_next_to_send(&f.lane));
    acknowledge(&f, 2);
    struct lane_entry *alone = lane_next_to_send(&f.lane);
    assert_ptr_equal(alone, &f.entries[0]);
    lane_remove(alone);
    lane_send(&f.lane, alone, 200);
    assert_int_equal(publish(&f, 201), LANE_GATE_HOLD);
    assert_null(lane_next_to_send(&f.lane));
    acknowledge(&f, 0);
    assert_ptr_equal(lane_next_to_send(&f.lane), &f.entries[3]);
    lane_done(&f.lane);
}

static void what_was_not_sent_gives_its_place_in_a_trial_back(void **state)
{
    (void)state;
    struct fixture f;
    init(&f);
    publish(&f, 50); /* before the trial: it has no place in it */
    lane_pause(&f.lane, 0, 100);
    lane_try(&f.lane);
    for (int i = 0; i < LANE_TRIAL_WINDOW; i++)
        assert_int_equal(publish(&f, 200), LANE_GATE_SEND);
    lane_unsend(&f.lane, &f.entries[0]);
    lane_check(&f.lane);
    assert_int_equal(publish(&f, 300), LANE_GATE_HOLD);
    assert_null(lane_next_to_send(&f.lane));
    lane_unsend(&f.lane, &f.entries[1]);
    lane_check(&f.lane);
    struct lane_entry *held = &f.entries[LANE_TRIAL_WINDOW + 1];
    assert_ptr_equal(lane_next_to_send(&f.lane), held);
    lane_remove(held);
    lane_send(&f.lane, held, 400);
    lane_remove(held); /* it may be stored: its place is gone */
    assert_int_equal(publish(&f, 500), LANE_GATE_HOLD);
    assert_null(lane_next_to_send(&f.lane));
    lane_done(&f.lane);
}

static void the_clock_of_a_trial_stands_while_nothing_of_it_is_out(void **state)
{
    (void)state;
    struct fixture f;
    init(&f);
    lane_pause(&f.lane, 0, 100);
    lane_try(&f.lane);
    publish(&f, 200);
    publish(&f, 300);
    lane_unsend(&f.lane, &f.entries[0]);
    assert_true(lane_is_stalled(&f.lane, STALL_MS, 1201));
    lane_unsend(&f.lane, &f.entries[1]);
    assert_false(lane_is_stalled(&f.lane, STALL_MS, 99999));
    publish(&f, 2000);
    assert_false(lane_is_stalled(&f.lane, STALL_MS, 3000));
    assert_true(lane_is_stalled(&f.lane, STALL_MS, 3001));
    lane_done(&f.lane);
}

static void a_place_in_one_trial_is_none_in_the_next(void **state)
{
    (void)state;
    struct fixture f;
    init(&f);
    lane_pause(&f.lane, 0, 100);
    lane_try(&f.lane);
    publish(&f, 200);
    lane_pause(&f.lane, 0, 1300);
    lane_try(&f.lane);
    lane_unsend(&f.lane, &f.entries[0]);
    lane_check(&f.lane);
    assert_int_equal(f.lane.trial_room, LANE_TRIAL_WINDOW);
    lane_done(&f.lane);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_new_lane_sends_at_once),
        cmocka_unit_test(the_oldest_record_decides_when_a_lane_is_stalled),
        cmocka_unit_test(a_paused_lane_refuses_and_is_not_stalled_again),
        cmocka_unit_test(new_records_join_a_pause_while_the_oldest_may_still_make_it),
        cmocka_unit_test(what_comes_back_is_held_in_the_order_of_acceptance),
        cmocka_unit_test(a_new_record_queues_behind_held_ones),
        cmocka_unit_test(a_trial_sends_a_few_and_holds_the_rest),
        cmocka_unit_test(a_trial_without_acknowledgement_stalls_from_its_first_record_on),
        cmocka_unit_test(stragglers_of_an_outage_do_not_stall_the_lane_again),
        cmocka_unit_test(a_fruitless_trial_makes_the_next_one_refuse_what_it_cannot_send),
        cmocka_unit_test(a_trial_that_begins_anew_has_all_its_room_whatever_comes_back),
        cmocka_unit_test(a_trial_is_seen_to_its_end_though_all_it_sent_has_left),
        cmocka_unit_test(a_record_that_must_be_alone_has_no_company_in_the_client),
        cmocka_unit_test(what_was_not_sent_gives_its_place_in_a_trial_back),
        cmocka_unit_test(the_clock_of_a_trial_stands_while_nothing_of_it_is_out),
        cmocka_unit_test(a_place_in_one_trial_is_none_in_the_next),
        cmocka_unit_test(a_lane_has_moved_when_its_records_went_to_another_leader),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
