#include "bridge/base/utf8.h"

size_t utf8_sequence(const uint8_t *data, size_t len)
{
    if (len == 0)
        return 0;
    const uint8_t first = data[0];
    if (first < 0x80)
        return 1;
    if (first < 0xc2 || first > 0xf4)
        return 0;
    const size_t sequence = first < 0xe0 ? 2 : first < 0xf0 ? 3 : 4;
    if (sequence > len)
        return 0;
    /* No longer form than needed, no surrogate, nothing beyond U+10FFFF. */
    const uint8_t second_min = first == 0xe0 ? 0xa0 : first == 0xf0 ? 0x90 : 0x80;
    const uint8_t second_max = first == 0xed ? 0x9f : first == 0xf4 ? 0x8f : 0xbf;
    if (data[1] < second_min || data[1] > second_max)
        return 0;
    for (size_t i = 2; i < sequence; i++)
        if ((data[i] & 0xc0) != 0x80)
            return 0;
    return sequence;
}

uint32_t utf8_decode(const uint8_t *data, size_t len)
{
    if (len == 1)
        return data[0];
    uint32_t code_point = data[0] & (0x7fu >> len);
    for (size_t i = 1; i < len; i++)
        code_point = code_point << 6 | (data[i] & 0x3fu);
    return code_point;
}

size_t utf8_encode(uint32_t code_point, uint8_t ret[4])
{
    if (code_point < 0x80) {
        ret[0] = (uint8_t)code_point;
        return 1;
    }
    size_t len = code_point < 0x800 ? 2 : code_point < 0x10000 ? 3 : 4;
    for (size_t i = len - 1; i > 0; i--) {
        ret[i] = (uint8_t)(0x80 | (code_point & 0x3f));
        code_point >>= 6;
    }
    ret[0] = (uint8_t)((0xf00 >> len) | code_point);
    return len;
}
