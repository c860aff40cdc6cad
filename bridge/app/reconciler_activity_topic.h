/* The activity topic, as the passes' thread sees it: when each subscription was last heard. Only a
 * hint: where it cannot be read, nobody is called silent. */
#pragma once

#include "bridge/app/last_events.h"
#include "bridge/app/task_loop.h"
#include "bridge/kafka/compacted_topic.h"

struct reconciler_activity_topic;

/* Borrowed until the end; the cluster until the stop. */
struct reconciler_activity_topic_options {
    struct task_loop *loop; /* the passes' */
    const struct cluster *cluster;
    const char *topic;
    bool any_settings; /* as compacted_topic_options has it */
};

/* Starts to read.
 * Owns:   on STATUS_OK the caller stops it with reconciler_activity_topic_stop() and frees *ret
 * with reconciler_activity_topic_free(). Errors: as compacted_topic_new(). */
enum status reconciler_activity_topic_new(const struct reconciler_activity_topic_options *opt,
                                          struct reconciler_activity_topic **ret, struct diag *diag)
    MUST_CHECK;

/* What it has told; NULL: not all of it was read yet, or it cannot be read. Borrowed until
 * reconciler_activity_topic_free(). Thread: the loop's. */
const struct last_events *reconciler_activity_topic_events(struct reconciler_activity_topic *t);

/* As compacted_topic_reload(). Thread: any. */
void reconciler_activity_topic_reload(struct reconciler_activity_topic *t);

/* Reads nothing more; the loop still runs. Thread: any but the loop's. */
void reconciler_activity_topic_stop(struct reconciler_activity_topic *t);
/* After the loop's stop. */
void reconciler_activity_topic_free(struct reconciler_activity_topic *t);
