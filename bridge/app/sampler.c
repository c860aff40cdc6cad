#include "bridge/app/sampler.h"

#include <assert.h>
#include <math.h>
#include <pthread.h>
#include <stdlib.h>
#include <time.h>

#include "bridge/base/clock.h"

/* What a column showed at the last sample. */
struct reading {
    double value;
    struct metric_distribution distribution;
};

struct sampler {
    struct metrics *metrics;
    const struct sampler_column *columns;
    size_t columns_len;
    int64_t interval_ms;
    pthread_t thread;

    struct reading before[HISTORY_COLUMNS]; /* the thread's own */
    int64_t before_mono_ms;

    pthread_mutex_t lock; /* guards what follows */
    pthread_cond_t stopped;
    struct history history;
    bool is_stopping;
};

static struct reading read_column(const struct sampler *s, const struct sampler_column *column)
{
    struct reading now = {.value = 0};
    if (column->kind == SAMPLER_QUANTILE)
        metrics_distribution(s->metrics, column->family, &now.distribution);
    else
        now.value = metrics_sum(s->metrics, column->family, &column->match);
    return now;
}

static double value_of(const struct sampler_column *column, const struct reading *before,
                       const struct reading *now, double seconds)
{
    switch (column->kind) {
    case SAMPLER_RATE:
        return (now->value - before->value) / seconds * column->parameter;
    case SAMPLER_VALUE:
        return now->value;
    case SAMPLER_QUANTILE:
        return metric_distribution_quantile(&before->distribution, &now->distribution,
                                            column->parameter);
    }
    return (double)NAN;
}

/* The first time there is nothing to compare with: only what was is remembered. */
static void take_sample(struct sampler *s)
{
    struct history_sample sample = {.at_mono_ms = clock_mono_ms()};
    double seconds = (double)(sample.at_mono_ms - s->before_mono_ms) / 1000;
    for (size_t i = 0; i < s->columns_len; i++) {
        struct reading now = read_column(s, &s->columns[i]);
        sample.values[i] = value_of(&s->columns[i], &s->before[i], &now, seconds);
        s->before[i] = now;
    }
    bool is_first = s->before_mono_ms == 0;
    s->before_mono_ms = sample.at_mono_ms;
    if (is_first)
        return;
    pthread_mutex_lock(&s->lock);
    history_add(&s->history, &sample);
    pthread_mutex_unlock(&s->lock);
}

/* Returns false when the thread is to end. */
static bool pause_until(struct sampler *s, int64_t until_mono_ms)
{
    const struct timespec until = {.tv_sec = until_mono_ms / 1000,
                                   .tv_nsec = until_mono_ms % 1000 * 1000000};
    int err = 0;
    pthread_mutex_lock(&s->lock);
    while (!s->is_stopping && err == 0)
        err = pthread_cond_timedwait(&s->stopped, &s->lock, &until);
    bool goes_on = !s->is_stopping;
    pthread_mutex_unlock(&s->lock);
    return goes_on;
}

static void *sampler_main(void *ctx)
{
    struct sampler *s = ctx;
    do
        take_sample(s);
    while (pause_until(s, s->before_mono_ms + s->interval_ms));
    return NULL;
}

enum status sampler_new(struct metrics *metrics, const struct sampler_column *columns,
                        size_t columns_len, int64_t interval_ms, struct sampler **ret)
{
    assert(columns_len <= HISTORY_COLUMNS);
    struct sampler *s = calloc(1, sizeof(*s));
    if (s == NULL)
        return STATUS_NOMEM;
    pthread_condattr_t attributes;
    s->metrics = metrics;
    s->columns = columns;
    s->columns_len = columns_len;
    s->interval_ms = interval_ms;
    pthread_mutex_init(&s->lock, NULL); /* cannot fail with default attributes on Linux */
    pthread_condattr_init(&attributes);
    pthread_condattr_setclock(&attributes, CLOCK_MONOTONIC);
    pthread_cond_init(&s->stopped, &attributes);
    pthread_condattr_destroy(&attributes);
    if (pthread_create(&s->thread, NULL, sampler_main, s) != 0) {
        pthread_cond_destroy(&s->stopped);
        pthread_mutex_destroy(&s->lock);
        free(s);
        return STATUS_NOMEM;
    }
    *ret = s;
    return STATUS_OK;
}

void sampler_free(struct sampler *s)
{
    if (s == NULL)
        return;
    pthread_mutex_lock(&s->lock);
    s->is_stopping = true;
    pthread_cond_signal(&s->stopped);
    pthread_mutex_unlock(&s->lock);
    pthread_join(s->thread, NULL);
    pthread_cond_destroy(&s->stopped);
    pthread_mutex_destroy(&s->lock);
    free(s);
}

void sampler_read(struct sampler *s, struct history *ret)
{
    pthread_mutex_lock(&s->lock);
    *ret = s->history;
    pthread_mutex_unlock(&s->lock);
}
