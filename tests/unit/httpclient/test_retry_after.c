#include "bridge/httpclient/retry_after.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

#define NOW 1767323045000 /* Fri, 02 Jan 2026 03:04:05 GMT */

static void each_form_of_the_header_is_read(void **state)
{
    static const struct {
        const char *text;
        int64_t wait_ms;
    } rows[] = {
        /* delta-seconds */
        {"0", 0},
        {"1", 1000},
        {"120", 120000},
        {" 120\t", 120000},                /* white space around a field value is no part of it */
        {"0000000000120", 120000},         /* a number however it is written */
        {"3600", RETRY_AFTER_MAX_MS},      /* exactly the maximum */
        {"3601", RETRY_AFTER_MAX_MS},      /* beyond it */
        {"999999999", RETRY_AFTER_MAX_MS}, /* still a delta */
        /* UTC epoch */
        {"1767323046", 1000},
        {"1767323345", 300000},
        {"1767323045", 0},                  /* now */
        {"1767323044", 0},                  /* past */
        {"1000000000", 0},                  /* the first number that is an instant */
        {"1798859045", RETRY_AFTER_MAX_MS}, /* a year ahead */
        {"9223372036854775807", RETRY_AFTER_MAX_MS},
        {"99999999999999999999999", RETRY_AFTER_MAX_MS}, /* more than 64 bits hold */
        /* HTTP-date */
        {"Fri, 02 Jan 2026 03:04:35 GMT", 30000},
        {"Friday, 02-Jan-26 03:04:35 GMT", 30000}, /* RFC 850, obsolete */
        {"Fri Jan  2 03:04:35 2026", 30000},       /* of C, obsolete */
        {"Fri, 02 Jan 2026 03:04:05 GMT", 0},      /* now */
        {"Thu, 01 Jan 2026 03:04:35 GMT", 0},      /* past */
        {"Sat, 03 Jan 2026 03:04:35 GMT", RETRY_AFTER_MAX_MS},
        /* none of them */
        {"", -1},
        {" ", -1},
        {"-1", -1},
        {"+1", -1},
        {"1.5", -1},
        {"12 s", -1},
        {"soon", -1},
        {"20260102 03:04:35", -1}, /* what libcurl would take */
        {"Fri, 02 Jan 2026 03:04:35 GMT and something that is longer than any date", -1},
    };
    (void)state;
    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++)
        assert_int_equal(retry_after_parse(bytes_of_text(rows[i].text), NOW), rows[i].wait_ms);
}

static void a_nul_inside_is_no_date(void **state)
{
    (void)state;
    assert_int_equal(retry_after_parse(BYTES_LITERAL("Fri, 02 Jan 2026 03:04:35 GMT\0x"), NOW), -1);
    assert_int_equal(retry_after_parse((struct bytes){NULL, 0}, NOW), -1);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(each_form_of_the_header_is_read),
        cmocka_unit_test(a_nul_inside_is_no_date),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
