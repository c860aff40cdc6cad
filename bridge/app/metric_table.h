/* A metric's series as a table of the status page: a row for each that is not zero. */
#pragma once

#include "bridge/base/arena.h"
#include "bridge/ops/metrics.h"
#include "bridge/status/view.h"

#define METRIC_TABLE_LABELS_MAX 3
/* A row a topic and result, at most. */
#define METRIC_TABLE_ROWS_MAX 120

/* Static. */
struct metric_table {
    const char *name; /* of view_table */
    const char *title;
    const char *family;
    const char *labels[METRIC_TABLE_LABELS_MAX]; /* NULL ends them */
    const char *columns[METRIC_TABLE_LABELS_MAX + 1];
};

/* Owns: what *ret points to lives in the arena. Errors: STATUS_NOMEM. Thread: any. */
enum status metric_table_read(const struct metric_table *t, struct metrics *m, struct arena *arena,
                              struct view_table *ret) MUST_CHECK;
