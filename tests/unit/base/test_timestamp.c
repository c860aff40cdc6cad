#include "bridge/base/timestamp.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <string.h>
#include <time.h>

#include <cmocka.h>

#define YEAR_0_MS (-62167219200000)
#define YEAR_10000_MS 253402300800000

static void an_instant_is_written_in_utc(void **state)
{
    static const struct {
        int64_t unix_ms;
        const char *text;
    } rows[] = {
        {0, "1970-01-01T00:00:00Z"},
        {1, "1970-01-01T00:00:00.001Z"},
        {999, "1970-01-01T00:00:00.999Z"},
        {-1, "1969-12-31T23:59:59.999Z"},
        {-1000, "1969-12-31T23:59:59Z"},
        {951782400000, "2000-02-29T00:00:00Z"},  /* leap: divisible by 400 */
        {4107542399000, "2100-02-28T23:59:59Z"}, /* not leap: divisible by 100 */
        {4107542400000, "2100-03-01T00:00:00Z"},
        {1767225600123, "2026-01-01T00:00:00.123Z"},
        {2147483648000, "2038-01-19T03:14:08Z"}, /* beyond 32 bits */
        {YEAR_0_MS, "0000-01-01T00:00:00Z"},
        {YEAR_10000_MS - 1, "9999-12-31T23:59:59.999Z"},
        {YEAR_0_MS - 1, ""}, /* outside what four digits can say */
        {YEAR_10000_MS, ""},
        {INT64_MIN, ""},
        {INT64_MAX, ""},
    };
    (void)state;
    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        char text[TIMESTAMP_SIZE];
        timestamp_format(rows[i].unix_ms, text);
        assert_string_equal(text, rows[i].text);
    }
}

static void a_date_time_with_a_zone_is_read(void **state)
{
    static const struct {
        const char *text;
        int64_t unix_ms;
    } rows[] = {
        {"1970-01-01T00:00:00Z", 0},
        {"1970-01-01t00:00:00z", 0}, /* RFC 3339 allows lower case */
        {"1970-01-01T00:00:00+00:00", 0},
        {"1970-01-01T00:00:00-00:00", 0}, /* "the local zone is not known" */
        {"1970-01-01T01:00:00+01:00", 0},
        {"1969-12-31T20:15:00-03:45", 0},
        {"1970-01-01T00:00:00.5Z", 500},
        {"1970-01-01T00:00:00.50Z", 500},
        {"1970-01-01T00:00:00.123456789Z", 123}, /* cut, not rounded */
        {"1970-01-01T00:00:00.9999Z", 999},
        {"1970-01-01T00:00:00.0000000000000000001Z", 0},
        {"1985-04-12T23:20:50.52Z", 482196050520},   /* RFC 3339 section 5.8 */
        {"1996-12-19T16:39:57-08:00", 851042397000}, /* the same section */
        {"1990-12-31T23:59:60Z", 662688000000},      /* its leap second: the second after */
        {"1990-12-31T15:59:60-08:00", 662688000000},
        {"1937-01-01T12:00:27.87+00:20", -1041337172130},
        {"2024-02-29T12:00:00Z", 1709208000000},
        {"2000-02-29T00:00:00Z", 951782400000},
        {"0000-01-01T00:00:00Z", YEAR_0_MS},
        {"9999-12-31T23:59:59.999Z", YEAR_10000_MS - 1},
        {"2026-01-01T00:00:00+23:59", 1767139260000},
    };
    (void)state;
    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        int64_t unix_ms;
        if (!timestamp_parse(bytes_of_text(rows[i].text), &unix_ms))
            fail_msg("%s does not parse", rows[i].text);
        assert_int_equal(unix_ms, rows[i].unix_ms);
    }
}

static void anything_else_is_not_read(void **state)
{
    static const char *const rows[] = {
        "",
        "2026",
        "2026-01-01",           /* a date */
        "2026-01-01T00:00:00",  /* no zone */
        "2026-01-01T00:00Z",    /* no seconds */
        "2026-01-01 00:00:00Z", /* a space: ISO 8601 has none */
        "2026-01-01T00:00:00 Z",
        " 2026-01-01T00:00:00Z",
        "2026-01-01T00:00:00Z ",
        "2026-01-01T00:00:00ZZ",
        "2026-01-01T00:00:00.Z",  /* a fraction without digits */
        "2026-01-01T00:00:00,5Z", /* a comma: ISO 8601 only */
        "2026-01-01T00:00:00.5",
        "2026-01-01T00:00:00+0100", /* no colon */
        "2026-01-01T00:00:00+01",
        "2026-01-01T00:00:00+24:00",
        "2026-01-01T00:00:00+00:60",
        "2026-01-01T00:00:00\xe2\x88\x92"
        "01:00", /* a minus sign that is no hyphen */
        "2026-00-01T00:00:00Z",
        "2026-13-01T00:00:00Z",
        "2026-01-00T00:00:00Z",
        "2026-01-32T00:00:00Z",
        "2026-04-31T00:00:00Z",
        "2026-02-29T00:00:00Z", /* no leap year */
        "2100-02-29T00:00:00Z", /* neither */
        "2026-01-01T24:00:00Z", /* ISO 8601 only */
        "2026-01-01T00:60:00Z",
        "2026-01-01T00:00:61Z",
        "2026-1-1T00:00:00Z",
        "02026-01-01T00:00:00Z",
        "+2026-01-01T00:00:00Z",
        "-026-01-01T00:00:00Z",
        "20260101T000000Z",
        "2026-W01-1T00:00:00Z",
        "2026-01-01T0a:00:00Z",
        "1767225600",                    /* a number */
        "Thu, 01 Jan 2026 00:00:00 GMT", /* HTTP's */
        "0000-01-01T00:00:00+00:01",     /* before the year 0000: could not be written again */
        "9999-12-31T23:59:59-00:01",     /* after the year 9999 */
        "9999-12-31T23:59:60Z",
    };
    (void)state;
    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        int64_t unix_ms = 7;
        if (timestamp_parse(bytes_of_text(rows[i]), &unix_ms))
            fail_msg("%s parses", rows[i]);
        assert_int_equal(unix_ms, 7);
    }
}

static void a_cut_text_is_never_read(void **state)
{
    static const char whole[] = "2026-01-01T00:00:00.123+01:00";
    (void)state;
    for (size_t len = 0; len < sizeof(whole) - 1; len++) {
        int64_t unix_ms;
        char *exact = NULL; /* of just this size, so that reading beyond it is seen */
        assert_true(len == 0 || (exact = test_malloc(len)) != NULL);
        if (len > 0)
            memcpy(exact, whole, len);
        assert_false(timestamp_parse(bytes_of(exact, len), &unix_ms));
        if (len > 0)
            test_free(exact);
    }
}

/* xorshift64*, seeded the same each time: a failure can be repeated. */
static uint64_t next_random(void)
{
    static uint64_t x = 0x9e3779b97f4a7c15;
    x ^= x >> 12;
    x ^= x << 25;
    x ^= x >> 27;
    return x * 0x2545f4914f6cdd1d;
}

static void what_is_written_reads_back_and_agrees_with_libc(void **state)
{
    (void)state;
    for (int i = 0; i < 200000; i++) {
        int64_t range = YEAR_10000_MS - YEAR_0_MS;
        int64_t unix_ms = YEAR_0_MS + (int64_t)(next_random() % (uint64_t)range), read = 0;
        char text[TIMESTAMP_SIZE], expected[80];
        timestamp_format(unix_ms, text);
        assert_true(timestamp_parse(bytes_of_text(text), &read));
        assert_int_equal(read, unix_ms);

        time_t second = (time_t)((unix_ms - YEAR_0_MS) / 1000 + YEAR_0_MS / 1000);
        struct tm tm;
        assert_non_null(gmtime_r(&second, &tm));
        snprintf(expected, sizeof(expected), "%04d-%02d-%02dT%02d:%02d:%02d", tm.tm_year + 1900,
                 tm.tm_mon + 1, tm.tm_mday, tm.tm_hour, tm.tm_min, tm.tm_sec);
        assert_memory_equal(text, expected, 19);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(an_instant_is_written_in_utc),
        cmocka_unit_test(a_date_time_with_a_zone_is_read),
        cmocka_unit_test(anything_else_is_not_read),
        cmocka_unit_test(a_cut_text_is_never_read),
        cmocka_unit_test(what_is_written_reads_back_and_agrees_with_libc),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
