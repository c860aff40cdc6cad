/* The guard rail of `sync`: a mistake in the files must not take down what customers rely on. */
#pragma once

#include "bridge/reconciler/account_state.h"
#include "bridge/reconciler/desired_account.h"

/* Specifications, over all accounts that are looked at together: those a process owns, or, for a
 * one-shot command, all. */
struct guard_count {
    size_t desired;   /* also of declared accounts that others own */
    size_t active;    /* with an active route */
    size_t undesired; /* of these, not wanted */
};

/* Adds an account; desired NULL: it is no longer declared. */
void guard_add(struct guard_count *c, const struct desired_account *desired,
               const struct account_state *state);

/* Whether deletes of what is not wanted are withheld, until somebody forces them or the files want
 * more again: more than 30 % of 10 or more active ones are not wanted, or nothing at all is wanted
 * while something is active. */
bool guard_holds(const struct guard_count *c);
