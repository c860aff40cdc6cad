/* What is on its way into the spool or stored and not in Kafka yet, and so which way a new callback
 * takes: directly to Kafka only when there is nothing of it, or it could overtake an older one of
 * its key.
 *
 *                    backlog_enter: one goes to the spool
 *        EMPTY ───────────────────────────────────────────► BEHIND ◄────────┐
 *     WAY_DIRECT ◄──────────────────────────────────────  WAY_SPOOL         │ its time is over:
 *          ▲          backlog_clear: nothing is left           │            │ backlog_way
 *          │                                                   │ backlog_   │
 *          └──────────────── CLOSING: WAY_WAIT ◄───────────────┘ close      │
 *             backlog_clear       └──────────────────────────────-──────────┘
 *
 * EMPTY    every record that was ever stored is in Kafka, or was not to be kept.
 * BEHIND   new callbacks are stored behind the others.
 * CLOSING  the drain has met the end, and something more is always on its way when callbacks come
 *          quickly: for a moment new ones wait in memory, so that it comes to an end.
 *
 * Invariants:
 *  1. A callback that was answered 200 from the spool was counted by enter() before, and is not
 *     out of the count before its records are in Kafka: whoever is asked for a way after that
 *     answer, and before that, is not told WAY_DIRECT.
 *  2. The drain is shown a row only once its publication's fate is settled: neither one that is
 *     about to be deleted because its callback was answered 503, nor one whose direct attempt may
 *     still be acknowledged.
 *  3. EMPTY is declared by who read to the end, and only if that reading was shown every row, and
 *     nothing entered or was stored since it began.
 *
 * Thread: any.
 */
#pragma once

#include <pthread.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum backlog_way {
    WAY_SPOOL = 0,
    WAY_DIRECT,
    WAY_WAIT, /* until backlog_clear() returned true, or to ask again a little later */
};

/* Stored records that the drain must not read yet; lives inside what knows of them. */
struct backlog_hold {
    struct backlog_hold *previous;
    struct backlog_hold *next;
    int64_t first_sequence;
};

struct backlog {
    pthread_mutex_t lock;
    size_t waiting;  /* publications that entered and are neither settled nor left */
    bool has_stored; /* there may be rows that are not in Kafka */
    bool is_closing;
    int64_t closing_until_mono_ms;
    int64_t closes_at_mono_ms;  /* not before: the last time it did not succeed */
    uint64_t version;           /* grows when something enters or is settled */
    int64_t settled;            /* the highest sequence that was settled */
    struct backlog_hold holds;  /* circular, in the order of the sequences */
    int64_t engaged_at_mono_ms; /* since when it is not EMPTY */
    uint64_t engaged_records;   /* stored since then */
};

/* has_stored: the spool was not empty when it was opened. */
void backlog_init(struct backlog *b, bool has_stored, int64_t now_mono_ms);
void backlog_done(struct backlog *b);

enum backlog_way backlog_way(struct backlog *b, int64_t now_mono_ms);

/* One publication is handed to the spool next. */
void backlog_enter(struct backlog *b, int64_t now_mono_ms);

/* Nothing of it was stored. */
void backlog_leave(struct backlog *b, int64_t now_mono_ms);

/* It is stored, with sequences up to this one, or its rows were handed in to be deleted. hold is
 * NULL or keeps the drain away from its rows until backlog_release(). Returns whether these are the
 * first records since the backlog was empty. */
bool backlog_settle(struct backlog *b, int64_t last_sequence, size_t records,
                    struct backlog_hold *hold);
void backlog_release(struct backlog *b, struct backlog_hold *hold);

/* How far the drain may read. */
struct backlog_view {
    int64_t limit; /* the highest sequence */
    uint64_t version;
};

/* Taken before a reading; afterwards backlog_bound() says which of what was read may be used. */
struct backlog_view backlog_view(struct backlog *b);
int64_t backlog_bound(struct backlog *b, const struct backlog_view *view);

/* A reading found rows although there were to be none: a database that was opened again. */
void backlog_found(struct backlog *b, int64_t now_mono_ms);

/* The drain has met the end: new callbacks wait for a moment. Does nothing when there is no need.
 */
void backlog_close(struct backlog *b, int64_t now_mono_ms);

/* A reading with this view found nothing, and nothing is under way to Kafka. Returns whether it is
 * EMPTY now and was not before. */
bool backlog_clear(struct backlog *b, const struct backlog_view *view, int64_t now_mono_ms);

bool backlog_is_empty(struct backlog *b);
