/* What is wrong with the configuration: every problem of every file, each with its place. */
#pragma once

#include <stdarg.h>

#include "bridge/base/buf.h"

/* Problems beyond these are counted, not kept: a person mends the first ones first. */
#define PROBLEMS_MAX 200

enum problem_severity {
    PROBLEM_ERROR = 0, /* the configuration is not used */
    PROBLEM_WARNING,
};

/* Lines and columns count from 1. */
struct place {
    const char *file;
    unsigned line;
    unsigned column;
};

struct problem {
    enum problem_severity severity;
    struct place place;
    const char *key;  /* the setting, with the keys above it: "kafka.brokers" */
    const char *text; /* "value, expectation" */
};

struct arena;

struct problems {
    struct problem *items; /* by file, in the order of reading, then by line and column */
    size_t len;
    size_t capacity;
    size_t errors; /* kept or not */
    size_t warnings;
    struct arena *arena; /* the texts */
    enum status status;  /* STATUS_NOMEM: something could not be kept, so the list is not whole */
};

void problems_init(struct problems *p);
void problems_done(struct problems *p);

/* Adds one; texts are copied. Errors are in p->status. */
void problems_add(struct problems *p, enum problem_severity severity, struct place place,
                  const char *key, const char *format, ...) __attribute__((format(printf, 5, 6)));

/* Brings the problems into the order of their places. */
void problems_sort(struct problems *p);

/* One line a problem, "file:line:column: key: value, expectation"; a warning has "warning: " before
 * the key. A last line tells how many more there are. ret->status tells of failure.
 */
void problems_print(const struct problems *p, struct buf *ret);

/* The same as members of a JSON object: "errors":1,"warnings":0,"problems":[...] */
void problems_print_json(const struct problems *p, struct buf *ret);
