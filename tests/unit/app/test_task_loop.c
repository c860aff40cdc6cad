#include "bridge/app/task_loop.h"

#include <pthread.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

#include "bridge/base/clock.h"

#define MANY 1000

static int setup(void **state)
{
    struct task_loop *l = NULL;
    assert_int_equal(task_loop_new(&l), STATUS_OK);
    *state = l;
    return 0;
}

static int teardown(void **state)
{
    task_loop_free(*state);
    return 0;
}

static void do_nothing(void *ctx)
{
    (void)ctx;
}

/* --- tasks --- */

struct numbered {
    struct task task;
    int number;
    int *next; /* which is expected */
};

static void run_numbered(struct task *task)
{
    struct numbered *n = (struct numbered *)task;
    assert_int_equal(n->number, *n->next);
    (*n->next)++;
}

static void tasks_run_in_the_order_in_which_they_were_posted(void **state)
{
    static struct numbered tasks[MANY];
    int next = 0;
    for (int i = 0; i < MANY; i++) {
        tasks[i] = (struct numbered){{.run = run_numbered}, i, &next};
        task_loop_post(*state, &tasks[i].task);
    }
    task_loop_call(*state, do_nothing, NULL);
    assert_int_equal(next, MANY);
    task_loop_stop(*state);
}

static void what_was_posted_before_the_stop_runs(void **state)
{
    static struct numbered tasks[MANY];
    int next = 0;
    for (int i = 0; i < MANY; i++) {
        tasks[i] = (struct numbered){{.run = run_numbered}, i, &next};
        task_loop_post(*state, &tasks[i].task);
    }
    task_loop_stop(*state);
    assert_int_equal(next, MANY);
}

static void note_thread(void *ctx)
{
    *(pthread_t *)ctx = pthread_self();
}

static void a_call_runs_in_the_loops_thread_and_has_run_when_it_returns(void **state)
{
    pthread_t first = pthread_self(), second = pthread_self();
    task_loop_call(*state, note_thread, &first);
    task_loop_call(*state, note_thread, &second);
    assert_false(pthread_equal(first, pthread_self()));
    assert_true(pthread_equal(first, second));
    task_loop_stop(*state);
}

/* --- timers --- */

struct timed {
    struct task_timer timer;
    struct task_loop *loop;
    pthread_mutex_t lock; /* guards what follows */
    pthread_cond_t changed;
    int64_t ran_at_mono_ms;
    int runs;
};

static void run_timed(struct task_timer *timer)
{
    struct timed *t = (struct timed *)timer;
    pthread_mutex_lock(&t->lock);
    t->ran_at_mono_ms = clock_mono_ms();
    t->runs++;
    pthread_cond_signal(&t->changed);
    pthread_mutex_unlock(&t->lock);
}

static void await_run(struct timed *t)
{
    pthread_mutex_lock(&t->lock);
    while (t->runs == 0)
        pthread_cond_wait(&t->changed, &t->lock);
    pthread_mutex_unlock(&t->lock);
}

static struct timed timed_new(struct task_loop *loop)
{
    return (struct timed){.timer.run = run_timed,
                          .loop = loop,
                          .lock = PTHREAD_MUTEX_INITIALIZER,
                          .changed = PTHREAD_COND_INITIALIZER};
}

static void set_soon(void *ctx)
{
    struct timed *t = ctx;
    task_loop_set(t->loop, &t->timer, clock_mono_ms() + 30);
}

static void a_timer_runs_once_and_not_before_its_instant(void **state)
{
    struct timed t = timed_new(*state);
    int64_t set_at = clock_mono_ms();
    task_loop_call(*state, set_soon, &t);
    await_run(&t);
    assert_true(t.ran_at_mono_ms >= set_at + 30);
    assert_int_equal(t.timer.at_mono_ms, 0);
    task_loop_stop(*state);
    assert_int_equal(t.runs, 1);
}

/* The first is set anew, the second unset; a third tells when both would have run. */
static void set_three(void *ctx)
{
    struct timed *t = ctx;
    int64_t now = clock_mono_ms();
    task_loop_set(t[0].loop, &t[0].timer, now + 1);
    task_loop_set(t[0].loop, &t[0].timer, now + 3600000);
    task_loop_set(t[1].loop, &t[1].timer, now + 1);
    task_loop_unset(t[1].loop, &t[1].timer);
    task_loop_set(t[2].loop, &t[2].timer, now + 20);
}

static void a_timer_that_was_set_anew_or_unset_does_not_run(void **state)
{
    struct timed t[] = {timed_new(*state), timed_new(*state), timed_new(*state)};
    task_loop_call(*state, set_three, t);
    await_run(&t[2]);
    task_loop_stop(*state);
    assert_int_equal(t[0].runs, 0);
    assert_int_equal(t[1].runs, 0);
}

static void run_again(struct task_timer *timer)
{
    struct timed *t = (struct timed *)timer;
    t->runs++;
    task_loop_set(t->loop, timer, 1);
}

static void set_for_ever(void *ctx)
{
    struct timed *t = ctx;
    t->timer.run = run_again;
    task_loop_set(t->loop, &t->timer, 1);
}

static void a_timer_that_is_always_due_keeps_no_task_waiting(void **state)
{
    struct timed t = timed_new(*state);
    task_loop_call(*state, set_for_ever, &t);
    for (int i = 0; i < 10; i++)
        task_loop_call(*state, do_nothing, NULL);
    task_loop_stop(*state);
    assert_true(t.runs > 0);
}

static void the_thread_shows_that_it_turns(void **state)
{
    int64_t before = clock_mono_ms();
    task_loop_call(*state, do_nothing, NULL);
    assert_true(task_loop_turned_at_mono_ms(*state) >= before);
    task_loop_stop(*state);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(tasks_run_in_the_order_in_which_they_were_posted, setup,
                                        teardown),
        cmocka_unit_test_setup_teardown(what_was_posted_before_the_stop_runs, setup, teardown),
        cmocka_unit_test_setup_teardown(a_call_runs_in_the_loops_thread_and_has_run_when_it_returns,
                                        setup, teardown),
        cmocka_unit_test_setup_teardown(a_timer_runs_once_and_not_before_its_instant, setup,
                                        teardown),
        cmocka_unit_test_setup_teardown(a_timer_that_was_set_anew_or_unset_does_not_run, setup,
                                        teardown),
        cmocka_unit_test_setup_teardown(a_timer_that_is_always_due_keeps_no_task_waiting, setup,
                                        teardown),
        cmocka_unit_test_setup_teardown(the_thread_shows_that_it_turns, setup, teardown),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
