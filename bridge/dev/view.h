/* Shows what arrives in Kafka, while it arrives, and the books at the end. */
#pragma once

#include <stdio.h>

#include "bridge/dev/ledger.h"
#include "bridge/dev/subscriber.h"

struct view;

enum view_style {
    VIEW_PLAIN = 0, /* a line a record, tabs between topic, partition, key, ce_id, ce_type, value */
    VIEW_TERMINAL,  /* columns fitted to the terminal, and a status line that stays below them */
    VIEW_JSON,      /* an object a record; the value is text in it, byte for byte */
};

struct view_options {
    enum view_style style;
    bool colour;    /* VIEW_TERMINAL only */
    unsigned width; /* of VIEW_TERMINAL, in columns; 0: as wide as the terminal behind `out` */
    FILE *out;      /* records and the books */
    FILE *err;      /* remarks, but for VIEW_TERMINAL, where they stand among the records */
};

/* Owns:   the caller frees *ret with view_free().
 * Errors: STATUS_NOMEM.
 */
enum status view_new(const struct view_options *opt, struct view **ret) MUST_CHECK;
void view_free(struct view *v);

/* The names of the columns; only VIEW_TERMINAL has them. */
void view_heading(struct view *v);

/* A stranger's control characters do not reach the terminal. Thread: any. */
void view_arrival(struct view *v, const struct arrival *a);

/* A remark: one line of text. Thread: any. */
void view_remark(struct view *v, const char *format, ...) __attribute__((format(printf, 2, 3)));

/* The books as of now, in the status line; only VIEW_TERMINAL has one. Thread: any. */
void view_status(struct view *v, const struct ledger_totals *totals, int64_t elapsed_ms);

/* The books at the end. */
void view_summary(struct view *v, const struct ledger_totals *totals);

/* Whether nobody reads `out` any more. */
bool view_is_broken(const struct view *v);
