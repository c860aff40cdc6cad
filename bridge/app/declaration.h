/* An account as it is declared: expanded into the subscriptions that are to exist. */
#pragma once

#include "bridge/domain/account.h"
#include "bridge/reconciler/desired_account.h"

/* Shared by reference, for a pass may still work by it when it is no longer in force. */
struct declaration {
    unsigned refs;                  /* Thread: one at a time */
    struct desired_account desired; /* its texts, the key too, are in the same block */
    size_t size;
};

/* Copies all it keeps. What cannot be carried out has desired.invalid.
 * Owns:   on STATUS_OK the caller holds one reference of *ret.
 * Errors: STATUS_NOMEM.
 */
enum status declaration_new(const struct account *account,
                            const struct integration_overrides *overrides, struct declaration **ret)
    MUST_CHECK;

struct declaration *declaration_ref(struct declaration *d);
/* The last reference wipes it; declaration_unref(NULL) is fine. */
void declaration_unref(struct declaration *d);

/* Whether both want the same, with the same key. */
bool declaration_equal(const struct declaration *a, const struct declaration *b);
