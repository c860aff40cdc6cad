#include "bridge/httpclient/call_queue.h"

#include <assert.h>
#include <stdlib.h>

#include "bridge/base/scoped.h"
#include "bridge/httpclient/backoff.h"
#include "bridge/httpclient/window.h"

/* Chains stay short up to some 100,000 accounts with calls waiting. */
#define BUCKETS 16384

enum { RANK_WRITE, RANK_READ, RANKS };

/* Exists while a call waits or is under way, or a hold lasts. */
struct call_key {
    LIST_ENTRY(call_key) bucket;
    TAILQ_ENTRY(call_key) ready; /* in its base's list, if is_ready */
    bool is_ready;
    unsigned ready_rank;
    struct call *under_way;
    struct call_list waiting[RANKS];
    unsigned failures; /* in a row */
    int64_t held_until_mono_ms;
    struct timer hold; /* set while it is held and nothing is under way */
    size_t base;
    char name[];
};

TAILQ_HEAD(call_key_list, call_key);
LIST_HEAD(call_key_bucket, call_key);

struct base {
    struct window window;
    bool is_held_whole;
    int64_t held_until_mono_ms;
    struct call_key_list ready[RANKS];
};

struct call_queue {
    unsigned concurrency;
    unsigned under_way;
    struct timers expiries; /* of waiting calls */
    struct timers holds;    /* of keys */
    size_t calls_len, keys_len;
    size_t turn; /* the base that is asked first */
    struct call_key_bucket buckets[BUCKETS];
    size_t bases_len;
    struct base bases[];
};

#define OWNER_OF(pointer, type, member) ((type *)(void *)((char *)(pointer)-offsetof(type, member)))

static unsigned rank_of(const struct call *call)
{
    return call->method == HTTP_GET ? RANK_READ : RANK_WRITE;
}

/* The rank of the key's next call; RANKS: nothing waits. */
static unsigned next_rank(const struct call_key *k)
{
    unsigned rank = RANK_WRITE;
    while (rank < RANKS && TAILQ_EMPTY(&k->waiting[rank]))
        rank++;
    return rank;
}

/* --- keys ---------------------------------------------------------------------------------------
 */

/* Source: FNV-1a, 64 bit. Keys come from our own configuration: nobody can aim at a bucket. */
static struct call_key_bucket *bucket_of(struct call_queue *q, size_t base, const char *name)
{
    uint64_t hash = 14695981039346656037u ^ base;
    for (; *name != '\0'; name++)
        hash = (hash ^ (uint8_t)*name) * 1099511628211u;
    return &q->buckets[(hash ^ hash >> 32) % BUCKETS];
}

static struct call_key *find_key(struct call_queue *q, size_t base, const char *name)
{
    struct call_key *k;
    LIST_FOREACH(k, bucket_of(q, base, name), bucket)
    if (k->base == base && strcmp(k->name, name) == 0)
        return k;
    return NULL;
}

static struct call_key *make_key(struct call_queue *q, size_t base, const char *name)
{
    size_t size = strlen(name) + 1;
    if (timers_reserve(&q->holds, q->keys_len + 1) != STATUS_OK)
        return NULL;
    struct call_key *k = calloc(1, sizeof(*k) + size);
    if (k == NULL)
        return NULL;
    memcpy(k->name, name, size);
    k->base = base;
    for (unsigned rank = 0; rank < RANKS; rank++)
        TAILQ_INIT(&k->waiting[rank]);
    LIST_INSERT_HEAD(bucket_of(q, base, name), k, bucket);
    q->keys_len++;
    return k;
}

static void leave_ready(struct call_queue *q, struct call_key *k)
{
    if (k->is_ready)
        TAILQ_REMOVE(&q->bases[k->base].ready[k->ready_rank], k, ready);
    k->is_ready = false;
}

static void drop_key(struct call_queue *q, struct call_key *k)
{
    LIST_REMOVE(k, bucket);
    q->keys_len--;
    free(k);
}

/* Puts the key where it belongs after any change: under way, held, ready (behind those that are
 * ready with the same rank already), or away. */
static void settle_key(struct call_queue *q, struct call_key *k, int64_t now)
{
    unsigned rank = next_rank(k);
    bool is_held = k->held_until_mono_ms > now;
    bool is_ready = k->under_way == NULL && !is_held && rank < RANKS;
    if (k->is_ready && (!is_ready || k->ready_rank != rank))
        leave_ready(q, k);
    if (is_ready && !k->is_ready) {
        k->is_ready = true;
        k->ready_rank = rank;
        TAILQ_INSERT_TAIL(&q->bases[k->base].ready[rank], k, ready);
    }
    timers_clear(&q->holds, &k->hold);
    if (k->under_way == NULL && is_held)
        timers_set(&q->holds, &k->hold, k->held_until_mono_ms);
    else if (k->under_way == NULL && !is_ready)
        drop_key(q, k);
}

static void end_holds(struct call_queue *q, int64_t now)
{
    struct timer *first = timers_first(&q->holds);
    while (first != NULL && first->at_mono_ms <= now) {
        settle_key(q, OWNER_OF(first, struct call_key, hold), now);
        first = timers_first(&q->holds);
    }
}

/* --- calls --------------------------------------------------------------------------------------
 */

enum status call_queue_add(struct call_queue *q, struct call *call, int64_t now_mono_ms)
{
    if (timers_reserve(&q->expiries, q->calls_len + 1) != STATUS_OK)
        return STATUS_NOMEM;
    struct call_key *k = find_key(q, call->base, call->key);
    if (k == NULL)
        k = make_key(q, call->base, call->key);
    if (k == NULL)
        return STATUS_NOMEM;
    call->in = k;
    q->calls_len++;
    TAILQ_INSERT_TAIL(&k->waiting[rank_of(call)], call, waiting);
    timers_set(&q->expiries, &call->expiry, now_mono_ms + call->start_within_ms);
    settle_key(q, k, now_mono_ms);
    return STATUS_OK;
}

/* When the base lets a call begin; INT64_MAX: not before one of its calls has ended. */
static int64_t base_free_at(const struct base *b, int64_t now)
{
    int64_t free_at = window_free_at(&b->window, now);
    return free_at > b->held_until_mono_ms ? free_at : b->held_until_mono_ms;
}

static struct call *start_first(struct call_queue *q, struct call_key *k, int64_t now)
{
    struct call *call = TAILQ_FIRST(&k->waiting[k->ready_rank]);
    TAILQ_REMOVE(&k->waiting[k->ready_rank], call, waiting);
    timers_clear(&q->expiries, &call->expiry);
    k->under_way = call;
    window_start(&q->bases[k->base].window);
    q->under_way++;
    settle_key(q, k, now);
    return call;
}

struct call *call_queue_start(struct call_queue *q, int64_t now_mono_ms)
{
    end_holds(q, now_mono_ms);
    if (q->under_way >= q->concurrency)
        return NULL;
    for (unsigned rank = 0; rank < RANKS; rank++)
        for (size_t i = 0; i < q->bases_len; i++) {
            size_t base = (q->turn + i) % q->bases_len;
            struct call_key *k = TAILQ_FIRST(&q->bases[base].ready[rank]);
            if (k == NULL || base_free_at(&q->bases[base], now_mono_ms) > now_mono_ms)
                continue;
            q->turn = base + 1;
            return start_first(q, k, now_mono_ms);
        }
    return NULL;
}

/* After a failure the key pauses: as long as the server asks, but no shorter than the backoff, so
 * that "Retry-After: 0" does not become a loop. */
static void hold(struct call_queue *q, struct call_key *k, const struct call_end *end, int64_t now)
{
    struct base *b = &q->bases[k->base];
    if (k->failures < UINT16_MAX)
        k->failures++;
    int64_t pause_ms = backoff_ms(k->failures, end->chance);
    if (pause_ms < end->retry_after_ms)
        pause_ms = end->retry_after_ms;
    k->held_until_mono_ms = now + pause_ms;
    if (end->is_throttled && b->is_held_whole && b->held_until_mono_ms < k->held_until_mono_ms)
        b->held_until_mono_ms = k->held_until_mono_ms;
}

bool call_queue_end(struct call_queue *q, struct call *call, const struct call_end *end,
                    int64_t now_mono_ms)
{
    struct call_key *k = call->in;
    assert(k->under_way == call);
    k->under_way = NULL;
    q->under_way--;
    window_end(&q->bases[k->base].window, end->arrivals, now_mono_ms);
    if (end->failed)
        hold(q, k, end, now_mono_ms);
    else
        k->failures = 0;

    bool again = end->may_repeat && k->held_until_mono_ms <= call->expiry.at_mono_ms;
    if (again) {
        TAILQ_INSERT_HEAD(&k->waiting[rank_of(call)], call, waiting);
        timers_set(&q->expiries, &call->expiry, call->expiry.at_mono_ms);
    } else {
        q->calls_len--;
        call->in = NULL;
    }
    settle_key(q, k, now_mono_ms);
    return again;
}

int64_t call_queue_held_until(struct call_queue *q, const struct call *call, int64_t now_mono_ms)
{
    const struct call_key *k = find_key(q, call->base, call->key);
    int64_t until = q->bases[call->base].held_until_mono_ms;
    if (k != NULL && k->held_until_mono_ms > until)
        until = k->held_until_mono_ms;
    return until > now_mono_ms ? until : 0;
}

void call_queue_remove(struct call_queue *q, struct call *call, int64_t now_mono_ms)
{
    struct call_key *k = call->in;
    TAILQ_REMOVE(&k->waiting[rank_of(call)], call, waiting);
    timers_clear(&q->expiries, &call->expiry);
    call->in = NULL;
    q->calls_len--;
    settle_key(q, k, now_mono_ms);
}

struct call *call_queue_expired(const struct call_queue *q, int64_t now_mono_ms)
{
    struct timer *first = timers_first(&q->expiries);
    if (first == NULL || first->at_mono_ms >= now_mono_ms)
        return NULL;
    return OWNER_OF(first, struct call, expiry);
}

static void lower(int64_t *least, int64_t value)
{
    if (value < *least)
        *least = value;
}

int64_t call_queue_next_at(const struct call_queue *q, int64_t now_mono_ms)
{
    int64_t next = INT64_MAX;
    const struct timer *expiry = timers_first(&q->expiries), *held = timers_first(&q->holds);
    if (expiry != NULL)
        lower(&next, expiry->at_mono_ms + 1); /* an instant itself is still in time */
    if (held != NULL)
        lower(&next, held->at_mono_ms);
    for (size_t i = 0; i < q->bases_len && q->under_way < q->concurrency; i++) {
        const struct base *b = &q->bases[i];
        if (!TAILQ_EMPTY(&b->ready[RANK_WRITE]) || !TAILQ_EMPTY(&b->ready[RANK_READ]))
            lower(&next, base_free_at(b, now_mono_ms));
    }
    return next;
}

/* --- life ---------------------------------------------------------------------------------------
 */

DEFINE_CLEANUP(struct call_queue *, call_queue_free)

enum status call_queue_new(const struct http_base bases[], size_t bases_len, unsigned concurrency,
                           struct call_queue **ret)
{
    CLEANUP(call_queue_free_scoped)
    struct call_queue *q = calloc(1, sizeof(*q) + bases_len * sizeof(q->bases[0]));
    if (q == NULL)
        return STATUS_NOMEM;
    q->concurrency = concurrency;
    for (; q->bases_len < bases_len; q->bases_len++) {
        struct base *b = &q->bases[q->bases_len];
        const struct http_base *from = &bases[q->bases_len];
        b->is_held_whole = from->is_held_whole;
        for (unsigned rank = 0; rank < RANKS; rank++)
            TAILQ_INIT(&b->ready[rank]);
        enum status status = window_init(&b->window, from->requests_max, from->window_ms);
        if (status != STATUS_OK)
            return status;
    }
    *ret = TAKE(q);
    return STATUS_OK;
}

void call_queue_free(struct call_queue *q)
{
    if (q == NULL)
        return;
    assert(q->calls_len == 0);
    for (size_t i = 0; i < BUCKETS; i++)
        while (!LIST_EMPTY(&q->buckets[i]))
            drop_key(q, LIST_FIRST(&q->buckets[i]));
    for (size_t i = 0; i < q->bases_len; i++)
        window_done(&q->bases[i].window);
    timers_done(&q->expiries);
    timers_done(&q->holds);
    free(q);
}
