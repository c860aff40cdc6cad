/* What a set of files looks like from outside: differs when one of them was changed or replaced. */
#pragma once

#include <stdint.h>

struct fingerprint {
    uint64_t hash; /* of every file's identity, size and times; contents are not read */
    int64_t changed_at_unix_ms; /* the last change of any of them; instants to come do not count */
};

#define FINGERPRINT_EMPTY ((struct fingerprint){0xcbf29ce484222325, INT64_MIN}) /* of FNV-1a */

/* Adds a file, or a directory with its entries but the hidden ones; symbolic links are followed. A
 * path that does not exist, or may not be looked at, is a look of its own. Paths are added in the
 * same order each time.
 */
void fingerprint_add(struct fingerprint *f, const char *path);

/* Adds only the instant when entries of this directory came or went. */
void fingerprint_add_directory_time(struct fingerprint *f, const char *path);
