/* Structured logs: one JSON object a line on stderr, events from a catalogue, repeated ones
 * limited. */
#pragma once

#include <stdatomic.h>

#include "bridge/base/bytes.h"

enum log_level {
    LOG_DEBUG = 0,
    LOG_INFO,
    LOG_WARN,  /* degraded, heals itself */
    LOG_ERROR, /* someone must act */
    LOG_NONE,  /* as a threshold: nothing is written */
};

/* One kind of event: a row of the catalogue. */
struct log_event {
    const char *name; /* noun.past-participle, stable */
    enum log_level level;
    unsigned lines_per_minute; /* 0: never limited; else what is beyond is counted and reported as
                                  "suppressed" */
    const char *action;        /* what an operator should do */
    atomic_uint lines;         /* in the current minute */
    atomic_uint suppressed;    /* since the last line that was written */
    atomic_llong minute;       /* the current one, since an arbitrary start */
};

/* One field of a line; made by the functions below. */
struct log_field {
    const char *name; /* snake_case; NULL: the field is left out */
    struct bytes text;
    int64_t number;
    bool is_number;
};

static inline struct log_field log_text(const char *name, const char *text)
{
    return (struct log_field){.name = text == NULL ? NULL : name, .text = bytes_of_text(text)};
}

static inline struct log_field log_bytes(const char *name, struct bytes text)
{
    return (struct log_field){.name = text.data == NULL ? NULL : name, .text = text};
}

static inline struct log_field log_number(const char *name, int64_t number)
{
    return (struct log_field){.name = name, .number = number, .is_number = true};
}

/* Lines below this level are not written; LOG_INFO at first. Thread: any. */
void log_set_level(enum log_level level);

/* The level of this name ("debug", "info", "warn", "error"). Returns false for any other. */
bool log_level_from_name(const char *name, enum log_level *ret);
const char *log_level_name(enum log_level level);

/* Where lines go; stderr (2) at first. Not closed. For tests and for `dev`. */
void log_set_fd(int fd);

/* Writes one line, at most 16 KiB long, in one write(2). A line that would be longer, or for which
 * memory is short, is told without its fields and with "truncated":1. Secrets, tokens, signatures
 * and bodies never belong in a field. Thread: any.
 */
void log_write(struct log_event *event, const struct log_field fields[], size_t fields_len);
