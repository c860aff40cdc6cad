#include "bridge/app/subscription_gauges.h"

#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

#include "bridge/base/scoped.h"

#define NOW 1795293215356
#define DAY INT64_C(86400000)

DEFINE_CLEANUP(struct metrics *, metrics_free)

/* A route of a specification of its own. */
static void take(struct account_state *state, const char *resource, enum route_state route_state,
                 int64_t created, int64_t since, int64_t expires)
{
    struct route_record r = {
        .url.generation_unix_ms = created,
        .state = route_state,
        .system = "xero",
        .created_at_unix_ms = created,
        .subscribed_since_unix_ms = since,
        .expires_at_unix_ms = expires,
    };
    assert_true(specification_set(&r.url.specification, "maesn", "acme-42", resource, NULL));
    assert_int_equal(account_state_reserve(state, 1), STATUS_OK);
    assert_int_equal(account_state_take_route(state, route_record_copy(&r)), STATUS_OK);
}

static void note(struct last_events *e, const char *specification, int64_t at)
{
    assert_int_equal(last_events_note(e, bytes_of_text(specification), at), STATUS_OK);
}

static void silent_is_what_is_active_and_was_not_heard_for_so_long(void **state)
{
    (void)state;
    CLEANUP(metrics_free_scoped) struct metrics *m = NULL;
    CLEANUP(account_state_done) struct account_state s;
    CLEANUP(last_events_done) struct last_events e = {.slots = NULL};
    struct subscription_gauges g;
    assert_int_equal(metrics_new(&m), STATUS_OK);
    subscription_gauges_init(&g, m);
    account_state_init(&s);

    take(&s, "INVOICE", ROUTE_ACTIVE, NOW - 9 * DAY, 0, 0); /* silent: never heard */
    take(&s, "CUSTOMER", ROUTE_ACTIVE, NOW - 9 * DAY, 0, 0);
    note(&e, "maesn/acme-42/customer/all", NOW - 8 * DAY); /* silent: heard long ago */
    take(&s, "CONTACT", ROUTE_ACTIVE, NOW - 9 * DAY, 0, 0);
    note(&e, "maesn/acme-42/contact/all", NOW - 6 * DAY);        /* heard lately */
    take(&s, "ITEM", ROUTE_ACTIVE, NOW - 6 * DAY, 0, 0);         /* young */
    take(&s, "BILL", ROUTE_ACTIVE, NOW - DAY, NOW - 9 * DAY, 0); /* silent: renewed, never heard */
    take(&s, "PAYMENT", ROUTE_RETIRED, NOW - 9 * DAY, 0, 0);     /* nobody expects anything */

    struct subscription_count c = {
        .last_events = &e, .now_unix_ms = NOW, .silent_after_ms = 7 * DAY};
    subscription_count_add(&c, &s);
    subscription_gauges_set(&g, &c);
    assert_int_equal((int)gauge_value(g.silent), 3);
    assert_int_equal((int)gauge_value(g.by_state[ROUTE_ACTIVE]), 5);
    assert_int_equal((int)gauge_value(g.by_state[ROUTE_RETIRED]), 1);

    c = (struct subscription_count){.now_unix_ms = NOW, .silent_after_ms = 7 * DAY};
    subscription_count_add(&c, &s);
    subscription_gauges_set(&g, &c);
    assert_true(isnan(gauge_value(g.silent))); /* while nothing is known of callbacks */
}

static void the_first_active_subscription_to_expire_is_told_of(void **state)
{
    (void)state;
    CLEANUP(metrics_free_scoped) struct metrics *m = NULL;
    CLEANUP(account_state_done) struct account_state s;
    struct subscription_gauges g;
    assert_int_equal(metrics_new(&m), STATUS_OK);
    subscription_gauges_init(&g, m);
    account_state_init(&s);

    struct subscription_count c = {.now_unix_ms = NOW};
    take(&s, "INVOICE", ROUTE_ACTIVE, NOW, 0, 0); /* does not expire */
    take(&s, "ITEM", ROUTE_RETIRING, NOW, 0, NOW + DAY);
    subscription_count_add(&c, &s);
    subscription_gauges_set(&g, &c);
    assert_true(isinf(gauge_value(g.expiry)));

    take(&s, "BILL", ROUTE_ACTIVE, NOW, 0, NOW + 5 * DAY);
    take(&s, "CUSTOMER", ROUTE_ACTIVE, NOW, 0, NOW + 3 * DAY);
    c = (struct subscription_count){.now_unix_ms = NOW};
    subscription_count_add(&c, &s);
    subscription_gauges_set(&g, &c);
    assert_int_equal((int)gauge_value(g.expiry), 3 * DAY / 1000);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(silent_is_what_is_active_and_was_not_heard_for_so_long),
        cmocka_unit_test(the_first_active_subscription_to_expire_is_told_of),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
