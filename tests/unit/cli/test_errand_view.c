#include "bridge/cli/errand_view.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>

#include <cmocka.h>

#include "bridge/base/scoped.h"

static const int64_t now = 1795293215000;

static struct reported_call call_of(enum call_kind kind, enum provider_verdict verdict)
{
    struct reported_call call = {.kind = kind, .verdict = verdict, .reason = "400: no"};
    assert_true(specification_set(&call.specification, "maesn", "acme-42", "INVOICE", NULL));
    return call;
}

static struct reported_account account_of(const char *id, enum pass_end end,
                                          struct reported_call *calls, size_t len)
{
    struct reported_account account = {.is_declared = true,
                                       .is_readable = true,
                                       .has_ended = true,
                                       .end = end,
                                       .reason = end == PASS_COMPLETE ? NULL : "as it is",
                                       .calls = calls,
                                       .calls_len = len};
    snprintf(account.id, sizeof(account.id), "%s", id);
    return account;
}

static void the_exit_code_is_that_of_a_plan_afterwards_but_for_differences(void **state)
{
    (void)state;
    struct reported_call failed = call_of(CALL_CREATE, VERDICT_REFUSED);
    const struct {
        enum request_kind kind;
        struct reported_account account;
        struct errand_account mark;
        bool withholds;
        uint64_t attempts, answered;
        enum exit_code code;
    } rows[] = {
        /* nothing had to be done, or it was done */
        {REQUEST_PASS, account_of("a", PASS_COMPLETE, NULL, 0), {0}, false, 1, 1, EXIT_CODE_FINE},
        {REQUEST_PASS,
         account_of("a", PASS_COMPLETE, NULL, 0),
         {.created = 1},
         false,
         1,
         1,
         EXIT_CODE_FINE},
        /* what the bridge cannot mend is listed, and no failure; for a rotation it is one */
        {REQUEST_PASS, account_of("a", PASS_BLOCKED, NULL, 0), {0}, false, 1, 1, EXIT_CODE_FINE},
        {REQUEST_FORCE, account_of("a", PASS_INVALID, NULL, 0), {0}, false, 1, 1, EXIT_CODE_FINE},
        {REQUEST_PASS,
         account_of("a", PASS_COMPLETE, &failed, 1),
         {0},
         false,
         1,
         1,
         EXIT_CODE_FINE},
        {REQUEST_ROTATE,
         account_of("a", PASS_BLOCKED, NULL, 0),
         {0},
         false,
         1,
         1,
         EXIT_CODE_FAILURE},
        {REQUEST_ROTATE,
         account_of("a", PASS_COMPLETE, &failed, 1),
         {0},
         false,
         1,
         1,
         EXIT_CODE_FAILURE},
        /* its state could not be determined */
        {REQUEST_PASS,
         account_of("a", PASS_UNTRUSTED, NULL, 0),
         {0},
         false,
         1,
         1,
         EXIT_CODE_FAILURE},
        /* the reconciler has not done it */
        {REQUEST_PASS,
         account_of("a", PASS_COMPLETE, NULL, 0),
         {.is_awaited = true},
         false,
         1,
         1,
         EXIT_CODE_FAILURE},
        /* a guard rail holds */
        {REQUEST_PASS, account_of("a", PASS_COMPLETE, NULL, 0), {0}, true, 1, 1, EXIT_CODE_FAILURE},
        /* nobody answered */
        {REQUEST_PASS,
         account_of("a", PASS_RETRY_LATER, NULL, 0),
         {0},
         true,
         3,
         0,
         EXIT_CODE_UNAVAILABLE},
    };
    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        struct reported_account account = rows[i].account;
        struct errand_account mark = rows[i].mark;
        const struct pass_report report = {.accounts = &account,
                                           .len = 1,
                                           .withholds_deletes = rows[i].withholds,
                                           .attempts = rows[i].attempts,
                                           .answered = rows[i].answered};
        const struct errand e = {.request = {.kind = rows[i].kind}, .accounts = &mark, .len = 1};
        assert_int_equal(errand_view_exit_code(&e, &report), rows[i].code);
    }
}

static void a_line_says_what_was_done_and_what_failed(void **state)
{
    (void)state;
    struct reported_call failed = call_of(CALL_DELETE, VERDICT_REFUSED);
    const struct {
        struct reported_account account;
        struct errand_account mark;
        const char *line;
    } rows[] = {
        {account_of("a", PASS_COMPLETE, NULL, 0), {0}, ""},
        {account_of("a", PASS_COMPLETE, NULL, 0),
         {.created = 2, .deleted = 1, .activated = 1},
         "a: 2 created, 1 deleted, 1 activated\n"},
        {account_of("a", PASS_COMPLETE, &failed, 1),
         {.created = 1},
         "a: 1 created\n  ! failed    invoice all: delete: 400: no\n"},
        {account_of("a", PASS_COMPLETE, &failed, 1),
         {0},
         "a: failed\n  ! failed    invoice all: delete: 400: no\n"},
        {account_of("a", PASS_UNAUTHORIZED, NULL, 0),
         {.created = 1},
         "a: blocked: as it is, 1 created\n"},
        {account_of("a", PASS_RETRY_LATER, NULL, 0), {0}, "a: unknown: as it is\n"},
    };
    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        CLEANUP(buf_done) struct buf text;
        buf_init(&text, 4096);
        errand_view_print_line(&rows[i].account, &rows[i].mark, false, &text);
        assert_string_equal(text.len == 0 ? "" : buf_text(&text), rows[i].line);
    }
}

static void the_sum_counts_what_was_done_by_whom(void **state)
{
    (void)state;
    struct reported_call failed = call_of(CALL_CREATE, VERDICT_REFUSED);
    struct reported_account accounts[] = {
        account_of("a", PASS_COMPLETE, NULL, 0),
        account_of("b", PASS_COMPLETE, &failed, 1),
        account_of("c", PASS_BLOCKED, NULL, 0),
        account_of("d", PASS_COMPLETE, NULL, 0),
    };
    struct errand_account marks[] = {
        {.created = 2, .deleted = 1}, {0}, {0}, {.is_awaited = true, .created = 7}};
    const struct pass_report report = {.accounts = accounts, .len = 4};
    struct errand e = {.accounts = marks, .len = 4};
    CLEANUP(buf_done) struct buf text;
    buf_init(&text, 4096);
    errand_view_print(&e, &report, now, &text);
    assert_string_equal(buf_text(&text), "Applied: 2 created, 1 deleted, 1 failed, 1 account "
                                         "unfinished, 1 account not worked on\n");
    text.len = 0;
    e.members = 2;
    const struct pass_report nothing = {.accounts = accounts, .len = 0};
    errand_view_print(&e, &nothing, now, &text);
    assert_string_equal(buf_text(&text), "Applied by 2 reconcilers: nothing had to be done\n");
}

static void the_json_names_each_account_and_its_failures(void **state)
{
    (void)state;
    struct reported_call failed = call_of(CALL_CREATE, VERDICT_REFUSED);
    struct reported_account account = account_of("a", PASS_COMPLETE, &failed, 1);
    struct errand_account mark = {.deleted = 1};
    const struct pass_report report = {.accounts = &account, .len = 1};
    const struct errand e = {.accounts = &mark, .len = 1};
    CLEANUP(buf_done) struct buf text;
    buf_init(&text, 4096);
    errand_view_print_json(&e, &report, &text);
    assert_string_equal(
        buf_text(&text),
        "{\"reconcilers\":0,\"stalled\":false,\"accounts\":[{\"account\":\"a\",\"declared\":true,"
        "\"result\":\"failed\",\"created\":0,\"deleted\":1,\"activated\":0,\"failures\":[{"
        "\"resource\":\"invoice\",\"event\":\"all\",\"action\":\"create\",\"result\":\"refused\","
        "\"reason\":\"400: no\"}],\"subscriptions\":[]}],\"deletes_withheld\":null,"
        "\"exit_code\":0}\n");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_exit_code_is_that_of_a_plan_afterwards_but_for_differences),
        cmocka_unit_test(a_line_says_what_was_done_and_what_failed),
        cmocka_unit_test(the_sum_counts_what_was_done_by_whom),
        cmocka_unit_test(the_json_names_each_account_and_its_failures),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
