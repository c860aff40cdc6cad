#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "bridge/reconciler/guard.h"

static void the_guard_holds_beyond_30_percent_of_10_or_where_nothing_is_wanted(void **state)
{
    (void)state;
    static const struct {
        struct guard_count count;
        bool holds;
    } rows[] = {
        {{.desired = 0, .active = 0, .undesired = 0}, false},  /* nothing to hold */
        {{.desired = 0, .active = 1, .undesired = 1}, true},   /* an empty desired set */
        {{.desired = 1, .active = 9, .undesired = 8}, false},  /* fewer than 10 */
        {{.desired = 7, .active = 10, .undesired = 3}, false}, /* exactly 30 % */
        {{.desired = 6, .active = 10, .undesired = 4}, true},  /* more */
        {{.desired = 69, .active = 100, .undesired = 31}, true},
    };
    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++)
        assert_int_equal(guard_holds(&rows[i].count), rows[i].holds);
}

static void add_route(struct account_state *s, const char *resource, int64_t generation,
                      enum route_state route_state)
{
    struct route_record r = {.state = route_state, .provider_id = "id"};
    assert_true(specification_set(&r.url.specification, "maesn", "acme", resource, NULL));
    r.url.generation_unix_ms = generation;
    assert_int_equal(account_state_take_route(s, route_record_copy(&r)), STATUS_OK);
}

static void specifications_are_counted_not_generations(void **state)
{
    (void)state;
    struct account_state s;
    account_state_init(&s);
    add_route(&s, "INVOICE", 1, ROUTE_ACTIVE);
    add_route(&s, "INVOICE", 2, ROUTE_ACTIVE);
    add_route(&s, "CUSTOMER", 1, ROUTE_ACTIVE);
    add_route(&s, "ITEM", 1, ROUTE_RETIRING);
    struct wanted wanted = {0};
    assert_true(specification_set(&wanted.specification, "maesn", "acme", "INVOICE", NULL));
    const struct desired_account desired = {.account = "acme", .wanted = &wanted, .wanted_len = 1};

    struct guard_count count = {0};
    guard_add(&count, &desired, &s);
    assert_int_equal(count.desired, 1);
    assert_int_equal(count.active, 2);
    assert_int_equal(count.undesired, 1);

    guard_add(&count, NULL, &s); /* another one, no longer declared */
    assert_int_equal(count.desired, 1);
    assert_int_equal(count.active, 4);
    assert_int_equal(count.undesired, 3);
    account_state_done(&s);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_guard_holds_beyond_30_percent_of_10_or_where_nothing_is_wanted),
        cmocka_unit_test(specifications_are_counted_not_generations),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
