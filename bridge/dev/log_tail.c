#include "bridge/dev/log_tail.h"

#include <unistd.h>

bool log_tail_next(struct log_tail *t, struct buf *line)
{
    off_t at = t->next;
    line->len = 0;
    line->status = STATUS_OK;
    for (;;) {
        char chunk[1024];
        ssize_t n = pread(t->fd, chunk, sizeof(chunk), at);
        if (n <= 0)
            return false;
        const char *end = memchr(chunk, '\n', (size_t)n);
        buf_append(line, chunk, end == NULL ? (size_t)n : (size_t)(end - chunk));
        at += end == NULL ? n : end - chunk + 1;
        if (end != NULL) {
            t->next = at;
            return true;
        }
    }
}
