#include "bridge/settings/problems.h"

#include <stdio.h>
#include <stdlib.h>

#include "bridge/base/arena.h"
#include "bridge/base/json_text.h"

/* A path may be PATH_MAX long, a quoted value is cut; the rest is a sentence. */
#define TEXT_MAX 8192

void problems_init(struct problems *p)
{
    *p = (struct problems){0};
}

void problems_done(struct problems *p)
{
    arena_free(p->arena);
    free(p->items);
    problems_init(p);
}

static bool problems_grow(struct problems *p)
{
    if (p->arena == NULL)
        p->arena = arena_new(PROBLEMS_MAX * 3 * TEXT_MAX);
    if (p->arena == NULL)
        return false;
    if (p->len < p->capacity)
        return true;
    size_t capacity = p->capacity == 0 ? 16 : p->capacity * 2;
    struct problem *items = reallocarray(p->items, capacity, sizeof(*items));
    if (items == NULL)
        return false;
    p->items = items;
    p->capacity = capacity;
    return true;
}

/* Files of one run are few: the same name is kept once, so that its problems can be sorted by it.
 */
static const char *keep_file(struct problems *p, const char *file)
{
    for (size_t i = p->len; i > 0; i--)
        if (strcmp(p->items[i - 1].place.file, file) == 0)
            return p->items[i - 1].place.file;
    return arena_dup(p->arena, bytes_of_text(file));
}

/* A copy that is one line, whatever a file's author has put into it. */
static const char *keep_line(struct problems *p, const char *text)
{
    char *copy = arena_dup(p->arena, bytes_of_text(text));
    for (char *at = copy; at != NULL && *at != '\0'; at++)
        if ((unsigned char)*at < 0x20 || *at == 0x7f)
            *at = '?';
    return copy;
}

void problems_add(struct problems *p, enum problem_severity severity, struct place place,
                  const char *key, const char *format, ...)
{
    if (severity == PROBLEM_ERROR)
        p->errors++;
    else
        p->warnings++;
    if (p->len >= PROBLEMS_MAX)
        return;
    if (!problems_grow(p)) {
        p->status = STATUS_NOMEM;
        return;
    }

    char text[TEXT_MAX];
    va_list args;
    va_start(args, format);
    vsnprintf(text, sizeof(text), format, args);
    va_end(args);
    place.file = keep_file(p, place.file);
    struct problem problem = {severity, place, keep_line(p, key), keep_line(p, text)};
    if (place.file == NULL || problem.key == NULL || problem.text == NULL) {
        p->status = STATUS_NOMEM;
        return;
    }
    p->items[p->len++] = problem;
}

/* --- order --------------------------------------------------------------------------------- */

struct ranked {
    struct problem problem;
    size_t file_rank; /* the file's first problem's index */
    size_t index;
};

static int compare(uint64_t a, uint64_t b)
{
    return (a > b) - (a < b);
}

static int ranked_compare(const void *a, const void *b)
{
    const struct ranked *x = a, *y = b;
    int order = compare(x->file_rank, y->file_rank);
    if (order == 0)
        order = compare(x->problem.place.line, y->problem.place.line);
    if (order == 0)
        order = compare(x->problem.place.column, y->problem.place.column);
    return order == 0 ? compare(x->index, y->index) : order;
}

void problems_sort(struct problems *p)
{
    struct ranked *ranked = calloc(p->len + 1, sizeof(*ranked));
    if (ranked == NULL) {
        p->status = STATUS_NOMEM;
        return;
    }
    for (size_t i = 0; i < p->len; i++) {
        size_t rank = 0;
        while (p->items[rank].place.file != p->items[i].place.file)
            rank++;
        ranked[i] = (struct ranked){p->items[i], rank, i};
    }
    qsort(ranked, p->len, sizeof(*ranked), ranked_compare);
    for (size_t i = 0; i < p->len; i++)
        p->items[i] = ranked[i].problem;
    free(ranked);
}

/* --- output -------------------------------------------------------------------------------- */

static const char *severity_name(enum problem_severity severity)
{
    switch (severity) {
    case PROBLEM_ERROR:
        return "error";
    case PROBLEM_WARNING:
        return "warning";
    }
    return "error";
}

void problems_print(const struct problems *p, struct buf *ret)
{
    for (size_t i = 0; i < p->len; i++) {
        const struct problem *problem = &p->items[i];
        buf_printf(ret, "%s:%u:%u: %s%s: %s\n", problem->place.file, problem->place.line,
                   problem->place.column,
                   problem->severity == PROBLEM_ERROR ? "" : "warning: ", problem->key,
                   problem->text);
    }
    if (p->errors + p->warnings > p->len)
        buf_printf(ret, "and %zu more\n", p->errors + p->warnings - p->len);
}

static void print_member(struct buf *ret, const char *name, const char *text)
{
    buf_printf(ret, "\"%s\":", name);
    json_text_string(ret, bytes_of_text(text));
}

void problems_print_json(const struct problems *p, struct buf *ret)
{
    buf_printf(ret, "\"errors\":%zu,\"warnings\":%zu,\"problems\":[", p->errors, p->warnings);
    for (size_t i = 0; i < p->len; i++) {
        const struct problem *problem = &p->items[i];
        buf_append_text(ret, i == 0 ? "{" : ",{");
        print_member(ret, "severity", severity_name(problem->severity));
        buf_append_text(ret, ",");
        print_member(ret, "file", problem->place.file);
        buf_printf(ret, ",\"line\":%u,\"column\":%u,", problem->place.line, problem->place.column);
        print_member(ret, "key", problem->key);
        buf_append_text(ret, ",");
        print_member(ret, "text", problem->text);
        buf_append_text(ret, "}");
    }
    buf_append_text(ret, "]");
}
