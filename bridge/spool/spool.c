#include "bridge/spool/spool.h"

#include <stdlib.h>

#include "bridge/base/clock.h"
#include "bridge/base/scoped.h"
#include "bridge/domain/log_events.h"
#include "bridge/spool/flush_time.h"
#include "bridge/spool/record_codec.h"
#include "bridge/spool/spool_state.h"

/* Less than one part in so many is left: full enough to tell. */
enum { ROOM_PARTS = 64 };

/* Reads that fail in a row, of which the drain makes one in half a second, until the disk is not
 * only slow to come back: then it is told of, and the database is opened and proved anew. */
enum { FAILED_READS_MAX = 20 };

/* --- lists ---------------------------------------------------------------------------------- */

void spool_entries_init(struct spool_entries *list)
{
    *list = (struct spool_entries){.last = &list->first};
}

void spool_entries_add(struct spool_entries *list, struct spool_entry *entry)
{
    entry->next = NULL;
    *list->last = entry;
    list->last = &entry->next;
}

struct spool_entry *spool_entries_take(struct spool_entries *list)
{
    struct spool_entry *entry = list->first;
    if (entry == NULL)
        return NULL;
    list->first = entry->next;
    if (list->first == NULL)
        list->last = &list->first;
    return entry;
}

uint64_t spool_entry_bytes(const struct spool_entry *entry)
{
    uint64_t bytes = 0;
    for (size_t i = 0; i < entry->pub->records_len; i++)
        bytes += record_codec_payload(&entry->pub->records[i]);
    return bytes;
}

/* --- life ----------------------------------------------------------------------------------- */

static struct counter *refused(struct metrics *m, const char *reason)
{
    return metrics_counter(m, "maesn_bridge_spool_refused_total",
                           "Callbacks that the spool did not take.",
                           &(const struct metric_label){"reason", reason}, 1);
}

static void make_metrics(struct spool_metrics *ret, struct metrics *m)
{
    *ret = (struct spool_metrics){
        .records = metrics_gauge(m, "maesn_bridge_spool_records",
                                 "Records in the spool that wait for Kafka.", NULL, 0),
        .bytes = metrics_gauge(m, "maesn_bridge_spool_bytes",
                               "Bytes of their keys, values and headers.", NULL, 0),
        .max_bytes = metrics_gauge(m, "maesn_bridge_spool_max_bytes",
                                   "Most of these bytes that the spool takes.", NULL, 0),
        .flush_seconds = metrics_gauge(
            m, "maesn_bridge_spool_flush_seconds",
            "How long the spool's disk took to make a write durable, measured at start.", NULL, 0),
        .healthy =
            metrics_gauge(m, "maesn_bridge_spool_healthy",
                          "1: the spool takes records. 0: its disk fails, or is full.", NULL, 0),
        .stored = metrics_counter(m, "maesn_bridge_spool_stored_records_total",
                                  "Records stored in the spool.", NULL, 0),
        .deleted =
            metrics_counter(m, "maesn_bridge_spool_deleted_records_total",
                            "Records deleted from the spool after Kafka took them.", NULL, 0),
        .full = refused(m, "full"),
        .failed = refused(m, "failed"),
        .commits_failed = metrics_counter(
            m, "maesn_bridge_spool_failures_total",
            "Failures of the spool's disk or database, after which it was opened anew.", NULL, 0),
        .ambiguous = metrics_counter(
            m, "maesn_bridge_spool_ambiguous_records_total",
            "Records answered 503 that were found stored after a failure; they are delivered.",
            NULL, 0),
        .damaged = metrics_counter(m, "maesn_bridge_spool_damaged_records_total",
                                   "Records set aside because their checksum is wrong.", NULL, 0),
        .quarantined = metrics_counter(m, "maesn_bridge_spool_quarantined_total",
                                       "Damaged databases that were moved aside.", NULL, 0),
        .commit_seconds = metrics_histogram(m, "maesn_bridge_spool_commit_duration_seconds",
                                            "How long it took to store a batch durably.", NULL, 0),
    };
}

static void measure_flush_time(struct spool *s)
{
    struct diag diag = {0};
    double seconds = 0;
    enum status status = flush_time_measure(s->storage.directory, FLUSH_TIME_MS, &seconds, &diag);
    if (status == STATUS_OK)
        gauge_set(s->metrics.flush_seconds, seconds);
    LOG(SPOOL_OPENED, log_text("directory", s->storage.directory),
        log_number("records", (int64_t)spool_records(s)),
        log_number("bytes", (int64_t)spool_bytes(s)),
        log_number("flush_us", (int64_t)(seconds * 1e6)),
        log_text("error", diag.text[0] == '\0' ? NULL : diag.text));
}

/* The database and its log together stay below twice the quota: the log is cut at one length, and
 * at four of them whoever reads has to wait. */
static struct store_limits limits_of(uint64_t max_bytes)
{
    const uint64_t log_min = 64 << 10, log_max = 4 << 20;
    uint64_t log_bytes = max_bytes / 16;
    log_bytes = log_bytes < log_min ? log_min : log_bytes > log_max ? log_max : log_bytes;
    return (struct store_limits){
        .file_bytes = 2 * max_bytes > 4 * log_bytes ? 2 * max_bytes - 4 * log_bytes : 0,
        .log_bytes = log_bytes,
        .check_ms = CHECK_MS,
    };
}

static void init_locks(struct spool *s)
{
    pthread_condattr_t monotonic;
    pthread_condattr_init(&monotonic);
    pthread_condattr_setclock(&monotonic, CLOCK_MONOTONIC);
    pthread_cond_init(&s->changed, &monotonic);
    pthread_condattr_destroy(&monotonic);
    pthread_mutex_init(&s->lock, NULL);
    pthread_mutex_init(&s->reader_lock, NULL);
}

/* The writer does not run. */
static void spool_free(struct spool *s)
{
    if (s == NULL)
        return;
    store_reader_close(s->reader);
    store_close(s->store);
    storage_done(&s->storage);
    buf_done(&s->encoded);
    free(s->deletes);
    free(s->unread);
    pthread_mutex_destroy(&s->reader_lock);
    pthread_mutex_destroy(&s->lock);
    pthread_cond_destroy(&s->changed);
    free(s);
}

DEFINE_CLEANUP(struct spool *, spool_free)

enum status spool_open(const struct spool_options *opt, struct spool **ret, struct diag *diag)
{
    CLEANUP(spool_free_scoped) struct spool *s = calloc(1, sizeof(*s));
    if (s == NULL)
        return STATUS_NOMEM;
    init_locks(s);
    s->storage = (struct storage){.directory_fd = -1, .lock_fd = -1};
    s->max_bytes = opt->max_bytes;
    s->limits = limits_of(opt->max_bytes);
    s->ctx = opt->ctx;
    s->on_change = opt->on_change;
    s->retry_pause_ms = RETRY_MIN_MS;
    buf_init(&s->encoded, SIZE_MAX / 4);
    spool_entries_init(&s->waiting);
    atomic_init(&s->is_at_end, true);
    enum status status = storage_init(&s->storage, opt->directory, diag);
    if (status != STATUS_OK)
        return status;
    make_metrics(&s->metrics, opt->metrics);
    gauge_set(s->metrics.max_bytes, (double)s->max_bytes);
    spool_writer_open(s);
    measure_flush_time(s);
    if (pthread_create(&s->writer, NULL, spool_writer_run, s) != 0)
        return diag_set(diag, STATUS_NOMEM, "the spool's thread cannot be started");
    *ret = TAKE(s);
    return STATUS_OK;
}

void spool_close(struct spool *s)
{
    if (s == NULL)
        return;
    pthread_mutex_lock(&s->lock);
    s->is_stopping = true;
    pthread_cond_signal(&s->changed);
    pthread_mutex_unlock(&s->lock);
    pthread_join(s->writer, NULL);
    spool_free(s);
}

/* --- storing -------------------------------------------------------------------------------- */

/* The lock is held. How long the disk has not answered, if that is too long; else 0. */
static int64_t stalled_ms(const struct spool *s)
{
    int64_t ms = s->busy_since_mono_ms == 0 ? 0 : clock_mono_ms() - s->busy_since_mono_ms;
    return ms < STALLED_MS ? 0 : ms;
}

/* The lock is held. */
static enum status judge(struct spool *s, uint64_t bytes, int64_t *ret_stalled_ms)
{
    *ret_stalled_ms = stalled_ms(s);
    if (s->state == SPOOL_CLOSED || s->is_stopping || *ret_stalled_ms > 0)
        return STATUS_UNAVAILABLE;
    uint64_t taken = s->stored_bytes + s->waiting_bytes;
    bool may_wait = s->waiting_bytes == 0 || s->waiting_bytes + bytes <= WAITING_BYTES_MAX;
    bool has_room = taken <= s->max_bytes && bytes <= s->max_bytes - taken;
    if (s->state == SPOOL_OPEN && has_room && may_wait)
        return STATUS_OK;
    s->is_refusing = true;
    return STATUS_BUSY;
}

static void report_stall(struct spool *s, int64_t ms)
{
    gauge_set(s->metrics.healthy, 0);
    LOG(SPOOL_STALLED, log_number("for_ms", ms), log_text("directory", s->storage.directory));
}

enum status spool_put(struct spool *s, struct spool_entry *entry)
{
    uint64_t bytes = spool_entry_bytes(entry);
    int64_t stalled = 0;
    pthread_mutex_lock(&s->lock);
    enum status status = judge(s, bytes, &stalled);
    if (status == STATUS_OK) {
        publication_ref(entry->pub);
        spool_entries_add(&s->waiting, entry);
        s->waiting_records += entry->pub->records_len;
        s->waiting_bytes += bytes;
        pthread_cond_signal(&s->changed);
    }
    pthread_mutex_unlock(&s->lock);
    if (stalled > 0)
        report_stall(s, stalled);
    if (status != STATUS_OK)
        counter_add(status == STATUS_BUSY ? s->metrics.full : s->metrics.failed, 1);
    return status;
}

void spool_withdraw(struct spool_entry *entry)
{
    atomic_store(&entry->is_withdrawn, true);
}

/* --- reading and deleting ------------------------------------------------------------------- */

void spool_tell_counts(struct spool *s)
{
    uint64_t gone = s->deletes_len;
    uint64_t records = s->stored_records > gone ? s->stored_records - gone : 0;
    atomic_store(&s->records_now, records);
    atomic_store(&s->bytes_now, s->stored_bytes);
    gauge_set(s->metrics.records, (double)records);
    gauge_set(s->metrics.bytes, (double)s->stored_bytes);
    gauge_set(s->metrics.healthy, s->state == SPOOL_OPEN);
}

/* Adds to what the writer deletes. */
static enum status add_deletes(struct spool *s, const int64_t *sequences, size_t len)
{
    enum status status = STATUS_OK;
    pthread_mutex_lock(&s->lock);
    if (s->deletes_capacity - s->deletes_len < len) {
        size_t grown = s->deletes_capacity + len > BATCH_DELETES / 2
                           ? 2 * (s->deletes_capacity + len)
                           : BATCH_DELETES;
        void *moved = realloc(s->deletes, grown * sizeof(*s->deletes));
        if (moved == NULL)
            status = STATUS_NOMEM;
        else {
            s->deletes = moved;
            s->deletes_capacity = grown;
        }
    }
    if (status == STATUS_OK && len > 0) {
        if (s->deletes_len == 0)
            s->deletes_due_mono_ms = clock_mono_ms() + DELETE_DELAY_MS;
        memcpy(s->deletes + s->deletes_len, sequences, len * sizeof(*sequences));
        s->deletes_len += len;
        spool_tell_counts(s);
        pthread_cond_signal(&s->changed);
    }
    pthread_mutex_unlock(&s->lock);
    return status;
}

enum status spool_delete(struct spool *s, const int64_t *sequences, size_t len)
{
    return add_deletes(s, sequences, len);
}

static bool is_closed(struct spool *s)
{
    pthread_mutex_lock(&s->lock);
    bool is = s->state == SPOOL_CLOSED;
    pthread_mutex_unlock(&s->lock);
    return is;
}

/* What reading says of the database is the writer's to act upon. reader_lock is held: it cannot
 * have been opened anew since it was read. If it is about to be, that checks it. */
static void report(struct spool *s, enum status status, const struct diag *diag)
{
    pthread_mutex_lock(&s->lock);
    if (s->state != SPOOL_CLOSED) {
        s->reader_failure = *diag;
        s->reader_status = status;
    }
    pthread_cond_signal(&s->changed);
    pthread_mutex_unlock(&s->lock);
}

/* reader_lock is held. The reader is opened anew after a failure: SQLite remembers for good that
 * the disk failed once, and damage is no damage then (connection_met_error()). */
static enum status fail_read(struct spool *s, enum status status, const struct diag *diag)
{
    if (status == STATUS_NOMEM)
        return STATUS_NOMEM;
    store_reader_close(s->reader);
    s->reader = NULL;
    s->failed_reads++;
    if (status == STATUS_INVALID || s->failed_reads >= FAILED_READS_MAX) {
        report(s, status, diag);
        s->failed_reads = 0;
    }
    return STATUS_UNAVAILABLE;
}

/* reader_lock is held. Before the database is looked at: what is deleted from it after that is
 * here. */
static enum status note_unread(struct spool *s)
{
    enum status status = STATUS_OK;
    pthread_mutex_lock(&s->lock);
    if (s->unread_capacity < s->deletes_len) {
        void *moved = realloc(s->unread, s->deletes_capacity * sizeof(*s->unread));
        if (moved == NULL)
            status = STATUS_NOMEM;
        else {
            s->unread = moved;
            s->unread_capacity = s->deletes_capacity;
        }
    }
    s->unread_len = status == STATUS_OK ? s->deletes_len : 0;
    if (s->unread_len > 0)
        memcpy(s->unread, s->deletes, s->unread_len * sizeof(*s->unread));
    pthread_mutex_unlock(&s->lock);
    return status;
}

static bool is_unread(const struct spool *s, int64_t sequence)
{
    for (size_t i = 0; i < s->unread_len; i++)
        if (s->unread[i] == sequence)
            return true;
    return false;
}

/* Takes out what is to be deleted. */
static void leave_unread(const struct spool *s, struct store_page *page)
{
    int64_t newest = 0;
    size_t kept = 0;
    for (size_t i = 0; i < s->unread_len; i++)
        newest = s->unread[i] > newest ? s->unread[i] : newest;
    for (size_t i = 0; i < page->len; i++)
        /* Nearly always what is read is newer than all of them. */
        if (page->records[i].sequence > newest || !is_unread(s, page->records[i].sequence))
            page->records[kept++] = page->records[i];
    page->len = kept;
}

/* reader_lock is held. Steps over rows that cannot be trusted. */
static enum status read_page(struct spool *s, struct store_range *range, struct arena *a,
                             struct store_page *page, struct diag *diag)
{
    enum status status = STATUS_OK;
    do {
        status = store_reader_read(s->reader, range, a, page, diag);
        if (status != STATUS_OK || page->damage.sequence == 0)
            return status;
        status = add_deletes(s, (const int64_t[]){-page->damage.sequence}, 1);
        range->after = page->damage.sequence;
    } while (status == STATUS_OK && page->len == 0);
    return status;
}

/* reader_lock is held. Until there is something, or nothing more. */
static enum status read_some(struct spool *s, struct store_range *range, struct arena *a,
                             struct store_page *page, struct diag *diag)
{
    enum status status = note_unread(s);
    while (status == STATUS_OK) {
        status = read_page(s, range, a, page, diag);
        if (status != STATUS_OK || page->len == 0)
            break;
        range->after = page->records[page->len - 1].sequence;
        leave_unread(s, page);
        if (page->len > 0 || page->is_at_end)
            break;
    }
    return status;
}

enum status spool_read(struct spool *s, int64_t after, size_t max, size_t max_bytes,
                       struct arena *a, struct spooled_record **ret, size_t *ret_len)
{
    struct diag diag = {0};
    struct store_page page = {0};
    struct store_range range = {.after = after, .max = max, .max_bytes = max_bytes};
    enum status status = STATUS_OK;
    pthread_mutex_lock(&s->reader_lock);
    if (is_closed(s)) {
        pthread_mutex_unlock(&s->reader_lock);
        return STATUS_UNAVAILABLE;
    }
    if (s->reader == NULL)
        status = store_reader_open(s->storage.database, &s->reader, &diag);
    /* Before it is looked: what is stored from here on, the writer tells. */
    atomic_store(&s->is_at_end, true);
    if (status == STATUS_OK)
        status = read_some(s, &range, a, &page, &diag);
    if (status == STATUS_OK)
        s->failed_reads = 0;
    else
        status = fail_read(s, status, &diag);
    pthread_mutex_unlock(&s->reader_lock);
    if (status != STATUS_OK)
        return status;
    if (!page.is_at_end)
        atomic_store(&s->is_at_end, false);
    *ret = page.records;
    *ret_len = page.len;
    return STATUS_OK;
}

/* --- telling -------------------------------------------------------------------------------- */

uint64_t spool_records(const struct spool *s)
{
    return atomic_load(&s->records_now);
}

uint64_t spool_bytes(const struct spool *s)
{
    return atomic_load(&s->bytes_now);
}

bool spool_is_healthy(const struct spool *spool, struct diag *diag)
{
    struct spool *s = (struct spool *)spool; /* its lock is taken, nothing is changed */
    pthread_mutex_lock(&s->lock);
    bool is_open = s->state == SPOOL_OPEN;
    int64_t stalled = stalled_ms(s);
    uint64_t taken = s->stored_bytes + s->waiting_bytes;
    bool has_room = taken + s->max_bytes / ROOM_PARTS < s->max_bytes;
    if (!is_open)
        (void)diag_set(diag, STATUS_UNAVAILABLE, "%s", s->why.text);
    else if (stalled > 0)
        (void)diag_set(diag, STATUS_UNAVAILABLE, "the disk has not answered for %lld s",
                       (long long)stalled / 1000);
    else if (!has_room)
        (void)diag_set(diag, STATUS_BUSY, "the spool is full: %llu of %llu bytes",
                       (unsigned long long)taken, (unsigned long long)s->max_bytes);
    pthread_mutex_unlock(&s->lock);
    if (stalled > 0)
        gauge_set(s->metrics.healthy, 0); /* the writer, who else does so, waits for the disk */
    return is_open && stalled == 0 && has_room;
}
