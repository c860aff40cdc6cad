/* The drain: reads what the spool holds in the order in which it was stored, publishes it to Kafka,
 * and deletes what is acknowledged.
 *
 *   spool_read ──► sent ──report: durable──► done ──► spool_delete
 *       │  ▲        │
 *       │  │        └─report: failed──► its class is blocked
 *       │  └──────────────────────────────────┐
 *       └─ its class is blocked: skipped      │ rewind: a blocked record was acknowledged
 *
 * Order is kept by class, a hash of topic and key. Of a class one batch is under way, and the next
 * one is sent when that is acknowledged: librdkafka repeats a request that was refused for now, or
 * whose leader is new, behind those that it sent after it, whatever its settings but idempotence.
 * (Measured with 2.0.2 and max.in.flight.requests.per.connection=1: a second request was made
 * already when the first was refused.) A batch is one record, unless the class has so many that
 * they could not keep up; only within such a batch may librdkafka, when it makes two requests of
 * it, change the order.
 *
 * A record that fails, or is refused at once, blocks its class: later ones of it are skipped. Of
 * each blocked class the first record is tried again and again. Once one of these probes is
 * acknowledged the drain begins anew at the oldest blocked record, and what is still blocked shows
 * at its first record. So what goes to a broker that is away waits, whatever its amount, and the
 * rest goes on; and nothing is read over and over while nothing can leave.
 *
 *  transition                  by
 *  read, sent, skipped         drain_turn (one thread)
 *  sent → done, or blocked     on_done (the sink's thread)
 *  done → deleted              drain_turn
 *  rewind                      drain_turn, when nothing is under way
 *
 * Invariants (drain_check):
 *  1. A row is under way once at most: the cursor is ahead of all that was read, and goes back only
 *     when nothing is under way, over what of the page was not sent, too.
 *  2. One batch of a class is under way at most; of a blocked class only its first record, alone.
 *  3. Rows are deleted when their record is acknowledged, never otherwise.
 *  4. What is under way is bounded in number and bytes.
 *  5. The backlog is cleared only with nothing blocked and nothing under way.
 */
#pragma once

#include "bridge/domain/event_sink.h"
#include "bridge/ops/metrics.h"
#include "bridge/spool/backlog.h"
#include "bridge/spool/spool.h"

struct drain;

/* Borrowed until drain_free(). */
struct drain_options {
    struct spool *spool;
    struct event_sink *sink;
    struct backlog *backlog;
    struct metrics *metrics;
    void *ctx;
    /* drain_turn() has something to do. Thread: any; no lock is held. */
    void (*on_change)(void *ctx);
    /* The backlog is empty. Thread: drain_turn()'s. */
    void (*on_empty)(void *ctx, int64_t now_mono_ms);
};

/* Errors: STATUS_NOMEM. */
enum status drain_new(const struct drain_options *opt, struct drain **ret) MUST_CHECK;

/* Once the sink has reported all that is under way; hands in what is to be deleted. */
void drain_free(struct drain *d);

/* Does what can be done now. Returns the instant at which it is to be called again at the latest.
 * Thread: one; may block on the disk. */
int64_t drain_turn(struct drain *d, int64_t now_mono_ms);

/* Nothing is sent any more, and what was not sent yet of what is under way is called back. The
 * thread that calls drain_turn() has ended. */
void drain_stop(struct drain *d);

/* Whether records of this topic have been refused for a while, until somebody mends what is wrong,
 * or none of them is left. Thread: any. */
bool drain_refuses(struct drain *d, const char *topic);
