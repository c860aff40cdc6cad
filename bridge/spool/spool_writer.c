#include <assert.h>

#include "bridge/base/clock.h"
#include "bridge/domain/log_events.h"
#include "bridge/spool/record_codec.h"
#include "bridge/spool/spool_state.h"

/* What one transaction is made of. */
struct turn {
    struct spool_entries batch, withdrawn;
    uint64_t records, bytes; /* of both, as counted in waiting_records and waiting_bytes */
    size_t stored;           /* records of the batch */
    size_t deleted;
    int64_t deletes[BATCH_DELETES];
    size_t deletes_len;
};

enum work {
    WORK_STOP,   /* nothing is left to do */
    WORK_COMMIT, /* the turn */
    WORK_CLOSE,  /* a reader found damage */
    WORK_OPEN,   /* it is time to try */
    WORK_TIDY,   /* nobody needs the disk's room */
};

/* --- opening and closing the database ------------------------------------------------------- */

static void pause_before_retry(struct spool *s)
{
    s->retry_mono_ms = clock_mono_ms() + s->retry_pause_ms;
    s->retry_pause_ms = s->retry_pause_ms * 2 > RETRY_MAX_MS ? RETRY_MAX_MS : s->retry_pause_ms * 2;
}

static void set_state(struct spool *s, enum spool_database state, const struct diag *why)
{
    pthread_mutex_lock(&s->lock);
    s->state = state;
    s->why = (struct diag){0};
    if (why != NULL)
        s->why = *why;
    if (state == SPOOL_CLOSED)
        s->reader_failure = (struct diag){0}; /* what is opened next is checked itself */
    if (state == SPOOL_OPEN)
        s->retry_pause_ms = RETRY_MIN_MS;
    else
        pause_before_retry(s);
    spool_tell_counts(s);
    pthread_mutex_unlock(&s->lock);
}

static void close_database(struct spool *s)
{
    pthread_mutex_lock(&s->reader_lock);
    store_reader_close(s->reader);
    s->reader = NULL;
    store_close(s->store);
    s->store = NULL;
    pthread_mutex_unlock(&s->reader_lock);
    storage_forget_cache(&s->storage);
}

/* What was not stored for lack of a disk is told at once: whoever waits has a deadline. */
static void end_all_waiting(struct spool *s);

static void fail(struct spool *s, enum status status, const struct diag *why)
{
    counter_add(s->metrics.commits_failed, 1);
    LOG(SPOOL_FAILED, log_text("error", why->text), log_text("directory", s->storage.directory));
    if (status == STATUS_INVALID)
        s->damage = *why;
    set_state(s, SPOOL_CLOSED, why); /* before the reader is closed: it is not opened again */
    close_database(s);
    end_all_waiting(s);
}

static void no_room(struct spool *s, const struct diag *why)
{
    LOG(SPOOL_FILLED, log_text("error", why->text), log_text("directory", s->storage.directory));
    set_state(s, SPOOL_NO_ROOM, why);
}

static void report_damage(struct spool *s, const struct storage_damage *damage)
{
    if (!damage->is_moved)
        return;
    counter_add(s->metrics.quarantined, 1);
    LOG(SPOOL_QUARANTINED, log_text("error", damage->why.text),
        log_text("directory", s->storage.directory), log_text("moved_to", damage->name));
    s->damage = (struct diag){0};
    pthread_mutex_lock(&s->lock);
    s->deletes_len = 0; /* they were in the other */
    pthread_mutex_unlock(&s->lock);
}

/* That the database takes what it is given: an empty transaction, and its log. */
static enum status prove(struct store *store, struct diag *diag)
{
    enum status status = store_begin(store, diag);
    if (status == STATUS_OK)
        status = store_commit(store, diag);
    return status == STATUS_OK ? store_checkpoint(store, true, diag) : status;
}

static void take_totals(struct spool *s)
{
    const struct store_totals *totals = store_totals(s->store);
    s->next_sequence = totals->next_sequence;
    pthread_mutex_lock(&s->lock);
    s->stored_records = totals->records;
    s->stored_bytes = totals->bytes;
    spool_tell_counts(s);
    pthread_mutex_unlock(&s->lock);
}

/* What is in it and was not known to be: its commit had failed. */
static int64_t count_ambiguous(struct spool *s)
{
    int64_t found = store_totals(s->store)->next_sequence - s->next_sequence;
    if (s->next_sequence == 0 || found <= 0)
        return 0;
    counter_add(s->metrics.ambiguous, (uint64_t)found);
    return found;
}

void spool_writer_open(struct spool *s)
{
    struct storage_damage damage;
    struct diag diag = {0};
    int64_t next_sequence = s->next_sequence == 0 ? 1 : s->next_sequence;
    enum status status =
        storage_open(&s->storage, &s->limits, next_sequence,
                     s->damage.text[0] == '\0' ? NULL : &s->damage, &s->store, &damage, &diag);
    report_damage(s, &damage);
    if (status != STATUS_OK) {
        fail(s, status, &diag);
        return;
    }
    bool is_again = s->why.text[0] != '\0';
    int64_t ambiguous = count_ambiguous(s);
    take_totals(s);
    status = prove(s->store, &diag);
    if (status == STATUS_BUSY) {
        no_room(s, &diag);
    } else if (status != STATUS_OK) {
        fail(s, status, &diag);
    } else {
        set_state(s, SPOOL_OPEN, NULL);
        if (is_again)
            LOG(SPOOL_RECOVERED, log_text("directory", s->storage.directory),
                log_number("records", (int64_t)spool_records(s)),
                log_number("ambiguous", ambiguous));
    }
}

/* --- one transaction ------------------------------------------------------------------------ */

static enum status insert_entry(struct spool *s, struct spool_entry *entry, int64_t now_unix_ms,
                                struct turn *t, struct diag *diag)
{
    entry->first_sequence = 0;
    for (size_t i = 0; i < entry->pub->records_len; i++) {
        const struct record *r = &entry->pub->records[i];
        int64_t sequence = 0;
        enum status status = record_codec_encode(r, &s->encoded);
        if (status == STATUS_OK)
            status = store_insert(s->store, now_unix_ms, record_codec_payload(r), r->topic,
                                  buf_bytes(&s->encoded), &sequence, diag);
        if (status != STATUS_OK)
            return status;
        if (i == 0)
            entry->first_sequence = sequence;
        t->stored++;
    }
    return STATUS_OK;
}

static enum status delete_one(struct spool *s, int64_t sequence, struct turn *t, struct diag *diag)
{
    bool was_there = false;
    enum status status = sequence > 0 ? store_delete(s->store, sequence, &was_there, diag)
                                      : store_set_aside(s->store, -sequence, &was_there, diag);
    if (status != STATUS_OK || !was_there)
        return status;
    if (sequence > 0) {
        t->deleted++;
        return STATUS_OK;
    }
    counter_add(s->metrics.damaged, 1);
    LOG(SPOOL_RECORD_DAMAGED, log_number("sequence", -sequence),
        log_text("directory", s->storage.directory));
    return STATUS_OK;
}

/* Without the commit. */
static enum status fill_transaction(struct spool *s, struct turn *t, struct diag *diag)
{
    int64_t now_unix_ms = clock_unix_ms();
    enum status status = store_begin(s->store, diag);
    for (struct spool_entry *e = t->batch.first; e != NULL && status == STATUS_OK; e = e->next)
        status = insert_entry(s, e, now_unix_ms, t, diag);
    for (size_t i = 0; i < t->deletes_len && status == STATUS_OK; i++)
        status = delete_one(s, t->deletes[i], t, diag);
    return status;
}

static enum spool_outcome outcome_of_filling(struct spool *s, enum status status,
                                             const struct diag *diag)
{
    if (status == STATUS_BUSY || status == STATUS_NOMEM)
        store_rollback(s->store); /* nothing of it was committed */
    if (status == STATUS_BUSY)
        no_room(s, diag);
    else if (status != STATUS_NOMEM)
        fail(s, status, diag);
    return status == STATUS_BUSY ? SPOOL_FULL : SPOOL_FAILED;
}

static enum spool_outcome write_turn(struct spool *s, struct turn *t)
{
    struct diag diag = {0};
    int64_t began_us = clock_mono_us();
    enum status status = fill_transaction(s, t, &diag);
    if (status != STATUS_OK)
        return outcome_of_filling(s, status, &diag);
    status = store_commit(s->store, &diag);
    if (status != STATUS_OK) {
        fail(s, status, &diag);
        return SPOOL_FAILED;
    }
    histogram_observe(s->metrics.commit_seconds, (double)(clock_mono_us() - began_us) / 1e6);
    counter_add(s->metrics.stored, t->stored);
    counter_add(s->metrics.deleted, t->deleted);
    return SPOOL_STORED;
}

/* --- the outcome ---------------------------------------------------------------------------- */

static void end_entries(struct spool_entries *list, enum spool_outcome outcome)
{
    for (struct spool_entry *entry; (entry = spool_entries_take(list)) != NULL;) {
        struct publication *pub = entry->pub;
        entry->on_end(entry, outcome); /* frees it, maybe */
        publication_unref(pub);
    }
}

/* The lock is held. */
static void forget_deletes(struct spool *s, size_t len)
{
    s->deletes_len -= len;
    if (s->deletes_len > 0)
        memmove(s->deletes, s->deletes + len, s->deletes_len * sizeof(*s->deletes));
    s->deletes_due_mono_ms = clock_mono_ms() + DELETE_DELAY_MS;
}

/* Brings the counts up to date; returns whether there is something new for who empties the spool.
 */
static bool settle(struct spool *s, const struct turn *t, enum spool_outcome outcome)
{
    bool is_committed = outcome == SPOOL_STORED;
    pthread_mutex_lock(&s->lock);
    bool has_room = is_committed && s->is_refusing && (t->deleted > 0 || s->state == SPOOL_NO_ROOM);
    s->busy_since_mono_ms = 0;
    s->waiting_records -= t->records;
    s->waiting_bytes -= t->bytes;
    if (is_committed)
        forget_deletes(s, t->deletes_len);
    else if (s->is_stopping)
        s->deletes_len = 0; /* they are read once more */
    if (has_room)
        s->is_refusing = false;
    bool was_full = s->state == SPOOL_NO_ROOM;
    spool_tell_counts(s);
    pthread_mutex_unlock(&s->lock);
    if (is_committed)
        take_totals(s);
    if (is_committed && was_full)
        set_state(s, SPOOL_OPEN, NULL);
    s->idle_since_mono_ms = clock_mono_ms();
    return has_room || (is_committed && t->stored > 0 && atomic_exchange(&s->is_at_end, false));
}

static void tell_change(struct spool *s)
{
    if (s->on_change != NULL)
        s->on_change(s->ctx);
}

static void end_all_waiting(struct spool *s)
{
    struct spool_entries all;
    spool_entries_init(&all);
    pthread_mutex_lock(&s->lock);
    for (struct spool_entry *entry; (entry = spool_entries_take(&s->waiting)) != NULL;) {
        s->waiting_records -= entry->pub->records_len;
        s->waiting_bytes -= spool_entry_bytes(entry);
        spool_entries_add(&all, entry);
    }
    pthread_mutex_unlock(&s->lock);
    end_entries(&all, SPOOL_FAILED);
}

/* --- the log's length ----------------------------------------------------------------------- */

static void checkpoint(struct spool *s, bool is_whole)
{
    struct diag diag = {0};
    if (is_whole)
        pthread_mutex_lock(&s->reader_lock);
    enum status status = is_whole ? store_shrink(s->store, &diag) : STATUS_OK;
    if (status == STATUS_OK)
        status = store_checkpoint(s->store, is_whole, &diag);
    if (is_whole)
        pthread_mutex_unlock(&s->reader_lock);
    if (status == STATUS_BUSY)
        no_room(s, &diag);
    else if (status != STATUS_OK && status != STATUS_NOMEM)
        fail(s, status, &diag);
}

/* The log is written from its beginning again once all of it is in the database and nobody reads:
 * if somebody always did, it would grow without end. Another process that reads is waited for only
 * a moment, and then not before the log has grown by as much again. */
static void bound_log(struct spool *s)
{
    uint64_t log_bytes = store_log_bytes(s->store);
    if (log_bytes < s->log_checked)
        s->log_checked = 0; /* it began anew */
    if (log_bytes < s->log_checked + s->limits.log_bytes)
        return;
    checkpoint(s, log_bytes >= 4 * s->limits.log_bytes);
    s->log_checked = log_bytes;
}

/* --- what is next --------------------------------------------------------------------------- */

/* The lock is held. */
static void take_turn(struct spool *s, struct turn *t)
{
    uint64_t max_bytes = s->max_bytes / 8 < BATCH_BYTES ? s->max_bytes / 8 : BATCH_BYTES;
    uint64_t records = 0, bytes = 0; /* of the batch */
    for (struct spool_entry *entry; (entry = s->waiting.first) != NULL;) {
        uint64_t entry_bytes = spool_entry_bytes(entry);
        bool is_withdrawn = atomic_load(&entry->is_withdrawn);
        bool fits =
            records + entry->pub->records_len <= BATCH_RECORDS && bytes + entry_bytes <= max_bytes;
        if (!is_withdrawn && !fits && t->batch.first != NULL)
            break;
        (void)!spool_entries_take(&s->waiting);
        spool_entries_add(is_withdrawn ? &t->withdrawn : &t->batch, entry);
        records += is_withdrawn ? 0 : entry->pub->records_len;
        bytes += is_withdrawn ? 0 : entry_bytes;
        t->records += entry->pub->records_len;
        t->bytes += entry_bytes;
    }
    t->deletes_len = s->deletes_len < BATCH_DELETES ? s->deletes_len : BATCH_DELETES;
    if (t->deletes_len > 0)
        memcpy(t->deletes, s->deletes, t->deletes_len * sizeof(*t->deletes));
    s->busy_since_mono_ms = clock_mono_ms();
}

/* The lock is held. *until: when to look again. */
static bool commit_is_due(const struct spool *s, int64_t now, int64_t *until)
{
    if (s->waiting.first != NULL || s->deletes_len >= BATCH_DELETES / 2)
        return true;
    if (s->deletes_len == 0)
        return false;
    if (s->is_stopping || now >= s->deletes_due_mono_ms)
        return true;
    *until = s->deletes_due_mono_ms;
    return false;
}

/* The lock is held. */
static bool tidying_is_due(const struct spool *s, int64_t now, int64_t *until)
{
    if (s->stored_records > 0 || s->deletes_len > 0 || store_log_bytes(s->store) == 0)
        return false;
    if (now >= s->idle_since_mono_ms + IDLE_MS)
        return true;
    *until = s->idle_since_mono_ms + IDLE_MS;
    return false;
}

/* The lock is held. WORK_STOP with *until in the future: wait. */
static bool find_work(const struct spool *s, int64_t now, enum work *ret, int64_t *until)
{
    bool may_retry = now >= s->retry_mono_ms;
    *until = s->state == SPOOL_OPEN ? INT64_MAX : s->retry_mono_ms;
    if (s->state != SPOOL_CLOSED && s->reader_failure.text[0] != '\0')
        *ret = WORK_CLOSE;
    else if (s->state == SPOOL_OPEN && commit_is_due(s, now, until))
        *ret = WORK_COMMIT; /* NOLINT(bugprone-branch-clone): one reason a line */
    else if (s->state == SPOOL_NO_ROOM && (may_retry || s->waiting.first != NULL))
        *ret = WORK_COMMIT;
    else if (s->is_stopping)
        *ret = WORK_STOP;
    else if (s->state == SPOOL_CLOSED && may_retry)
        *ret = WORK_OPEN;
    else if (s->state == SPOOL_OPEN && tidying_is_due(s, now, until))
        *ret = WORK_TIDY;
    else
        return false;
    return true;
}

static enum work wait_for_work(struct spool *s, struct turn *t)
{
    enum work work = WORK_STOP;
    int64_t until = 0;
    pthread_mutex_lock(&s->lock);
    while (!find_work(s, clock_mono_ms(), &work, &until)) {
        struct timespec deadline = {.tv_sec = until / 1000, .tv_nsec = until % 1000 * 1000000};
        if (until == INT64_MAX)
            pthread_cond_wait(&s->changed, &s->lock);
        else
            (void)!pthread_cond_timedwait(&s->changed, &s->lock, &deadline);
    }
    if (work == WORK_COMMIT)
        take_turn(s, t);
    pthread_mutex_unlock(&s->lock);
    return work;
}

static void commit_turn(struct spool *s, struct turn *t)
{
    enum spool_outcome outcome = SPOOL_STORED;
    if (t->batch.first != NULL || t->withdrawn.first == NULL || t->deletes_len > 0)
        outcome = write_turn(s, t);
    bool is_changed = settle(s, t, outcome);
    end_entries(&t->withdrawn, SPOOL_WITHDRAWN);
    end_entries(&t->batch, outcome);
    if (is_changed)
        tell_change(s);
    if (s->store != NULL)
        bound_log(s);
}

static void open_again(struct spool *s)
{
    spool_writer_open(s);
    if (s->store != NULL)
        tell_change(s);
}

static void close_unreadable(struct spool *s)
{
    pthread_mutex_lock(&s->lock);
    struct diag why = s->reader_failure;
    enum status status = s->reader_status;
    pthread_mutex_unlock(&s->lock);
    fail(s, status, &why);
}

static void tidy(struct spool *s)
{
    checkpoint(s, true);
    s->idle_since_mono_ms = clock_mono_ms(); /* somebody may still read what was in the log */
}

void *spool_writer_run(void *spool)
{
    struct spool *s = spool;
    for (;;) {
        struct turn t = {0};
        spool_entries_init(&t.batch);
        spool_entries_init(&t.withdrawn);
        switch (wait_for_work(s, &t)) {
        case WORK_COMMIT:
            commit_turn(s, &t);
            break;
        case WORK_CLOSE:
            close_unreadable(s);
            break;
        case WORK_OPEN:
            open_again(s);
            break;
        case WORK_TIDY:
            tidy(s);
            break;
        case WORK_STOP:
            if (s->store != NULL)
                checkpoint(s, true);
            return NULL;
        }
    }
}
