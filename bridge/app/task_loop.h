/* One thread that runs tasks one after another, in the order in which they were posted, and timers
 * when their instant has come: what only it touches needs no lock. */
#pragma once

#include <stdbool.h>
#include <stdint.h>

#include "bridge/base/status.h"

struct task_loop;

/* Lives inside what it is about, so that posting cannot fail; posted once until it has run. run()
 * may free it. */
struct task {
    void (*run)(struct task *task);
    struct task *next; /* the loop's */
};

/* Likewise; a zero value is a timer that is not set. */
struct task_timer {
    void (*run)(struct task_timer *timer);
    int64_t at_mono_ms; /* 0: not set */
    struct task_timer *next;
};

/* Owns:   on STATUS_OK the caller ends it with task_loop_stop() and task_loop_free().
 * Errors: STATUS_NOMEM, also when no thread can be made.
 */
enum status task_loop_new(struct task_loop **ret) MUST_CHECK;

/* Thread: any. */
void task_loop_post(struct task_loop *l, struct task *task);

/* Posts run(ctx) and waits until it has run. Thread: any but the loop's; before the stop. */
void task_loop_call(struct task_loop *l, void (*run)(void *ctx), void *ctx);

/* Sets the timer, also one that is set. It runs once. Thread: the loop's. */
void task_loop_set(struct task_loop *l, struct task_timer *timer, int64_t at_mono_ms);
void task_loop_unset(struct task_loop *l, struct task_timer *timer);

/* When the thread last took a look around, which it does twice a second unless a task hangs.
 * Thread: any. */
int64_t task_loop_turned_at_mono_ms(const struct task_loop *l);

/* Runs what was posted before, but no timer any more, then ends the thread. What is posted later
 * does not run. */
void task_loop_stop(struct task_loop *l);

/* After task_loop_stop(); task_loop_free(NULL) is fine. */
void task_loop_free(struct task_loop *l);
