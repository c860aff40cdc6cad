/* Instants in order: a binary heap whose items live in what they are for. */
#pragma once

#include <stddef.h>
#include <stdint.h>

#include "bridge/base/status.h"

/* All zero: not set. */
struct timer {
    int64_t at_mono_ms;
    size_t place; /* in the heap, counted from 1; 0: not set */
};

/* All zero: empty. */
struct timers {
    struct timer **heap; /* none is earlier than the one at half its place */
    size_t len;
    size_t capacity;
};

void timers_done(struct timers *t);

/* Makes room for this many timers in all, so that timers_set() cannot fail. Errors: STATUS_NOMEM.
 */
enum status timers_reserve(struct timers *t, size_t len) MUST_CHECK;

/* Sets the timer, or sets it anew. */
void timers_set(struct timers *t, struct timer *timer, int64_t at_mono_ms);

/* Afterwards the timer is not set. */
void timers_clear(struct timers *t, struct timer *timer);

/* The earliest one; NULL: none is set. */
struct timer *timers_first(const struct timers *t);
