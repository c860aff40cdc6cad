/* The files and directories a configuration was made of, so that a change of any of them is seen.
 */
#pragma once

#include "bridge/base/bytes.h"
#include "bridge/base/status.h"

struct paths {
    const char **items; /* each once, in the order of reading; some may not exist */
    size_t len;
    size_t capacity;
    size_t *slots; /* a hash table of indexes + 1 into items */
    size_t slots_len;
    enum status status; /* STATUS_NOMEM: the list is not whole */
};

void paths_init(struct paths *p);
void paths_done(struct paths *p);

/* Adds a copy, unless it is there. Errors are in p->status. */
void paths_add(struct paths *p, const char *path);
