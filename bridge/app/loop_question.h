/* A question that another thread asks a loop, and whose answer it awaits for a while only: a loop
 * that hangs must not hang those who ask, among them the one that would tell. */
#pragma once

#include "bridge/app/task_loop.h"

struct loop_question;

/* Owns: on STATUS_OK the caller frees *ret with loop_question_free(), after the loop's stop.
 * Errors: STATUS_NOMEM. */
enum status loop_question_new(struct task_loop *loop, struct loop_question **ret) MUST_CHECK;
void loop_question_free(struct loop_question *q);

/* Whether a former question is still to be answered: until then its ctx is the loop's, and nothing
 * else can be asked. */
bool loop_question_is_open(struct loop_question *q);

/* Has run(ctx) called in the loop's thread until it returns true, and waits for that; between two
 * calls the loop does whatever else there is to do. None is open.
 * Errors: STATUS_BUSY it is not answered in this time; the question stays open. Thread: any but the
 * loop's, one at a time. */
enum status loop_question_ask(struct loop_question *q, bool (*run)(void *ctx), void *ctx,
                              int64_t patience_ms) MUST_CHECK;
