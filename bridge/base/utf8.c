#include "bridge/base/utf8.h"

size_t utf8_sequence(const uint8_t *data, size_t len)
{
    static const struct {
        uint8_t first_min, first_max, second_min, second_max;
        size_t len;
    } rows[] = {
        {0x00, 0x7f, 0x00, 0x00, 1}, {0xc2, 0xdf, 0x80, 0xbf, 2}, {0xe0, 0xe0, 0xa0, 0xbf, 3},
        {0xe1, 0xec, 0x80, 0xbf, 3}, {0xed, 0xed, 0x80, 0x9f, 3}, {0xee, 0xef, 0x80, 0xbf, 3},
        {0xf0, 0xf0, 0x90, 0xbf, 4}, {0xf1, 0xf3, 0x80, 0xbf, 4}, {0xf4, 0xf4, 0x80, 0x8f, 4},
    };
    if (len == 0)
        return 0;
    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        if (data[0] < rows[i].first_min || data[0] > rows[i].first_max)
            continue;
        if (rows[i].len > len)
            return 0;
        if (rows[i].len > 1 && (data[1] < rows[i].second_min || data[1] > rows[i].second_max))
            return 0;
        for (size_t k = 2; k < rows[i].len; k++)
            if ((data[k] & 0xc0) != 0x80)
                return 0;
        return rows[i].len;
    }
    return 0;
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
