#include "bridge/app/last_events.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>

#include <cmocka.h>

#include "bridge/base/scoped.h"

static struct specification specification(int number)
{
    struct specification s;
    char account[32];
    snprintf(account, sizeof(account), "acme-%d", number);
    assert_true(specification_set(&s, "maesn", account, "INVOICE", NULL));
    return s;
}

static void note(struct last_events *e, int number, int64_t at_unix_ms)
{
    char text[SPECIFICATION_TEXT_SIZE];
    struct specification s = specification(number);
    specification_text(&s, text);
    assert_int_equal(last_events_note(e, bytes_of_text(text), at_unix_ms), STATUS_OK);
}

static int64_t last(const struct last_events *e, int number)
{
    struct specification s = specification(number);
    return last_events_of(e, &s);
}

static void each_of_many_subscriptions_keeps_its_own_instant(void **state)
{
    (void)state;
    CLEANUP(last_events_done) struct last_events e = {.slots = NULL};
    for (int i = 1; i <= 10000; i++)
        note(&e, i, i * 1000);
    for (int i = 1; i <= 10000; i++)
        assert_int_equal(last(&e, i), i * 1000);
    assert_int_equal(e.len, 10000);
}

static void the_newest_word_counts_in_whatever_order_it_comes(void **state)
{
    (void)state;
    CLEANUP(last_events_done) struct last_events e = {.slots = NULL};
    note(&e, 1, 5000);
    note(&e, 1, 4000); /* another ingress, whose record is the older one */
    assert_int_equal(last(&e, 1), 5000);
    note(&e, 1, 6000);
    assert_int_equal(last(&e, 1), 6000);
    assert_int_equal(e.len, 1);
}

static void nothing_is_known_of_a_subscription_that_nobody_told_of(void **state)
{
    (void)state;
    CLEANUP(last_events_done) struct last_events e = {.slots = NULL};
    assert_int_equal(last(&e, 1), 0);
    note(&e, 2, 5000);
    assert_int_equal(last(&e, 1), 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(each_of_many_subscriptions_keeps_its_own_instant),
        cmocka_unit_test(the_newest_word_counts_in_whatever_order_it_comes),
        cmocka_unit_test(nothing_is_known_of_a_subscription_that_nobody_told_of),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
