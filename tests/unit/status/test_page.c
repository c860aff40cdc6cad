#include "bridge/status/page.h"

#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>

#include <cmocka.h>

#include "bridge/base/crypto.h"
#include "bridge/base/scoped.h"
#include "bridge/status/document.h"
#include "tests/support/alloc_fail.h"

#define HOSTILE "\"'><script>alert(1)</script><img src=x onerror=alert(2)>"

static const int64_t now = 1795293215000;

static const struct history no_history;

/* As much of everything as fits into one view, each text hostile. */
static const struct view_step step = {HOSTILE, HOSTILE, HOSTILE, true, 1795293275000};
static const struct view_subscription hostile_subscriptions[] = {
    {HOSTILE, HOSTILE, SUBSCRIPTION_ACTIVE, 1, 2, 3, true, &step},
    {HOSTILE, HOSTILE, SUBSCRIPTION_MISSING, 0, 0, 0, false, NULL},
};
static const struct view_account hostile_account = {
    .id = HOSTILE,
    .provider = HOSTILE,
    .system = HOSTILE,
    .condition = ACCOUNT_IS_DRIFTING,
    .reason = HOSTILE,
    .pass_result = HOSTILE,
    .subscriptions = hostile_subscriptions,
    .subscriptions_len = 2,
    .subscriptions_all = 3,
};
static const struct view_accounts hostile_accounts = {
    .scope = HOSTILE, .all = 1, .matching = 1, .items = &hostile_account, .items_len = 1};
static const struct view_check hostile_check = {HOSTILE, false, true, HOSTILE};
static const struct view_figure hostile_figure = {"f",      HOSTILE, 1, QUANTITY_COUNT,
                                                  TONE_BAD, HOSTILE};
static const char *hostile_cells[] = {HOSTILE};
static double hostile_numbers[] = {1};
static const struct view_table hostile_table = {
    "t", HOSTILE, (const char *const[]){HOSTILE, HOSTILE}, 2, hostile_cells, hostile_numbers, 1};

static struct view hostile_view(void)
{
    struct view v = {
        .process = "reconciler",
        .version = HOSTILE,
        .host = HOSTILE,
        .started_at_unix_ms = now - 60000,
        .now_unix_ms = now,
        .checks = &hostile_check,
        .checks_len = 1,
        .figures = &hostile_figure,
        .figures_len = 1,
        .history = &no_history,
        .tables = &hostile_table,
        .tables_len = 1,
        .accounts = &hostile_accounts,
    };
    snprintf(v.filter.account, sizeof(v.filter.account), "%.63s", HOSTILE);
    return v;
}

static size_t count(const char *text, const char *part)
{
    size_t len = 0;
    for (const char *at = text; (at = strstr(at, part)) != NULL; at += strlen(part))
        len++;
    return len;
}

static void print(const struct view *v, struct buf *ret)
{
    buf_init(ret, 1 << 20);
    page_print(v, ret);
    assert_int_equal(ret->status, STATUS_OK);
}

static void no_text_becomes_markup(void **state)
{
    (void)state;
    CLEANUP(buf_done) struct buf b;
    const struct view v = hostile_view();
    print(&v, &b);
    assert_true(count(buf_text(&b), "&lt;script&gt;alert(1)") > 15);
    assert_int_equal(count(buf_text(&b), "<script"), 1); /* its own */
    assert_int_equal(count(buf_text(&b), "<img"), 0);
    /* Within an attribute the quote is what counts. */
    assert_int_equal(count(buf_text(&b), "\"\"'>"), 0);
}

static void what_was_asked_for_is_told_without_becoming_markup(void **state)
{
    (void)state;
    CLEANUP(buf_done) struct buf b;
    struct view v = hostile_view();
    v.faulty_query = "state: \"" HOSTILE "\", expected one of those of the page";
    print(&v, &b);
    assert_int_equal(count(buf_text(&b), "role=\"alert\""), 1);
    assert_int_equal(count(buf_text(&b), "<script"), 1);
    assert_int_equal(count(buf_text(&b), "<details"), 0);
}

static struct view plain_view(const struct view_accounts *accounts)
{
    return (struct view){.process = "reconciler",
                         .version = "1.2.3",
                         .host = "reconciler-0",
                         .started_at_unix_ms = now,
                         .now_unix_ms = now,
                         .is_ready = true,
                         .history = &no_history,
                         .accounts = accounts};
}

static void every_table_says_what_its_columns_and_rows_are(void **state)
{
    (void)state;
    CLEANUP(buf_done) struct buf b;
    const struct view v = hostile_view();
    print(&v, &b);
    const char *text = buf_text(&b);
    /* health, the count, the subscriptions */
    assert_int_equal(count(text, "<table"), 3);
    assert_int_equal(count(text, "<th "),
                     count(text, "<th scope=\"col\"") + count(text, "<th scope=\"row\""));
    assert_int_equal(count(text, "<th scope=\"col\""), 3 + 2 + 6);
    assert_int_equal(count(text, "<th scope=\"row\""), 1 + 1 + 2);
    assert_int_equal(count(text, "<label for="), 2);
    assert_int_equal(count(text, "<main>"), 1);
    assert_int_equal(count(text, "<h1>"), 1);
}

static void a_page_says_how_many_of_how_many_it_shows(void **state)
{
    static struct view_account items[FILTER_PAGE_LEN];
    static const struct {
        size_t all, matching, shown;
        unsigned page;
        const char *text;
        bool has_previous, has_next;
    } rows[] = {
        {0, 0, 0, 0, ">Showing none of 0 accounts<", false, false},
        {1, 1, 1, 0,
         ">Showing 1\xe2\x80\x93"
         "1 of 1 account<",
         false, false},
        {50, 50, 50, 0,
         ">Showing 1\xe2\x80\x93"
         "50 of 50 accounts<",
         false, false},
        {1000, 1000, 50, 0,
         ">Showing 1\xe2\x80\x93"
         "50 of 1000 accounts<",
         false, true},
        {1000, 125, 25, 2,
         ">Showing 101\xe2\x80\x93"
         "125 of 125 that match, of 1000 accounts<",
         true, false},
        {1000, 125, 0, 3, ">Showing none of 1000 accounts<", true, false}, /* beyond the last */
    };
    (void)state;
    for (size_t i = 0; i < FILTER_PAGE_LEN; i++)
        items[i] = (struct view_account){.id = "a"};
    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        const struct view_accounts a = {.all = rows[i].all,
                                        .matching = rows[i].matching,
                                        .items = items,
                                        .items_len = rows[i].shown};
        struct view v = plain_view(&a);
        v.filter.page = rows[i].page;
        CLEANUP(buf_done) struct buf b;
        print(&v, &b);
        assert_non_null(strstr(buf_text(&b), rows[i].text));
        assert_int_equal(count(buf_text(&b), "rel=\"prev\""), rows[i].has_previous);
        assert_int_equal(count(buf_text(&b), "rel=\"next\""), rows[i].has_next);
        assert_int_equal(count(buf_text(&b), "<details"), rows[i].shown);
    }
}

static void an_ingress_has_no_accounts(void **state)
{
    (void)state;
    CLEANUP(buf_done) struct buf b;
    struct view v = plain_view(NULL);
    v.process = "ingress";
    print(&v, &b);
    assert_int_equal(count(buf_text(&b), "id=\"accounts\""), 0);
    assert_non_null(strstr(buf_text(&b), "<h1>Ingress</h1><p class=\"pill good\">Ready</p>"));
}

static void accounts_that_cannot_be_told_are_no_empty_list(void **state)
{
    (void)state;
    CLEANUP(buf_done) struct buf b;
    const struct view_accounts a = {.unavailable = "The passes hang."};
    const struct view v = plain_view(&a);
    print(&v, &b);
    assert_non_null(strstr(buf_text(&b), "role=\"alert\">The passes hang.</p>"));
    assert_int_equal(count(buf_text(&b), "Showing"), 0);
}

static void the_policy_allows_what_is_in_the_page_by_its_hash(void **state)
{
    (void)state;
    char policy[PAGE_POLICY_SIZE];
    assert_int_equal(page_policy(policy), STATUS_OK);
    assert_non_null(strstr(policy, "default-src 'none'; style-src 'sha256-"));
    assert_non_null(strstr(policy, "frame-ancestors 'none'"));
    assert_null(strstr(policy, "unsafe"));
    CLEANUP(buf_done) struct buf b;
    const struct view v = plain_view(NULL);
    print(&v, &b);
    assert_int_equal(count(buf_text(&b), " style=\""), 0);
    assert_int_equal(count(buf_text(&b), "javascript:"), 0);
}

static void without_memory_the_page_says_so(void **state)
{
    (void)state;
    const struct view v = hostile_view();
    bool failed = true;
    for (long n = 0; failed; n++) {
        CLEANUP(buf_done) struct buf b;
        buf_init(&b, 1 << 20);
        alloc_fail_at(n);
        page_print(&v, &b);
        document_print(&v, &b);
        failed = alloc_fail_end();
        assert_int_equal(b.status, failed ? STATUS_NOMEM : STATUS_OK);
    }
}

int main(void)
{
    if (crypto_start() != STATUS_OK)
        return 1;
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(no_text_becomes_markup),
        cmocka_unit_test(what_was_asked_for_is_told_without_becoming_markup),
        cmocka_unit_test(every_table_says_what_its_columns_and_rows_are),
        cmocka_unit_test(a_page_says_how_many_of_how_many_it_shows),
        cmocka_unit_test(an_ingress_has_no_accounts),
        cmocka_unit_test(accounts_that_cannot_be_told_are_no_empty_list),
        cmocka_unit_test(the_policy_allows_what_is_in_the_page_by_its_hash),
        cmocka_unit_test(without_memory_the_page_says_so),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
