/* A growing buffer with a maximum: everything a stranger can grow has one. */
#pragma once

#include "bridge/base/bytes.h"
#include "bridge/base/status.h"

struct buf {
    uint8_t
        *data; /* always followed by a NUL that len does not count, once anything was appended */
    size_t len;
    size_t capacity;
    size_t max; /* bytes; appending beyond it fails */
    enum status
        status; /* the first failure of buf_append and its kin; later calls then do nothing */
};

void buf_init(struct buf *b, size_t max);
void buf_done(struct buf *b);

/* As buf_done(), and overwrites first. Growing leaves copies behind: buf_reserve() before. */
void buf_wipe_done(struct buf *b);

/* Reserves room for at least this many bytes in all, within the maximum.
 * Errors: STATUS_INVALID beyond the maximum, STATUS_NOMEM; the content stays.
 */
enum status buf_reserve(struct buf *b, size_t capacity) MUST_CHECK;

/* Appends; after a failure b->status says which (STATUS_INVALID: beyond the maximum, STATUS_NOMEM)
 * and the content holds what came before it. A writer of many pieces checks b->status once, at the
 * end.
 */
void buf_append(struct buf *b, const void *data, size_t len);
void buf_append_bytes(struct buf *b, struct bytes bytes);
void buf_append_text(struct buf *b, const char *text);
void buf_printf(struct buf *b, const char *format, ...) __attribute__((format(printf, 2, 3)));

/* The content, borrowed until the next change. */
struct bytes buf_bytes(const struct buf *b);

/* The content as a NUL-terminated string, borrowed until the next change; "" when empty. */
const char *buf_text(const struct buf *b);
