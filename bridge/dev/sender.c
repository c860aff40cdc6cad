#include "bridge/dev/sender.h"

#include <pthread.h>
#include <stdlib.h>
#include <time.h>

#include "bridge/base/clock.h"
#include "bridge/base/scoped.h"
#include "bridge/dev/http_connection.h"

/* One connection can surely do this much: a callback takes a few milliseconds. */
static const unsigned per_second_of_one_connection = 20;

/* A sender that fell behind by more than this forgets what it missed, rather than catch up. */
static const int64_t lag_max_us = 1000000;

/* Sends every `workers_len`-th callback, so that a lane always has the same worker. */
struct worker {
    struct sender *sender;
    size_t first;
    struct http_connection connection;
    pthread_t thread;
    bool running;
};

struct sender {
    struct sender_options opt;
    pthread_mutex_t lock; /* guards stopping */
    pthread_cond_t changed;
    bool stopping;
    size_t workers_len; /* 1 or opt.lanes */
    struct worker workers[];
};

DEFINE_CLEANUP(struct sender *, sender_free)

/* Returns false when the sender stops instead. */
static bool wait_until(struct sender *s, int64_t mono_us)
{
    const struct timespec due = {.tv_sec = mono_us / 1000000, .tv_nsec = mono_us % 1000000 * 1000};
    pthread_mutex_lock(&s->lock);
    for (int waited = 0; !s->stopping && waited == 0 && clock_mono_us() < mono_us;)
        waited = pthread_cond_timedwait(&s->changed, &s->lock, &due);
    bool stopping = s->stopping;
    pthread_mutex_unlock(&s->lock);
    return !stopping;
}

/* From the middle of the first round on, so that a short run has one too. */
static bool is_forged(const struct sender_options *opt, uint64_t n)
{
    return opt->forge_every > 0 && n % opt->forge_every == opt->forge_every / 2;
}

/* One connection leads to one port. */
static void turn_to(struct worker *w, uint16_t port)
{
    if (w->connection.port == port)
        return;
    http_connection_done(&w->connection);
    http_connection_init(&w->connection, port);
}

/* Out of memory or entropy, a callback is simply not sent: nothing was promised yet. */
static void deliver(struct worker *w, uint64_t n)
{
    const struct sender_options *opt = &w->sender->opt;
    CLEANUP(delivery_done) struct delivery d;
    delivery_init(&d, is_forged(opt, n));
    if (opt->source.compose(opt->source.owner, n, &d) != STATUS_OK)
        return;

    const struct http_connection_request request = {
        .path = d.path, .headers = d.headers, .body = buf_bytes(&d.body)};
    struct ledger_entry entry = ledger_send(opt->ledger, d.ids, d.ids_len, d.forged);
    int code = 0;
    turn_to(w, d.port);
    if (http_connection_post(&w->connection, &request, &code) != STATUS_OK)
        code = 0;
    ledger_answer(opt->ledger, &entry, code);
    if (opt->source.answered != NULL)
        opt->source.answered(opt->source.owner, &d, code);
    if (code != 200 && opt->on_refusal != NULL)
        opt->on_refusal(opt->owner, d.path, d.forged, code);
}

static void *worker_main(void *arg)
{
    struct worker *w = arg;
    struct sender *s = w->sender;
    int64_t interval_us = 1000000 / s->opt.per_second;
    int64_t due_us = clock_mono_us() + (int64_t)w->first * interval_us;
    for (uint64_t n = w->first; wait_until(s, due_us); n += s->workers_len) {
        deliver(w, n);
        due_us += (int64_t)s->workers_len * interval_us;
        if (clock_mono_us() - due_us > lag_max_us)
            due_us = clock_mono_us();
    }
    return NULL;
}

static void init_wakeup(struct sender *s)
{
    pthread_condattr_t monotonic;
    pthread_condattr_init(&monotonic);
    pthread_condattr_setclock(&monotonic, CLOCK_MONOTONIC);
    pthread_cond_init(&s->changed, &monotonic);
    pthread_condattr_destroy(&monotonic);
    pthread_mutex_init(&s->lock, NULL);
}

enum status sender_new(const struct sender_options *opt, struct sender **ret, struct diag *diag)
{
    size_t workers_len = opt->per_second > per_second_of_one_connection ? opt->lanes : 1;
    CLEANUP(sender_free_scoped)
    struct sender *s = calloc(1, sizeof(*s) + workers_len * sizeof(s->workers[0]));
    if (s == NULL)
        return STATUS_NOMEM;
    s->opt = *opt;
    s->workers_len = workers_len;
    init_wakeup(s);
    for (size_t i = 0; i < workers_len; i++) {
        struct worker *w = &s->workers[i];
        w->sender = s;
        w->first = i;
        http_connection_init(&w->connection, 0);
    }
    for (size_t i = 0; i < workers_len; i++) {
        struct worker *w = &s->workers[i];
        w->running = pthread_create(&w->thread, NULL, worker_main, w) == 0;
        if (!w->running)
            return diag_set(diag, STATUS_UNAVAILABLE, "sender: cannot start thread %zu of %zu",
                            i + 1, workers_len);
    }
    *ret = TAKE(s);
    return STATUS_OK;
}

void sender_stop(struct sender *s)
{
    pthread_mutex_lock(&s->lock);
    s->stopping = true;
    pthread_cond_broadcast(&s->changed);
    pthread_mutex_unlock(&s->lock);
    for (size_t i = 0; i < s->workers_len; i++) {
        struct worker *w = &s->workers[i];
        if (w->running)
            pthread_join(w->thread, NULL);
        w->running = false;
        http_connection_done(&w->connection);
    }
}

void sender_free(struct sender *s)
{
    if (s == NULL)
        return;
    sender_stop(s);
    pthread_cond_destroy(&s->changed);
    pthread_mutex_destroy(&s->lock);
    free(s);
}
