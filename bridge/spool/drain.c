#include "bridge/spool/drain.h"

#include <assert.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>

#include "bridge/base/clock.h"

/* Under way at once: enough to make up for an hour's outage in minutes (128 in 20 ms are 6,400 a
 * second), little enough for the memory: measured, 6 MB more than without; 1024 take 17 MB. */
#define WINDOW_RECORDS 128
#define WINDOW_BYTES (2 << 20)

/* One reading. */
#define PAGE_RECORDS 64
#define PAGE_BYTES (256 << 10)

/* What one record may take beside its page: longer ones are not accepted by the ingress. */
#define PAGE_ARENA_MAX (64 << 20)

#define CLASSES 1024

/* Probes: so many at once, so often. */
#define PROBES 64
#define PROBE_INTERVAL_MS 100

/* Pages of which nothing could be sent follow each other this slowly. */
#define SKIP_INTERVAL_MS 5

/* After the queue was full, memory short, or the disk mute. */
#define RETRY_INTERVAL_MS 20
#define DISK_INTERVAL_MS 500

/* Nothing is to be done; on_change would have been called. */
#define IDLE_INTERVAL_MS 500

/* The backlog is closed only if an acknowledgement came within this. */
#define CLOSE_ACKNOWLEDGED_MS 100

/* A broker that has just come back may not know its topics yet. */
#define REFUSED_FOR_MS 10000
#define REFUSED_TOPICS 16

/* As Kafka has it. Source: org.apache.kafka.common.internals.Topic, 4.3.0. */
#define TOPIC_LEN_MAX 249

struct item {
    struct publication pub; /* of one record */
    struct drain *drain;
    struct page *page;
    struct item *previous, *next; /* under way, or next alone: done */
    int64_t sequence;
    size_t bytes;
    uint32_t class;
    bool is_probe;
};

/* What was read at once; lives until the last of its items is released. */
struct page {
    struct arena *arena;
    atomic_size_t refs; /* the turn's, and one for each item that was sent */
    struct item items[];
};

struct refused_topic {
    char name[TOPIC_LEN_MAX + 1]; /* "": none */
    int64_t since_mono_ms;
    bool is_waited_for; /* forget_refused()'s own */
};

struct class
{
    int64_t blocked_at; /* the sequence of its first blocked record; 0: it is not blocked */
    struct refused_topic *refused; /* why it is blocked; NULL: for another reason */
    unsigned under_way;
};

struct drain {
    struct drain_options options;
    struct counter *drained;
    struct counter *duplicates;
    struct gauge *blocked;

    /* The turn's own. */
    int64_t cursor; /* the last sequence that was read */
    int64_t scan_at_mono_ms;
    int64_t probe_at_mono_ms;
    uint32_t next_probe;

    pthread_mutex_t lock; /* guards what follows */
    struct class classes[CLASSES];
    size_t blocked_len; /* classes */
    bool wants_rewind;
    struct item *under_way; /* newest first */
    size_t under_way_len, under_way_bytes;
    struct item *done;
    size_t done_len;
    int64_t acknowledged_at_mono_ms; /* the last one */
    atomic_size_t refused_len;       /* is read without the lock */
    struct refused_topic refused[REFUSED_TOPICS];
};

/* The lock is held. */
static void drain_check(const struct drain *d)
{
    assert(d->under_way_len <= WINDOW_RECORDS + PROBES);
    assert(d->blocked_len <= CLASSES);
}

/* --- pages --------------------------------------------------------------------------------------
 */

static void page_unref(struct page *page)
{
    if (atomic_fetch_sub(&page->refs, 1) != 1)
        return;
    arena_free(page->arena);
    free(page);
}

static void on_release(struct publication *pub)
{
    struct item *item = pub->owner;
    page_unref(item->page);
}

static uint32_t class_of(const struct record *r)
{
    uint32_t hash = 2166136261U; /* FNV-1a */
    for (const char *c = r->topic; *c != '\0'; c++)
        hash = (hash ^ (uint8_t)*c) * 16777619U;
    for (size_t i = 0; i < r->key.len; i++)
        hash = (hash ^ r->key.data[i]) * 16777619U;
    return hash % CLASSES;
}

static size_t bytes_of_record(const struct record *r)
{
    size_t bytes = r->key.len + r->value.len;
    for (size_t i = 0; i < r->headers_len; i++)
        bytes += strlen(r->headers[i].name) + r->headers[i].value.len;
    return bytes;
}

static bool on_done(struct publication *pub, enum status status);

/* Reads rows after this one. NULL and *ret_status: not now. */
static struct page *page_read(struct drain *d, int64_t after, size_t max,
                              struct spooled_record **ret_rows, size_t *ret_len,
                              enum status *ret_status)
{
    struct arena *arena = arena_new(PAGE_ARENA_MAX);
    *ret_len = 0;
    *ret_status = arena == NULL ? STATUS_NOMEM
                                : spool_read(d->options.spool, after, max, PAGE_BYTES, arena,
                                             ret_rows, ret_len);
    size_t len = *ret_status == STATUS_OK ? *ret_len : 0;
    struct page *page = calloc(1, sizeof(*page) + len * sizeof(page->items[0]));
    if (page == NULL)
        *ret_status = STATUS_NOMEM;
    if (*ret_status != STATUS_OK) {
        arena_free(arena);
        free(page);
        return NULL;
    }
    page->arena = arena;
    atomic_init(&page->refs, 1);
    for (size_t i = 0; i < len; i++) {
        struct item *item = &page->items[i];
        struct record *r = &(*ret_rows)[i].record;
        publication_init(&item->pub);
        item->pub.records = r;
        item->pub.records_len = 1;
        item->pub.arena = arena;
        item->pub.on_done = on_done;
        item->pub.on_release = on_release;
        item->pub.owner = item;
        item->drain = d;
        item->page = page;
        item->sequence = (*ret_rows)[i].sequence;
        item->bytes = bytes_of_record(r);
        item->class = class_of(r);
    }
    return page;
}

/* --- what somebody has to mend; the lock is held ------------------------------------------------
 */

static struct refused_topic *find_refused(struct drain *d, const char *topic)
{
    for (size_t i = 0; i < REFUSED_TOPICS; i++)
        if (strcmp(d->refused[i].name, topic) == 0)
            return &d->refused[i];
    return NULL;
}

/* Returns NULL for one of too many, whose callbacks the spool keeps. */
static struct refused_topic *note_refused(struct drain *d, const char *topic, int64_t now_mono_ms)
{
    struct refused_topic *refused = find_refused(d, topic);
    if (refused != NULL || strlen(topic) > TOPIC_LEN_MAX)
        return refused;
    refused = find_refused(d, "");
    if (refused == NULL)
        return NULL;
    (void)snprintf(refused->name, sizeof(refused->name), "%s", topic);
    refused->since_mono_ms = now_mono_ms;
    atomic_fetch_add(&d->refused_len, 1);
    return refused;
}

static void drop_refused(struct drain *d, struct refused_topic *refused)
{
    for (size_t i = 0; i < CLASSES; i++)
        if (d->classes[i].refused == refused)
            d->classes[i].refused = NULL;
    refused->name[0] = '\0';
    atomic_fetch_sub(&d->refused_len, 1);
}

static void note_taken(struct drain *d, const char *topic)
{
    struct refused_topic *refused =
        atomic_load(&d->refused_len) == 0 ? NULL : find_refused(d, topic);
    if (refused != NULL)
        drop_refused(d, refused);
}

/* Everything was read. A topic of which nothing is blocked or under way has nothing left that could
 * be acknowledged: its rows were moved aside, with their database or alone. */
static void forget_refused(struct drain *d)
{
    if (atomic_load(&d->refused_len) == 0)
        return;
    for (size_t i = 0; i < REFUSED_TOPICS; i++)
        d->refused[i].is_waited_for = false;
    for (size_t i = 0; i < CLASSES; i++)
        if (d->classes[i].refused != NULL)
            d->classes[i].refused->is_waited_for = true;
    for (const struct item *item = d->under_way; item != NULL; item = item->next) {
        struct refused_topic *refused = find_refused(d, item->pub.records[0].topic);
        if (refused != NULL)
            refused->is_waited_for = true;
    }
    for (size_t i = 0; i < REFUSED_TOPICS; i++)
        if (d->refused[i].name[0] != '\0' && !d->refused[i].is_waited_for)
            drop_refused(d, &d->refused[i]);
}

bool drain_refuses(struct drain *d, const char *topic)
{
    if (atomic_load(&d->refused_len) == 0)
        return false;
    pthread_mutex_lock(&d->lock);
    const struct refused_topic *refused = find_refused(d, topic);
    bool refuses = refused != NULL && clock_mono_ms() - refused->since_mono_ms >= REFUSED_FOR_MS;
    pthread_mutex_unlock(&d->lock);
    return refuses;
}

/* --- under way; the lock is held ----------------------------------------------------------------
 */

static void enter(struct drain *d, struct item *item)
{
    item->previous = NULL;
    item->next = d->under_way;
    if (d->under_way != NULL)
        d->under_way->previous = item;
    d->under_way = item;
    d->under_way_len++;
    d->under_way_bytes += item->bytes;
    d->classes[item->class].under_way++;
    drain_check(d);
}

static void leave(struct drain *d, struct item *item)
{
    *(item->previous == NULL ? &d->under_way : &item->previous->next) = item->next;
    if (item->next != NULL)
        item->next->previous = item->previous;
    item->previous = item->next = NULL;
    d->under_way_len--;
    d->under_way_bytes -= item->bytes;
    d->classes[item->class].under_way--;
}

static bool is_full(const struct drain *d)
{
    return d->under_way_len + d->done_len >= WINDOW_RECORDS || d->under_way_bytes >= WINDOW_BYTES;
}

/* It is not in Kafka: what comes after it must not be either. */
static void block(struct drain *d, const struct item *item, enum status status, int64_t now_mono_ms)
{
    struct class *class = &d->classes[item->class];
    if (status == STATUS_REFUSED)
        class->refused = note_refused(d, item->pub.records[0].topic, now_mono_ms);
    d->blocked_len += class->blocked_at == 0;
    if (class->blocked_at == 0 || item->sequence < class->blocked_at)
        class->blocked_at = item->sequence;
    for (struct item *other = d->under_way; other != NULL; other = other->next)
        if (other->class == item->class && other->sequence > item->sequence)
            publication_abandon(&other->pub);
    gauge_set(d->blocked, (double)d->blocked_len);
}

/* --- to Kafka and back --------------------------------------------------------------------------
 */

/* The sink's thread, maybe from within its publish(). */
static bool on_done(struct publication *pub, enum status status)
{
    struct item *item = pub->owner;
    struct drain *d = item->drain;
    int64_t now = clock_mono_ms();
    pthread_mutex_lock(&d->lock);
    leave(d, item);
    if (status == STATUS_OK) {
        item->next = d->done;
        d->done = item;
        d->done_len++;
        d->acknowledged_at_mono_ms = now;
        d->wants_rewind |= item->is_probe;
        note_taken(d, pub->records[0].topic);
    } else {
        block(d, item, status, now);
    }
    pthread_mutex_unlock(&d->lock);

    if (status == STATUS_OK) {
        counter_add(d->drained, 1);
    } else {
        counter_add(d->duplicates, atomic_load(&pub->maybe_durable));
        publication_unref(pub);
    }
    if (d->options.on_change != NULL)
        d->options.on_change(d->options.ctx);
    return true;
}

/* Errors: as event_sink's publish(). STATUS_UNAVAILABLE and STATUS_REFUSED: its class is blocked.
 */
static enum status send_item(struct drain *d, struct item *item, int64_t now_mono_ms)
{
    pthread_mutex_lock(&d->lock);
    bool may_go = item->is_probe || d->classes[item->class].blocked_at == 0;
    if (may_go)
        enter(d, item);
    pthread_mutex_unlock(&d->lock);
    if (!may_go)
        return STATUS_UNAVAILABLE;
    atomic_fetch_add(&item->page->refs, 1);
    enum status status = event_sink_publish(d->options.sink, &item->pub);
    if (status == STATUS_OK)
        return STATUS_OK;
    pthread_mutex_lock(&d->lock);
    leave(d, item);
    if (status == STATUS_UNAVAILABLE || status == STATUS_REFUSED)
        block(d, item, status, now_mono_ms);
    pthread_mutex_unlock(&d->lock);
    publication_unref(&item->pub);
    return status;
}

/* --- deleting -----------------------------------------------------------------------------------
 */

static struct item *take_done(struct drain *d)
{
    pthread_mutex_lock(&d->lock);
    struct item *done = d->done;
    d->done = NULL;
    d->done_len = 0;
    pthread_mutex_unlock(&d->lock);
    return done;
}

static void give_back_done(struct drain *d, struct item *item)
{
    pthread_mutex_lock(&d->lock);
    while (item != NULL) {
        struct item *next = item->next;
        item->next = d->done;
        d->done = item;
        d->done_len++;
        item = next;
    }
    pthread_mutex_unlock(&d->lock);
}

/* What is acknowledged goes. Returns false when memory was short: it is to be tried again. */
static bool delete_done(struct drain *d)
{
    struct item *item = take_done(d);
    while (item != NULL) {
        int64_t sequences[PAGE_RECORDS];
        size_t len = 0;
        for (struct item *i = item; i != NULL && len < PAGE_RECORDS; i = i->next)
            sequences[len++] = i->sequence;
        if (spool_delete(d->options.spool, sequences, len) != STATUS_OK) {
            give_back_done(d, item);
            return false;
        }
        for (; len > 0; len--) {
            struct item *next = item->next;
            publication_unref(&item->pub);
            item = next;
        }
    }
    return true;
}

/* --- the turn -----------------------------------------------------------------------------------
 */

static int64_t earlier(int64_t a, int64_t b)
{
    return a < b ? a : b;
}

/* Returns whether reading may go on: not before a rewind that is wanted was made. What was
 * acknowledged since is handed to spool_delete() first: it would be read, and sent, once more. */
static bool rewind_if_wanted(struct drain *d)
{
    pthread_mutex_lock(&d->lock);
    bool rewinds = d->wants_rewind && d->under_way_len == 0 && d->done_len == 0;
    for (size_t i = 0; rewinds && i < CLASSES; i++) {
        if (d->classes[i].blocked_at != 0)
            d->cursor = earlier(d->cursor, d->classes[i].blocked_at - 1);
        d->classes[i].blocked_at = 0;
        d->classes[i].refused = NULL;
    }
    if (rewinds) {
        d->blocked_len = 0;
        d->wants_rewind = false;
        gauge_set(d->blocked, 0);
    }
    bool goes_on = !d->wants_rewind;
    pthread_mutex_unlock(&d->lock);
    return goes_on;
}

/* The first records of some blocked classes. */
static size_t choose_probes(struct drain *d, int64_t ret[PROBES])
{
    size_t len = 0;
    pthread_mutex_lock(&d->lock);
    for (size_t n = 0; n < CLASSES && len < PROBES && d->blocked_len > 0; n++) {
        const struct class *class = &d->classes[d->next_probe];
        d->next_probe = (d->next_probe + 1) % CLASSES;
        if (class->blocked_at != 0 && class->under_way == 0)
            ret[len++] = class->blocked_at;
    }
    if (is_full(d))
        len = 0;
    pthread_mutex_unlock(&d->lock);
    return len;
}

static void probe_one(struct drain *d, int64_t sequence, int64_t now_mono_ms)
{
    struct spooled_record *rows;
    size_t len;
    enum status status;
    struct page *page = page_read(d, sequence - 1, 1, &rows, &len, &status);
    if (page == NULL)
        return; /* another time */
    if (len == 1 && page->items[0].sequence == sequence) {
        page->items[0].is_probe = true;
        (void)send_item(d, &page->items[0], now_mono_ms);
    } else {
        pthread_mutex_lock(&d->lock);
        d->wants_rewind = true; /* it is gone: it was damaged, or its database moved aside */
        pthread_mutex_unlock(&d->lock);
    }
    page_unref(page);
}

/* Tries whether something goes that did not. Returns when to try again. */
static int64_t probe(struct drain *d, int64_t now_mono_ms)
{
    if (now_mono_ms < d->probe_at_mono_ms)
        return d->probe_at_mono_ms;
    int64_t sequences[PROBES];
    size_t len = choose_probes(d, sequences);
    for (size_t i = 0; i < len; i++)
        probe_one(d, sequences[i], now_mono_ms);
    d->probe_at_mono_ms = now_mono_ms + PROBE_INTERVAL_MS;
    return d->probe_at_mono_ms;
}

/* What becomes of a page. */
enum scanned {
    SCANNED_ALL = 0, /* some of it was sent, or all was skipped */
    SCANNED_NOTHING, /* all was skipped */
    SCANNED_END,     /* the rest is not to be read yet */
    SCANNED_FULL,    /* as much is under way as may be */
    SCANNED_REFUSED, /* the sink's queue is full, or memory is short */
};

static enum scanned scan_page(struct drain *d, struct page *page, size_t len, int64_t bound,
                              int64_t now_mono_ms)
{
    bool any = false;
    for (size_t i = 0; i < len; i++) {
        struct item *item = &page->items[i];
        if (item->sequence > bound)
            return SCANNED_END;
        pthread_mutex_lock(&d->lock);
        bool is_blocked = d->classes[item->class].blocked_at != 0;
        bool full = is_full(d);
        pthread_mutex_unlock(&d->lock);
        if (!is_blocked && full)
            return SCANNED_FULL;
        enum status status = is_blocked ? STATUS_UNAVAILABLE : send_item(d, item, now_mono_ms);
        if (status == STATUS_BUSY || status == STATUS_NOMEM)
            return SCANNED_REFUSED;
        d->cursor = item->sequence;
        any |= status == STATUS_OK;
    }
    return any ? SCANNED_ALL : SCANNED_NOTHING;
}

/* Everything that may be read was. */
static void meet_end(struct drain *d, const struct backlog_view *view, int64_t now_mono_ms)
{
    pthread_mutex_lock(&d->lock);
    forget_refused(d);
    bool is_clean = d->blocked_len == 0 && d->under_way_len == 0;
    /* While something leaves, the rest is a matter of milliseconds. */
    bool is_near =
        d->blocked_len == 0 && now_mono_ms - d->acknowledged_at_mono_ms < CLOSE_ACKNOWLEDGED_MS;
    pthread_mutex_unlock(&d->lock);
    if (is_clean && backlog_clear(d->options.backlog, view, now_mono_ms))
        d->options.on_empty(d->options.ctx, now_mono_ms);
    else if (is_near)
        backlog_close(d->options.backlog, now_mono_ms);
}

static int64_t scan_again(struct drain *d, int64_t at_mono_ms)
{
    d->scan_at_mono_ms = at_mono_ms;
    return at_mono_ms;
}

/* Reads one page and sends what may be. Returns when to go on. */
static int64_t scan(struct drain *d, int64_t now_mono_ms)
{
    if (now_mono_ms < d->scan_at_mono_ms)
        return d->scan_at_mono_ms;
    pthread_mutex_lock(&d->lock);
    bool full = is_full(d);
    pthread_mutex_unlock(&d->lock);
    if (full)
        return INT64_MAX;

    struct backlog_view view = backlog_view(d->options.backlog);
    struct spooled_record *rows;
    size_t len;
    enum status status;
    struct page *page = page_read(d, d->cursor, PAGE_RECORDS, &rows, &len, &status);
    if (page == NULL)
        return scan_again(d, now_mono_ms +
                                 (status == STATUS_NOMEM ? RETRY_INTERVAL_MS : DISK_INTERVAL_MS));
    int64_t bound = backlog_bound(d->options.backlog, &view);
    if (len > 0 && page->items[0].sequence <= bound)
        backlog_found(d->options.backlog, now_mono_ms);
    enum scanned scanned = len == 0 ? SCANNED_END : scan_page(d, page, len, bound, now_mono_ms);
    page_unref(page);
    switch (scanned) {
    case SCANNED_ALL:
        return now_mono_ms;
    case SCANNED_NOTHING:
        return scan_again(d, now_mono_ms + SKIP_INTERVAL_MS);
    case SCANNED_END:
        meet_end(d, &view, now_mono_ms);
        return INT64_MAX;
    case SCANNED_FULL:
        return INT64_MAX;
    case SCANNED_REFUSED:
        return scan_again(d, now_mono_ms + RETRY_INTERVAL_MS);
    }
    return INT64_MAX;
}

int64_t drain_turn(struct drain *d, int64_t now_mono_ms)
{
    int64_t next = now_mono_ms + IDLE_INTERVAL_MS;
    if (!delete_done(d))
        next = now_mono_ms + RETRY_INTERVAL_MS;
    if (!rewind_if_wanted(d))
        return next;
    next = earlier(next, probe(d, now_mono_ms));
    return earlier(next, scan(d, now_mono_ms));
}

void drain_stop(struct drain *d)
{
    pthread_mutex_lock(&d->lock);
    for (struct item *item = d->under_way; item != NULL; item = item->next)
        publication_abandon(&item->pub);
    pthread_mutex_unlock(&d->lock);
}

/* --- life ---------------------------------------------------------------------------------------
 */

enum status drain_new(const struct drain_options *opt, struct drain **ret)
{
    struct drain *d = calloc(1, sizeof(*d));
    if (d == NULL)
        return STATUS_NOMEM;
    d->options = *opt;
    d->acknowledged_at_mono_ms = INT64_MIN / 2;
    d->drained = metrics_counter(opt->metrics, "maesn_bridge_spool_drained_records_total",
                                 "Records from the spool that Kafka has acknowledged.", NULL, 0);
    d->duplicates = metrics_counter(
        opt->metrics, "maesn_bridge_spool_duplicates_possible_total",
        "Records delivered from the spool that Kafka may have already, with the same ce_id.", NULL,
        0);
    d->blocked = metrics_gauge(
        opt->metrics, "maesn_bridge_spool_blocked_keys",
        "Keys, up to 1024 by their hash, whose records in the spool Kafka does not take now.", NULL,
        0);
    pthread_mutex_init(&d->lock, NULL);
    *ret = d;
    return STATUS_OK;
}

void drain_free(struct drain *d)
{
    if (d == NULL)
        return;
    assert(d->under_way_len == 0);
    if (!delete_done(d)) /* they are delivered once more */
        for (struct item *item = take_done(d), *next; item != NULL; item = next) {
            next = item->next;
            publication_unref(&item->pub);
        }
    pthread_mutex_destroy(&d->lock);
    free(d);
}
