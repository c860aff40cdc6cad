/* Samples of the metrics, taken every few seconds in a thread of its own: what the status page's
 * charts show. */
#pragma once

#include "bridge/ops/metrics.h"
#include "bridge/status/history.h"

enum sampler_kind {
    SAMPLER_RATE = 0, /* by how much a counter has grown, a second */
    SAMPLER_VALUE,    /* of a gauge */
    SAMPLER_QUANTILE, /* of what a histogram has observed since the last sample */
};

/* Texts are static. */
struct sampler_column {
    enum sampler_kind kind;
    const char *family;
    struct metric_match match; /* not of a QUANTILE */
    double parameter;          /* of a RATE its factor: 60 makes it one a minute; the quantile */
};

struct sampler;

/* Starts; columns, HISTORY_COLUMNS at most, and metrics are borrowed until the end.
 * Owns:   on STATUS_OK the caller frees *ret with sampler_free(), which ends the thread.
 * Errors: STATUS_NOMEM, also when no thread can be made. */
enum status sampler_new(struct metrics *metrics, const struct sampler_column *columns,
                        size_t columns_len, int64_t interval_ms, struct sampler **ret) MUST_CHECK;
void sampler_free(struct sampler *s);

/* Copies what was sampled so far. Thread: any. */
void sampler_read(struct sampler *s, struct history *ret);
