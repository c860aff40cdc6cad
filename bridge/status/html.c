#include "bridge/status/html.h"

#include "bridge/base/distance.h"
#include "bridge/base/timestamp.h"
#include "bridge/base/utf8.h"

static void append_ascii(struct buf *b, uint8_t c)
{
    switch (c) {
    case '&':
        buf_append_text(b, "&amp;");
        return;
    case '<':
        buf_append_text(b, "&lt;");
        return;
    case '>':
        buf_append_text(b, "&gt;");
        return;
    case '"':
        buf_append_text(b, "&quot;");
        return;
    case '\'':
        buf_append_text(b, "&#39;");
        return;
    default:
        if (c < 0x20 || c == 0x7f)
            buf_append_text(b, UTF8_REPLACEMENT);
        else
            buf_append(b, &c, 1);
    }
}

/* C1 controls are well-formed UTF-8, and nothing a person can read. */
static bool is_control(const uint8_t *data, size_t len)
{
    uint32_t code_point = utf8_decode(data, len);
    return code_point >= 0x80 && code_point < 0xa0;
}

void html_text(struct buf *b, const char *text)
{
    struct bytes bytes = bytes_of_text(text);
    for (size_t at = 0; at < bytes.len;) {
        size_t len = utf8_sequence(bytes.data + at, bytes.len - at);
        if (len == 1)
            append_ascii(b, bytes.data[at]);
        else if (len > 1 && !is_control(bytes.data + at, len))
            buf_append(b, bytes.data + at, len);
        else
            buf_append_text(b, UTF8_REPLACEMENT);
        at += len == 0 ? 1 : len;
    }
}

void html_query_value(struct buf *b, const char *text)
{
    static const char unreserved[] = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ"
                                     "0123456789-._~";
    for (; *text != '\0'; text++) {
        if (strchr(unreserved, *text) != NULL)
            buf_append(b, text, 1);
        else
            buf_printf(b, "%%%02X", (unsigned)(uint8_t)*text);
    }
}

void html_distance(struct buf *b, int64_t unix_ms, int64_t now_unix_ms)
{
    char instant[TIMESTAMP_SIZE], distance[DISTANCE_TEXT_SIZE];
    if (unix_ms == 0) {
        buf_append_text(b, "never");
        return;
    }
    timestamp_format(unix_ms, instant);
    distance_text(unix_ms, now_unix_ms, distance);
    buf_printf(b, "<time datetime=\"%s\" title=\"%s\">%s</time>", instant, instant, distance);
}
