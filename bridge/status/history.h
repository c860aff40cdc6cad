/* What was measured lately: a ring of samples, each a row of numbers. It is lost with the process.
 */
#pragma once

#include <stddef.h>
#include <stdint.h>

/* Ten minutes. */
#define HISTORY_SAMPLES 120
#define HISTORY_INTERVAL_MS 5000
#define HISTORY_SPAN_MS ((int64_t)HISTORY_SAMPLES * HISTORY_INTERVAL_MS)

#define HISTORY_COLUMNS 10

struct history_sample {
    int64_t at_mono_ms;
    double values[HISTORY_COLUMNS]; /* NaN: not known then */
};

/* A plain value; all zero: nothing was measured yet. */
struct history {
    struct history_sample samples[HISTORY_SAMPLES];
    size_t len;
    size_t next;
};

/* Forgets the oldest. */
void history_add(struct history *h, const struct history_sample *sample);

/* The ith of h->len, from the oldest. */
const struct history_sample *history_at(const struct history *h, size_t i);

/* The mean of the column's known values that are not older than this; NaN: there is none. */
double history_mean(const struct history *h, size_t column, int64_t not_before_mono_ms);

/* The latest known value of the column that is not older than this; NaN: there is none. */
double history_latest(const struct history *h, size_t column, int64_t not_before_mono_ms);
