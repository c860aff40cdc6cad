/* Metrics in Prometheus' text format: series are made at start, counted without locks, printed at a
 * scrape. */
#pragma once

#include <stdint.h>

#include "bridge/base/buf.h"

/* Series of all families together: 40 topics with 3 results each, and as much again for the rest,
 * fit ten times. What is beyond is counted in maesn_bridge_metrics_series_dropped_total.
 */
#define METRICS_SERIES_MAX 4096

struct metrics;
struct counter;   /* only grows */
struct gauge;     /* goes up and down */
struct histogram; /* of seconds */

/* The value is UTF-8, from a closed set: names of the configuration and of enums, never what a
 * stranger sent.
 */
struct metric_label {
    const char *name;
    const char *value;
};

/* Owns:   the caller frees *ret with metrics_free(), after which no series may be touched.
 * Errors: STATUS_NOMEM.
 */
enum status metrics_new(struct metrics **ret) MUST_CHECK;
void metrics_free(struct metrics *m);

/* The series of this name and these labels, made on the first call; texts are copied. The same name
 * always comes with the same help, kind and label names. Never NULL: when memory is short, or
 * METRICS_SERIES_MAX is met, a series that nobody prints is returned, so that counting needs no
 * error path.
 *
 * Owns:   borrowed until metrics_free().
 * Thread: any; takes a lock, so keep the pointer.
 */
struct counter *metrics_counter(struct metrics *m, const char *name, const char *help,
                                const struct metric_label labels[], size_t labels_len);
struct gauge *metrics_gauge(struct metrics *m, const char *name, const char *help,
                            const struct metric_label labels[], size_t labels_len);
struct histogram *metrics_histogram(struct metrics *m, const char *name, const char *help,
                                    const struct metric_label labels[], size_t labels_len);

/* Like metrics_gauge(), but printed as a counter: for a total that somebody else keeps, such as the
 * kernel, and that gauge_set() copies. */
struct gauge *metrics_total(struct metrics *m, const char *name, const char *help,
                            const struct metric_label labels[], size_t labels_len);

/* Thread: any number at once, no lock. */
void counter_add(struct counter *c, uint64_t n);
uint64_t counter_value(const struct counter *c);
void gauge_set(struct gauge *g, double value);
void gauge_add(struct gauge *g, double delta);
double gauge_value(const struct gauge *g);

/* Less than 0, or no number, counts as 0. */
void histogram_observe(struct histogram *h, double seconds);

/* Calls fn before each scrape, to set gauges whose value is only looked up then.
 * Thread: at start only; fn is called in the thread that prints.
 */
void metrics_on_scrape(struct metrics *m, void (*fn)(void *ctx), void *ctx);

/* Appends all series in the text format 0.0.4, families in the order of their names, and a family's
 * series in the order of their labels. Thread: any.
 *
 * Source: Prometheus "Exposition formats", text-based format 0.0.4.
 */
void metrics_print(struct metrics *m, struct buf *ret);
