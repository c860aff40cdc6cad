/* A compacted topic that is read for a task loop: what compacted_topic tells in the reader's thread
 * comes as calls in the loop's, in the same order. And why it cannot be used, for anyone to ask. */
#pragma once

#include "bridge/app/task_loop.h"
#include "bridge/kafka/compacted_topic.h"

struct loop_topic;

/* Borrowed until the end; the cluster until the start. */
struct loop_topic_options {
    struct task_loop *loop;
    const struct cluster *cluster;
    const char *topic;
    bool any_settings;   /* as compacted_topic_options has it */
    bool is_needed_once; /* when it was read, it may be refused: what is known then has to do */
    /* In the loop's thread. Any may be NULL; on_refused is. */
    struct compacted_topic_callbacks callbacks;
};

/* Nothing is read before loop_topic_start().
 * Owns:   on STATUS_OK the caller frees *ret with loop_topic_free(). Errors: STATUS_NOMEM. */
enum status loop_topic_new(const struct loop_topic_options *opt, struct loop_topic **ret)
    MUST_CHECK;

/* Errors: as compacted_topic_new(). */
enum status loop_topic_start(struct loop_topic *t, struct diag *diag) MUST_CHECK;

/* Reads nothing more; the loop still runs. Thread: any but the loop's. */
void loop_topic_stop(struct loop_topic *t);
/* After loop_topic_stop(), if it was started, and after the loop's stop. */
void loop_topic_free(struct loop_topic *t);

/* As compacted_topic_reload(). Between the start and the stop. */
void loop_topic_reload(struct loop_topic *t);

/* As compacted_topic_refresh(). Between the start and the stop. */
uint64_t loop_topic_refresh(struct loop_topic *t, int32_t partition);

/* The topic cannot be used, for a reason that its user has found. The first reason is kept and
 * logged. Thread: any. */
void loop_topic_refuse(struct loop_topic *t, enum status status, const struct diag *diag);

/* STATUS_OK, or why the topic cannot be used, or no longer: STATUS_INVALID it is not compact-only,
 * or was resized; STATUS_UNAVAILABLE it is missing. Thread: any. */
enum status loop_topic_refusal(struct loop_topic *t, struct diag *diag) MUST_CHECK;
