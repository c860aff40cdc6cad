/* The registry topic and the group over its partitions, as the passes' thread sees them: records go
 * into the table of accounts, and a partition is led once it is ours and known to its end. */
#pragma once

#include "bridge/app/reconciler_passes.h"
#include "bridge/app/reconciler_writer.h"
#include "bridge/kafka/compacted_topic.h"

struct reconciler_feed;

/* Borrowed until the end; the cluster until the stop. */
struct reconciler_feed_options {
    struct task_loop *loop; /* the passes' */
    const struct cluster *cluster;
    const char *topic;
    bool any_settings; /* as compacted_topic_options has it */
    int64_t session_timeout_ms;
    struct reconciler_accounts *accounts;
    struct metrics *metrics;
    /* All that was there before is known: the group may be joined. Thread: the loop's. */
    void (*on_known)(void *ctx);
    /* The group has given us so many of all partitions. May be NULL. Thread: the membership's. */
    void (*on_share)(void *ctx, size_t partitions, size_t all);
    void *ctx;
};

/* Nothing is read before reconciler_feed_start().
 * Owns:   on STATUS_OK the caller frees *ret with reconciler_feed_free(). Errors: STATUS_NOMEM. */
enum status reconciler_feed_new(const struct reconciler_feed_options *opt,
                                struct reconciler_feed **ret) MUST_CHECK;

/* Starts to read. passes and writer are borrowed until the stop. Errors: as compacted_topic_new().
 */
enum status reconciler_feed_start(struct reconciler_feed *f, struct reconciler_passes *passes,
                                  struct reconciler_writer *writer, struct diag *diag) MUST_CHECK;

/* Joins the group: once, when the records, and what is declared, are known. Thread: the loop's. */
void reconciler_feed_join(struct reconciler_feed *f);

/* Looks at the secret and certificate files again: when they have changed, goes on through clients
 * made of them. A new client of the group leaves and joins, so that the partitions' writers are
 * made anew, too. Thread: any but the loop's. */
void reconciler_feed_reload(struct reconciler_feed *f);

/* Leaves the group, by which everything that is led is given up; reads nothing more. The loop still
 * runs. Thread: any but the loop's. */
void reconciler_feed_stop(struct reconciler_feed *f);
/* After reconciler_feed_stop(), and after the loop's stop. */
void reconciler_feed_free(struct reconciler_feed *f);

/* Until when what is led is surely nobody else's; 0: nothing is. Thread: any. */
int64_t reconciler_feed_deadline_mono_ms(struct reconciler_feed *f);

/* STATUS_OK, or why the topic cannot be used, or no longer: STATUS_INVALID it is not compact-only,
 * or was resized; STATUS_UNAVAILABLE it is missing. Thread: any. */
enum status reconciler_feed_refusal(struct reconciler_feed *f, struct diag *diag) MUST_CHECK;

/* Whether the group has said what is ours; diag says what is waited for. Thread: any. */
bool reconciler_feed_has_joined(struct reconciler_feed *f, struct diag *diag);

/* For the writer's options: the partition is claimed, or its writer is lost. Thread: the loop's. */
void reconciler_feed_on_claimed(struct reconciler_feed *f, int32_t partition);
void reconciler_feed_on_lost(struct reconciler_feed *f, int32_t partition, const struct diag *why);

/* What is known of the partition's records is no longer sure. Thread: the loop's. */
void reconciler_feed_on_records_unknown(struct reconciler_feed *f, int32_t partition);
