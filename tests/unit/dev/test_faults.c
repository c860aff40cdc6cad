#include "bridge/dev/faults.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>

#include <cmocka.h>

static int set_up(void **state)
{
    return faults_new((struct faults **)state) == STATUS_OK ? 0 : 1;
}

static int tear_down(void **state)
{
    faults_free(*state);
    return 0;
}

static void add(struct faults *f, const char *rules)
{
    struct diag diag = {{0}};
    if (faults_add(f, bytes_of_text(rules), &diag) != STATUS_OK)
        fail_msg("%s", diag.text);
}

static void without_rules_nothing_goes_wrong(void **state)
{
    assert_int_equal(faults_next(*state, FAULT_LIST).kind, FAULT_NONE);
    add(*state, "");
    add(*state, ",\n, \n");
    assert_int_equal(faults_next(*state, FAULT_LIST).kind, FAULT_NONE);
}

static void a_rule_strikes_its_operation_only(void **state)
{
    add(*state, "create:reset");
    assert_int_equal(faults_next(*state, FAULT_LIST).kind, FAULT_NONE);
    assert_int_equal(faults_next(*state, FAULT_CREATE).kind, FAULT_RESET);
    assert_int_equal(faults_next(*state, FAULT_DELETE).kind, FAULT_NONE);
    add(*state, "any:html");
    assert_int_equal(faults_next(*state, FAULT_ACTIVATE).kind, FAULT_HTML);
    assert_int_equal(faults_next(*state, FAULT_CREATE).kind, FAULT_RESET); /* the first one */
}

static void a_rule_with_times_wears_off(void **state)
{
    add(*state, "list:too-many=30*2,list:error=503*1");
    struct fault fault = faults_next(*state, FAULT_LIST);
    assert_int_equal(fault.kind, FAULT_TOO_MANY);
    assert_int_equal(fault.number, 30);
    assert_int_equal(faults_next(*state, FAULT_LIST).kind, FAULT_TOO_MANY);
    fault = faults_next(*state, FAULT_LIST);
    assert_int_equal(fault.kind, FAULT_ERROR);
    assert_int_equal(fault.number, 503);
    assert_int_equal(faults_next(*state, FAULT_LIST).kind, FAULT_NONE);
}

static void a_rule_can_strike_every_so_many_calls(void **state)
{
    add(*state, "any:delay=5*2/3");
    static const enum fault_kind expected[] = {FAULT_NONE, FAULT_NONE, FAULT_DELAY,
                                               FAULT_NONE, FAULT_NONE, FAULT_DELAY,
                                               FAULT_NONE, FAULT_NONE, FAULT_NONE};
    for (size_t i = 0; i < sizeof(expected) / sizeof(expected[0]); i++)
        assert_int_equal(faults_next(*state, FAULT_DELETE).kind, expected[i]);
}

static void rules_are_printed_as_they_were_read(void **state)
{
    static const char rules[] = "any:delay=500/3\n"
                                "list:empty-list\nlist:partial-list\nlist:missing-item\n"
                                "list:list-errors\nlist:html*1\n"
                                "create:no-secret\ncreate:other-url\ncreate:error-after=502\n"
                                "create:html-after\ncreate:reset-after\ncreate:truncated\n"
                                "delete:forbidden\ndelete:unauthorized\nactivate:reset\n"
                                "activate:error=503*7/2\nany:too-many=1000000\n";
    struct buf printed;
    buf_init(&printed, 4096);
    add(*state, rules);
    faults_print(*state, &printed);
    assert_string_equal(buf_text(&printed), rules);
    buf_done(&printed);
    faults_clear(*state);
    faults_print(*state, &printed);
    assert_int_equal(printed.len, 0);
}

static void rules_that_are_none_are_refused_and_change_nothing(void **state)
{
    static const struct {
        const char *rules, *complaint;
    } rows[] = {
        /* no operation, or an unknown one */
        {"reset", "fault reset: expected any, list, create, delete or activate, and a colon"},
        {":reset", "fault :reset: expected any, list, create, delete or activate, and a colon"},
        {"put:reset",
         "fault put:reset: expected any, list, create, delete or activate, and a colon"},
        /* no kind, or an unknown one */
        {"list:", "fault list:: no such kind"},
        {"list", "fault list: no such kind"},
        {"list:explode", "fault list:explode: no such kind"},
        /* numbers that are none, nothing, or too large */
        {"list:delay=", "fault list:delay=: expected [=NUMBER][*TIMES][/EVERY] after the kind"},
        {"list:delay=x", "fault list:delay=x: expected [=NUMBER][*TIMES][/EVERY] after the kind"},
        {"list:delay=1000001",
         "fault list:delay=1000001: expected [=NUMBER][*TIMES][/EVERY] after the kind"},
        {"list:html*0", "fault list:html*0: expected [=NUMBER][*TIMES][/EVERY] after the kind"},
        {"list:html/0", "fault list:html/0: expected [=NUMBER][*TIMES][/EVERY] after the kind"},
        /* in another order */
        {"list:html/2*1", "fault list:html/2*1: expected [=NUMBER][*TIMES][/EVERY] after the kind"},
        /* after one that is right */
        {"list:html,list:explode", "fault list:explode: no such kind"},
    };
    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        struct diag diag = {{0}};
        assert_int_equal(faults_add(*state, bytes_of_text(rows[i].rules), &diag), STATUS_INVALID);
        assert_string_equal(diag.text, rows[i].complaint);
    }
    assert_int_equal(faults_next(*state, FAULT_LIST).kind, FAULT_NONE);
}

static void so_many_rules_are_kept_and_no_more(void **state)
{
    for (size_t i = 0; i < FAULTS_RULES_MAX; i++)
        add(*state, "delete:html");
    struct diag diag = {{0}};
    assert_int_equal(faults_add(*state, BYTES_LITERAL("list:html"), &diag), STATUS_INVALID);
    assert_string_equal(diag.text, "more than 32 faults");
    assert_int_equal(faults_next(*state, FAULT_LIST).kind, FAULT_NONE);
}

#define FAULTS_TEST(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)

int main(void)
{
    const struct CMUnitTest tests[] = {
        FAULTS_TEST(without_rules_nothing_goes_wrong),
        FAULTS_TEST(a_rule_strikes_its_operation_only),
        FAULTS_TEST(a_rule_with_times_wears_off),
        FAULTS_TEST(a_rule_can_strike_every_so_many_calls),
        FAULTS_TEST(rules_are_printed_as_they_were_read),
        FAULTS_TEST(rules_that_are_none_are_refused_and_change_nothing),
        FAULTS_TEST(so_many_rules_are_kept_and_no_more),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
