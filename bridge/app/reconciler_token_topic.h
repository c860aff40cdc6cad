/* The topic of TOKEN events, as the passes' thread sees it: an account whose key was revoked is
 * blocked at once. Read from its beginning at each start: there are no offsets to lose. */
#pragma once

#include "bridge/app/reconciler_passes.h"
#include "bridge/kafka/compacted_topic.h"

struct reconciler_token_topic;

/* Borrowed until the end; the cluster until the stop. */
struct reconciler_token_topic_options {
    struct task_loop *loop; /* the passes' */
    const struct cluster *cluster;
    const char *topic;
    struct reconciler_accounts *accounts;
    struct reconciler_passes *passes;
    /* All that was there before is known. Thread: the loop's. May be NULL. */
    void (*on_known)(void *ctx);
    void *ctx;
};

/* Starts to read.
 * Owns:   on STATUS_OK the caller stops it with reconciler_token_topic_stop() and frees *ret with
 *         reconciler_token_topic_free(). Errors: as compacted_topic_new(). */
enum status reconciler_token_topic_new(const struct reconciler_token_topic_options *opt,
                                       struct reconciler_token_topic **ret, struct diag *diag)
    MUST_CHECK;

/* As compacted_topic_reload(). Thread: any. */
void reconciler_token_topic_reload(struct reconciler_token_topic *t);

/* Reads nothing more; the loop still runs. Thread: any but the loop's. */
void reconciler_token_topic_stop(struct reconciler_token_topic *t);
/* After the loop's stop. */
void reconciler_token_topic_free(struct reconciler_token_topic *t);

/* STATUS_OK, or why the topic cannot be read, before it was read once: later a 401 has to do.
 * Thread: any. */
enum status reconciler_token_topic_refusal(struct reconciler_token_topic *t, struct diag *diag)
    MUST_CHECK;
