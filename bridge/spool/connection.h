/* A connection to the spool's database, and what SQLite's codes mean to its callers. */
#pragma once

#include <sqlite3.h>
#include <stdbool.h>
#include <stdint.h>

#include "bridge/base/diag.h"

/* "mbsp", as PRAGMA application_id keeps it; and the layout of the tables. */
#define CONNECTION_APPLICATION_ID 0x6d627370
#define CONNECTION_LAYOUT_VERSION 1

enum connection_use {
    CONNECTION_WRITES, /* the one that does */
    CONNECTION_READS,  /* beside it, in the same process or in another */
};

/* Opens a database that exists. Nothing is read of it yet.
 * Owns:   on STATUS_OK the caller ends *ret with connection_close(). Thread: one at a time. */
enum status connection_open(const char *path, enum connection_use use, sqlite3 **ret,
                            struct diag *diag) MUST_CHECK;

/* Leaves the write-ahead log as it is: after a failure what is in it has to be proved first. */
void connection_close(sqlite3 *db);

/* Whether the disk failed to read or write since it was opened: what SQLite calls damage may then
 * be none. Source: SQLite 3.40 src/os_unix.c, unixRead(): EIO becomes SQLITE_IOERR_CORRUPTFS;
 * src/vdbe.c, abort_due_to_error: that becomes SQLITE_CORRUPT. */
bool connection_met_error(sqlite3 *db);

/* The last failure of this connection as a status; diag says what was tried, and SQLite's message.
 *
 * STATUS_NOMEM; STATUS_BUSY no room on the disk, or max_page_count is met: the transaction is
 * undone; STATUS_INVALID the file is damaged, or no database; STATUS_UNAVAILABLE the disk, or
 * somebody else's lock. */
enum status connection_fail(sqlite3 *db, const char *doing, struct diag *diag);

/* One or more statements without results of interest. Errors: as connection_fail(). */
enum status connection_exec(sqlite3 *db, const char *sql, struct diag *diag) MUST_CHECK;

/* Owns: the caller ends *ret with sqlite3_finalize(). Errors: as connection_fail(). */
enum status connection_prepare(sqlite3 *db, const char *sql, sqlite3_stmt **ret, struct diag *diag)
    MUST_CHECK;

/* The first column of the first row; 0 if there is none. Errors: as connection_fail(). */
enum status connection_number(sqlite3 *db, const char *sql, int64_t *ret, struct diag *diag)
    MUST_CHECK;

/* That it is a spool's database, of a layout we know.
 * Errors: STATUS_INVALID it is not; else as connection_fail(). */
enum status connection_identify(sqlite3 *db, struct diag *diag) MUST_CHECK;
