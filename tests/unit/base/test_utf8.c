#include "bridge/base/utf8.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdbool.h>
#include <string.h>

#include <cmocka.h>

/* What is well-formed is what a code point is written as, surrogates apart: RFC 3629, section 3. */
static bool is_written_so(const uint8_t *data, size_t len)
{
    uint8_t again[4];
    if (data[0] >= 0x80 && data[0] < 0xc0)
        return false;
    uint32_t code_point = utf8_decode(data, len);
    bool is_surrogate = code_point >= 0xd800 && code_point <= 0xdfff;
    return code_point < 0x110000 && !is_surrogate && utf8_encode(code_point, again) == len &&
           memcmp(again, data, len) == 0;
}

static size_t expected(const uint8_t data[4])
{
    for (size_t len = 1; len <= 4; len++)
        if ((len > 1 || data[0] < 0x80) && is_written_so(data, len))
            return len;
    return 0;
}

static void exactly_what_code_points_are_written_as_is_a_sequence(void **state)
{
    (void)state;
    static const uint8_t edges[] = {0x00, 0x22, 0x7f, 0x80, 0x8f, 0x90, 0x9f,
                                    0xa0, 0xbf, 0xc0, 0xe0, 0xf0, 0xff};
    const size_t n = sizeof(edges);
    for (unsigned first = 0; first < 256; first++) {
        for (size_t i = 0; i < n * n * n; i++) {
            const uint8_t data[4] = {(uint8_t)first, edges[i % n], edges[i / n % n],
                                     edges[i / n / n]};
            size_t len = expected(data);
            assert_int_equal(utf8_sequence(data, 4), len);
            for (size_t cut = 0; cut < 4; cut++)
                assert_int_equal(utf8_sequence(data, cut), len <= cut ? len : 0);
        }
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(exactly_what_code_points_are_written_as_is_a_sequence),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
