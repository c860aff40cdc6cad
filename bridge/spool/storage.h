/* The spool's directory: whose it is, and the life of the database in it: made, opened, moved
 * aside.
 *
 *     spool.lock                            held as long as the process uses the directory
 *     spool.db, spool.db-wal, spool.db-shm  the database
 *     spool.db.new                          while it is made; then it is renamed, whole
 *     spool.db.damaged-20261231T235959Z     and its -wal: moved aside, for a person to look at
 */
#pragma once

#include "bridge/spool/store.h"

#define STORAGE_DATABASE "spool.db"

struct storage {
    char *directory;
    char *database; /* its path */
    int directory_fd;
    int lock_fd;
};

/* Takes the directory.
 * Owns:   the caller ends *ret with storage_done(), also after an error.
 * Errors: STATUS_INVALID it cannot be used, or another process has it; STATUS_NOMEM. */
enum status storage_init(struct storage *ret, const char *directory, struct diag *diag) MUST_CHECK;
void storage_done(struct storage *s);

/* A database that was moved aside. */
struct storage_damage {
    bool is_moved;
    char name[64]; /* its file */
    struct diag why;
};

/* Opens the database; makes one if there is none. One that is damaged, or is said to be, is moved
 * aside first: *ret_damage says so. A new one begins with next_sequence. No connection is open yet.
 *
 * Owns, errors: as store_open(); STATUS_INVALID does not occur. */
enum status storage_open(struct storage *s, const struct store_limits *limits,
                         int64_t next_sequence, const struct diag *known_damage, struct store **ret,
                         struct storage_damage *ret_damage, struct diag *diag) MUST_CHECK;

/* After a failed write the page cache may hold what the disk does not: it is dropped, so that what
 * is read next is the truth. No connection is open. */
void storage_forget_cache(const struct storage *s);
