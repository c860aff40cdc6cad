/* Reading the spool in order, beside the writer: in the same process, or in another (`spool list`).
 */
#pragma once

#include "bridge/base/arena.h"
#include "bridge/spool/spool.h"

struct store_reader;

/* Opens the database read-only.
 * Owns:   on STATUS_OK the caller ends *ret with store_reader_close().
 * Errors: STATUS_INVALID it is none of ours, or damaged; STATUS_UNAVAILABLE the disk; STATUS_NOMEM.
 * Thread: one at a time uses it. */
enum status store_reader_open(const char *path, struct store_reader **ret, struct diag *diag)
    MUST_CHECK;
void store_reader_close(struct store_reader *r);

struct store_range {
    int64_t after;    /* the first sequence is above it */
    size_t max;       /* records */
    size_t max_bytes; /* of keys, values and headers; one record is read though it be longer */
};

/* A row that is there and cannot be trusted. */
struct store_damage {
    int64_t sequence;
    struct diag diag;
};

/* What was read. */
struct store_page {
    struct spooled_record *records; /* in the arena, in order */
    size_t len;
    struct store_damage damage; /* the row behind the records, where reading stopped; 0: none */
    bool is_at_end;             /* there was nothing behind the records */
};

/* Reads as much of the range as the arena holds. It holds a snapshot no longer than it runs, so
 * that checkpoints are not kept waiting. Errors: STATUS_INVALID the database is damaged;
 * STATUS_UNAVAILABLE the disk; STATUS_NOMEM not even one record fits. */
enum status store_reader_read(struct store_reader *r, const struct store_range *range,
                              struct arena *a, struct store_page *ret, struct diag *diag)
    MUST_CHECK;
