/* How far a command has come: one line that is drawn over and over, for people only. */
#pragma once

#include <stdbool.h>
#include <stddef.h>

/* All zero: nothing is drawn yet. */
struct progress_line {
    const char *what; /* "accounts planned" */
    bool is_drawn;
};

/* Draws it on stderr, unless that is no terminal. ctx is the struct progress_line. */
void progress_line_draw(void *ctx, size_t done, size_t all);

/* Takes it away. */
void progress_line_clear(struct progress_line *p);
