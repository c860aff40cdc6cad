#include "bridge/spool/record_codec.h"

#include <assert.h>

#include "bridge/domain/murmur2.h"

enum {
    FORMAT = 1,
    CHECK_SIZE = 4,
    LENGTH_SIZE = 4,
    PREFIX_SIZE = CHECK_SIZE + 2, /* and the format, and the number of headers */
};

static const uint32_t length_none = UINT32_MAX;

size_t record_codec_payload(const struct record *r)
{
    size_t len = r->key.len + r->value.len;
    for (size_t i = 0; i < r->headers_len; i++)
        len += strlen(r->headers[i].name) + r->headers[i].value.len;
    return len;
}

/* --- writing -------------------------------------------------------------------------------- */

static size_t part_size(struct bytes part)
{
    return LENGTH_SIZE + part.len + 1;
}

static struct bytes reason_of(const struct record *r)
{
    return bytes_of_text(r->reason == DEAD_LETTER_NONE ? "" : dead_letter_reason_name(r->reason));
}

size_t record_codec_size(const struct record *r)
{
    size_t size = PREFIX_SIZE + part_size(reason_of(r)) + part_size(bytes_of_text(r->topic)) +
                  part_size(bytes_of_text(r->account)) + part_size(bytes_of_text(r->path)) +
                  part_size(r->key) + part_size(r->value);
    for (size_t i = 0; i < r->headers_len; i++)
        size += part_size(bytes_of_text(r->headers[i].name)) + part_size(r->headers[i].value);
    return size;
}

static void put_u32(uint8_t *to, uint32_t value)
{
    for (int i = 0; i < 4; i++)
        to[i] = (uint8_t)(value >> (8 * i));
}

static void put_part(struct buf *b, struct bytes part)
{
    uint8_t length[LENGTH_SIZE];
    assert(part.len < length_none);
    put_u32(length, part.data == NULL ? length_none : (uint32_t)part.len);
    buf_append(b, length, sizeof(length));
    buf_append_bytes(b, part);
    buf_append(b, "", 1);
}

enum status record_codec_encode(const struct record *r, struct buf *ret)
{
    assert(r->value.data != NULL && r->headers_len <= RECORD_HEADERS_MAX);
    ret->len = 0;
    enum status status = buf_reserve(ret, record_codec_size(r));
    if (status != STATUS_OK)
        return status;
    const uint8_t prefix[PREFIX_SIZE] = {[CHECK_SIZE] = FORMAT, (uint8_t)r->headers_len};
    buf_append(ret, prefix, sizeof(prefix));
    put_part(ret, reason_of(r));
    put_part(ret, bytes_of_text(r->topic));
    put_part(ret, bytes_of_text(r->account));
    put_part(ret, bytes_of_text(r->path));
    put_part(ret, r->key);
    put_part(ret, r->value);
    for (size_t i = 0; i < r->headers_len; i++) {
        put_part(ret, bytes_of_text(r->headers[i].name));
        put_part(ret, r->headers[i].value);
    }
    assert(ret->status == STATUS_OK && ret->len == record_codec_size(r));
    put_u32(ret->data, murmur2(bytes_of(ret->data + CHECK_SIZE, ret->len - CHECK_SIZE)));
    return STATUS_OK;
}

/* --- reading -------------------------------------------------------------------------------- */

static uint32_t get_u32(const uint8_t *from)
{
    uint32_t value = 0;
    for (int i = 0; i < 4; i++)
        value |= (uint32_t)from[i] << (8 * i);
    return value;
}

struct reading {
    struct bytes rest;
    bool is_whole;
};

static struct bytes get_part(struct reading *r)
{
    uint32_t len = r->rest.len < LENGTH_SIZE ? 0 : get_u32(r->rest.data);
    size_t data_len = len == length_none ? 0 : len;
    if (r->rest.len <= LENGTH_SIZE || data_len > r->rest.len - LENGTH_SIZE - 1 ||
        r->rest.data[LENGTH_SIZE + data_len] != '\0') {
        *r = (struct reading){0};
        return (struct bytes){0};
    }
    const uint8_t *data = r->rest.data + LENGTH_SIZE;
    r->rest = bytes_of(data + data_len + 1, r->rest.len - LENGTH_SIZE - data_len - 1);
    return bytes_of(len == length_none ? NULL : data, data_len);
}

static const char *get_text(struct reading *r)
{
    struct bytes part = get_part(r);
    if (part.data != NULL && memchr(part.data, '\0', part.len) != NULL)
        r->is_whole = false;
    return (const char *)part.data;
}

static enum dead_letter_reason get_reason(struct reading *r)
{
    const char *name = get_text(r);
    if (name != NULL && name[0] == '\0')
        return DEAD_LETTER_NONE;
    for (int i = DEAD_LETTER_NONE + 1; name != NULL && i < DEAD_LETTER_REASONS; i++)
        if (strcmp(name, dead_letter_reason_name((enum dead_letter_reason)i)) == 0)
            return (enum dead_letter_reason)i;
    r->is_whole = false;
    return DEAD_LETTER_NONE;
}

/* Behind the prefix. */
static bool get_record(struct bytes encoded, struct record *ret)
{
    struct reading r = {.rest = encoded, .is_whole = true};
    ret->reason = get_reason(&r);
    ret->topic = get_text(&r);
    ret->account = get_text(&r);
    ret->path = get_text(&r);
    ret->key = get_part(&r);
    ret->value = get_part(&r);
    bool has_names = true;
    for (size_t i = 0; i < ret->headers_len && has_names; i++) {
        ret->headers[i].name = get_text(&r);
        ret->headers[i].value = get_part(&r);
        has_names = ret->headers[i].name != NULL;
    }
    return r.is_whole && r.rest.len == 0 && has_names && ret->topic != NULL &&
           ret->value.data != NULL;
}

enum status record_codec_decode(struct bytes encoded, struct record *ret, struct diag *diag)
{
    if (encoded.len < PREFIX_SIZE ||
        get_u32(encoded.data) !=
            murmur2(bytes_of(encoded.data + CHECK_SIZE, encoded.len - CHECK_SIZE)))
        return diag_set(diag, STATUS_INVALID, "the checksum differs");
    if (encoded.data[CHECK_SIZE] != FORMAT)
        return diag_set(diag, STATUS_INVALID, "format %u is not known", encoded.data[CHECK_SIZE]);
    struct record r = {.headers_len = encoded.data[CHECK_SIZE + 1]};
    if (r.headers_len > RECORD_HEADERS_MAX ||
        !get_record(bytes_of(encoded.data + PREFIX_SIZE, encoded.len - PREFIX_SIZE), &r))
        return diag_set(diag, STATUS_INVALID, "it is no record, though its checksum is right");
    *ret = r;
    return STATUS_OK;
}
