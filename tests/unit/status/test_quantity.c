#include "bridge/status/quantity.h"

#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#define DASH "\xe2\x80\x93"

static void a_number_is_written_for_people(void **state)
{
    static const struct {
        double value;
        enum quantity quantity;
        const char *text;
    } rows[] = {
        {0, QUANTITY_COUNT, "0"},
        {7, QUANTITY_COUNT, "7"},
        {999, QUANTITY_COUNT, "999"},
        {1000, QUANTITY_COUNT, "1,000"},
        {1234567, QUANTITY_COUNT, "1,234,567"},
        {0.02, QUANTITY_PER_SECOND, "<0.1/s"}, /* not 0, which would be a lie */
        {0.4, QUANTITY_PER_SECOND, "0.4/s"},
        {9.96, QUANTITY_PER_SECOND, "10/s"},
        {12.3, QUANTITY_PER_MINUTE, "12/min"},
        {0.0025, QUANTITY_SECONDS, "2.5 ms"},
        {0.9994, QUANTITY_SECONDS, "999 ms"},
        {0.9999, QUANTITY_SECONDS, "1 s"},
        {2.5, QUANTITY_SECONDS, "2.5 s"},
        {1023, QUANTITY_BYTES, "1,023 B"},
        {1536, QUANTITY_BYTES, "1.5 KiB"},
        {1073741824, QUANTITY_BYTES, "1 GiB"},
        {364.99, QUANTITY_DAYS, "364 d"}, /* full days */
        {0.5, QUANTITY_DAYS, "0.5 d"},
        {(double)INFINITY, QUANTITY_DAYS, "never"},
        {(double)NAN, QUANTITY_COUNT, DASH}, /* not known */
        {(double)INFINITY, QUANTITY_BYTES, DASH},
        {-1, QUANTITY_COUNT, DASH},
    };
    (void)state;
    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        char text[QUANTITY_TEXT_SIZE];
        quantity_text(rows[i].value, rows[i].quantity, text);
        assert_string_equal(text, rows[i].text);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_number_is_written_for_people),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
