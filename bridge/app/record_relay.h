/* Hands the records of a compacted topic, which come in the reader's thread, to a task loop:
 * copied, in their order, and so many at most on their way. */
#pragma once

#include "bridge/app/task_loop.h"
#include "bridge/kafka/compacted_topic.h"

struct record_relay {
    struct task_loop *loop;
    void *ctx;
    /* In the loop's thread; borrowed for the call. */
    void (*take)(void *ctx, const struct compacted_topic_record *record);
    unsigned on_their_way; /* the reader's own */
};

/* For compacted_topic_callbacks.on_record: waits while memory is short, for none may be missing.
 * Thread: the reader's. */
void record_relay_post(struct record_relay *r, const struct compacted_topic_record *record);
