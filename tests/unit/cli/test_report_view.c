#include "bridge/cli/report_view.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>

#include <cmocka.h>

#include "bridge/base/scoped.h"

static const int64_t now = 1795293215000;

static struct reported_step step_of(enum plan_action action, enum plan_reason reason)
{
    struct reported_step step = {.action = action, .reason = reason};
    const struct plan_step planned = {.action = action, .reason = reason};
    assert_true(specification_set(&step.specification, "maesn", "acme-42", "INVOICE", "CREATED"));
    step.is_difference = plan_step_is_difference(&planned);
    return step;
}

static struct reported_account account_of(const char *id, struct reported_step *steps, size_t len)
{
    struct reported_account account = {.provider = "maesn",
                                       .system = "xero",
                                       .is_declared = true,
                                       .is_readable = true,
                                       .has_ended = true,
                                       .end = PASS_COMPLETE,
                                       .plan = {steps, len}};
    snprintf(account.id, sizeof(account.id), "%s", id);
    return account;
}

static struct reported_account ended(const char *id, enum pass_end end, const char *reason)
{
    struct reported_account account = account_of(id, NULL, 0);
    account.end = end;
    account.reason = reason;
    return account;
}

/* --- the exit code --------------------------------------------------------------------------- */

static void the_exit_code_is_the_first_that_applies(void **state)
{
    (void)state;
    struct reported_step create = step_of(PLAN_CREATE, REASON_NEW);
    struct reported_step overlap = step_of(PLAN_WAIT, REASON_OVERLAP);
    struct reported_step missing = step_of(PLAN_WAIT, REASON_MISSING);
    struct reported_step left = step_of(PLAN_LEAVE, REASON_NOT_WANTED);
    struct reported_step stuck = step_of(PLAN_STUCK, REASON_REFUSED);
    const struct {
        struct reported_account accounts[2];
        bool withholds;
        uint64_t attempts, answered;
        enum exit_code code;
    } rows[] = {
        /* nothing differs */
        {{account_of("a", NULL, 0), account_of("b", NULL, 0)}, false, 2, 2, EXIT_CODE_FINE},
        /* nobody had to be asked */
        {{account_of("a", NULL, 0), account_of("b", NULL, 0)}, false, 0, 0, EXIT_CODE_FINE},
        /* waiting for an overlap, or what the policy leaves */
        {{account_of("a", &overlap, 1), account_of("b", &left, 1)}, false, 2, 2, EXIT_CODE_FINE},
        /* something is to be done */
        {{account_of("a", &create, 1), account_of("b", NULL, 0)},
         false,
         2,
         2,
         EXIT_CODE_CHANGES_PENDING},
        /* a second look is to be taken */
        {{account_of("a", &missing, 1), account_of("b", NULL, 0)},
         false,
         2,
         2,
         EXIT_CODE_CHANGES_PENDING},
        /* what the bridge cannot mend: refused, blocked, forbidden, known to be blocked, invalid */
        {{account_of("a", &stuck, 1), account_of("b", NULL, 0)},
         false,
         2,
         2,
         EXIT_CODE_CHANGES_PENDING},
        {{ended("a", PASS_UNAUTHORIZED, "401"), account_of("b", NULL, 0)},
         false,
         2,
         2,
         EXIT_CODE_CHANGES_PENDING},
        {{ended("a", PASS_FORBIDDEN, "403"), account_of("b", NULL, 0)},
         false,
         2,
         2,
         EXIT_CODE_CHANGES_PENDING},
        {{ended("a", PASS_BLOCKED, "401"), account_of("b", NULL, 0)},
         false,
         1,
         1,
         EXIT_CODE_CHANGES_PENDING},
        {{ended("a", PASS_INVALID, "no"), account_of("b", NULL, 0)},
         false,
         1,
         1,
         EXIT_CODE_CHANGES_PENDING},
        /* an account's state could not be determined */
        {{ended("a", PASS_UNTRUSTED, "html"), account_of("b", &create, 1)},
         false,
         2,
         2,
         EXIT_CODE_FAILURE},
        {{ended("a", PASS_RETRY_LATER, "429"), account_of("b", &create, 1)},
         false,
         2,
         2,
         EXIT_CODE_FAILURE},
        {{ended("a", PASS_FAILED, "memory"), account_of("b", NULL, 0)},
         false,
         2,
         2,
         EXIT_CODE_FAILURE},
        /* a guard rail holds */
        {{account_of("a", &create, 1), account_of("b", NULL, 0)}, true, 2, 2, EXIT_CODE_FAILURE},
        /* no call was answered */
        {{ended("a", PASS_RETRY_LATER, "away"), account_of("b", NULL, 0)},
         true,
         9,
         0,
         EXIT_CODE_UNAVAILABLE},
    };
    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        const struct pass_report report = {
            .accounts = (struct reported_account *)rows[i].accounts,
            .len = 2,
            .withholds_deletes = rows[i].withholds,
            .attempts = rows[i].attempts,
            .answered = rows[i].answered,
        };
        assert_int_equal(report_view_exit_code(&report), rows[i].code);
    }
}

static void an_account_whose_pass_never_ended_is_unknown(void **state)
{
    (void)state;
    struct reported_account account = account_of("a", NULL, 0);
    account.has_ended = false;
    const struct pass_report report = {.accounts = &account, .len = 1};
    assert_int_equal(report_view_exit_code(&report), EXIT_CODE_FAILURE);
    assert_int_equal(report_view_summary(&report).unknown, 1);
    assert_int_equal(report_view_summary(&report).settled, 0);
}

/* --- for people ------------------------------------------------------------------------------ */

static void each_step_has_its_sign_its_reason_and_its_instant(void **state)
{
    (void)state;
    CLEANUP(buf_done) struct buf text;
    buf_init(&text, 65536);
    struct reported_step steps[] = {
        step_of(PLAN_CREATE, REASON_NEW),      step_of(PLAN_CREATE, REASON_EXPIRES),
        step_of(PLAN_RETIRE, REASON_REPLACED), step_of(PLAN_DELETE, REASON_NOT_WANTED),
        step_of(PLAN_WAIT, REASON_OVERLAP),    step_of(PLAN_STUCK, REASON_REFUSED),
    };
    steps[2].due_unix_ms = now + 60000;
    steps[4].due_unix_ms = now + 40000;
    steps[5].detail = "400: no such resource";
    struct reported_account accounts[] = {
        account_of("acme-42", steps, 6),
        ended("beta", PASS_UNAUTHORIZED, "401 from the provider"),
        account_of("gamma", NULL, 0),
    };
    const struct pass_report report = {
        .accounts = accounts, .len = 3, .attempts = 1, .answered = 1};
    report_view_print(&report, now, false, &text);
    assert_string_equal(
        buf_text(&text),
        "acme-42 (maesn, xero)\n"
        "  + create    invoice created            wanted, and not there\n"
        "  ~ replace   invoice created            the present one expires\n"
        "  - retire    invoice created            replaced by a newer one, deleted in 60 s\n"
        "  - delete    invoice created            not wanted any more\n"
        "  . wait      invoice created            waiting for the end of the overlap, in 40 s\n"
        "  ! refused   invoice created            refused by the provider: 400: no such resource\n"
        "\n"
        "beta (maesn, xero)\n"
        "  ! blocked   401 from the provider\n"
        "\n"
        "Plan: 1 to create, 1 to replace, 1 to retire, 1 to delete, 1 refused, 1 waiting, "
        "1 account blocked\n"
        "1 of 3 accounts are as they should be\n");
}

static void colours_are_for_terminals(void **state)
{
    (void)state;
    CLEANUP(buf_done) struct buf text;
    buf_init(&text, 65536);
    struct reported_step step = step_of(PLAN_CREATE, REASON_NEW);
    struct reported_account account = account_of("a", &step, 1);
    report_view_print_account(&account, now, true, &text);
    assert_string_equal(buf_text(&text), "a (maesn, xero)\n  \033[32m+ create   \033[0m "
                                         "invoice created            wanted, and not there\n");
}

static void a_guard_rail_that_holds_says_by_which_counts(void **state)
{
    static const struct {
        struct guard_count guard;
        const char *text;
    } rows[] = {
        {{.desired = 6, .active = 10, .undesired = 4},
         "4 of 10 active subscriptions are not wanted any more"},
        {{.desired = 0, .active = 2, .undesired = 2},
         "nothing at all is wanted, while 2 subscriptions are active"},
    };
    (void)state;
    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        CLEANUP(buf_done) struct buf text;
        buf_init(&text, 4096);
        const struct pass_report report = {.withholds_deletes = true, .guard = rows[i].guard};
        report_view_print_guard(&report, false, &text);
        assert_non_null(strstr(buf_text(&text), rows[i].text));
        assert_non_null(strstr(buf_text(&text), "apply --force"));
    }
}

/* --- for programs ---------------------------------------------------------------------------- */

static void the_json_has_every_account_and_the_counts(void **state)
{
    (void)state;
    CLEANUP(buf_done) struct buf text;
    buf_init(&text, 65536);
    struct reported_step step = step_of(PLAN_WAIT, REASON_SETBACK);
    step.detail = "say \"no\"";
    step.due_unix_ms = now;
    struct reported_account account = account_of("a", &step, 1);
    const struct pass_report report = {
        .accounts = &account, .len = 1, .attempts = 1, .answered = 1};
    report_view_print_json(&report, &text);
    assert_string_equal(
        buf_text(&text),
        "{\"accounts\":[{\"account\":\"a\",\"declared\":true,\"result\":\"complete\","
        "\"provider\":\"maesn\",\"system\":\"xero\",\"subscriptions\":[{\"resource\":\"invoice\","
        "\"event\":\"created\",\"action\":\"wait\",\"difference\":true,"
        "\"reason\":\"waiting after a failure\",\"detail\":\"say \\\"no\\\"\","
        "\"due_at\":\"2026-11-21T20:33:35Z\"}]}],"
        "\"summary\":{\"accounts\":1,\"settled\":0,\"blocked\":0,\"invalid\":0,\"unknown\":0,"
        "\"create\":0,\"replace\":0,\"activate\":0,\"retire\":0,\"delete\":0,\"gone\":0,\"wait\":1,"
        "\"leave\":0,\"withhold\":0,\"stuck\":0},\"deletes_withheld\":null,\"exit_code\":2}\n");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_exit_code_is_the_first_that_applies),
        cmocka_unit_test(an_account_whose_pass_never_ended_is_unknown),
        cmocka_unit_test(each_step_has_its_sign_its_reason_and_its_instant),
        cmocka_unit_test(colours_are_for_terminals),
        cmocka_unit_test(a_guard_rail_that_holds_says_by_which_counts),
        cmocka_unit_test(the_json_has_every_account_and_the_counts),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
