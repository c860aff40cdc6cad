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

enum store_table {
    STORE_RECORDS = 0,
    STORE_DAMAGED, /* what was set aside: every row of it is damage */
};

struct store_range {
    enum store_table table;
    int64_t after;    /* the first sequence is above it */
    size_t max;       /* records */
    size_t max_bytes; /* of keys, values and headers; one record is read though it be longer */
};

/* A row that is there and cannot be trusted. */
struct store_damage {
    int64_t sequence;
    int64_t stored_at_unix_ms;
    struct bytes raw; /* in the arena; NULL: there is none */
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
 * that checkpoints are not kept waiting. Errors: STATUS_INVALID the database is damaged, *ret has
 * what came before; STATUS_UNAVAILABLE the disk; STATUS_NOMEM not even one record fits. */
enum status store_reader_read(struct store_reader *r, const struct store_range *range,
                              struct arena *a, struct store_page *ret, struct diag *diag)
    MUST_CHECK;

/* Whether the disk failed to read since the reader was opened: connection_met_error(). */
bool store_reader_met_error(const struct store_reader *r);

/* The least sequence behind `after`, as found by trying, after which a damaged database can be read
 * again; INT64_MAX: there is none. */
int64_t store_reader_skip(struct store_reader *r, enum store_table table, int64_t after);

struct store_topic {
    const char *name;
    uint64_t records, bytes;
    int64_t oldest_unix_ms, newest_unix_ms; /* of storing */
};

/* What is in the spool, told by the columns beside the records. */
struct store_survey {
    struct store_topic *topics; /* in the arena, by name */
    size_t topics_len;
    struct store_topic all; /* without a name; without records its times are 0 */
    uint64_t damaged;       /* rows set aside */
};

/* Errors: as store_reader_read(); STATUS_INVALID *ret has what came before. */
enum status store_reader_survey(struct store_reader *r, struct arena *a, struct store_survey *ret,
                                struct diag *diag) MUST_CHECK;
