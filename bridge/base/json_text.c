#include "bridge/base/json_text.h"

/* The length of the well-formed UTF-8 sequence at data, 0 if there is none. Source: RFC 3629
 * section 4. */
static size_t utf8_sequence(const uint8_t *data, size_t len)
{
    static const struct {
        uint8_t first_min, first_max, second_min, second_max;
        size_t len;
    } rows[] = {
        {0x00, 0x7f, 0x00, 0x00, 1}, {0xc2, 0xdf, 0x80, 0xbf, 2}, {0xe0, 0xe0, 0xa0, 0xbf, 3},
        {0xe1, 0xec, 0x80, 0xbf, 3}, {0xed, 0xed, 0x80, 0x9f, 3}, {0xee, 0xef, 0x80, 0xbf, 3},
        {0xf0, 0xf0, 0x90, 0xbf, 4}, {0xf1, 0xf3, 0x80, 0xbf, 4}, {0xf4, 0xf4, 0x80, 0x8f, 4},
    };
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

static void append_ascii(struct buf *b, uint8_t c)
{
    switch (c) {
    case '"':
        buf_append_text(b, "\\\"");
        return;
    case '\\':
        buf_append_text(b, "\\\\");
        return;
    case '\n':
        buf_append_text(b, "\\n");
        return;
    case '\r':
        buf_append_text(b, "\\r");
        return;
    case '\t':
        buf_append_text(b, "\\t");
        return;
    default:
        if (c < 0x20 || c == 0x7f)
            buf_printf(b, "\\u%04x", c);
        else
            buf_append(b, &c, 1);
    }
}

void json_text_string(struct buf *b, struct bytes text)
{
    buf_append_text(b, "\"");
    for (size_t at = 0; at < text.len;) {
        size_t len = utf8_sequence(text.data + at, text.len - at);
        if (len == 1)
            append_ascii(b, text.data[at]);
        else if (len > 1)
            buf_append(b, text.data + at, len);
        else
            buf_append_text(b, "\\ufffd");
        at += len == 0 ? 1 : len;
    }
    buf_append_text(b, "\"");
}
