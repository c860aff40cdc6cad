#include "bridge/app/loop_question.h"

#include <pthread.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

#include "bridge/base/scoped.h"

/* A task that holds the loop until it is let go. */
struct holdup {
    struct task task;
    pthread_mutex_t lock;
    pthread_cond_t changed;
    bool is_held, is_over;
};

static void hold(struct task *task)
{
    struct holdup *h = (struct holdup *)task;
    pthread_mutex_lock(&h->lock);
    h->is_held = true;
    pthread_cond_signal(&h->changed);
    while (!h->is_over)
        pthread_cond_wait(&h->changed, &h->lock);
    pthread_mutex_unlock(&h->lock);
}

static void begin(struct holdup *h, struct task_loop *l)
{
    *h = (struct holdup){
        .task.run = hold, .lock = PTHREAD_MUTEX_INITIALIZER, .changed = PTHREAD_COND_INITIALIZER};
    task_loop_post(l, &h->task);
    pthread_mutex_lock(&h->lock);
    while (!h->is_held)
        pthread_cond_wait(&h->changed, &h->lock);
    pthread_mutex_unlock(&h->lock);
}

static void end(struct holdup *h)
{
    pthread_mutex_lock(&h->lock);
    h->is_over = true;
    pthread_cond_signal(&h->changed);
    pthread_mutex_unlock(&h->lock);
}

static bool count(void *ctx)
{
    (*(int *)ctx)++;
    return true;
}

static void nothing(void *ctx)
{
    (void)ctx;
}

DEFINE_CLEANUP(struct task_loop *, task_loop_free)
DEFINE_CLEANUP(struct loop_question *, loop_question_free)

static void a_question_is_answered_in_the_loop(void **state)
{
    (void)state;
    CLEANUP(task_loop_free_scoped) struct task_loop *l = NULL;
    CLEANUP(loop_question_free_scoped) struct loop_question *q = NULL;
    int answers = 0;
    assert_int_equal(task_loop_new(&l), STATUS_OK);
    assert_int_equal(loop_question_new(l, &q), STATUS_OK);
    for (int i = 1; i <= 3; i++) {
        assert_int_equal(loop_question_ask(q, count, &answers, 60000), STATUS_OK);
        assert_int_equal(answers, i);
        assert_false(loop_question_is_open(q));
    }
    task_loop_stop(l);
}

/* A question of three turns, and what else is posted to its loop meanwhile. */
struct long_question {
    struct task other;
    struct task_loop *loop;
    int turns;
    int others_seen;
    int others;
};

static void do_other(struct task *task)
{
    ((struct long_question *)task)->others++;
}

static bool take_a_turn(void *ctx)
{
    struct long_question *l = ctx;
    l->others_seen += l->others;
    if (++l->turns == 3)
        return true;
    l->others = 0;
    task_loop_post(l->loop, &l->other);
    return false;
}

static void between_the_turns_of_a_long_answer_the_loop_does_what_else_there_is(void **state)
{
    (void)state;
    CLEANUP(task_loop_free_scoped) struct task_loop *l = NULL;
    CLEANUP(loop_question_free_scoped) struct loop_question *q = NULL;
    assert_int_equal(task_loop_new(&l), STATUS_OK);
    assert_int_equal(loop_question_new(l, &q), STATUS_OK);
    struct long_question question = {.other.run = do_other, .loop = l};
    assert_int_equal(loop_question_ask(q, take_a_turn, &question, 60000), STATUS_OK);
    assert_int_equal(question.turns, 3);
    assert_int_equal(question.others_seen, 2); /* one before each of the later turns */
    task_loop_stop(l);
}

static void a_loop_that_hangs_is_not_waited_for(void **state)
{
    (void)state;
    CLEANUP(task_loop_free_scoped) struct task_loop *l = NULL;
    CLEANUP(loop_question_free_scoped) struct loop_question *q = NULL;
    struct holdup h;
    int answers = 0;
    assert_int_equal(task_loop_new(&l), STATUS_OK);
    assert_int_equal(loop_question_new(l, &q), STATUS_OK);
    begin(&h, l);
    assert_int_equal(loop_question_ask(q, count, &answers, 20), STATUS_BUSY);
    assert_true(loop_question_is_open(q));
    end(&h);
    task_loop_call(l, nothing, NULL); /* comes after it */
    assert_int_equal(answers, 1);
    assert_false(loop_question_is_open(q));
    assert_int_equal(loop_question_ask(q, count, &answers, 60000), STATUS_OK);
    assert_int_equal(answers, 2);
    task_loop_stop(l);
}

static void a_loop_that_has_ended_does_not_answer(void **state)
{
    (void)state;
    CLEANUP(task_loop_free_scoped) struct task_loop *l = NULL;
    CLEANUP(loop_question_free_scoped) struct loop_question *q = NULL;
    int answers = 0;
    assert_int_equal(task_loop_new(&l), STATUS_OK);
    assert_int_equal(loop_question_new(l, &q), STATUS_OK);
    task_loop_stop(l);
    assert_int_equal(loop_question_ask(q, count, &answers, 20), STATUS_BUSY);
    assert_int_equal(answers, 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_question_is_answered_in_the_loop),
        cmocka_unit_test(between_the_turns_of_a_long_answer_the_loop_does_what_else_there_is),
        cmocka_unit_test(a_loop_that_hangs_is_not_waited_for),
        cmocka_unit_test(a_loop_that_has_ended_does_not_answer),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
