#include "bridge/dev/sender.h"

#include <pthread.h>
#include <stdlib.h>
#include <time.h>

#include "bridge/base/clock.h"
#include "bridge/base/crypto.h"
#include "bridge/base/scoped.h"
#include "bridge/base/secret.h"
#include "bridge/dev/http_connection.h"

/* One connection can surely do this much: a callback takes a few milliseconds. */
static const unsigned per_second_of_one_connection = 20;

/* A sender that fell behind by more than this forgets what it missed, rather than catch up. */
static const int64_t lag_max_us = 1000000;

/* Three events of some 150 bytes. */
static const size_t body_max = 1024;

/* Sends every `stride`-th callback, so that a tenant always has the same worker. */
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
    size_t workers_len; /* the stride: 1 or opt.tenants_len */
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

/* A callback with all that is needed to send it and to know its records again. */
struct delivery {
    const struct tenant *tenant;
    bool forged;
    struct buf body;
    char signature[2 * CRYPTO_SHA256_SIZE + 1];
    struct ledger_id ids[TENANT_EVENTS_MAX];
    size_t ids_len;
};

static void delivery_done(struct delivery *d)
{
    buf_done(&d->body);
}

/* What the bridge promises to put into ce_id, computed independently of it: the first half of
 * SHA-256 over specification, 0x00, body, 0x00, the element's index in decimal. */
static enum status identify(struct delivery *d)
{
    for (size_t i = 0; i < d->ids_len; i++) {
        const char index[] = {(char)('0' + i)};
        const struct bytes parts[] = {
            bytes_of_text(d->tenant->specification),
            bytes_of("", 1),
            buf_bytes(&d->body),
            bytes_of("", 1),
            bytes_of(index, 1),
        };
        uint8_t digest[CRYPTO_SHA256_SIZE];
        enum status status = sha256(parts, sizeof(parts) / sizeof(parts[0]), digest);
        if (status != STATUS_OK)
            return status;
        memcpy(d->ids[i].bytes, digest, sizeof(d->ids[i].bytes));
    }
    return STATUS_OK;
}

static enum status sign(struct delivery *d, const struct secret *secret)
{
    uint8_t mac[CRYPTO_SHA256_SIZE];
    const struct bytes body = buf_bytes(&d->body);
    enum status status = hmac_sha256(secret_hmac_key(secret), &body, 1, mac);
    if (status != STATUS_OK)
        return status;
    if (d->forged)
        mac[0] ^= 1;
    hex_encode(bytes_of(mac, sizeof(mac)), d->signature);
    return STATUS_OK;
}

static enum status compose(struct delivery *d, const struct secret *secret)
{
    uint8_t random[TENANT_RANDOM_SIZE];
    enum status status = crypto_random(random, sizeof(random));
    if (status != STATUS_OK)
        return status;
    d->ids_len = tenant_write_body(d->tenant, random, clock_unix_ms(), &d->body);
    status = d->body.status;
    if (status == STATUS_OK)
        status = identify(d);
    return status == STATUS_OK ? sign(d, secret) : status;
}

/* From the middle of the first round on, so that a short run has one too. */
static bool is_forged(const struct sender_options *opt, uint64_t n)
{
    return opt->forge_every > 0 && n % opt->forge_every == opt->forge_every / 2;
}

/* Out of memory or entropy, a callback is simply not sent: nothing was promised yet. */
static void deliver(struct worker *w, uint64_t n)
{
    const struct sender_options *opt = &w->sender->opt;
    size_t turn = n % opt->tenants_len;
    CLEANUP(delivery_done)
    struct delivery d = {.tenant = &opt->tenants[turn], .forged = is_forged(opt, n)};
    buf_init(&d.body, body_max);
    if (compose(&d, opt->secrets[turn]) != STATUS_OK)
        return;

    const struct http_connection_request request = {
        .path = d.tenant->path, .signature = d.signature, .body = buf_bytes(&d.body)};
    struct ledger_entry entry = ledger_send(opt->ledger, d.ids, d.ids_len, d.forged);
    int code = 0;
    if (http_connection_post(&w->connection, &request, &code) != STATUS_OK)
        code = 0;
    ledger_answer(opt->ledger, &entry, code);
    if (code != 200 && opt->on_refusal != NULL)
        opt->on_refusal(opt->owner, d.tenant, d.forged, code);
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
    size_t workers_len = opt->per_second > per_second_of_one_connection ? opt->tenants_len : 1;
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
        http_connection_init(&w->connection, opt->port);
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
