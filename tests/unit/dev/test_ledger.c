#include "bridge/dev/ledger.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>

#include <cmocka.h>

#include "bridge/base/crypto.h"

static int open_books(void **state)
{
    return ledger_new((struct ledger **)state) == STATUS_OK ? 0 : 1;
}

static int close_books(void **state)
{
    ledger_free(*state);
    return 0;
}

/* The n-th event's identity. Few of them share a bucket, some do. */
static struct ledger_id id_of(uint32_t n)
{
    struct ledger_id id = {{0}};
    memcpy(id.bytes, &n, sizeof(n));
    memcpy(id.bytes + 8, &n, sizeof(n));
    id.bytes[2] &= 0x0f;
    return id;
}

static struct ledger_entry send_one(struct ledger *l, uint32_t n)
{
    struct ledger_id id = id_of(n);
    return ledger_send(l, &id, 1, false);
}

static void receive(struct ledger *l, uint32_t n)
{
    struct ledger_id id = id_of(n);
    char hex[2 * LEDGER_ID_SIZE + 1];
    hex_encode(bytes_of(id.bytes, sizeof(id.bytes)), hex);
    ledger_receive(l, bytes_of_text(hex));
}

static void an_event_answered_200_is_missing_until_it_is_received(void **state)
{
    struct ledger *l = *state;
    struct ledger_entry entry = send_one(l, 1);
    assert_int_equal(ledger_totals(l).missing, 0);
    ledger_answer(l, &entry, 200);
    assert_int_equal(ledger_totals(l).missing, 1);
    receive(l, 1);
    struct ledger_totals t = ledger_totals(l);
    assert_int_equal(t.missing, 0);
    assert_int_equal(t.sent, 1);
    assert_int_equal(t.answered_200, 1);
    assert_int_equal(t.received, 1);
    assert_true(ledger_is_balanced(&t));
}

static void an_event_received_before_its_answer_is_never_missing(void **state)
{
    struct ledger *l = *state;
    struct ledger_entry entry = send_one(l, 1);
    receive(l, 1);
    ledger_answer(l, &entry, 200);
    assert_int_equal(ledger_totals(l).missing, 0);
}

static void every_event_of_an_array_must_be_received(void **state)
{
    struct ledger *l = *state;
    const struct ledger_id ids[] = {id_of(1), id_of(2), id_of(3)};
    struct ledger_entry entry = ledger_send(l, ids, 3, false);
    ledger_answer(l, &entry, 200);
    receive(l, 1);
    receive(l, 3);
    struct ledger_totals t = ledger_totals(l);
    assert_int_equal(t.missing, 1);
    assert_int_equal(t.received, 2);
    assert_false(ledger_is_balanced(&t));
}

static void what_was_not_answered_200_owes_nothing(void **state)
{
    struct ledger *l = *state;
    struct ledger_entry refused = send_one(l, 1), cut = send_one(l, 2);
    ledger_answer(l, &refused, 503);
    ledger_answer(l, &cut, 0);
    struct ledger_totals t = ledger_totals(l);
    assert_int_equal(t.answered_otherwise, 1);
    assert_int_equal(t.unanswered, 1);
    assert_int_equal(t.missing, 0);
}

static void a_run_without_a_single_200_is_not_balanced(void **state)
{
    struct ledger *l = *state;
    struct ledger_entry entry = send_one(l, 1);
    ledger_answer(l, &entry, 503);
    struct ledger_totals t = ledger_totals(l);
    assert_false(ledger_is_balanced(&t));
}

static void a_second_record_of_an_event_is_a_duplicate(void **state)
{
    struct ledger *l = *state;
    struct ledger_entry entry = send_one(l, 1);
    ledger_answer(l, &entry, 200);
    receive(l, 1);
    receive(l, 1);
    struct ledger_totals t = ledger_totals(l);
    assert_int_equal(t.received, 1);
    assert_int_equal(t.duplicates, 1);
    assert_int_equal(t.missing, 0);
}

static void a_forged_callback_must_be_refused_and_leave_no_record(void **state)
{
    struct ledger *l = *state;
    const struct ledger_id ids[] = {id_of(1), id_of(2), id_of(3)};
    struct ledger_entry refused = ledger_send(l, &ids[0], 1, true);
    ledger_answer(l, &refused, 401);
    struct ledger_totals t = ledger_totals(l);
    assert_int_equal(t.forged, 1);
    assert_int_equal(t.forged_refused, 1);
    assert_true(ledger_is_balanced(&t));

    struct ledger_entry unanswered = ledger_send(l, &ids[2], 1, true);
    ledger_answer(l, &unanswered, 0); /* refused by nobody, and taken by nobody */
    t = ledger_totals(l);
    assert_true(ledger_is_balanced(&t));

    struct ledger_entry taken = ledger_send(l, &ids[1], 1, true);
    ledger_answer(l, &taken, 200);
    t = ledger_totals(l);
    assert_int_equal(t.answered_200, 0);
    assert_false(ledger_is_balanced(&t));

    receive(l, 1);
    assert_int_equal(ledger_totals(l).forged_received, 1);
}

static void records_of_others_are_counted_apart(void **state)
{
    struct ledger *l = *state;
    ledger_receive(l, bytes_of(NULL, 0));
    ledger_receive(l, BYTES_LITERAL("moneybird-delivery-1"));
    receive(l, 77);
    struct ledger_totals t = ledger_totals(l);
    assert_int_equal(t.by_others, 3);
    assert_int_equal(t.received, 0);
}

static void forgotten_events_stay_settled(void **state)
{
    struct ledger *l = *state;
    const uint32_t many = 200000; /* three times what is remembered */
    struct ledger_entry lost = send_one(l, many);
    ledger_answer(l, &lost, 200);
    for (uint32_t n = 0; n < many; n++) {
        struct ledger_entry entry = send_one(l, n);
        ledger_answer(l, &entry, 200);
        receive(l, n);
    }
    struct ledger_totals t = ledger_totals(l);
    assert_int_equal(t.received, many);
    assert_int_equal(t.missing, 1);
    receive(l, many - 1);
    assert_int_equal(ledger_totals(l).duplicates, 1);
    receive(l, 0); /* too long ago to be known */
    assert_int_equal(ledger_totals(l).by_others, 1);
}

static void an_answer_that_comes_after_its_event_was_forgotten_is_a_loss(void **state)
{
    struct ledger *l = *state;
    struct ledger_entry slow = send_one(l, 0);
    for (uint32_t n = 1; n < 70000; n++)
        send_one(l, n);
    ledger_answer(l, &slow, 200);
    assert_int_equal(ledger_totals(l).missing, 1);
}

#define BOOKS_TEST(name) cmocka_unit_test_setup_teardown(name, open_books, close_books)

int main(void)
{
    const struct CMUnitTest tests[] = {
        BOOKS_TEST(an_event_answered_200_is_missing_until_it_is_received),
        BOOKS_TEST(an_event_received_before_its_answer_is_never_missing),
        BOOKS_TEST(every_event_of_an_array_must_be_received),
        BOOKS_TEST(what_was_not_answered_200_owes_nothing),
        BOOKS_TEST(a_run_without_a_single_200_is_not_balanced),
        BOOKS_TEST(a_second_record_of_an_event_is_a_duplicate),
        BOOKS_TEST(a_forged_callback_must_be_refused_and_leave_no_record),
        BOOKS_TEST(records_of_others_are_counted_apart),
        BOOKS_TEST(forgotten_events_stay_settled),
        BOOKS_TEST(an_answer_that_comes_after_its_event_was_forgotten_is_a_loss),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
