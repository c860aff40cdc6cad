#include "bridge/app/loop_question.h"

#include <assert.h>
#include <pthread.h>
#include <stdlib.h>
#include <time.h>

#include "bridge/base/clock.h"

struct loop_question {
    struct task task; /* first: answer() finds its way back from it */
    struct task_loop *loop;
    bool (*run)(void *ctx); /* not changed while it is asked */
    void *ctx;

    pthread_mutex_t lock; /* guards is_open */
    pthread_cond_t answered;
    bool is_open; /* asked, and not yet answered */
};

/* In the loop's thread. */
static void answer(struct task *task)
{
    struct loop_question *q = (struct loop_question *)task;
    if (!q->run(q->ctx)) {
        task_loop_post(q->loop, task); /* behind what waits */
        return;
    }
    pthread_mutex_lock(&q->lock);
    q->is_open = false;
    pthread_cond_signal(&q->answered);
    pthread_mutex_unlock(&q->lock);
}

enum status loop_question_new(struct task_loop *loop, struct loop_question **ret)
{
    struct loop_question *q = calloc(1, sizeof(*q));
    if (q == NULL)
        return STATUS_NOMEM;
    pthread_condattr_t attributes;
    q->loop = loop;
    q->task.run = answer;
    pthread_mutex_init(&q->lock, NULL); /* cannot fail with default attributes on Linux */
    pthread_condattr_init(&attributes);
    pthread_condattr_setclock(&attributes, CLOCK_MONOTONIC);
    pthread_cond_init(&q->answered, &attributes);
    pthread_condattr_destroy(&attributes);
    *ret = q;
    return STATUS_OK;
}

void loop_question_free(struct loop_question *q)
{
    if (q == NULL)
        return;
    pthread_cond_destroy(&q->answered);
    pthread_mutex_destroy(&q->lock);
    free(q);
}

bool loop_question_is_open(struct loop_question *q)
{
    pthread_mutex_lock(&q->lock);
    bool is_open = q->is_open;
    pthread_mutex_unlock(&q->lock);
    return is_open;
}

enum status loop_question_ask(struct loop_question *q, bool (*run)(void *ctx), void *ctx,
                              int64_t patience_ms)
{
    int64_t until_mono_ms = clock_mono_ms() + patience_ms;
    const struct timespec until = {.tv_sec = until_mono_ms / 1000,
                                   .tv_nsec = until_mono_ms % 1000 * 1000000};
    int err = 0;
    assert(!loop_question_is_open(q));
    q->run = run;
    q->ctx = ctx;
    q->is_open = true; /* the loop looks at it after the post */
    task_loop_post(q->loop, &q->task);
    pthread_mutex_lock(&q->lock);
    while (q->is_open && err == 0)
        err = pthread_cond_timedwait(&q->answered, &q->lock, &until);
    bool is_open = q->is_open;
    pthread_mutex_unlock(&q->lock);
    return is_open ? STATUS_BUSY : STATUS_OK;
}
