/* What an account's latest plan came to, kept for people after its pass is over. */
#pragma once

#include "bridge/reconciler/plan.h"

/* A step that says something: neither a KEEP nor a FORGET. */
struct reported_step {
    enum plan_action action;
    enum plan_reason reason;
    bool is_difference;
    struct specification specification;
    int64_t generation_unix_ms; /* of the route that it is about; 0: of none */
    int64_t due_unix_ms;        /* when a wait is over; 0: no instant is known */
    const char *detail;         /* what the provider said of a failure; NULL: nothing */
};

/* All zero: there is none. */
struct reported_plan {
    struct reported_step *steps; /* in the order of specifications */
    size_t len;
};

void reported_plan_done(struct reported_plan *r);

/* In the place of what it held. Errors: STATUS_NOMEM: something is missing. */
enum status reported_plan_take(struct reported_plan *r, const struct account_state *state,
                               const struct plan *plan) MUST_CHECK;

/* Forgets the steps that are work: a pass that was not only a plan has done them. */
void reported_plan_drop_work(struct reported_plan *r);

/* Whether the account's owner can do something at once, which changes something. */
bool reported_step_is_work(const struct reported_step *step);
