/* Follows a log file that is being written, line by line. */
#pragma once

#include <sys/types.h>

#include "bridge/base/buf.h"

struct log_tail {
    int fd;     /* borrowed */
    off_t next; /* where the next line begins */
};

/* Replaces *line's content by the next line, without its newline; one beyond *line's maximum is cut
 * short. Returns false when there is none yet that is whole.
 */
bool log_tail_next(struct log_tail *t, struct buf *line);
