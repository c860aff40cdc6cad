/* A line chart of the history, as inline SVG. */
#pragma once

#include <stdbool.h>

#include "bridge/base/buf.h"
#include "bridge/status/history.h"
#include "bridge/status/quantity.h"

#define CHART_SERIES_MAX 3

struct chart_series {
    const char *title; /* "accepted"; NULL ends the series */
    size_t column;     /* of the history */
    bool is_optional;  /* not told of where nothing of it is known */
};

/* Texts are static. */
struct chart {
    const char *name;  /* "callbacks": for programs */
    const char *title; /* "Callbacks" */
    enum quantity quantity;
    struct chart_series series[CHART_SERIES_MAX];
};

size_t chart_series_len(const struct chart *c);

/* Appends a <figure>. Its right edge is now, its left one HISTORY_SPAN_MS before; where nothing was
 * measured, as before the start, there is no line. */
void chart_print(const struct chart *c, const struct history *h, int64_t now_mono_ms,
                 struct buf *ret);

/* The upper end of the axis: 1, 2 or 5 times a power of ten that no value exceeds. */
double chart_ceiling(double largest);
