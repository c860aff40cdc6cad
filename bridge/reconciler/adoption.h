/* Taking over a subscription that a person made, and whose secret he knows. */
#pragma once

#include "bridge/reconciler/account_state.h"
#include "bridge/reconciler/desired_account.h"
#include "bridge/reconciler/options.h"

struct adoption {
    const char *provider_id;
    const char *callback_url;
    const char *secret;
    const char *token; /* Moneybird's webhook_token; NULL: none */
};

/* The record by which the registry takes the subscription over: an active route. Its expiry is told
 * by the next list.
 *
 * Owns:   on STATUS_OK the caller frees *ret with route_record_free().
 * Errors: STATUS_INVALID the URL is not one of the account's with a valid token, or the registry
 *         knows it, or the id, already; diag says which, without the token. STATUS_NOMEM.
 */
enum status adoption_make(const struct adoption *adoption, const struct desired_account *desired,
                          const struct account_state *state, const struct reconciler_options *opt,
                          int64_t now_unix_ms, struct route_record **ret, struct diag *diag)
    MUST_CHECK;
