/* The event sink that answers for Kafka while Kafka is away: a callback that is not acknowledged in
 * time is stored in the spool instead, and while the spool holds something, new ones go behind it.
 *
 * A callback on its way is a passage. It has an attempt, its way to Kafka, and a storing, its way
 * into the spool:
 *
 *   attempt:  NONE ──pass_directly──► OUT ──on_attempt_done──► ACKED | FAILED
 *   storing:  NOT ──store──► OUT ──on_stored──► STORED | FAILED
 *
 *   event                          what it leads to
 *   published, backlog empty       attempt OUT; refused at once: storing OUT, or the refusal
 *   published, backlog not empty   storing OUT; while the backlog closes, first a short wait
 *   soft limit                     storing OUT beside the attempt; what the spool does not take is
 *                                  left to its attempt
 *   attempt ACKED                  200; the storing is withdrawn, or its rows are deleted
 *   attempt FAILED                 storing OUT if it was NOT; 503 if it FAILED, or if an operator
 *                                  has to mend something and the spool does not have it already
 *   STORED                         200, the attempt is abandoned; or, had the callback been
 * answered without it, the rows are deleted storing FAILED                 503 once no attempt is
 * OUT the callback is due            the storing is withdrawn; the ingress has answered
 *
 * Invariants (passage_check):
 *  1. on_done is called once for what was taken: STATUS_OK only when the attempt is ACKED, or the
 *     storing STORED.
 *  2. A passage is in one list at most: waiting (neither way was taken), soft (attempt OUT, storing
 *     NOT) or due (storing OUT).
 *  3. While its attempt is OUT, rows that are stored are held back from the drain: they are deleted
 *     if it is acknowledged after all.
 *  4. Rows whose callback was not answered 200 are handed in to be deleted before the drain may
 *     see them.
 */
#pragma once

#include "bridge/domain/event_sink.h"
#include "bridge/ops/metrics.h"
#include "bridge/spool/backlog.h"
#include "bridge/spool/spool.h"

struct spooling_sink;

/* The part of a callback's time that Kafka has before it is stored as well. */
#define SPOOLING_SOFT_PERCENT 60

/* Borrowed until spooling_sink_free(). */
struct spooling_sink_options {
    struct event_sink *inner;
    struct spool *spool;
    struct backlog *backlog;
    int64_t deadline_ms; /* of a callback that does not say when it is due */
    struct metrics *metrics;
    void *ctx;
    /* Whether records of this topic are refused until somebody mends it. Thread: any. */
    bool (*is_refused)(void *ctx, const char *topic);
    /* spooling_sink_turn() is to be called earlier than it said. Thread: any; no lock is held. */
    void (*on_sooner)(void *ctx);
    /* There is something new for the drain. Thread: as above. */
    void (*on_stored)(void *ctx);
};

/* Errors: STATUS_NOMEM. */
enum status spooling_sink_new(const struct spooling_sink_options *opt, struct spooling_sink **ret)
    MUST_CHECK;

/* After every passage has come to its end: when the inner sink and the spool's writer have
 * concluded what they had. */
void spooling_sink_free(struct spooling_sink *s);

/* The port; borrowed. */
struct event_sink *spooling_sink_port(struct spooling_sink *s);

/* Does what is due. Returns the instant at which it is to be called again. Thread: one at a time.
 */
int64_t spooling_sink_turn(struct spooling_sink *s, int64_t now_mono_ms);

/* The backlog is empty: what waited for that goes directly. Thread: any. */
void spooling_sink_open(struct spooling_sink *s, int64_t now_mono_ms);
