/* The spool in front of Kafka, at work: the store, the sink that answers for Kafka, the drain, and
 * their threads.
 *
 *   ingress ──► spooling_sink ──────────────────────────► Kafka's sink
 *                  │     ▲ soft limits: keeper thread        ▲
 *                  ▼     │                                   │
 *                spool (its writer thread) ──► drain (its thread)
 *
 * Stop: the ingress has answered everybody ─► spooling_stop(): the two threads end, what the drain
 * has under way is called back ─► Kafka's sink reports all that it had ─► spooling_free(): the
 * writer stores and deletes what it was handed. */
#pragma once

#include "bridge/base/diag.h"
#include "bridge/domain/event_sink.h"
#include "bridge/ops/metrics.h"

struct spooling;

/* Borrowed until spooling_free(). */
struct spooling_options {
    const char *directory;
    uint64_t max_bytes;
    int64_t deadline_ms; /* of a callback */
    struct event_sink *inner;
    struct metrics *metrics;
};

/* Opens the spool; what it holds is drained in the background.
 * Owns:   on STATUS_OK the caller ends it with spooling_stop() and spooling_free().
 * Errors: STATUS_INVALID the directory cannot be used, diag says why. STATUS_NOMEM. */
enum status spooling_new(const struct spooling_options *opt, struct spooling **ret,
                         struct diag *diag) MUST_CHECK;

/* The port; borrowed until spooling_free(). */
struct event_sink *spooling_sink(struct spooling *s);

/* Whether callbacks can be stored now; diag says why not. Thread: any. */
bool spooling_is_healthy(struct spooling *s, struct diag *diag);

/* Nothing is published to it any more, and nobody waits for an answer. */
void spooling_stop(struct spooling *s);

/* The inner sink has reported all that it took. spooling_free(NULL) is fine. */
void spooling_free(struct spooling *s);
