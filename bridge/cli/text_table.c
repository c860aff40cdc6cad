#include "bridge/cli/text_table.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>

/* A row takes about two hundred bytes: a million subscriptions. */
static const size_t arena_max = (size_t)512 << 20;

static const size_t gap = 2;

void text_table_init(struct text_table *t, const char *const headings[], size_t columns)
{
    *t = (struct text_table){
        .arena = arena_new(arena_max), .headings = headings, .columns = columns};
    if (t->arena == NULL)
        t->status = STATUS_NOMEM;
}

void text_table_done(struct text_table *t)
{
    arena_free(t->arena);
    free(t->cells);
}

static bool grow(struct text_table *t)
{
    if (t->len < t->capacity)
        return true;
    size_t grown = t->capacity == 0 ? 256 : t->capacity * 2;
    void *moved = reallocarray(t->cells, grown, sizeof(*t->cells));
    if (moved == NULL)
        return false;
    t->cells = moved;
    t->capacity = grown;
    return true;
}

void text_table_add(struct text_table *t, enum text_colour colour, const char *format, ...)
{
    char text[512];
    va_list args;
    va_start(args, format);
    vsnprintf(text, sizeof(text), format, args);
    va_end(args);
    if (t->status != STATUS_OK)
        return;
    const char *copy = arena_dup(t->arena, bytes_of_text(text[0] == '\0' ? "-" : text));
    if (copy == NULL || !grow(t)) {
        t->status = STATUS_NOMEM;
        return;
    }
    t->cells[t->len++] = (struct text_cell){copy, colour};
}

const char *text_colour_begin(enum text_colour colour, bool with_colour)
{
    if (!with_colour)
        return "";
    switch (colour) {
    case TEXT_PLAIN:
        return "";
    case TEXT_FAINT:
        return "\033[2m";
    case TEXT_GREEN:
        return "\033[32m";
    case TEXT_YELLOW:
        return "\033[33m";
    case TEXT_RED:
        return "\033[31m";
    }
    return "";
}

const char *text_colour_end(enum text_colour colour, bool with_colour)
{
    return with_colour && colour != TEXT_PLAIN ? "\033[0m" : "";
}

static size_t width_of(const struct text_table *t, size_t column)
{
    size_t width = strlen(t->headings[column]);
    for (size_t i = column; i < t->len; i += t->columns) {
        size_t len = strlen(t->cells[i].text);
        width = len > width ? len : width;
    }
    return width;
}

static void print_cell(const struct text_table *t, size_t column, const struct text_cell *cell,
                       size_t width, bool with_colour, struct buf *ret)
{
    bool is_last = column + 1 == t->columns;
    buf_printf(ret, "%s%s%s", text_colour_begin(cell->colour, with_colour), cell->text,
               text_colour_end(cell->colour, with_colour));
    if (is_last)
        buf_append_text(ret, "\n");
    else
        buf_printf(ret, "%*s", (int)(width + gap - strlen(cell->text)), "");
}

void text_table_print(const struct text_table *t, bool with_colour, struct buf *ret)
{
    size_t *widths = calloc(t->columns, sizeof(*widths));
    if (widths == NULL || t->status != STATUS_OK) {
        free(widths);
        ret->status = STATUS_NOMEM;
        return;
    }
    for (size_t column = 0; column < t->columns; column++) {
        widths[column] = width_of(t, column);
        const struct text_cell heading = {t->headings[column], TEXT_FAINT};
        print_cell(t, column, &heading, widths[column], with_colour, ret);
    }
    for (size_t i = 0; i < t->len; i++)
        print_cell(t, i % t->columns, &t->cells[i], widths[i % t->columns], with_colour, ret);
    free(widths);
}
