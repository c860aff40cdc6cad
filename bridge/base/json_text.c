#include "bridge/base/json_text.h"

#include "bridge/base/timestamp.h"
#include "bridge/base/utf8.h"

static void append_escaped(struct buf *b, uint8_t c)
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
        buf_printf(b, "\\u%04x", c);
    }
}

/* How much of the text from there on stands in a JSON string as it is. */
static size_t plain_len(struct bytes text, size_t from)
{
    size_t at = from;
    for (; at < text.len; at++)
        if (text.data[at] < 0x20 || text.data[at] >= 0x7f || text.data[at] == '"' ||
            text.data[at] == '\\')
            break;
    return at - from;
}

void json_text_string(struct buf *b, struct bytes text)
{
    buf_append_text(b, "\"");
    for (size_t at = 0; at < text.len;) {
        size_t plain = plain_len(text, at);
        if (plain > 0) {
            buf_append(b, text.data + at, plain);
            at += plain;
            continue;
        }
        size_t len = utf8_sequence(text.data + at, text.len - at);
        if (len == 1)
            append_escaped(b, text.data[at]);
        else if (len > 1)
            buf_append(b, text.data + at, len);
        else
            buf_append_text(b, "\\ufffd");
        at += len == 0 ? 1 : len;
    }
    buf_append_text(b, "\"");
}

void json_text_member(struct buf *b, const char *name, const char *text)
{
    if (text == NULL)
        return;
    buf_printf(b, ",\"%s\":", name);
    json_text_string(b, bytes_of_text(text));
}

void json_text_instant(struct buf *b, const char *name, int64_t unix_ms)
{
    char text[TIMESTAMP_SIZE];
    if (unix_ms == 0)
        return;
    timestamp_format(unix_ms, text);
    json_text_member(b, name, text);
}
