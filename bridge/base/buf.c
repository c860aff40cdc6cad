#include "bridge/base/buf.h"

#include <assert.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>

#include "bridge/base/crypto.h"

void buf_init(struct buf *b, size_t max)
{
    assert(max < SIZE_MAX); /* a NUL comes behind it */
    *b = (struct buf){.max = max};
}

void buf_done(struct buf *b)
{
    free(b->data);
    *b = (struct buf){.max = b->max};
}

enum status buf_reserve(struct buf *b, size_t capacity)
{
    if (capacity > b->max)
        return STATUS_INVALID;
    if (capacity < b->capacity)
        return STATUS_OK;

    uint8_t *data = realloc(b->data, capacity + 1);
    if (data == NULL)
        return STATUS_NOMEM;
    data[b->len] = '\0';
    b->data = data;
    b->capacity = capacity + 1;
    return STATUS_OK;
}

void buf_wipe_done(struct buf *b)
{
    if (b->data != NULL)
        crypto_wipe(b->data, b->capacity);
    buf_done(b);
}

/* The least that growing makes room for. */
static const size_t growth_min = 128;

/* Makes room for `more` bytes, doubling so that n appends cost O(n). */
static enum status buf_grow(struct buf *b, size_t more)
{
    if (b->len > b->max || more > b->max - b->len)
        return STATUS_INVALID;

    size_t needed = b->len + more;
    if (needed < b->capacity)
        return STATUS_OK;
    size_t doubled = b->capacity < growth_min / 2 ? growth_min : b->capacity * 2;
    if (b->capacity > b->max / 2 || doubled > b->max)
        doubled = b->max;
    return buf_reserve(b, doubled > needed ? doubled : needed);
}

void buf_append(struct buf *b, const void *data, size_t len)
{
    if (b->status != STATUS_OK)
        return;
    b->status = buf_grow(b, len);
    if (b->status != STATUS_OK || len == 0)
        return;
    memcpy(b->data + b->len, data, len);
    b->len += len;
    b->data[b->len] = '\0';
}

void buf_append_bytes(struct buf *b, struct bytes bytes)
{
    buf_append(b, bytes.data, bytes.len);
}

void buf_append_text(struct buf *b, const char *text)
{
    buf_append(b, text, strlen(text));
}

void buf_printf(struct buf *b, const char *format, ...)
{
    if (b->status != STATUS_OK)
        return;

    va_list args;
    va_start(args, format);
    int len = vsnprintf(NULL, 0, format, args);
    va_end(args);
    b->status = len < 0 ? STATUS_INTERNAL : buf_grow(b, (size_t)len);
    if (b->status != STATUS_OK)
        return;

    va_start(args, format);
    vsnprintf((char *)b->data + b->len, (size_t)len + 1, format, args);
    va_end(args);
    b->len += (size_t)len;
}

struct bytes buf_bytes(const struct buf *b)
{
    return bytes_of(b->data == NULL ? (const uint8_t *)"" : b->data, b->len);
}

const char *buf_text(const struct buf *b)
{
    return b->data == NULL ? "" : (const char *)b->data;
}
