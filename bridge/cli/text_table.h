/* A table for people: columns as wide as their widest cell. */
#pragma once

#include "bridge/base/arena.h"
#include "bridge/base/buf.h"

enum text_colour {
    TEXT_PLAIN = 0,
    TEXT_FAINT,
    TEXT_GREEN,
    TEXT_YELLOW,
    TEXT_RED,
};

struct text_cell {
    const char *text;
    enum text_colour colour;
};

struct text_table {
    struct arena *arena; /* NULL: memory was short */
    const char *const *headings;
    size_t columns;
    struct text_cell *cells; /* row by row */
    size_t len;
    size_t capacity;
    enum status status; /* the first failure */
};

/* headings, of as many columns, are borrowed. */
void text_table_init(struct text_table *t, const char *const headings[], size_t columns);
void text_table_done(struct text_table *t);

/* The next cell, row by row; the text is copied. An empty one is shown as "-". Errors: t->status.
 */
void text_table_add(struct text_table *t, enum text_colour colour, const char *format, ...)
    __attribute__((format(printf, 3, 4)));

/* Appends the headings and the rows, a line each, without blanks at its end. Errors: ret->status.
 */
void text_table_print(const struct text_table *t, bool with_colour, struct buf *ret);

/* How a text begins and ends in this colour; "" without. Static. */
const char *text_colour_begin(enum text_colour colour, bool with_colour);
const char *text_colour_end(enum text_colour colour, bool with_colour);
