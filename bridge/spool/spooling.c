#include "bridge/spool/spooling.h"

#include <pthread.h>
#include <stdlib.h>
#include <time.h>

#include "bridge/base/clock.h"
#include "bridge/base/scoped.h"
#include "bridge/spool/drain.h"
#include "bridge/spool/spooling_sink.h"

/* A thread that does its turn when it is woken, or when it said it would. */
struct worker {
    int64_t (*turn)(struct spooling *s, int64_t now_mono_ms);
    struct spooling *spooling;
    pthread_t thread;
    bool has_thread;

    pthread_mutex_t lock; /* guards what follows */
    pthread_cond_t wakes;
    bool is_woken;
    bool is_stopping;
};

struct spooling {
    struct spool *spool;
    struct backlog backlog;
    bool has_backlog;
    struct spooling_sink *sink;
    struct drain *drain;
    struct worker keeper;
    struct worker drainer;
    struct gauge *engaged;
};

/* --- threads ------------------------------------------------------------------------------------
 */

static void worker_init(struct worker *w, struct spooling *s,
                        int64_t (*turn)(struct spooling *, int64_t))
{
    pthread_condattr_t monotonic;
    pthread_condattr_init(&monotonic);
    pthread_condattr_setclock(&monotonic, CLOCK_MONOTONIC);
    pthread_cond_init(&w->wakes, &monotonic);
    pthread_condattr_destroy(&monotonic);
    pthread_mutex_init(&w->lock, NULL);
    w->spooling = s;
    w->turn = turn;
}

static void worker_done(struct worker *w)
{
    pthread_cond_destroy(&w->wakes);
    pthread_mutex_destroy(&w->lock);
}

static void worker_wake(struct worker *w)
{
    pthread_mutex_lock(&w->lock);
    if (!w->is_woken)
        pthread_cond_signal(&w->wakes);
    w->is_woken = true;
    pthread_mutex_unlock(&w->lock);
}

/* Returns false when it is to end. */
static bool worker_wait(struct worker *w, int64_t until_mono_ms)
{
    struct timespec until = {.tv_sec = until_mono_ms / 1000,
                             .tv_nsec = until_mono_ms % 1000 * 1000000};
    pthread_mutex_lock(&w->lock);
    while (!w->is_woken && !w->is_stopping)
        if (until_mono_ms == INT64_MAX)
            pthread_cond_wait(&w->wakes, &w->lock);
        else if (pthread_cond_timedwait(&w->wakes, &w->lock, &until) != 0)
            break;
    w->is_woken = false;
    bool goes_on = !w->is_stopping;
    pthread_mutex_unlock(&w->lock);
    return goes_on;
}

static void *worker_run(void *ctx)
{
    struct worker *w = ctx;
    while (worker_wait(w, w->turn(w->spooling, clock_mono_ms())))
        ;
    return NULL;
}

static enum status worker_start(struct worker *w)
{
    w->has_thread = pthread_create(&w->thread, NULL, worker_run, w) == 0;
    return w->has_thread ? STATUS_OK : STATUS_NOMEM;
}

static void worker_stop(struct worker *w)
{
    pthread_mutex_lock(&w->lock);
    w->is_stopping = true;
    pthread_cond_signal(&w->wakes);
    pthread_mutex_unlock(&w->lock);
    if (w->has_thread)
        pthread_join(w->thread, NULL);
    w->has_thread = false;
}

static int64_t keep(struct spooling *s, int64_t now_mono_ms)
{
    return spooling_sink_turn(s->sink, now_mono_ms);
}

static int64_t drain(struct spooling *s, int64_t now_mono_ms)
{
    return drain_turn(s->drain, now_mono_ms);
}

/* --- how the parts meet -------------------------------------------------------------------------
 */

static void wake_keeper(void *ctx)
{
    worker_wake(&((struct spooling *)ctx)->keeper);
}

static void wake_drain(void *ctx)
{
    worker_wake(&((struct spooling *)ctx)->drainer);
}

static bool is_refused(void *ctx, const char *topic)
{
    return drain_refuses(((struct spooling *)ctx)->drain, topic);
}

static void on_empty(void *ctx, int64_t now_mono_ms)
{
    spooling_sink_open(((struct spooling *)ctx)->sink, now_mono_ms);
}

static void on_scrape(void *ctx)
{
    struct spooling *s = ctx;
    gauge_set(s->engaged, backlog_is_empty(&s->backlog) ? 0 : 1);
}

/* --- life ---------------------------------------------------------------------------------------
 */

static enum status open_parts(struct spooling *s, const struct spooling_options *opt,
                              struct diag *diag)
{
    const struct spool_options spool = {.directory = opt->directory,
                                        .max_bytes = opt->max_bytes,
                                        .metrics = opt->metrics,
                                        .ctx = s,
                                        .on_change = wake_drain};
    enum status status = spool_open(&spool, &s->spool, diag);
    if (status != STATUS_OK)
        return status;
    backlog_init(&s->backlog, spool_records(s->spool) > 0, clock_mono_ms());
    s->has_backlog = true;
    const struct drain_options drained = {.spool = s->spool,
                                          .sink = opt->inner,
                                          .backlog = &s->backlog,
                                          .metrics = opt->metrics,
                                          .ctx = s,
                                          .on_change = wake_drain,
                                          .on_empty = on_empty};
    status = drain_new(&drained, &s->drain);
    if (status != STATUS_OK)
        return status;
    const struct spooling_sink_options sink = {.inner = opt->inner,
                                               .spool = s->spool,
                                               .backlog = &s->backlog,
                                               .deadline_ms = opt->deadline_ms,
                                               .metrics = opt->metrics,
                                               .ctx = s,
                                               .is_refused = is_refused,
                                               .on_sooner = wake_keeper,
                                               .on_stored = wake_drain};
    return spooling_sink_new(&sink, &s->sink);
}

enum status spooling_new(const struct spooling_options *opt, struct spooling **ret,
                         struct diag *diag)
{
    struct spooling *s = calloc(1, sizeof(*s));
    if (s == NULL)
        return STATUS_NOMEM;
    worker_init(&s->keeper, s, keep);
    worker_init(&s->drainer, s, drain);
    enum status status = open_parts(s, opt, diag);
    if (status == STATUS_OK)
        status = worker_start(&s->keeper);
    if (status == STATUS_OK)
        status = worker_start(&s->drainer);
    if (status != STATUS_OK) {
        spooling_stop(s);
        spooling_free(s);
        return status;
    }
    s->engaged = metrics_gauge(opt->metrics, "maesn_bridge_spool_engaged",
                               "Whether new callbacks go to the spool: it holds some that Kafka "
                               "does not have yet.",
                               NULL, 0);
    metrics_on_scrape(opt->metrics, on_scrape, s);
    *ret = s;
    return STATUS_OK;
}

struct event_sink *spooling_sink(struct spooling *s)
{
    return spooling_sink_port(s->sink);
}

bool spooling_is_healthy(struct spooling *s, struct diag *diag)
{
    return spool_is_healthy(s->spool, diag);
}

void spooling_stop(struct spooling *s)
{
    worker_stop(&s->keeper);
    worker_stop(&s->drainer);
    if (s->sink != NULL)
        spooling_sink_open(s->sink, clock_mono_ms());
    if (s->drain != NULL)
        drain_stop(s->drain);
}

void spooling_free(struct spooling *s)
{
    if (s == NULL)
        return;
    drain_free(s->drain);
    spool_close(s->spool);
    spooling_sink_free(s->sink);
    if (s->has_backlog)
        backlog_done(&s->backlog);
    worker_done(&s->drainer);
    worker_done(&s->keeper);
    free(s);
}
