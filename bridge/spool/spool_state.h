/* What the spool's callers and its writer thread share.
 *
 *     spool_put() ──► waiting ──► a batch ──► COMMIT ──► on_end(STORED) ──► spool_read()
 *                        │           │                                           │
 *                        └─ withdrawn, full, failed: on_end() ─┘    spool_delete() ──► deletes
 *
 * The database is
 *
 *     OPEN      it takes records. writer_open() makes it so.
 *     NO_ROOM   SQLite says that the disk, or max_page_count, is full: writer_commit() and
 *               writer_checkpoint() make it so; the next transaction that succeeds makes it OPEN
 *               again. One that stores nothing is tried from time to time.
 *     CLOSED    a write failed, or damage was found: writer_close_database() makes it so, and what
 * is waiting ends as FAILED. It is opened again, after longer and longer pauses; what is damaged is
 * moved aside then.
 *
 * Invariants:
 *   1  Only the writer thread uses `store`, and changes `state` and the totals.
 *   2  What is waiting is counted in waiting_records and waiting_bytes, until its outcome is known.
 *   3  An entry is in one list at a time: waiting, the batch, or the withdrawn; on_end is called
 * when it is in none. Withdrawn is decided once, when it leaves the waiting. 4  Sequences to delete
 * stay in `deletes` until they are committed, whatever fails, unless their database was moved
 * aside. A negative one is of a row that cannot be trusted: it is set aside in a table of its own.
 *   5  Records that were stored are in the database until they are deleted; a database is never
 *      emptied but moved aside.
 */
#pragma once

#include <pthread.h>

#include "bridge/base/buf.h"
#include "bridge/spool/spool.h"
#include "bridge/spool/storage.h"
#include "bridge/spool/store_reader.h"

enum {
    BATCH_RECORDS = 512,   /* a publication of more is a batch of its own */
    BATCH_BYTES = 1 << 20, /* or an eighth of the quota */
    BATCH_DELETES = 1024,
    DELETE_DELAY_MS = 100, /* for more of them, or for records to store, to share the flush */
    IDLE_MS = 200,         /* an empty spool is made small when nothing came for that long */
    RETRY_MIN_MS = 100,
    RETRY_MAX_MS = 5000,
    CHECK_MS = 300, /* of quick_check, at every opening: some 500 MB of a cached file */
    FLUSH_TIME_MS = 1000,
    STALLED_MS = 2000,            /* a disk that has not answered for so long is taken for failed */
    WAITING_BYTES_MAX = 32 << 20, /* memory that callbacks take while the disk does not answer */
};

enum spool_database {
    SPOOL_CLOSED = 0,
    SPOOL_OPEN,
    SPOOL_NO_ROOM,
};

struct spool_entries {
    struct spool_entry *first, **last;
};

struct spool_metrics {
    struct gauge *records, *bytes, *max_bytes, *flush_seconds, *healthy;
    struct counter *stored, *deleted, *full, *failed, *commits_failed, *ambiguous, *damaged,
        *quarantined;
    struct histogram *commit_seconds;
};

struct spool {
    struct storage storage;
    struct store_limits limits;
    uint64_t max_bytes;
    void *ctx;
    void (*on_change)(void *ctx);
    struct spool_metrics metrics;
    pthread_t writer;

    /* The writer's alone. */
    struct store *store; /* NULL: CLOSED */
    struct buf encoded;
    struct diag damage; /* the database is moved aside when it is opened next; empty: none */
    int64_t idle_since_mono_ms; /* of an empty spool, or since it was last tidied */
    uint64_t log_checked;       /* its length when it was last moved into the database */
    int64_t next_sequence;      /* as of the last commit, and of a database made anew: none comes
                                   twice; 0: not known yet */

    /* Who reads holds it; the writer takes it to close the database and to cut its log. */
    pthread_mutex_t reader_lock;
    struct store_reader *reader; /* NULL: not opened */
    unsigned failed_reads;       /* in a row */
    int64_t *unread;             /* what was to be deleted when the reading began */
    size_t unread_len, unread_capacity;

    pthread_mutex_t lock; /* guards what follows */
    pthread_cond_t changed;
    bool is_stopping;
    enum spool_database state;
    struct diag why; /* it is not OPEN */
    int64_t retry_mono_ms;
    int retry_pause_ms;
    struct spool_entries waiting;
    int64_t busy_since_mono_ms; /* the writer waits for the disk; 0: it does not */
    uint64_t waiting_records, waiting_bytes;
    uint64_t stored_records, stored_bytes; /* as of the last commit */
    int64_t *deletes;
    size_t deletes_len, deletes_capacity;
    int64_t deletes_due_mono_ms;
    bool is_refusing;           /* one was refused for lack of room: on_change when there is some */
    struct diag reader_failure; /* met by a reader of this opening, for the writer; empty: none */
    enum status reader_status;  /* STATUS_INVALID: it is damage */

    atomic_bool is_at_end; /* a reader has met the end: on_change when something is behind it */
    atomic_ullong records_now, bytes_now;
};

void spool_entries_init(struct spool_entries *list);
void spool_entries_add(struct spool_entries *list, struct spool_entry *entry);
struct spool_entry *spool_entries_take(struct spool_entries *list); /* the first; NULL: none */

/* What the quota counts of it. */
uint64_t spool_entry_bytes(const struct spool_entry *entry);

/* The lock is held: what spool_records() and spool_bytes() tell. */
void spool_tell_counts(struct spool *s);

/* Opens the database; s->state says how it went, and the log. Once at start, then the writer's. */
void spool_writer_open(struct spool *s);

/* The writer thread: ends when is_stopping and nothing is waiting. */
void *spool_writer_run(void *spool);
