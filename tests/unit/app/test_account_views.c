#include "bridge/app/account_views.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>

#include <cmocka.h>

#include "bridge/base/crypto.h"
#include "bridge/base/scoped.h"

#define NOW 1795293215356
#define DAY INT64_C(86400000)
#define PARTITIONS 4

struct bench {
    struct reconciler_accounts *accounts;
    struct keyring *keyring;
    struct arena *arena;
    struct view_accounts view;
};

static int setup(void **state)
{
    static struct bench b;
    b = (struct bench){.arena = arena_new(1 << 26)};
    const struct bytes text =
        bytes_of_text("a:000102030405060708090a0b0c0d0e0f101112131415161718191a1b1c1d1e1f\n");
    assert_int_equal(keyring_parse(text, "test", &b.keyring, NULL), STATUS_OK);
    assert_int_equal(reconciler_accounts_new("t", b.keyring, &b.accounts), STATUS_OK);
    assert_int_equal(reconciler_accounts_set_partitions(b.accounts, PARTITIONS), STATUS_OK);
    for (int32_t p = 0; p < PARTITIONS; p++) {
        reconciler_accounts_own(b.accounts, p, true);
        reconciler_accounts_lead(b.accounts, p, true);
    }
    *state = &b;
    return 0;
}

static int teardown(void **state)
{
    struct bench *b = *state;
    reconciler_accounts_free(b->accounts);
    keyring_unref(b->keyring);
    arena_free(b->arena);
    return 0;
}

/* An account whose last pass was complete. */
static struct reconciler_account *add(struct bench *b, const char *id)
{
    struct reconciler_account *account = reconciler_accounts_revoke(b->accounts, id, 1);
    assert_non_null(account);
    account->last_ended_unix_ms = NOW - 1000;
    return account;
}

static void hold(struct reconciler_account *account, const char *resource, enum route_state state,
                 int64_t generation, int64_t expires)
{
    struct route_record r = {.url.generation_unix_ms = generation,
                             .state = state,
                             .system = "xero",
                             .created_at_unix_ms = generation,
                             .expires_at_unix_ms = expires};
    assert_true(specification_set(&r.url.specification, "maesn", account->id, resource, NULL));
    assert_int_equal(account_state_reserve(&account->state, 1), STATUS_OK);
    assert_int_equal(account_state_take_route(&account->state, route_record_copy(&r)), STATUS_OK);
}

static void record(struct reconciler_account *account, enum account_status status)
{
    struct account_record r = {
        .provider = "maesn", .system = "xero", .status = status, .reason = "401: no"};
    snprintf(r.account, sizeof(r.account), "%s", account->id);
    account_state_take_account(&account->state, account_record_copy(&r));
}

/* A step of the last plan; generation 0: of none. */
static void plan(struct reconciler_account *account, enum plan_action action,
                 enum plan_reason reason, const char *resource, int64_t generation)
{
    struct plan_step step = {
        .action = action, .reason = reason, .url.generation_unix_ms = generation};
    assert_true(specification_set(&step.url.specification, "maesn", account->id, resource, NULL));
    const struct plan one = {.steps = &step, .len = 1};
    assert_int_equal(reported_plan_take(&account->plan, &account->state, &one), STATUS_OK);
}

DEFINE_CLEANUP(struct account_views *, account_views_free)

static const struct view_accounts *gather(struct bench *b, const char *account, const char *state,
                                          unsigned page, const struct last_events *last_events)
{
    struct account_views_options opt = {.accounts = b->accounts,
                                        .last_events = last_events,
                                        .silent_after_ms = 7 * DAY,
                                        .now_unix_ms = NOW};
    assert_int_equal(filter_parse(account, state, NULL, &opt.filter, NULL), STATUS_OK);
    opt.filter.page = page;
    CLEANUP(account_views_free_scoped) struct account_views *views = NULL;
    assert_int_equal(account_views_new(&opt, b->arena, &views), STATUS_OK);
    enum status status;
    do
        status = account_views_turn(views, &b->view);
    while (status == STATUS_BUSY);
    assert_int_equal(status, STATUS_OK);
    return &b->view;
}

static void what_is_wrong_comes_first(void **state)
{
    struct bench *b = *state;
    struct reconciler_account *a;
    add(b, "fine-b");
    add(b, "fine-a");
    add(b, "awaited")->last_ended_unix_ms = 0;
    add(b, "silent")->silent = 1;
    add(b, "drifting")->differences = 2;
    a = add(b, "failing");
    a->last.end = PASS_UNTRUSTED;
    diag_set(&a->last.reason, STATUS_UNAVAILABLE, "the list is cut");
    add(b, "unreadable")->unreadable = 1;
    record(add(b, "invalid"), ACCOUNT_INVALID);
    record(add(b, "blocked"), ACCOUNT_BLOCKED);
    add(b, "refused")->last.end = PASS_FORBIDDEN;

    static const struct {
        const char *id;
        enum account_condition condition;
    } rows[] = {
        {"blocked", ACCOUNT_IS_BLOCKED}, {"refused", ACCOUNT_IS_BLOCKED},
        {"invalid", ACCOUNT_IS_INVALID}, {"unreadable", ACCOUNT_IS_UNREADABLE},
        {"failing", ACCOUNT_IS_FAILING}, {"drifting", ACCOUNT_IS_DRIFTING},
        {"silent", ACCOUNT_IS_SILENT},   {"awaited", ACCOUNT_IS_AWAITED},
        {"fine-a", ACCOUNT_IS_FINE},     {"fine-b", ACCOUNT_IS_FINE},
    };
    const struct view_accounts *v = gather(b, NULL, NULL, 0, NULL);
    assert_int_equal(v->items_len, 10);
    for (size_t i = 0; i < v->items_len; i++) {
        assert_string_equal(v->items[i].id, rows[i].id);
        assert_int_equal(v->items[i].condition, rows[i].condition);
    }
    assert_string_equal(v->items[0].reason, "401: no");
    assert_string_equal(v->items[4].reason, "the list is cut");
    assert_null(v->items[8].reason);
    assert_int_equal(v->by_condition[ACCOUNT_IS_FINE], 2);
    assert_null(v->scope); /* all is led here */
}

static void what_others_lead_is_shown_as_theirs(void **state)
{
    struct bench *b = *state;
    record(add(b, "acme"), ACCOUNT_BLOCKED);
    int32_t partition = reconciler_accounts_partition_of(b->accounts, "acme");
    reconciler_accounts_lead(b->accounts, partition, false);
    reconciler_accounts_own(b->accounts, partition, false);
    const struct view_accounts *v = gather(b, NULL, NULL, 0, NULL);
    assert_int_equal(v->items[0].condition, ACCOUNT_IS_ELSEWHERE);
    assert_string_equal(v->scope,
                        "This replica has 3 of the registry's 4 partitions and leads 3 of "
                        "them; accounts of the others are shown as elsewhere.");
}

static void subscriptions_tell_their_state_their_expiry_and_what_is_to_be_done(void **state)
{
    struct bench *b = *state;
    struct reconciler_account *a = add(b, "acme");
    CLEANUP(last_events_done) struct last_events e = {.slots = NULL};
    assert_int_equal(last_events_note(&e, bytes_of_text("maesn/acme/invoice/all"), NOW - DAY),
                     STATUS_OK);
    hold(a, "INVOICE", ROUTE_RETIRING, NOW - 20 * DAY, NOW + DAY);
    hold(a, "INVOICE", ROUTE_ACTIVE, NOW - 10 * DAY, NOW + 300 * DAY);
    hold(a, "CUSTOMER", ROUTE_ACTIVE, NOW - 10 * DAY, NOW + 200 * DAY);
    plan(a, PLAN_WAIT, REASON_OVERLAP, "INVOICE", NOW - 20 * DAY);

    const struct view_account *v = &gather(b, NULL, NULL, 0, &e)->items[0];
    assert_int_equal(v->subscriptions_all, 3);
    const struct view_subscription *s = v->subscriptions;
    assert_string_equal(s[0].resource, "customer");
    assert_true(s[0].is_silent);
    assert_int_equal(s[1].state, SUBSCRIPTION_ACTIVE); /* the newer generation first */
    assert_null(s[1].step);
    assert_false(s[1].is_silent);
    assert_int_equal(s[2].state, SUBSCRIPTION_RETIRING);
    assert_string_equal(s[2].step->action, plan_action_name(PLAN_WAIT));
    assert_int_equal(v->by_state[SUBSCRIPTION_ACTIVE], 2);
    assert_int_equal(v->silent, 1);
    assert_int_equal(v->soonest_expiry_unix_ms, NOW + 200 * DAY); /* of what is active */
    assert_int_equal(v->last_event_unix_ms, NOW - DAY);
}

static void what_is_wanted_and_not_there_is_missing(void **state)
{
    struct bench *b = *state;
    struct reconciler_account *a = add(b, "acme");
    hold(a, "INVOICE", ROUTE_RETIRED, NOW - 20 * DAY, 0);
    plan(a, PLAN_STUCK, REASON_REFUSED, "INVOICE", 0);
    add(b, "other");

    const struct view_accounts *v = gather(b, NULL, "missing", 0, NULL);
    assert_int_equal(v->matching, 1);
    assert_int_equal(v->items[0].subscriptions_all, 2);
    assert_int_equal(v->items[0].subscriptions[0].state, SUBSCRIPTION_MISSING);
    assert_string_equal(v->items[0].subscriptions[0].step->reason,
                        plan_reason_text(REASON_REFUSED));
    assert_int_equal(v->items[0].subscriptions[1].state, SUBSCRIPTION_RETIRED);
    assert_null(v->items[0].subscriptions[1].step);
}

static void pages_hold_each_account_once(void **state)
{
    struct bench *b = *state;
    enum { ACCOUNTS = 2 * FILTER_PAGE_LEN + 20 };
    bool seen[ACCOUNTS] = {false};
    for (int i = 0; i < ACCOUNTS; i++) {
        char id[16];
        snprintf(id, sizeof(id), "a-%03d", (i * 7919) % ACCOUNTS);
        add(b, id);
    }
    for (unsigned page = 0; page < 3; page++) {
        const struct view_accounts *v = gather(b, NULL, NULL, page, NULL);
        assert_int_equal(v->all, ACCOUNTS);
        assert_int_equal(v->matching, ACCOUNTS);
        assert_int_equal(v->items_len, page < 2 ? FILTER_PAGE_LEN : 20);
        for (size_t i = 0; i < v->items_len; i++) {
            unsigned number = (unsigned)(v->items[i].id[2] - '0') * 100 +
                              (unsigned)(v->items[i].id[3] - '0') * 10 +
                              (unsigned)(v->items[i].id[4] - '0');
            assert_int_equal(number, page * FILTER_PAGE_LEN + i);
            assert_false(seen[number]);
            seen[number] = true;
        }
    }
    assert_int_equal(gather(b, NULL, NULL, 3, NULL)->items_len, 0);
    assert_int_equal(gather(b, "A-11", NULL, 0, NULL)->matching, 10);
}

static void add_many(struct bench *b, int first, int len)
{
    for (int i = first; i < first + len; i++) {
        char id[16];
        snprintf(id, sizeof(id), "a-%06d", i);
        add(b, id);
    }
}

/* Accounts that come between two turns may be missed, but none twice; those that were there are in
 * the sum, also when the table has grown meanwhile. */
static void many_accounts_are_looked_at_in_turns_between_which_they_may_come_and_go(void **state)
{
    struct bench *b = *state;
    add_many(b, 0, 5000);
    struct account_views_options opt = {.accounts = b->accounts, .now_unix_ms = NOW};
    CLEANUP(account_views_free_scoped) struct account_views *views = NULL;
    assert_int_equal(account_views_new(&opt, b->arena, &views), STATUS_OK);
    int turns = 0;
    enum status status;
    do {
        status = account_views_turn(views, &b->view);
        turns++;
        if (turns == 2)
            add_many(b, 5000, 5000); /* more slots than before: it begins anew */
        if (turns == 8) {            /* first among all, and gone before it is shown */
            struct reconciler_account *a = reconciler_accounts_find(b->accounts, "a-000000");
            a->state.revoked_at_unix_ms = 0;
            reconciler_accounts_tidy(b->accounts, a);
            assert_null(reconciler_accounts_find(b->accounts, "a-000000"));
        }
    } while (status == STATUS_BUSY);
    assert_int_equal(status, STATUS_OK);
    assert_in_range(turns, 8, 20);
    assert_in_range(b->view.all, 9999, 10000);
    assert_in_range(b->view.items_len, FILTER_PAGE_LEN - 1, FILTER_PAGE_LEN);
    assert_string_equal(b->view.items[0].id, "a-000001");
    assert_string_equal(b->view.items[1].id, "a-000002");
    assert_int_equal(gather(b, NULL, NULL, 199, NULL)->items_len, FILTER_PAGE_LEN - 1);
    assert_string_equal(b->view.items[FILTER_PAGE_LEN - 2].id, "a-009999");
}

static void what_is_copied_of_an_account_is_bounded_and_says_so(void **state)
{
    struct bench *b = *state;
    for (int i = 0; i < FILTER_PAGE_LEN; i++) {
        char id[16];
        snprintf(id, sizeof(id), "a-%03d", i);
        struct reconciler_account *a = add(b, id);
        for (int s = 0; s < 60; s++) {
            char resource[16];
            snprintf(resource, sizeof(resource), "R_%02d", s);
            hold(a, resource, ROUTE_ACTIVE, NOW, 0);
        }
    }
    const struct view_accounts *v = gather(b, NULL, NULL, 0, NULL);
    assert_int_equal(v->items[0].subscriptions_all, 60);
    assert_int_equal(v->items[0].subscriptions_len, 48);
    assert_int_equal(v->items[0].by_state[SUBSCRIPTION_ACTIVE], 60);
    assert_int_equal(gather(b, "a-042", NULL, 0, NULL)->items[0].subscriptions_len, 60);
}

/* Copies, for what they were made of goes on changing. */
static void nothing_is_borrowed_from_the_accounts(void **state)
{
    struct bench *b = *state;
    struct reconciler_account *a = add(b, "acme");
    record(a, ACCOUNT_BLOCKED);
    hold(a, "INVOICE", ROUTE_ACTIVE, NOW, 0);
    plan(a, PLAN_CREATE, REASON_NEW, "ITEM", 0);
    const struct view_accounts *v = gather(b, NULL, NULL, 0, NULL);
    reconciler_accounts_free(b->accounts);
    b->accounts = NULL;
    assert_string_equal(v->items[0].id, "acme");
    assert_string_equal(v->items[0].system, "xero");
    assert_string_equal(v->items[0].reason, "401: no");
    assert_string_equal(v->items[0].subscriptions[0].resource, "invoice");
    assert_string_equal(v->items[0].subscriptions[1].event, "all");
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(what_is_wrong_comes_first),
        TEST(what_others_lead_is_shown_as_theirs),
        TEST(subscriptions_tell_their_state_their_expiry_and_what_is_to_be_done),
        TEST(what_is_wanted_and_not_there_is_missing),
        TEST(pages_hold_each_account_once),
        TEST(many_accounts_are_looked_at_in_turns_between_which_they_may_come_and_go),
        TEST(what_is_copied_of_an_account_is_bounded_and_says_so),
        TEST(nothing_is_borrowed_from_the_accounts),
    };
    if (crypto_start() != STATUS_OK)
        return 1;
    return cmocka_run_group_tests(tests, NULL, NULL);
}
