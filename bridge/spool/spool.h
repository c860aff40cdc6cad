/* Records on the pod's own disk: durable once stored, read back in order, deleted when Kafka has
 * them. */
#pragma once

#include <stdatomic.h>

#include "bridge/base/diag.h"
#include "bridge/domain/publication.h"
#include "bridge/ops/metrics.h"

struct spool;

/* Borrowed; directory as far as it is kept, metrics until spool_close(). */
struct spool_options {
    const char *directory; /* must exist, be ours to write, and outlive the pod */
    uint64_t max_bytes;    /* of keys, values and headers together; the files may be twice that */
    struct metrics *metrics;
    void *ctx;
    /* Something was stored into an empty spool, or room has come again: for who empties it.
     * Thread: the writer's. May be NULL. */
    void (*on_change)(void *ctx);
};

/* Opens the store or makes it, with mode 0600; finds again what was stored before; measures how
 * long the disk takes to flush; starts the writer thread. A database that is damaged is moved aside
 * under a name that tells when, never emptied: the metric and the log say so, and a new one begins.
 *
 * Owns:   on STATUS_OK the caller closes *ret with spool_close().
 * Errors: STATUS_INVALID the directory cannot be used, or another process has it; diag says why.
 *         STATUS_NOMEM. */
enum status spool_open(const struct spool_options *opt, struct spool **ret, struct diag *diag)
    MUST_CHECK;

/* Everything handed in is concluded; what was stored remains. spool_close(NULL) is fine. */
void spool_close(struct spool *s);

enum spool_outcome {
    SPOOL_STORED = 0, /* all records of the publication are durable: committed and flushed */
    SPOOL_WITHDRAWN,  /* spool_withdraw() was in time: nothing is stored */
    SPOOL_FULL,       /* no room; nothing is stored */
    SPOOL_FAILED,     /* the disk refused; whether anything is stored is unknown until it is read */
};

/* One publication on its way into the spool; lives inside what its owner keeps for it. */
struct spool_entry {
    struct spool_entry *next; /* the spool's */
    struct publication *pub;  /* whose records are stored, all in one transaction; the spool holds
                                 a reference until on_end has returned */
    atomic_bool is_withdrawn; /* the spool's */
    int64_t first_sequence;   /* of its records, which follow each other; set when STORED */
    void *owner;
    /* Called exactly once for what spool_put() took. Thread: the writer's, never from within
     * spool_put(); no lock is held. */
    void (*on_end)(struct spool_entry *entry, enum spool_outcome outcome);
};

/* Hands a publication to the writer thread, which stores all that is waiting in one transaction.
 * Errors: on_end is never called: STATUS_BUSY the spool is full, counting what waits, or too much
 *         waits. STATUS_UNAVAILABLE the disk has failed and has not been taken again yet, or has
 * not answered for two seconds. Thread: any number at once; never blocks on the disk. */
enum status spool_put(struct spool *s, struct spool_entry *entry) MUST_CHECK;

/* It need not be stored any more: if the writer has not begun with it, it ends as WITHDRAWN.
 * Thread: any. */
void spool_withdraw(struct spool_entry *entry);

/* One record as it was stored. */
struct spooled_record {
    int64_t sequence; /* grows with every record ever stored here */
    int64_t stored_at_unix_ms;
    struct record record;
};

/* Reads at most `max` records with a sequence above `after`, oldest first, as many as fit
 * max_bytes, at least one; nothing that was handed to spool_delete() before. *ret_len 0: there is
 * none.
 * Owns:   everything lives in the arena.
 * Errors: STATUS_UNAVAILABLE the disk; STATUS_NOMEM. Thread: one at a time; may block. */
enum status spool_read(struct spool *s, int64_t after, size_t max, size_t max_bytes,
                       struct arena *a, struct spooled_record **ret, size_t *ret_len) MUST_CHECK;

/* The records are durable elsewhere, or were not to be kept: they go with the next transaction, at
 * latest after a tenth of a second. A crash before leaves them: they are read once more.
 * Errors: STATUS_NOMEM: they stay, and are to be handed in again. Thread: any. */
enum status spool_delete(struct spool *s, const int64_t *sequences, size_t len) MUST_CHECK;

/* Stored and not deleted, by what is known now. Thread: any. */
uint64_t spool_records(const struct spool *s);
uint64_t spool_bytes(const struct spool *s);

/* Whether the disk takes records and there is room; diag says why not. Thread: any. */
bool spool_is_healthy(const struct spool *s, struct diag *diag);
