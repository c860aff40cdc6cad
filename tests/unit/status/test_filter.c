#include "bridge/status/filter.h"

#include <setjmp.h>
#include <stdarg.h>

#include <cmocka.h>

#include "bridge/base/scoped.h"

static struct filter parsed(const char *account, const char *state, const char *page)
{
    struct filter f;
    assert_int_equal(filter_parse(account, state, page, &f, NULL), STATUS_OK);
    return f;
}

static void nothing_asked_for_is_everything(void **state)
{
    (void)state;
    const struct filter none = parsed(NULL, NULL, NULL), empty = parsed("", "", "");
    for (int i = 0; i < ACCOUNT_CONDITIONS; i++) {
        assert_true(filter_accepts(&none, "acme", NULL, (enum account_condition)i, 0));
        assert_true(filter_accepts(&empty, "acme", NULL, (enum account_condition)i, 0));
    }
    assert_int_equal(none.page, 0);
}

static void an_account_is_found_by_a_part_of_its_id_or_its_system_in_any_case(void **state)
{
    (void)state;
    const struct filter f = parsed("  Acme ", NULL, NULL), x = parsed("xero", NULL, NULL);
    assert_true(filter_accepts(&f, "the-acme-42", "xero", ACCOUNT_IS_FINE, 0));
    assert_false(filter_accepts(&f, "globex", "xero", ACCOUNT_IS_FINE, 0));
    assert_true(filter_accepts(&x, "globex", "xero", ACCOUNT_IS_FINE, 0));
    assert_false(filter_accepts(&x, "globex", NULL, ACCOUNT_IS_FINE, 0));
}

static void a_state_is_of_the_account_or_of_one_of_its_subscriptions(void **state)
{
    (void)state;
    const struct filter blocked = parsed(NULL, "blocked", NULL);
    const struct filter attention = parsed(NULL, "attention", NULL);
    const struct filter pending = parsed(NULL, "pending", NULL);
    const unsigned has_pending = 1U << SUBSCRIPTION_PENDING | 1U << SUBSCRIPTION_ACTIVE;
    assert_true(filter_accepts(&blocked, "a", NULL, ACCOUNT_IS_BLOCKED, 0));
    assert_false(filter_accepts(&blocked, "a", NULL, ACCOUNT_IS_FINE, has_pending));
    assert_true(filter_accepts(&attention, "a", NULL, ACCOUNT_IS_SILENT, 0));
    assert_false(filter_accepts(&attention, "a", NULL, ACCOUNT_IS_AWAITED, 0));
    assert_false(filter_accepts(&attention, "a", NULL, ACCOUNT_IS_FINE, 0));
    assert_true(filter_accepts(&pending, "a", NULL, ACCOUNT_IS_FINE, has_pending));
    assert_false(filter_accepts(&pending, "a", NULL, ACCOUNT_IS_FINE, 1U << SUBSCRIPTION_ACTIVE));
}

static void every_condition_and_state_can_be_asked_for_by_its_name(void **state)
{
    (void)state;
    for (int i = 0; i < ACCOUNT_CONDITIONS; i++) {
        const struct filter f =
            parsed(NULL, account_condition_name((enum account_condition)i), NULL);
        assert_int_equal(f.conditions, 1U << i);
    }
    for (int i = 0; i < SUBSCRIPTION_STATES; i++) {
        const struct filter f =
            parsed(NULL, subscription_state_name((enum subscription_state)i), NULL);
        assert_int_equal(f.states, 1U << i);
    }
}

static void what_cannot_be_asked_for_is_told(void **state)
{
    static const struct {
        const char *account, *state, *page, *why;
    } rows[] = {
        {"0123456789012345678901234567890123456789012345678901234567890123", NULL, NULL,
         "account: 64 characters, expected at most 63"},
        {NULL, "Blocked", NULL, "state: \"Blocked\", expected one of those of the page"},
        {NULL, NULL, "0", "page: \"0\", expected 1..10000"},
        {NULL, NULL, "10001", "page: \"10001\", expected 1..10000"},
        {NULL, NULL, "99999999999999999999", "page: \"99999999999999999999\", expected 1..10000"},
        {NULL, NULL, "1x", "page: \"1x\", expected 1..10000"},
        {NULL, NULL, "-1", "page: \"-1\", expected 1..10000"},
    };
    (void)state;
    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        struct filter f = {.page = 7};
        struct diag diag = {0};
        assert_int_equal(filter_parse(rows[i].account, rows[i].state, rows[i].page, &f, &diag),
                         STATUS_INVALID);
        assert_string_equal(diag.text, rows[i].why);
        assert_int_equal(f.page, 0);
    }
}

static void a_page_of_the_same_is_asked_for_by_its_query(void **state)
{
    (void)state;
    CLEANUP(buf_done) struct buf b;
    buf_init(&b, 4096);
    const struct filter f = parsed("a&b", "silent", "3"), none = parsed(NULL, NULL, NULL);
    filter_print(&f, 1, &b);
    assert_string_equal(buf_text(&b), "?account=a%26b&state=silent&page=2");
    b.len = 0;
    filter_print(&none, 4, &b);
    assert_string_equal(buf_text(&b), "?page=5");
    b.len = 0;
    buf_append_text(&b, "/status");
    filter_print(&none, 0, &b);
    assert_string_equal(buf_text(&b), "/status");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(nothing_asked_for_is_everything),
        cmocka_unit_test(an_account_is_found_by_a_part_of_its_id_or_its_system_in_any_case),
        cmocka_unit_test(a_state_is_of_the_account_or_of_one_of_its_subscriptions),
        cmocka_unit_test(every_condition_and_state_can_be_asked_for_by_its_name),
        cmocka_unit_test(what_cannot_be_asked_for_is_told),
        cmocka_unit_test(a_page_of_the_same_is_asked_for_by_its_query),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
