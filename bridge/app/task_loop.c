#include "bridge/app/task_loop.h"

#include <assert.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <time.h>

#include "bridge/base/clock.h"

/* So that whoever asks sees that the thread turns. */
static const int64_t turn_max_ms = 500;

struct task_loop {
    pthread_t thread;
    atomic_llong turned_at_mono_ms;
    struct task_timer *timers; /* the thread's own; a handful, in no order */

    pthread_mutex_t lock; /* guards what follows */
    pthread_cond_t posted;
    struct task *first;
    struct task **last;
    bool is_stopping;
};

/* --- timers; in the loop's thread -------------------------------------------------------------
 */

void task_loop_unset(struct task_loop *l, struct task_timer *timer)
{
    timer->at_mono_ms = 0;
    for (struct task_timer **at = &l->timers; *at != NULL; at = &(*at)->next) {
        if (*at == timer) {
            *at = timer->next;
            return;
        }
    }
}

void task_loop_set(struct task_loop *l, struct task_timer *timer, int64_t at_mono_ms)
{
    task_loop_unset(l, timer);
    timer->at_mono_ms = at_mono_ms > 0 ? at_mono_ms : 1;
    timer->next = l->timers;
    l->timers = timer;
}

static struct task_timer *next_timer(const struct task_loop *l)
{
    struct task_timer *next = l->timers;
    for (struct task_timer *t = l->timers; t != NULL; t = t->next)
        if (t->at_mono_ms < next->at_mono_ms)
            next = t;
    return next;
}

/* Runs the next one if its instant has come: one a turn, so that none that sets itself anew keeps
 * the tasks waiting. */
static void run_timer(struct task_loop *l)
{
    struct task_timer *next = next_timer(l);
    if (next == NULL || next->at_mono_ms > clock_mono_ms())
        return;
    task_loop_unset(l, next);
    next->run(next);
}

/* --- the thread -------------------------------------------------------------------------------
 */

static void wait_for_task(struct task_loop *l, int64_t until_mono_ms)
{
    const struct timespec until = {.tv_sec = until_mono_ms / 1000,
                                   .tv_nsec = until_mono_ms % 1000 * 1000000};
    int err = 0;
    while (l->first == NULL && !l->is_stopping && err == 0)
        err = pthread_cond_timedwait(&l->posted, &l->lock, &until);
}

/* What was posted, waiting for it until the next timer's instant. Returns false when there is
 * nothing left and the loop is to stop. */
static bool take_tasks(struct task_loop *l, struct task **ret)
{
    const struct task_timer *next = next_timer(l);
    int64_t until_mono_ms = clock_mono_ms() + turn_max_ms;
    if (next != NULL && next->at_mono_ms < until_mono_ms)
        until_mono_ms = next->at_mono_ms;
    pthread_mutex_lock(&l->lock);
    wait_for_task(l, until_mono_ms);
    *ret = l->first;
    l->first = NULL;
    l->last = &l->first;
    bool goes_on = *ret != NULL || !l->is_stopping;
    pthread_mutex_unlock(&l->lock);
    return goes_on;
}

static void *loop_main(void *ctx)
{
    struct task_loop *l = ctx;
    for (struct task *tasks; take_tasks(l, &tasks);) {
        atomic_store(&l->turned_at_mono_ms, clock_mono_ms());
        while (tasks != NULL) {
            struct task *task = tasks;
            tasks = task->next;
            task->run(task);
        }
        run_timer(l);
    }
    return NULL;
}

/* --- from outside -----------------------------------------------------------------------------
 */

void task_loop_post(struct task_loop *l, struct task *task)
{
    task->next = NULL;
    pthread_mutex_lock(&l->lock);
    *l->last = task;
    l->last = &task->next;
    pthread_cond_signal(&l->posted);
    pthread_mutex_unlock(&l->lock);
}

struct awaited {
    struct task task; /* first: run_awaited() finds its way back from it */
    void (*run)(void *ctx);
    void *ctx;
    pthread_mutex_t lock; /* guards has_run */
    pthread_cond_t changed;
    bool has_run;
};

static void run_awaited(struct task *task)
{
    struct awaited *a = (struct awaited *)task;
    a->run(a->ctx);
    pthread_mutex_lock(&a->lock);
    a->has_run = true;
    pthread_cond_signal(&a->changed);
    pthread_mutex_unlock(&a->lock);
}

void task_loop_call(struct task_loop *l, void (*run)(void *ctx), void *ctx)
{
    assert(!pthread_equal(pthread_self(), l->thread));
    struct awaited a = {.task = {.run = run_awaited},
                        .run = run,
                        .ctx = ctx,
                        .lock = PTHREAD_MUTEX_INITIALIZER,
                        .changed = PTHREAD_COND_INITIALIZER};
    task_loop_post(l, &a.task);
    pthread_mutex_lock(&a.lock);
    while (!a.has_run)
        pthread_cond_wait(&a.changed, &a.lock);
    pthread_mutex_unlock(&a.lock);
    pthread_cond_destroy(&a.changed);
    pthread_mutex_destroy(&a.lock);
}

int64_t task_loop_turned_at_mono_ms(const struct task_loop *l)
{
    return atomic_load(&l->turned_at_mono_ms);
}

/* Waits are measured by the monotonic clock. */
static bool init_condition(pthread_cond_t *condition)
{
    pthread_condattr_t attributes;
    if (pthread_condattr_init(&attributes) != 0)
        return false;
    bool is_made = pthread_condattr_setclock(&attributes, CLOCK_MONOTONIC) == 0 &&
                   pthread_cond_init(condition, &attributes) == 0;
    pthread_condattr_destroy(&attributes);
    return is_made;
}

enum status task_loop_new(struct task_loop **ret)
{
    struct task_loop *l = calloc(1, sizeof(*l));
    if (l == NULL || !init_condition(&l->posted)) {
        free(l);
        return STATUS_NOMEM;
    }
    l->last = &l->first;
    atomic_init(&l->turned_at_mono_ms, clock_mono_ms());
    pthread_mutex_init(&l->lock, NULL); /* cannot fail: glibc's default mutex takes no memory */
    if (pthread_create(&l->thread, NULL, loop_main, l) != 0) {
        task_loop_free(l);
        return STATUS_NOMEM;
    }
    *ret = l;
    return STATUS_OK;
}

void task_loop_stop(struct task_loop *l)
{
    pthread_mutex_lock(&l->lock);
    l->is_stopping = true;
    pthread_cond_signal(&l->posted);
    pthread_mutex_unlock(&l->lock);
    pthread_join(l->thread, NULL);
}

void task_loop_free(struct task_loop *l)
{
    if (l == NULL)
        return;
    pthread_cond_destroy(&l->posted);
    pthread_mutex_destroy(&l->lock);
    free(l);
}
