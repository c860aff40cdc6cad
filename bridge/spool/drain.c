#include "bridge/spool/drain.h"

#include <assert.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>

#include "bridge/base/clock.h"
#include "bridge/base/scoped.h"

/* Under way at once: enough to make up for an hour's outage in minutes (128 keys in 20 ms are 6,400
 * a second), little enough for the memory: measured, 6 MB more than without; 1024 take 17 MB. */
#define WINDOW_RECORDS 128
#define WINDOW_BYTES (2 << 20)

/* One reading. */
#define PAGE_RECORDS 128
#define PAGE_BYTES (512 << 10)

/* A class that has no more rows than this in a page sends them one by one. One with more sends as
 * many at once as let the page be over after so many round trips: else a single key would drain no
 * faster than some 300 a second. A page of a few such keys takes them all: 16 rows a round trip. */
#define PAGE_ROUNDS 8

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

/* Rows of one class and topic that are sent together. */
struct batch {
    struct publication pub;
    struct drain *drain;
    struct page *page;
    struct batch *previous, *next; /* under way, or next alone: done */
    struct record *records;
    int64_t *sequences; /* of its records, growing */
    size_t len;
    size_t bytes;
    uint32_t class;
    bool is_probe;
    bool is_over; /* it was sent, or its class is blocked: the page need not wait for it */
};

/* What was read at once; lives until the last of its batches is released. */
struct page {
    struct arena *arena;
    atomic_size_t refs; /* the turn's, and one for each batch that was sent */
    struct spooled_record *rows;
    size_t rows_len;
    size_t batches_len;
    bool was_sent; /* at least one of them */
    struct batch batches[];
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
    bool is_under_way;
};

struct drain {
    struct drain_options options;
    struct counter *drained;
    struct counter *duplicates;
    struct gauge *blocked;

    /* The turn's own. */
    int64_t cursor;    /* the last sequence that was read */
    struct page *page; /* what was read and is not over; NULL: nothing */
    int64_t scan_at_mono_ms;
    int64_t probe_at_mono_ms;
    uint32_t next_probe;

    pthread_mutex_t lock; /* guards what follows */
    struct class classes[CLASSES];
    size_t blocked_len; /* classes */
    bool wants_rewind;
    struct batch *under_way; /* newest first */
    size_t under_way_len, under_way_bytes;
    struct batch *done;
    size_t done_len;                 /* records, as under_way_len */
    int64_t acknowledged_at_mono_ms; /* the last one */
    atomic_size_t refused_len;       /* is read without the lock */
    struct refused_topic refused[REFUSED_TOPICS];
};

static int64_t earlier(int64_t a, int64_t b)
{
    return a < b ? a : b;
}

/* The lock is held. */
static void drain_check(const struct drain *d)
{
    assert(d->under_way_len < WINDOW_RECORDS + PAGE_RECORDS / PAGE_ROUNDS + PROBES);
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
    struct batch *b = pub->owner;
    page_unref(b->page);
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

/* Reads rows after this one. */
static enum status page_read(struct drain *d, int64_t after, size_t max, struct page **ret)
{
    struct arena *arena = arena_new(PAGE_ARENA_MAX);
    struct page *page = calloc(1, sizeof(*page) + max * sizeof(page->batches[0]));
    enum status status = arena == NULL || page == NULL ? STATUS_NOMEM : STATUS_OK;
    if (status == STATUS_OK)
        status = spool_read(d->options.spool, after, max, PAGE_BYTES, arena, &page->rows,
                            &page->rows_len);
    if (status != STATUS_OK) {
        arena_free(arena);
        free(page);
        return status;
    }
    page->arena = arena;
    atomic_init(&page->refs, 1);
    *ret = page;
    return STATUS_OK;
}

/* Makes batches of the rows of one class from this one on, at most so many in each. The arena has
 * room for copies of its own rows. */
static enum status form_class(struct page *page, const uint32_t classes[], size_t first, size_t len,
                              size_t most)
{
    struct batch *b = NULL;
    for (size_t i = first; i < len; i++) {
        if (classes[i] != classes[first])
            continue;
        const struct spooled_record *row = &page->rows[i];
        if (b == NULL || b->len == most || strcmp(b->records[0].topic, row->record.topic) != 0) {
            b = &page->batches[page->batches_len];
            b->records = arena_alloc(page->arena, most * sizeof(*b->records));
            b->sequences = arena_alloc(page->arena, most * sizeof(*b->sequences));
            if (b->records == NULL || b->sequences == NULL)
                return STATUS_NOMEM;
            b->class = classes[first];
            page->batches_len++;
        }
        b->records[b->len] = row->record;
        b->sequences[b->len++] = row->sequence;
        b->bytes += bytes_of_record(&row->record);
    }
    return STATUS_OK;
}

/* Makes batches of its first rows: those of a class follow each other in their order. */
static enum status page_form(struct drain *d, struct page *page, size_t len)
{
    uint32_t classes[PAGE_RECORDS];
    assert(len <= PAGE_RECORDS);
    for (size_t i = 0; i < len; i++)
        classes[i] = class_of(&page->rows[i].record);
    enum status status = STATUS_OK;
    for (size_t i = 0; i < len && status == STATUS_OK; i++) {
        size_t before = 0, rows = 0;
        for (size_t k = 0; k < len; k++) {
            before += k < i && classes[k] == classes[i];
            rows += classes[k] == classes[i];
        }
        if (before == 0)
            status = form_class(page, classes, i, len, 1 + (rows - 1) / PAGE_ROUNDS);
    }
    for (size_t i = 0; i < page->batches_len; i++) {
        page->batches[i].drain = d;
        page->batches[i].page = page;
    }
    return status;
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
    for (const struct batch *b = d->under_way; b != NULL; b = b->next) {
        struct refused_topic *refused = find_refused(d, b->records[0].topic);
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

static void enter(struct drain *d, struct batch *b)
{
    b->previous = NULL;
    b->next = d->under_way;
    if (d->under_way != NULL)
        d->under_way->previous = b;
    d->under_way = b;
    d->under_way_len += b->len;
    d->under_way_bytes += b->bytes;
    d->classes[b->class].is_under_way = true;
    b->is_over = true;
    drain_check(d);
}

static void leave(struct drain *d, struct batch *b)
{
    *(b->previous == NULL ? &d->under_way : &b->previous->next) = b->next;
    if (b->next != NULL)
        b->next->previous = b->previous;
    b->previous = b->next = NULL;
    d->under_way_len -= b->len;
    d->under_way_bytes -= b->bytes;
    d->classes[b->class].is_under_way = false;
}

static bool is_full(const struct drain *d)
{
    return d->under_way_len + d->done_len >= WINDOW_RECORDS || d->under_way_bytes >= WINDOW_BYTES;
}

/* It is not in Kafka, or not all of it: what comes after it must not be either. */
static void block(struct drain *d, const struct batch *b, enum status status, int64_t now_mono_ms)
{
    struct class *class = &d->classes[b->class];
    if (status == STATUS_REFUSED)
        class->refused = note_refused(d, b->records[0].topic, now_mono_ms);
    int64_t first = b->sequences[0];
    d->blocked_len += class->blocked_at == 0;
    class->blocked_at = class->blocked_at == 0 ? first : earlier(class->blocked_at, first);
    gauge_set(d->blocked, (double)d->blocked_len);
}

/* --- to Kafka and back --------------------------------------------------------------------------
 */

/* The sink's thread, maybe from within its publish(). */
static bool on_done(struct publication *pub, enum status status)
{
    struct batch *b = pub->owner;
    struct drain *d = b->drain;
    size_t len = b->len;
    int64_t now = clock_mono_ms();
    pthread_mutex_lock(&d->lock);
    leave(d, b);
    if (status == STATUS_OK) {
        b->next = d->done;
        d->done = b;
        d->done_len += len;
        d->acknowledged_at_mono_ms = now;
        d->wants_rewind |= b->is_probe;
        note_taken(d, pub->records[0].topic);
    } else {
        block(d, b, status, now);
    }
    pthread_mutex_unlock(&d->lock);

    if (status == STATUS_OK) {
        counter_add(d->drained, len);
    } else {
        counter_add(d->duplicates, atomic_load(&pub->maybe_durable));
        publication_unref(pub);
    }
    if (d->options.on_change != NULL)
        d->options.on_change(d->options.ctx);
    return true;
}

/* It has entered. Errors: as event_sink's publish(). STATUS_UNAVAILABLE and STATUS_REFUSED: its
 * class is blocked; else it may be sent another time. */
static enum status send_batch(struct drain *d, struct batch *b, int64_t now_mono_ms)
{
    publication_init(&b->pub);
    b->pub.records = b->records;
    b->pub.records_len = b->len;
    b->pub.arena = b->page->arena;
    b->pub.on_done = on_done;
    b->pub.on_release = on_release;
    b->pub.owner = b;
    atomic_fetch_add(&b->page->refs, 1);
    enum status status = event_sink_publish(d->options.sink, &b->pub);
    if (status == STATUS_OK)
        return STATUS_OK;
    pthread_mutex_lock(&d->lock);
    leave(d, b);
    if (status == STATUS_UNAVAILABLE || status == STATUS_REFUSED)
        block(d, b, status, now_mono_ms);
    else
        b->is_over = false;
    pthread_mutex_unlock(&d->lock);
    publication_unref(&b->pub);
    return status;
}

/* --- deleting -----------------------------------------------------------------------------------
 */

static struct batch *take_done(struct drain *d)
{
    pthread_mutex_lock(&d->lock);
    struct batch *done = d->done;
    d->done = NULL;
    d->done_len = 0;
    pthread_mutex_unlock(&d->lock);
    return done;
}

static void give_back_done(struct drain *d, struct batch *b)
{
    pthread_mutex_lock(&d->lock);
    while (b != NULL) {
        struct batch *next = b->next;
        b->next = d->done;
        d->done = b;
        d->done_len += b->len;
        b = next;
    }
    pthread_mutex_unlock(&d->lock);
}

/* What is acknowledged goes. Returns false when memory was short: it is to be tried again. */
static bool delete_done(struct drain *d)
{
    struct batch *b = take_done(d);
    while (b != NULL) {
        int64_t sequences[PAGE_RECORDS];
        size_t len = 0;
        struct batch *rest = b;
        for (; rest != NULL && len + rest->len <= PAGE_RECORDS; rest = rest->next) {
            memcpy(&sequences[len], rest->sequences, rest->len * sizeof(sequences[0]));
            len += rest->len;
        }
        if (spool_delete(d->options.spool, sequences, len) != STATUS_OK) {
            give_back_done(d, b);
            return false;
        }
        while (b != rest) {
            struct batch *next = b->next;
            publication_unref(&b->pub);
            b = next;
        }
    }
    return true;
}

/* --- the turn -----------------------------------------------------------------------------------
 */

/* What was read and not sent is read again. */
static void give_back_page(struct drain *d)
{
    if (d->page == NULL)
        return;
    for (size_t i = 0; i < d->page->batches_len; i++)
        if (!d->page->batches[i].is_over)
            d->cursor = earlier(d->cursor, d->page->batches[i].sequences[0] - 1);
    page_unref(TAKE(d->page));
}

/* Returns whether reading may go on: not before a rewind that is wanted was made. What was
 * acknowledged since is handed to spool_delete() first: it would be read, and sent, once more. */
static bool rewind_if_wanted(struct drain *d)
{
    pthread_mutex_lock(&d->lock);
    bool rewinds = d->wants_rewind && d->under_way_len == 0 && d->done_len == 0;
    if (rewinds)
        give_back_page(d);
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
        if (class->blocked_at != 0 && !class->is_under_way)
            ret[len++] = class->blocked_at;
    }
    if (is_full(d))
        len = 0;
    pthread_mutex_unlock(&d->lock);
    return len;
}

static void probe_one(struct drain *d, int64_t sequence, int64_t now_mono_ms)
{
    struct page *page;
    if (page_read(d, sequence - 1, 1, &page) != STATUS_OK)
        return; /* another time */
    bool is_there = page->rows_len == 1 && page->rows[0].sequence == sequence;
    bool may_go = is_there && page_form(d, page, 1) == STATUS_OK;
    pthread_mutex_lock(&d->lock);
    if (may_go) {
        page->batches[0].is_probe = true;
        enter(d, &page->batches[0]);
    } else if (!is_there) {
        d->wants_rewind = true; /* it is gone: it was damaged, or its database moved aside */
    }
    pthread_mutex_unlock(&d->lock);
    if (may_go)
        (void)send_batch(d, &page->batches[0], now_mono_ms);
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

/* Reads the next page. Returns whether there is one; if not, *ret_next is when to look again. */
static bool open_page(struct drain *d, int64_t now_mono_ms, int64_t *ret_next)
{
    struct backlog_view view = backlog_view(d->options.backlog);
    struct page *page = NULL;
    size_t len = 0;
    enum status status = page_read(d, d->cursor, PAGE_RECORDS, &page);
    if (status == STATUS_OK) {
        int64_t bound = backlog_bound(d->options.backlog, &view);
        while (len < page->rows_len && page->rows[len].sequence <= bound)
            len++;
        status = page_form(d, page, len);
    }
    if (status != STATUS_OK) {
        if (page != NULL)
            page_unref(page);
        *ret_next = scan_again(
            d, now_mono_ms + (status == STATUS_NOMEM ? RETRY_INTERVAL_MS : DISK_INTERVAL_MS));
        return false;
    }
    if (len == 0) {
        page_unref(page);
        meet_end(d, &view, now_mono_ms);
        *ret_next = INT64_MAX;
        return false;
    }
    backlog_found(d->options.backlog, now_mono_ms);
    d->cursor = page->rows[len - 1].sequence;
    d->page = page;
    return true;
}

/* The next batch of the page that may go, entered; NULL: none now. *ret_is_over: none ever. */
static struct batch *take_next(struct drain *d, bool *ret_is_over)
{
    struct batch *next = NULL;
    *ret_is_over = true;
    pthread_mutex_lock(&d->lock);
    bool full = is_full(d);
    for (size_t i = 0; i < d->page->batches_len && next == NULL; i++) {
        struct batch *b = &d->page->batches[i];
        const struct class *class = &d->classes[b->class];
        b->is_over |= class->blocked_at != 0;
        if (!b->is_over && !class->is_under_way && !full)
            next = b;
        *ret_is_over &= b->is_over;
    }
    if (next != NULL)
        enter(d, next);
    pthread_mutex_unlock(&d->lock);
    return next;
}

/* Sends what may be, of one page. Returns when to go on. */
static int64_t scan(struct drain *d, int64_t now_mono_ms)
{
    if (now_mono_ms < d->scan_at_mono_ms)
        return d->scan_at_mono_ms;
    pthread_mutex_lock(&d->lock);
    bool full = is_full(d);
    pthread_mutex_unlock(&d->lock);
    int64_t next = INT64_MAX;
    if (full || (d->page == NULL && !open_page(d, now_mono_ms, &next)))
        return next;
    bool is_over;
    for (struct batch *b; (b = take_next(d, &is_over)) != NULL;) {
        enum status status = send_batch(d, b, now_mono_ms);
        if (status == STATUS_BUSY || status == STATUS_NOMEM)
            return scan_again(d, now_mono_ms + RETRY_INTERVAL_MS);
        d->page->was_sent |= status == STATUS_OK;
    }
    if (!is_over)
        return INT64_MAX; /* until something that is under way has come to its end */
    bool was_sent = d->page->was_sent;
    page_unref(TAKE(d->page));
    return was_sent ? now_mono_ms : scan_again(d, now_mono_ms + SKIP_INTERVAL_MS);
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
    for (struct batch *b = d->under_way; b != NULL; b = b->next)
        publication_abandon(&b->pub);
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
        for (struct batch *b = take_done(d), *next; b != NULL; b = next) {
            next = b->next;
            publication_unref(&b->pub);
        }
    if (d->page != NULL)
        page_unref(d->page);
    pthread_mutex_destroy(&d->lock);
    free(d);
}
