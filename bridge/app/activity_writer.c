#include "bridge/app/activity_writer.h"

#include <pthread.h>
#include <search.h>
#include <stdlib.h>
#include <time.h>

#include "bridge/base/clock.h"
#include "bridge/base/scoped.h"
#include "bridge/registry/activity_record.h"

/* Three numbers of 19 digits and their names. */
#define VALUE_MAX 256

/* For each record itself, its key and its value. */
static const size_t arena_max = ACTIVITY_BATCH_MAX * (sizeof(struct record) + 1024);

/* One subscription. */
struct subscription {
    struct subscription *next; /* in the list it is in */
    int64_t written_at_mono_ms;
    struct activity_record noted; /* since the last record */
    char specification[];
};

struct subscriptions {
    struct subscription *first;
    struct subscription *last;
};

/* What a publication under way tells. */
struct told {
    struct subscription *entry;
    struct activity_record noted;
};

struct batch {
    struct publication pub; /* first: a batch is found again from it */
    size_t len;
    struct told told[ACTIVITY_BATCH_MAX];
};

struct activity_writer {
    struct activity activity; /* first: the port's function finds its way back from it */
    struct activity_writer_options options;
    pthread_t thread;
    bool has_thread;
    struct batch *batch;        /* under way; one reference. Thread: the writer's */
    int64_t not_before_mono_ms; /* after a failure. Thread: the writer's */

    pthread_mutex_t lock; /* guards what follows, for moments only */
    pthread_cond_t stops;
    bool is_stopping;
    bool is_reported;
    enum status report;
    void *tree; /* of all entries, by specification; tsearch(3) */
    size_t len;
    struct subscriptions ready;   /* to be told */
    struct subscriptions resting; /* told within the interval, oldest first */
};

/* --- entries; the lock is held ------------------------------------------------------------- */

static int compare_entries(const void *left, const void *right)
{
    const struct subscription *a = left, *b = right;
    return strcmp(a->specification, b->specification);
}

static void append(struct subscriptions *list, struct subscription *e)
{
    e->next = NULL;
    if (list->last == NULL)
        list->first = e;
    else
        list->last->next = e;
    list->last = e;
}

static struct subscription *take_first(struct subscriptions *list)
{
    struct subscription *e = list->first;
    list->first = e->next;
    if (list->first == NULL)
        list->last = NULL;
    return e;
}

static struct subscription *add(struct activity_writer *w, const char *specification)
{
    size_t size = strlen(specification) + 1;
    struct subscription *e =
        w->len >= ACTIVITY_SUBSCRIPTIONS_MAX ? NULL : calloc(1, sizeof(*e) + size);
    if (e == NULL)
        return NULL;
    memcpy(e->specification, specification, size);
    if (tsearch(e, &w->tree, compare_entries) == NULL) {
        free(e);
        return NULL;
    }
    append(&w->ready, e);
    w->len++;
    return e;
}

/* tfind(3) compares with an entry; the key stands where an entry's specification does. */
static int compare_specification(const void *wanted, const void *entry)
{
    const struct subscription *e = entry;
    return strcmp(wanted, e->specification);
}

static void merge(struct activity_record *into, const struct activity_record *more)
{
    if (into->callbacks == 0 || more->first_at_unix_ms < into->first_at_unix_ms)
        into->first_at_unix_ms = more->first_at_unix_ms;
    if (more->last_at_unix_ms > into->last_at_unix_ms)
        into->last_at_unix_ms = more->last_at_unix_ms;
    into->callbacks += more->callbacks;
}

static void note(struct activity *activity, const struct route *route, int64_t received_at_unix_ms)
{
    struct activity_writer *w = (struct activity_writer *)activity;
    const struct activity_record one = {received_at_unix_ms, received_at_unix_ms, 1};
    pthread_mutex_lock(&w->lock);
    struct subscription *const *found =
        tfind(route->specification, &w->tree, compare_specification);
    struct subscription *e = found != NULL ? *found : add(w, route->specification);
    if (e != NULL)
        merge(&e->noted, &one);
    pthread_mutex_unlock(&w->lock);
}

/* Whoever has rested for the interval is to be told again, or, with nothing to tell, forgotten. */
static void wake_rested(struct activity_writer *w, int64_t now_mono_ms)
{
    while (w->resting.first != NULL &&
           now_mono_ms - w->resting.first->written_at_mono_ms >= w->options.interval_ms) {
        struct subscription *e = take_first(&w->resting);
        if (e->noted.callbacks > 0) {
            append(&w->ready, e);
            continue;
        }
        tdelete(e, &w->tree, compare_entries);
        w->len--;
        free(e);
    }
}

static void take_ready(struct activity_writer *w, struct batch *b, int64_t now_mono_ms)
{
    while (b->len < ACTIVITY_BATCH_MAX && w->ready.first != NULL) {
        struct subscription *e = take_first(&w->ready);
        b->told[b->len++] = (struct told){e, e->noted};
        e->noted = (struct activity_record){0};
        e->written_at_mono_ms = now_mono_ms;
        append(&w->resting, e);
    }
}

/* --- publications -------------------------------------------------------------------------- */

static bool on_done(struct publication *pub, enum status status)
{
    struct activity_writer *w = pub->owner;
    pthread_mutex_lock(&w->lock);
    w->is_reported = true;
    w->report = status;
    pthread_mutex_unlock(&w->lock);
    return true;
}

static void on_release(struct publication *pub)
{
    arena_free(pub->arena);
    free(pub);
}

static struct batch *batch_new(struct activity_writer *w)
{
    struct batch *b = calloc(1, sizeof(*b));
    struct arena *arena = arena_new(arena_max);
    if (b == NULL || arena == NULL) {
        arena_free(arena);
        free(b);
        return NULL;
    }
    publication_init(&b->pub);
    b->pub.arena = arena;
    b->pub.owner = w;
    b->pub.on_done = on_done;
    b->pub.on_release = on_release;
    return b;
}

/* No dead letter is made of it: it is no callback, and names no account. */
static enum status seal_one(const struct activity_writer *w, struct arena *a,
                            const struct told *told, struct record *ret)
{
    struct buf value;
    buf_init(&value, VALUE_MAX);
    enum status status = activity_record_write(&told->noted, &value);
    const char *key = arena_dup(a, bytes_of_text(told->entry->specification));
    const char *text = status == STATUS_OK ? arena_dup(a, buf_bytes(&value)) : NULL;
    *ret = (struct record){
        .topic = w->options.topic,
        .key = bytes_of_text(key),
        .value = bytes_of(text, value.len),
    };
    buf_done(&value);
    if (key == NULL || text == NULL)
        return STATUS_NOMEM;
    record_add_header(ret, "content-type", BYTES_LITERAL("application/json"));
    return STATUS_OK;
}

static enum status seal(const struct activity_writer *w, struct batch *b)
{
    struct publication *pub = &b->pub;
    pub->records = arena_alloc(pub->arena, b->len * sizeof(pub->records[0]));
    if (pub->records == NULL)
        return STATUS_NOMEM;
    for (size_t i = 0; i < b->len; i++) {
        enum status status = seal_one(w, pub->arena, &b->told[i], &pub->records[i]);
        if (status != STATUS_OK)
            return status;
    }
    pub->records_len = b->len;
    return STATUS_OK;
}

/* Ends the batch under way. */
static void conclude(struct activity_writer *w, enum status status)
{
    struct batch *b = TAKE(w->batch);
    if (status != STATUS_OK) {
        w->not_before_mono_ms = clock_mono_ms() + w->options.interval_ms;
        pthread_mutex_lock(&w->lock);
        for (size_t i = 0; i < b->len; i++)
            merge(&b->told[i].entry->noted, &b->told[i].noted);
        pthread_mutex_unlock(&w->lock);
    }
    publication_unref(&b->pub);
}

static void publish_ready(struct activity_writer *w, int64_t now_mono_ms)
{
    struct batch *b = batch_new(w);
    if (b == NULL)
        return; /* the next turn has more memory */
    pthread_mutex_lock(&w->lock);
    take_ready(w, b, now_mono_ms);
    w->is_reported = false;
    pthread_mutex_unlock(&w->lock);
    w->batch = b;
    enum status status = seal(w, b);
    if (status == STATUS_OK)
        status = event_sink_publish(w->options.sink, &b->pub);
    if (status != STATUS_OK)
        conclude(w, status);
}

/* Entries are forgotten only while no batch speaks of them. */
static void turn(struct activity_writer *w)
{
    int64_t now = clock_mono_ms();
    pthread_mutex_lock(&w->lock);
    bool is_under_way = w->batch != NULL && !w->is_reported;
    enum status report = w->report;
    pthread_mutex_unlock(&w->lock);
    if (is_under_way)
        return;
    if (w->batch != NULL)
        conclude(w, report);

    pthread_mutex_lock(&w->lock);
    wake_rested(w, now);
    bool is_ready = w->ready.first != NULL && now >= w->not_before_mono_ms;
    pthread_mutex_unlock(&w->lock);
    if (is_ready)
        publish_ready(w, now);
}

static void *run(void *ctx)
{
    struct activity_writer *w = ctx;
    pthread_mutex_lock(&w->lock);
    while (!w->is_stopping) {
        int64_t until_ms = clock_mono_ms() + w->options.turn_ms;
        struct timespec until = {until_ms / 1000, until_ms % 1000 * 1000000};
        (void)pthread_cond_timedwait(&w->stops, &w->lock, &until);
        if (w->is_stopping)
            break;
        pthread_mutex_unlock(&w->lock);
        turn(w);
        pthread_mutex_lock(&w->lock);
    }
    pthread_mutex_unlock(&w->lock);
    return NULL;
}

/* --- life ---------------------------------------------------------------------------------- */

static void init_locks(struct activity_writer *w)
{
    pthread_condattr_t attributes;
    pthread_condattr_init(&attributes);
    pthread_condattr_setclock(&attributes, CLOCK_MONOTONIC);
    pthread_cond_init(&w->stops, &attributes);
    pthread_condattr_destroy(&attributes);
    pthread_mutex_init(&w->lock, NULL);
}

enum status activity_writer_new(const struct activity_writer_options *opt,
                                struct activity_writer **ret)
{
    struct activity_writer *w = calloc(1, sizeof(*w));
    if (w == NULL)
        return STATUS_NOMEM;
    init_locks(w);
    w->activity.note = note;
    w->options = *opt;
    w->has_thread = pthread_create(&w->thread, NULL, run, w) == 0;
    if (!w->has_thread) {
        activity_writer_free(w);
        return STATUS_NOMEM;
    }
    *ret = w;
    return STATUS_OK;
}

struct activity *activity_writer_port(struct activity_writer *w)
{
    return &w->activity;
}

void activity_writer_stop(struct activity_writer *w)
{
    pthread_mutex_lock(&w->lock);
    w->is_stopping = true;
    pthread_cond_signal(&w->stops);
    pthread_mutex_unlock(&w->lock);
    if (w->has_thread)
        pthread_join(w->thread, NULL);
    w->has_thread = false;
}

void activity_writer_free(struct activity_writer *w)
{
    if (w == NULL)
        return;
    if (w->batch != NULL)
        publication_unref(&w->batch->pub);
    tdestroy(w->tree, free);
    pthread_cond_destroy(&w->stops);
    pthread_mutex_destroy(&w->lock);
    free(w);
}
