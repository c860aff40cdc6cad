/* /status and /status.json: what a process tells people of itself. */
#pragma once

#include <stdatomic.h>

#include "bridge/app/metric_table.h"
#include "bridge/app/sampler.h"
#include "bridge/ops/admin.h"

struct process_status;

/* What there is to tell; static but for ctx. */
struct process_status_source {
    const char *process; /* "reconciler" */
    const struct sampler_column *columns;
    size_t columns_len;
    const struct chart *charts; /* of those columns */
    size_t charts_len;
    const struct metric_table *tables;
    size_t tables_len;
    /* Adds figures, and accounts where there are some; what it adds lives in the arena. The filter
     * is set, and the history is in the view. Errors: STATUS_NOMEM. Thread: the listener's. */
    enum status (*tell)(void *ctx, struct metrics *m, struct arena *arena, struct view *ret);
    void *ctx;
};

/* Borrowed until the end. */
struct process_status_options {
    const struct process_status_source *source;
    struct metrics *metrics;
    struct health *health;
    const atomic_bool *is_draining;
};

/* Starts to sample.
 * Owns: on STATUS_OK the caller frees *ret with process_status_free(). Errors: STATUS_NOMEM. */
enum status process_status_new(const struct process_status_options *opt,
                               struct process_status **ret) MUST_CHECK;
void process_status_free(struct process_status *s);

#define PROCESS_STATUS_PAGES 2

/* The pages for the listener; borrowed until process_status_free(). */
const struct admin_page *process_status_pages(const struct process_status *s);
