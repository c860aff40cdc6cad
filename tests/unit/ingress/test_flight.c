#include "bridge/ingress/flight.h"

#include <pthread.h>
#include <setjmp.h>
#include <stdarg.h>

#include <cmocka.h>

struct fixture {
    struct mailbox *mailbox;
    struct budget *budget;
};

static int set_up(void **state)
{
    static struct fixture f;
    assert_int_equal(mailbox_new(&f.mailbox), STATUS_OK);
    assert_int_equal(budget_new(1, 100, &f.budget), STATUS_OK);
    *state = &f;
    return 0;
}

static int tear_down(void **state)
{
    struct fixture *f = *state;
    assert_int_equal(budget_bytes(f->budget), 0); /* every flight gave back what it took */
    mailbox_unref(f->mailbox);
    budget_unref(f->budget);
    return 0;
}

static struct flight *make(struct fixture *f, size_t expected)
{
    struct flight *flight = NULL;
    assert_int_equal(flight_new(f->mailbox, f->budget, 50, expected, &flight), STATUS_OK);
    return flight;
}

static void an_announced_body_is_budgeted_ahead_and_a_growing_one_as_it_comes(void **state)
{
    struct fixture *f = *state;
    struct flight *announced = make(f, 40), *growing = make(f, 0);
    assert_int_equal(budget_bytes(f->budget), 40);
    assert_int_equal(flight_append(announced, BYTES_LITERAL("0123456789")), STATUS_OK);
    assert_int_equal(budget_bytes(f->budget), 40);
    assert_int_equal(flight_append(growing, BYTES_LITERAL("0123456789")), STATUS_OK);
    assert_int_equal(flight_append(growing, BYTES_LITERAL("01234")), STATUS_OK);
    assert_int_equal(budget_bytes(f->budget), 55);
    assert_string_equal(buf_text(&growing->body), "012345678901234");
    flight_unref(announced);
    flight_unref(growing);
    flight_unref(NULL);
}

static void a_body_beyond_its_maximum_is_invalid_and_beyond_the_budget_busy(void **state)
{
    struct fixture *f = *state;
    static const char bytes[51];
    struct flight *first = make(f, 0), *second = make(f, 40), *none = NULL;
    assert_int_equal(flight_append(first, bytes_of(bytes, 51)), STATUS_INVALID);
    assert_int_equal(flight_append(first, bytes_of(bytes, 50)), STATUS_OK);
    assert_int_equal(flight_append(first, bytes_of(bytes, 1)), STATUS_INVALID);
    assert_int_equal(flight_append(second, bytes_of(bytes, 50)), STATUS_OK);
    assert_int_equal(flight_new(f->mailbox, f->budget, 50, 1, &none), STATUS_BUSY);
    assert_null(none);
    struct flight *third = make(f, 0);
    assert_int_equal(flight_append(third, bytes_of(bytes, 1)), STATUS_BUSY);
    flight_unref(first);
    flight_unref(second);
    flight_unref(third);
}

static void a_report_comes_through_the_mailbox_with_its_status(void **state)
{
    struct fixture *f = *state;
    struct flight *flight = make(f, 0);
    assert_true(flight->pub.on_done(&flight->pub, STATUS_UNAVAILABLE));
    struct mailbox_node *node = mailbox_take(f->mailbox);
    assert_non_null(node);
    assert_null(node->next);
    assert_ptr_equal(flight_of_node(node), flight);
    assert_int_equal(flight->report, STATUS_UNAVAILABLE);
    assert_false(flight_expire(flight)); /* the report was first */
    assert_false(publication_is_abandoned(&flight->pub));
    flight_unref(flight);
}

static void an_expired_flight_is_abandoned_and_its_report_goes_nowhere(void **state)
{
    struct fixture *f = *state;
    struct flight *flight = make(f, 10);
    publication_ref(&flight->pub); /* the sink's */
    assert_true(flight_expire(flight));
    assert_true(publication_is_abandoned(&flight->pub));
    flight_unref(flight);
    assert_int_equal(budget_bytes(f->budget), 10); /* the sink still has the body */
    assert_false(flight->pub.on_done(&flight->pub, STATUS_OK));
    assert_null(mailbox_take(f->mailbox));
    publication_unref(&flight->pub);
}

static void *report(void *ctx)
{
    struct publication *pub = ctx;
    pub->on_done(pub, STATUS_OK);
    publication_unref(pub);
    return NULL;
}

static void a_report_and_an_expiry_at_once_have_one_winner(void **state)
{
    struct fixture *f = *state;
    for (size_t i = 0; i < 500; i++) {
        struct flight *flight = make(f, 10);
        pthread_t sink;
        assert_int_equal(pthread_create(&sink, NULL, report, publication_ref(&flight->pub)), 0);
        bool expired = flight_expire(flight);
        pthread_join(sink, NULL);
        assert_int_equal(mailbox_take(f->mailbox) == NULL, expired);
        flight_unref(flight);
    }
}

#define T(test) cmocka_unit_test_setup_teardown(test, set_up, tear_down)

int main(void)
{
    const struct CMUnitTest tests[] = {
        T(an_announced_body_is_budgeted_ahead_and_a_growing_one_as_it_comes),
        T(a_body_beyond_its_maximum_is_invalid_and_beyond_the_budget_busy),
        T(a_report_comes_through_the_mailbox_with_its_status),
        T(an_expired_flight_is_abandoned_and_its_report_goes_nowhere),
        T(a_report_and_an_expiry_at_once_have_one_winner),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
