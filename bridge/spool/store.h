/* The spool's tables: what the writer thread does with its connection.
 *
 *     record: sequence (the key), stored_at_unix_ms, size (what the quota counts), topic, record
 *     damaged: the same, of rows whose checksum is wrong
 *     totals: one row: next_sequence, records, bytes; written in every transaction, so that opening
 *             counts nothing
 */
#pragma once

#include "bridge/base/bytes.h"
#include "bridge/base/diag.h"

struct store;

struct store_totals {
    uint64_t records;
    uint64_t bytes;
    int64_t next_sequence; /* larger than that of any record ever stored */
};

/* Makes the tables in an empty file that exists, durably; nothing but this file is left.
 * Errors: as store_begin(). */
enum status store_create(const char *path, int64_t next_sequence, struct diag *diag) MUST_CHECK;

struct store_limits {
    uint64_t file_bytes; /* of the database, without its log */
    uint64_t log_bytes;  /* to which the log is cut when it begins anew */
    int check_ms;        /* that quick_check may take */
};

/* Opens the database, and proves what can be proved in the time: that it is ours, the totals, the
 * ends of the table, and as much as quick_check comes to.
 *
 * Owns:   on STATUS_OK the caller ends *ret with store_close().
 * Errors: STATUS_INVALID it is damaged, or of a layout that is not known. Else as store_begin(). */
enum status store_open(const char *path, const struct store_limits *limits, struct store **ret,
                       struct diag *diag) MUST_CHECK;

/* Leaves the log as it is; store_close(NULL) is fine. */
void store_close(struct store *st);

/* As of the last commit. */
const struct store_totals *store_totals(const struct store *st);

/* A transaction: begin, then any number of inserts and deletes, then commit or rollback.
 *
 * Errors of all four: STATUS_NOMEM, STATUS_BUSY there is no room: neither is a reason to doubt the
 *         database, until it is a commit that failed. STATUS_UNAVAILABLE the disk failed, and
 *         STATUS_INVALID the database is damaged: it is closed, opened and checked again.
 * Source: fsync errors are reported once and the pages then count as clean, so that a commit tried
 *         again would succeed without its data: Rebello et al., "Can Applications Recover from
 * fsync Failures?", USENIX ATC 2020. */
enum status store_begin(struct store *st, struct diag *diag) MUST_CHECK;

/* Stores one record; *ret_sequence is its number. */
enum status store_insert(struct store *st, int64_t stored_at_unix_ms, size_t size,
                         const char *topic, struct bytes record, int64_t *ret_sequence,
                         struct diag *diag) MUST_CHECK;

/* *ret_was_there: it is no error if it was not. */
enum status store_delete(struct store *st, int64_t sequence, bool *ret_was_there, struct diag *diag)
    MUST_CHECK;

/* Moves a row that cannot be trusted into the table `damaged`, where nothing reads it. */
enum status store_set_aside(struct store *st, int64_t sequence, bool *ret_was_there,
                            struct diag *diag) MUST_CHECK;

enum status store_commit(struct store *st, struct diag *diag) MUST_CHECK;
void store_rollback(struct store *st);

/* The log's length, as of the last commit or checkpoint. */
uint64_t store_log_bytes(const struct store *st);

/* Moves the log's pages into the database: as far as readers let it, or whole, with the log cut to
 * nothing, which may have to wait for them a moment. Errors: as store_begin(). */
enum status store_checkpoint(struct store *st, bool is_whole, struct diag *diag) MUST_CHECK;

/* Gives the room of deleted records back to the disk, once there are no others. Errors: as
 * store_begin(). */
enum status store_shrink(struct store *st, struct diag *diag) MUST_CHECK;
