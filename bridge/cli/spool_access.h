/* What the commands that look into the spool share: which database it is, and how their failures
 * are told. */
#pragma once

#include "bridge/cli/command.h"
#include "bridge/spool/store_reader.h"

struct spool_access {
    const char *command; /* "spool list" */
    char *path;
    struct store_reader *reader;
};

/* Opens the database that --file names, or the one in spool.directory of the configuration. Says on
 * stderr why it cannot be.
 * Owns:   the caller ends *ret with spool_access_done(), also after an error. */
enum exit_code spool_access_init(const struct invocation *in, const char *command,
                                 struct spool_access *ret);
void spool_access_done(struct spool_access *x);

/* Says on stderr what failed; returns its exit code. */
enum exit_code spool_access_fail(const struct spool_access *x, enum status status,
                                 const struct diag *diag);

/* --limit N as a number; absent: what is passed. Says on stderr that it is none. */
enum exit_code spool_access_limit(const struct invocation *in, const char *command, size_t absent,
                                  size_t *ret);
