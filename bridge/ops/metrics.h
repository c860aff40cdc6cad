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

/* Calls those functions now: before metrics_sum() and its kin are asked for what is only looked up.
 * Thread: as metrics_print(). */
void metrics_refresh(struct metrics *m);

/* Which series of a family are meant: those whose label begins with this text, or all others. */
struct metric_match {
    const char *label; /* NULL: all series */
    const char *prefix;
    bool is_other;
};

/* The sum of the family's series that match, NULL: of all, but for histograms; NaN: there is none.
 * Thread: any. */
double metrics_sum(struct metrics *m, const char *name, const struct metric_match *match);

#define METRICS_BUCKETS 15

/* How many observations fell into each bucket; the last one is beyond all bounds. */
struct metric_distribution {
    uint64_t buckets[METRICS_BUCKETS];
};

/* Of all the histograms of this family together; all zero when there is none. Thread: any. */
void metrics_distribution(struct metrics *m, const char *name, struct metric_distribution *ret);

/* The quantile, of 0..1, of what was observed between the two, interpolated within its bucket, in
 * seconds; what is beyond all bounds counts as the last one. NaN: nothing was observed.
 *
 * Source: as Prometheus' histogram_quantile(), "Query functions".
 */
double metric_distribution_quantile(const struct metric_distribution *before,
                                    const struct metric_distribution *after, double quantile);

struct metric_reading {
    const char *labels; /* as printed: `provider="maesn",code="200"` */
    double value;
};

/* Calls fn for each series of the family, in the order of their labels, but for histograms. fn
 * makes no series. Thread: any; under the metrics' lock. */
void metrics_each(struct metrics *m, const char *name,
                  void (*fn)(void *ctx, const struct metric_reading *reading), void *ctx);

/* The label's value, escaped as it is printed, borrowed from the labels; data is NULL: there is no
 * such label. */
struct bytes metric_label_find(const char *labels, const char *name);

/* Appends all series in the text format 0.0.4, families in the order of their names, and a family's
 * series in the order of their labels. Thread: any.
 *
 * Source: Prometheus "Exposition formats", text-based format 0.0.4.
 */
void metrics_print(struct metrics *m, struct buf *ret);
