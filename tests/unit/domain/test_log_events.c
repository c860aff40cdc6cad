#include "bridge/domain/log_events.h"

#include <regex.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

#include "bridge/domain/event.h"
#include "bridge/domain/provider.h"

static void names_are_unique_and_sorted(void **state)
{
    (void)state;
    for (size_t i = 1; i < LOG_EVENTS; i++)
        if (strcmp(log_events[i - 1].name, log_events[i].name) >= 0)
            fail_msg("%s comes before %s", log_events[i - 1].name, log_events[i].name);
}

static void names_are_a_noun_and_what_became_of_it(void **state)
{
    (void)state;
    regex_t form;
    /* A past participle, or one of two states: nothing was done to what is missing or stopping. */
    assert_int_equal(regcomp(&form, "^[a-z]+\\.([a-z]+-)*([a-z]+ed|missing|stopping)$",
                             REG_EXTENDED | REG_NOSUB),
                     0);
    for (size_t i = 0; i < LOG_EVENTS; i++)
        if (regexec(&form, log_events[i].name, 0, NULL, 0) != 0)
            fail_msg("%s is no noun.past-participle", log_events[i].name);
    regfree(&form);
}

static void every_event_tells_an_operator_what_to_do(void **state)
{
    (void)state;
    for (size_t i = 0; i < LOG_EVENTS; i++) {
        const char *action = log_events[i].action;
        if (action[0] == '\0' || action[strlen(action) - 1] != '.')
            fail_msg("%s says no whole sentence: %s", log_events[i].name, action);
    }
}

static void whatever_can_be_repeated_is_limited(void **state)
{
    (void)state;
    for (size_t i = 0; i < LOG_EVENTS; i++)
        if (log_events[i].level >= LOG_WARN && log_events[i].lines_per_minute == 0 &&
            i != LOG_EVENT_PROCESS_FAILED) /* once in a life */
            fail_msg("%s has no limit", log_events[i].name);
}

/* The closed lists that subscribers and dashboards see. */
static void the_names_of_reasons_and_verifications_are_these(void **state)
{
    static const char *const reasons[DEAD_LETTER_REASONS] = {
        "none",     "not-json",    "not-an-object", "duplicate-keys",
        "too-deep", "no-resource", "empty",         "refused-by-broker",
    };
    static const char *const verifications[VERIFICATIONS] = {
        "bad", "missing", "stale", "current", "previous", "token",
    };
    (void)state;
    for (size_t i = 0; i < DEAD_LETTER_REASONS; i++)
        assert_string_equal(dead_letter_reason_name((enum dead_letter_reason)i), reasons[i]);
    for (size_t i = 0; i < VERIFICATIONS; i++) {
        assert_string_equal(verification_name((enum verification)i), verifications[i]);
        assert_int_equal(verification_is_authentic((enum verification)i), i >= 3);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(names_are_unique_and_sorted),
        cmocka_unit_test(names_are_a_noun_and_what_became_of_it),
        cmocka_unit_test(every_event_tells_an_operator_what_to_do),
        cmocka_unit_test(whatever_can_be_repeated_is_limited),
        cmocka_unit_test(the_names_of_reasons_and_verifications_are_these),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
