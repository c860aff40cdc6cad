#include "bridge/ops/metrics.h"

#include <assert.h>
#include <inttypes.h>
#include <math.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>

#include "bridge/base/scoped.h"

/* Upper bounds of the buckets in seconds; the last bucket, +Inf, is one more.
 * Source: OpenTelemetry semantic conventions 1.44, explicit bucket boundaries of
 * http.server.request.duration.
 */
static const double bounds[] = {0.005, 0.01, 0.025, 0.05, 0.075, 0.1, 0.25,
                                0.5,   0.75, 1,     2.5,  5,     7.5, 10};
#define BOUNDS (sizeof(bounds) / sizeof(bounds[0]))

/* All labels of a series as they are printed. */
#define LABELS_MAX_BYTES 4096

/* Modules that look values up at a scrape: the process, the daemon, the sink, the registry ... */
#define HOOKS_MAX 16

struct counter {
    atomic_uint_fast64_t value;
};

struct gauge {
    _Atomic double value;
};

struct histogram {
    atomic_uint_fast64_t
        buckets[BOUNDS + 1];     /* not cumulative; the last one is beyond all bounds */
    atomic_uint_fast64_t sum_ns; /* 584 years fit */
};

enum kind {
    KIND_COUNTER,
    KIND_TOTAL, /* a gauge that is printed as a counter */
    KIND_GAUGE,
    KIND_HISTOGRAM,
};

static const char *const kind_types[] = {"counter", "counter", "gauge", "histogram"};

struct series {
    struct series *next; /* in the order of the labels */
    union {
        struct counter counter;
        struct gauge gauge;
        struct histogram histogram;
    };
    char labels[]; /* `provider="maesn",code="200"`, escaped; "" for none */
};

struct family {
    struct family *next; /* in the order of the names */
    struct series *series;
    enum kind kind;
    const char *help; /* behind the name */
    char name[];
};

struct hook {
    void (*fn)(void *ctx);
    void *ctx;
};

struct metrics {
    pthread_mutex_t lock; /* guards the two lists and their length; values are atomic */
    struct family *families;
    size_t series_len;
    struct series *nowhere; /* what is counted when no series can be made */
    struct counter *dropped;
    struct hook hooks[HOOKS_MAX];
    size_t hooks_len;
};

/* --- the lists ------------------------------------------------------------------------------- */

/* Source: Prometheus "Data model": [a-zA-Z_:][a-zA-Z0-9_:]*, and no colon in a label's name. */
static bool is_name(const char *name, bool colons)
{
    const char *letters = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ_";
    for (const char *c = name; *c != '\0'; c++) {
        bool digit = *c >= '0' && *c <= '9';
        if (strchr(letters, *c) == NULL && !(digit && c > name) && !(*c == ':' && colons))
            return false;
    }
    return name[0] != '\0';
}

/* The link that holds the family of this name, or the one it belongs into. */
static struct family **family_link(struct metrics *m, const char *name)
{
    struct family **link = &m->families;
    while (*link != NULL && strcmp((*link)->name, name) < 0)
        link = &(*link)->next;
    return link;
}

static struct family *family_get(struct metrics *m, enum kind kind, const char *name,
                                 const char *help)
{
    struct family **link = family_link(m, name);
    if (*link != NULL && strcmp((*link)->name, name) == 0) {
        assert((*link)->kind == kind && strcmp((*link)->help, help) == 0);
        return *link;
    }
    size_t name_size = strlen(name) + 1, help_size = strlen(help) + 1;
    struct family *f = calloc(1, sizeof(*f) + name_size + help_size);
    if (f == NULL)
        return NULL;
    memcpy(f->name, name, name_size);
    memcpy(f->name + name_size, help, help_size);
    f->help = f->name + name_size;
    f->kind = kind;
    f->next = *link;
    *link = f;
    return f;
}

static struct series *series_get(struct metrics *m, struct family *f, const char *labels)
{
    struct series **link = &f->series;
    while (*link != NULL && strcmp((*link)->labels, labels) < 0)
        link = &(*link)->next;
    if (*link != NULL && strcmp((*link)->labels, labels) == 0)
        return *link;
    if (m->series_len == METRICS_SERIES_MAX)
        return NULL;

    size_t labels_size = strlen(labels) + 1;
    struct series *s = calloc(1, sizeof(*s) + labels_size);
    if (s == NULL)
        return NULL;
    memcpy(s->labels, labels, labels_size);
    s->next = *link;
    *link = s;
    m->series_len++;
    return s;
}

/* Appends with backslash and line feed escaped, and the quote too where one ends the text. */
static void append_escaped(struct buf *b, const char *text, bool quoted)
{
    for (; *text != '\0'; text++) {
        if (*text == '\n')
            buf_append_text(b, "\\n");
        else if (*text == '\\')
            buf_append_text(b, "\\\\");
        else if (*text == '"' && quoted)
            buf_append_text(b, "\\\"");
        else
            buf_append(b, text, 1);
    }
}

static void append_labels(struct buf *b, const struct metric_label labels[], size_t labels_len)
{
    for (size_t i = 0; i < labels_len; i++) {
        assert(is_name(labels[i].name, false) && strcmp(labels[i].name, "le") != 0);
        buf_printf(b, "%s%s=\"", i == 0 ? "" : ",", labels[i].name);
        append_escaped(b, labels[i].value, true);
        buf_append_text(b, "\"");
    }
}

static struct series *find_or_make(struct metrics *m, enum kind kind, const char *name,
                                   const char *help, const struct metric_label labels[],
                                   size_t labels_len)
{
    assert(is_name(name, true));
    CLEANUP(buf_done) struct buf text;
    buf_init(&text, LABELS_MAX_BYTES);
    append_labels(&text, labels, labels_len);

    struct series *s = NULL;
    pthread_mutex_lock(&m->lock);
    struct family *f = text.status == STATUS_OK ? family_get(m, kind, name, help) : NULL;
    if (f != NULL)
        s = series_get(m, f, buf_text(&text));
    pthread_mutex_unlock(&m->lock);
    if (s != NULL)
        return s;
    counter_add(m->dropped, 1);
    return m->nowhere;
}

struct counter *metrics_counter(struct metrics *m, const char *name, const char *help,
                                const struct metric_label labels[], size_t labels_len)
{
    return &find_or_make(m, KIND_COUNTER, name, help, labels, labels_len)->counter;
}

struct gauge *metrics_total(struct metrics *m, const char *name, const char *help,
                            const struct metric_label labels[], size_t labels_len)
{
    return &find_or_make(m, KIND_TOTAL, name, help, labels, labels_len)->gauge;
}

struct gauge *metrics_gauge(struct metrics *m, const char *name, const char *help,
                            const struct metric_label labels[], size_t labels_len)
{
    return &find_or_make(m, KIND_GAUGE, name, help, labels, labels_len)->gauge;
}

struct histogram *metrics_histogram(struct metrics *m, const char *name, const char *help,
                                    const struct metric_label labels[], size_t labels_len)
{
    return &find_or_make(m, KIND_HISTOGRAM, name, help, labels, labels_len)->histogram;
}

enum status metrics_new(struct metrics **ret)
{
    struct metrics *m = calloc(1, sizeof(*m));
    if (m == NULL)
        return STATUS_NOMEM;
    pthread_mutex_init(&m->lock, NULL); /* cannot fail with default attributes on Linux */
    m->nowhere = calloc(1, sizeof(*m->nowhere) + 1);
    struct family *f = family_get(m, KIND_COUNTER, "maesn_bridge_metrics_series_dropped_total",
                                  "Series that were asked for and not made: memory was short, or "
                                  "there are too many.");
    struct series *s = f == NULL ? NULL : series_get(m, f, "");
    if (m->nowhere == NULL || s == NULL) {
        metrics_free(m);
        return STATUS_NOMEM;
    }
    m->dropped = &s->counter;
    *ret = m;
    return STATUS_OK;
}

static void family_free(struct family *f)
{
    for (struct series *s = f->series, *next; s != NULL; s = next) {
        next = s->next;
        free(s);
    }
    free(f);
}

void metrics_free(struct metrics *m)
{
    if (m == NULL)
        return;
    for (struct family *f = m->families, *next; f != NULL; f = next) {
        next = f->next;
        family_free(f);
    }
    free(m->nowhere);
    pthread_mutex_destroy(&m->lock);
    free(m);
}

/* --- counting -------------------------------------------------------------------------------- */

void counter_add(struct counter *c, uint64_t n)
{
    atomic_fetch_add_explicit(&c->value, n, memory_order_relaxed);
}

uint64_t counter_value(const struct counter *c)
{
    return atomic_load_explicit(&c->value, memory_order_relaxed);
}

void gauge_set(struct gauge *g, double value)
{
    atomic_store_explicit(&g->value, value, memory_order_relaxed);
}

void gauge_add(struct gauge *g, double delta)
{
    double value = gauge_value(g);
    while (!atomic_compare_exchange_weak_explicit(&g->value, &value, value + delta,
                                                  memory_order_relaxed, memory_order_relaxed))
        ;
}

double gauge_value(const struct gauge *g)
{
    return atomic_load_explicit(&g->value, memory_order_relaxed);
}

void histogram_observe(struct histogram *h, double seconds)
{
    const double seconds_max = 1e9; /* more would overflow the sum soon, and is a clock's error */
    if (!(seconds > 0))
        seconds = 0;
    if (seconds > seconds_max)
        seconds = seconds_max;
    size_t i = 0;
    while (i < BOUNDS && seconds > bounds[i])
        i++;
    atomic_fetch_add_explicit(&h->buckets[i], 1, memory_order_relaxed);
    atomic_fetch_add_explicit(&h->sum_ns, (uint64_t)(seconds * 1e9), memory_order_relaxed);
}

/* --- reading --------------------------------------------------------------------------------- */

void metrics_refresh(struct metrics *m)
{
    /* Outside the lock: they may make series. */
    for (size_t i = 0; i < m->hooks_len; i++)
        m->hooks[i].fn(m->hooks[i].ctx);
}

/* Behind the closing quote of a value, of which a quote within is escaped. */
static const char *value_end(const char *value)
{
    while (*value != '\0' && *value != '"')
        value += *value == '\\' && value[1] != '\0' ? 2 : 1;
    return value;
}

struct bytes metric_label_find(const char *labels, const char *name)
{
    size_t name_len = strlen(name);
    while (*labels != '\0') {
        const char *value = strchr(labels, '"') + 1, *end = value_end(value);
        if (strncmp(labels, name, name_len) == 0 && labels[name_len] == '=')
            return (struct bytes){(const uint8_t *)value, (size_t)(end - value)};
        labels = end[1] == ',' ? end + 2 : end + 1;
    }
    return (struct bytes){0};
}

static bool is_meant(const struct metric_match *match, const char *labels)
{
    if (match == NULL || match->label == NULL)
        return true;
    struct bytes value = metric_label_find(labels, match->label);
    size_t len = strlen(match->prefix);
    bool begins =
        value.len >= len && bytes_equal(bytes_of(value.data, len), bytes_of_text(match->prefix));
    return begins != match->is_other;
}

static double value_of(const struct family *f, const struct series *s)
{
    return f->kind == KIND_COUNTER ? (double)counter_value(&s->counter) : gauge_value(&s->gauge);
}

/* NULL: there is none of this name. Under the lock. */
static const struct family *family_find(struct metrics *m, const char *name)
{
    const struct family *f = *family_link(m, name);
    return f != NULL && strcmp(f->name, name) == 0 ? f : NULL;
}

void metrics_each(struct metrics *m, const char *name,
                  void (*fn)(void *ctx, const struct metric_reading *reading), void *ctx)
{
    pthread_mutex_lock(&m->lock);
    const struct family *f = family_find(m, name);
    const struct series *first = f == NULL || f->kind == KIND_HISTOGRAM ? NULL : f->series;
    for (const struct series *s = first; s != NULL; s = s->next)
        fn(ctx, &(struct metric_reading){s->labels, value_of(f, s)});
    pthread_mutex_unlock(&m->lock);
}

struct summing {
    const struct metric_match *match;
    double sum;
};

static void add_reading(void *ctx, const struct metric_reading *reading)
{
    struct summing *s = ctx;
    if (is_meant(s->match, reading->labels))
        s->sum = isnan(s->sum) ? reading->value : s->sum + reading->value;
}

double metrics_sum(struct metrics *m, const char *name, const struct metric_match *match)
{
    struct summing s = {match, (double)NAN};
    metrics_each(m, name, add_reading, &s);
    return s.sum;
}

_Static_assert(METRICS_BUCKETS == BOUNDS + 1, "a bucket for each bound, and one beyond");

void metrics_distribution(struct metrics *m, const char *name, struct metric_distribution *ret)
{
    *ret = (struct metric_distribution){{0}};
    pthread_mutex_lock(&m->lock);
    const struct family *f = family_find(m, name);
    const struct series *first = f == NULL || f->kind != KIND_HISTOGRAM ? NULL : f->series;
    for (const struct series *s = first; s != NULL; s = s->next)
        for (size_t i = 0; i < METRICS_BUCKETS; i++)
            ret->buckets[i] += atomic_load_explicit(&s->histogram.buckets[i], memory_order_relaxed);
    pthread_mutex_unlock(&m->lock);
}

double metric_distribution_quantile(const struct metric_distribution *before,
                                    const struct metric_distribution *after, double quantile)
{
    uint64_t counts[METRICS_BUCKETS], all = 0;
    for (size_t i = 0; i < METRICS_BUCKETS; i++)
        all += counts[i] = after->buckets[i] - before->buckets[i];
    if (all == 0)
        return (double)NAN;
    double wanted = quantile * (double)all, below = 0;
    for (size_t i = 0; i < BOUNDS; i++) {
        double count = (double)counts[i], lower = i == 0 ? 0 : bounds[i - 1];
        if (count > 0 && below + count >= wanted)
            return lower + (bounds[i] - lower) * (wanted - below) / count;
        below += count;
    }
    return bounds[BOUNDS - 1];
}

/* --- printing -------------------------------------------------------------------------------- */

/* The shorter of two spellings, if it reads back as the same number. */
static void append_number(struct buf *b, double value)
{
    if (isnan(value)) {
        buf_append_text(b, "NaN");
    } else if (isinf(value)) {
        buf_append_text(b, value > 0 ? "+Inf" : "-Inf");
    } else {
        char text[32];
        snprintf(text, sizeof(text), "%.15g", value);
        buf_printf(b, strtod(text, NULL) == value ? "%.15g" : "%.17g", value);
    }
}

/* "name_suffix{labels} " */
static void append_head(struct buf *b, const struct family *f, const char *suffix,
                        const struct series *s)
{
    buf_printf(b, "%s%s", f->name, suffix);
    if (s->labels[0] != '\0')
        buf_printf(b, "{%s}", s->labels);
    buf_append_text(b, " ");
}

static void print_bucket(struct buf *b, const struct family *f, const struct series *s,
                         double bound, uint64_t count)
{
    buf_printf(b, "%s_bucket{%s%sle=\"", f->name, s->labels, s->labels[0] == '\0' ? "" : ",");
    append_number(b, bound);
    buf_printf(b, "\"} %" PRIu64 "\n", count);
}

static void print_histogram(struct buf *b, const struct family *f, const struct series *s)
{
    uint64_t count = 0;
    for (size_t i = 0; i <= BOUNDS; i++) {
        count += atomic_load_explicit(&s->histogram.buckets[i], memory_order_relaxed);
        print_bucket(b, f, s, i < BOUNDS ? bounds[i] : (double)INFINITY, count);
    }
    append_head(b, f, "_sum", s);
    append_number(b,
                  (double)atomic_load_explicit(&s->histogram.sum_ns, memory_order_relaxed) / 1e9);
    buf_append_text(b, "\n");
    /* The sum of the buckets just read, so that it never contradicts the bucket +Inf. */
    append_head(b, f, "_count", s);
    buf_printf(b, "%" PRIu64 "\n", count);
}

static void print_series(struct buf *b, const struct family *f, const struct series *s)
{
    switch (f->kind) {
    case KIND_COUNTER:
        append_head(b, f, "", s);
        buf_printf(b, "%" PRIu64 "\n", counter_value(&s->counter));
        return;
    case KIND_TOTAL:
    case KIND_GAUGE:
        append_head(b, f, "", s);
        append_number(b, gauge_value(&s->gauge));
        buf_append_text(b, "\n");
        return;
    case KIND_HISTOGRAM:
        print_histogram(b, f, s);
        return;
    }
}

static void print_family(struct buf *b, const struct family *f)
{
    if (f->series == NULL)
        return;
    buf_printf(b, "# HELP %s ", f->name);
    append_escaped(b, f->help, false);
    buf_printf(b, "\n# TYPE %s %s\n", f->name, kind_types[f->kind]);
    for (const struct series *s = f->series; s != NULL; s = s->next)
        print_series(b, f, s);
}

void metrics_on_scrape(struct metrics *m, void (*fn)(void *ctx), void *ctx)
{
    assert(m->hooks_len < HOOKS_MAX);
    m->hooks[m->hooks_len++] = (struct hook){fn, ctx};
}

void metrics_print(struct metrics *m, struct buf *ret)
{
    metrics_refresh(m);
    pthread_mutex_lock(&m->lock);
    for (const struct family *f = m->families; f != NULL; f = f->next)
        print_family(ret, f);
    pthread_mutex_unlock(&m->lock);
}
