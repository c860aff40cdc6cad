/* Makes each call that can fail (fallible.def) fail once, at each place of the program that comes
 * to it: a place is the function called and the way there, as far as it is the program's.
 *
 *     static void scenario(void *ctx)
 *     {
 *         ...               what is needed first
 *         torture_begin();
 *         enum status status = thing_new(&thing);
 *         assert_true(status == STATUS_OK || torture_has_failed());
 *         torture_pause();
 *         ...               what was made has to hold
 *     }
 *     torture(scenario, ctx, 100);
 *
 * Every run is held to the same: it ends within two minutes, leaks no memory and no descriptor, and
 * neither crashes nor upsets a sanitizer. What broke it is told on stderr, with the call that had
 * failed.
 *
 * TORTURE=all: each call fails, not only the first from each place.
 */
#pragma once

#include <stdbool.h>

/* Runs the scenario with every failure there is, one a run, and fails when less than percent_min of
 * the places were come to again: all, where no threads decide who comes where. Thread: the test's
 * only one. */
void torture(void (*scenario)(void *ctx), void *ctx, unsigned percent_min);

/* Whether the call that was to fail in this run has been made. Thread: any. */
bool torture_has_failed(void);

/* How many transactions of Kafka were committed by now, in all runs. Thread: any. */
unsigned torture_commits(void);

/* Calls fail between these two. Once a call has failed no other does in this run. */
void torture_begin(void);
void torture_pause(void);

/* Every line of the log is written, and nobody reads it: what writing one takes may fail, too. */
void torture_log(void);

/* For cmocka: a test that ends early says which call had failed. */
int torture_teardown(void **state);
