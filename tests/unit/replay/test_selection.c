#include "bridge/replay/selection.h"

#include <setjmp.h>
#include <stdarg.h>

#include <cmocka.h>

#define NOW 1767323046000 /* 2026-01-02T03:04:06Z */

static struct selection everything(void)
{
    return (struct selection){.since_unix_ms = INT64_MIN, .until_unix_ms = INT64_MAX};
}

static const struct dead_letter letter = {
    .reason = DEAD_LETTER_NOT_JSON, .account = "acme-42", .recorded_at_unix_ms = NOW};

static void without_a_filter_every_letter_is_taken(void **state)
{
    (void)state;
    struct selection s = everything();
    assert_true(selection_takes(&s, &letter));
    assert_true(selection_takes_unreadable(&s, 0));
}

static void each_filter_leaves_out_what_it_does_not_name(void **state)
{
    (void)state;
    struct selection s = everything();
    s.by_reason = s.reasons[DEAD_LETTER_EMPTY] = true;
    assert_false(selection_takes(&s, &letter));
    s.reasons[DEAD_LETTER_NOT_JSON] = true;
    assert_true(selection_takes(&s, &letter));

    s.accounts[s.accounts_len++] = "bakery";
    assert_false(selection_takes(&s, &letter));
    s.accounts[s.accounts_len++] = "acme-42";
    assert_true(selection_takes(&s, &letter));

    /* The beginning is included, the end is not: two runs that meet take each letter once. */
    s.since_unix_ms = NOW + 1;
    assert_false(selection_takes(&s, &letter));
    s.since_unix_ms = NOW;
    assert_true(selection_takes(&s, &letter));
    s.until_unix_ms = NOW;
    assert_false(selection_takes(&s, &letter));
    s.until_unix_ms = NOW + 1;
    assert_true(selection_takes(&s, &letter));
}

static void what_cannot_be_read_has_a_time_but_no_reason_and_no_account(void **state)
{
    (void)state;
    struct selection s = everything();
    s.since_unix_ms = NOW;
    assert_true(selection_takes_unreadable(&s, NOW));
    assert_false(selection_takes_unreadable(&s, NOW - 1));
    s.by_reason = true;
    assert_false(selection_takes_unreadable(&s, NOW));
    s.by_reason = false;
    s.accounts[s.accounts_len++] = "acme-42";
    assert_false(selection_takes_unreadable(&s, NOW));
}

static void an_instant_is_a_date_time_or_how_long_ago_it_was(void **state)
{
    static const struct {
        const char *text;
        int64_t unix_ms; /* 0: refused */
    } rows[] = {
        {"2026-01-02T03:04:06Z", NOW},
        {"2026-01-02T04:04:06+01:00", NOW},
        {"0s", NOW},
        {"90s", NOW - 90000},
        {"30m", NOW - 1800000},
        {"2h", NOW - 7200000},
        {"7d", NOW - 604800000},
        {"2w", NOW - 1209600000},
        {"999999999s", NOW - 999999999000},
        {"9999999999s", 0}, /* ten digits */
        {"", 0},
        {"5", 0},
        {"h", 0},
        {"5 h", 0},
        {"-5h", 0},
        {"5y", 0},
        {"5hh", 0},
        {"yesterday", 0},
        {"2026-01-02", 0},
        {"2026-01-02T03:04:06", 0}, /* no zone */
    };
    (void)state;
    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        int64_t unix_ms = 0;
        bool is_read = selection_instant(rows[i].text, NOW, &unix_ms);
        assert_int_equal(is_read, rows[i].unix_ms != 0);
        assert_true(unix_ms == rows[i].unix_ms);
    }
}

static void a_reason_is_known_by_its_name(void **state)
{
    (void)state;
    for (int i = 1; i < DEAD_LETTER_REASONS; i++)
        assert_int_equal(selection_reason(dead_letter_reason_name((enum dead_letter_reason)i)), i);
    assert_int_equal(selection_reason("none"), DEAD_LETTER_NONE);
    assert_int_equal(selection_reason("NOT-JSON"), DEAD_LETTER_NONE);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(without_a_filter_every_letter_is_taken),
        cmocka_unit_test(each_filter_leaves_out_what_it_does_not_name),
        cmocka_unit_test(what_cannot_be_read_has_a_time_but_no_reason_and_no_account),
        cmocka_unit_test(an_instant_is_a_date_time_or_how_long_ago_it_was),
        cmocka_unit_test(a_reason_is_known_by_its_name),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
