/* When which account has its next pass: the first one at once, later ones spread over the interval
 * by a hash of the account's id, so that ten thousand accounts are as many evenly spaced calls. */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "bridge/base/status.h"

/* Lives inside what is scheduled. */
struct schedule_slot {
    int64_t due_mono_ms;
    int64_t phase_ms; /* of the interval */
    size_t position;  /* in the heap, from 1; 0: not in it, because its pass is under way */
    bool is_nudged;   /* while its pass is under way: another one is to follow at once */
    bool is_scheduled;
};

struct schedule {
    int64_t interval_ms;
    struct schedule_slot **heap; /* the one due first is at 1 */
    size_t len;
    size_t capacity;
    size_t scheduled; /* in the heap, or with a pass under way */
};

void schedule_init(struct schedule *s, int64_t interval_ms);
void schedule_done(struct schedule *s);

/* Its first pass is due now. Errors: STATUS_NOMEM. */
enum status schedule_add(struct schedule *s, struct schedule_slot *slot, const char *account,
                         int64_t now_mono_ms) MUST_CHECK;
/* Whether or not its pass is under way; a slot that was never added is fine. */
void schedule_remove(struct schedule *s, struct schedule_slot *slot);

/* Takes the slot whose pass is due, or returns NULL. */
struct schedule_slot *schedule_take(struct schedule *s, int64_t now_mono_ms);

/* When schedule_take() has something to take; INT64_MAX: not before something changes. */
int64_t schedule_next_mono_ms(const struct schedule *s);

/* The pass is over. The next one is due at again_at, or, if that is 0 or later, in its turn of the
 * interval. */
void schedule_put_back(struct schedule *s, struct schedule_slot *slot, int64_t now_mono_ms,
                       int64_t again_at_mono_ms);

/* Something has changed: a pass is due now, or as soon as the present one is over. */
void schedule_nudge(struct schedule *s, struct schedule_slot *slot, int64_t now_mono_ms);
