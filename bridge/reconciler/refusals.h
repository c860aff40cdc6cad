/* What a provider has refused for good, as the account's record keeps it: so that a restart does
 * not ask for it again before the configuration or the key changes. */
#pragma once

#include "bridge/base/arena.h"
#include "bridge/reconciler/account_state.h"

/* Makes the record say what is refused by the state's setbacks: nothing is, or its status is
 * invalid, with the first one as the reason. Texts live in the arena. Errors: STATUS_NOMEM. */
enum status refusals_keep(const struct account_state *s, struct arena *a, int64_t now_unix_ms,
                          struct account_record *r) MUST_CHECK;

/* Takes over what the state's record says is refused of the state's configuration, unless it is
 * known. Errors: STATUS_NOMEM. */
enum status refusals_recall(struct account_state *s, int64_t now_unix_ms) MUST_CHECK;
