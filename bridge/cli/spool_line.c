#include "bridge/cli/spool_line.h"

#include "bridge/base/json_text.h"
#include "bridge/base/timestamp.h"
#include "bridge/base/utf8.h"

static bool is_utf8(struct bytes bytes)
{
    for (size_t at = 0, len = 0; at < bytes.len; at += len) {
        len = utf8_sequence(bytes.data + at, bytes.len - at);
        if (len == 0)
            return false;
    }
    return true;
}

/* Source: RFC 4648 section 4. */
static void append_base64(struct buf *ret, struct bytes bytes)
{
    static const char digits[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    for (size_t at = 0; at < bytes.len; at += 3) {
        size_t len = bytes.len - at < 3 ? bytes.len - at : 3;
        uint32_t group = (uint32_t)bytes.data[at] << 16;
        group |= len > 1 ? (uint32_t)bytes.data[at + 1] << 8 : 0;
        group |= len > 2 ? (uint32_t)bytes.data[at + 2] : 0;
        char text[4] = {digits[group >> 18], digits[group >> 12 & 63], '=', '='};
        if (len > 1)
            text[2] = digits[group >> 6 & 63];
        if (len > 2)
            text[3] = digits[group & 63];
        buf_append(ret, text, sizeof(text));
    }
}

void spool_line_bytes(struct buf *ret, const char *name, struct bytes bytes)
{
    if (bytes.data == NULL)
        return;
    if (is_utf8(bytes)) {
        buf_printf(ret, ",\"%s\":", name);
        json_text_string(ret, bytes);
        return;
    }
    buf_printf(ret, ",\"%s_base64\":\"", name);
    append_base64(ret, bytes);
    buf_append_text(ret, "\"");
}

void spool_line_instant(struct buf *ret, const char *name, int64_t unix_ms)
{
    char text[TIMESTAMP_SIZE];
    timestamp_format(unix_ms, text);
    buf_printf(ret, ",\"%s\":\"%s\"", name, text);
}

static void append_headers(struct buf *ret, const struct record *r)
{
    buf_append_text(ret, ",\"headers\":[");
    for (size_t i = 0; i < r->headers_len; i++) {
        buf_append_text(ret, i == 0 ? "{\"name\":" : ",{\"name\":");
        json_text_string(ret, bytes_of_text(r->headers[i].name));
        spool_line_bytes(ret, "value", r->headers[i].value);
        buf_append_text(ret, "}");
    }
    buf_append_text(ret, "]");
}

void spool_line_record(const struct spooled_record *spooled, struct buf *ret)
{
    const struct record *r = &spooled->record;
    buf_printf(ret, "{\"sequence\":%lld", (long long)spooled->sequence);
    spool_line_instant(ret, "stored_at", spooled->stored_at_unix_ms);
    spool_line_bytes(ret, "topic", bytes_of_text(r->topic));
    spool_line_bytes(ret, "key", r->key);
    spool_line_bytes(ret, "value", r->value);
    append_headers(ret, r);
    if (r->reason != DEAD_LETTER_NONE)
        spool_line_bytes(ret, "reason", bytes_of_text(dead_letter_reason_name(r->reason)));
    spool_line_bytes(ret, "account", bytes_of_text(r->account));
    spool_line_bytes(ret, "path", bytes_of_text(r->path));
    buf_append_text(ret, "}\n");
}

void spool_line_damage(const struct store_damage *damage, struct buf *ret)
{
    buf_printf(ret, "{\"sequence\":%lld", (long long)damage->sequence);
    spool_line_instant(ret, "stored_at", damage->stored_at_unix_ms);
    spool_line_bytes(ret, "unreadable", bytes_of_text(damage->diag.text));
    buf_append_text(ret, ",\"raw_base64\":\"");
    append_base64(ret, damage->raw);
    buf_append_text(ret, "\"}\n");
}
