#include "bridge/cli/progress_line.h"

#include <stdio.h>
#include <unistd.h>

void progress_line_draw(void *ctx, size_t done, size_t all)
{
    struct progress_line *p = ctx;
    if (all == 0 || isatty(STDERR_FILENO) != 1)
        return;
    fprintf(stderr, "\r\033[K%zu of %zu %s", done, all, p->what);
    fflush(stderr);
    p->is_drawn = true;
}

void progress_line_clear(struct progress_line *p)
{
    if (!p->is_drawn)
        return;
    fputs("\r\033[K", stderr);
    fflush(stderr);
    p->is_drawn = false;
}
