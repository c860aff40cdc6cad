/* Accounts as the status page shows them, copied where the passes are, to be printed elsewhere. */
#pragma once

#include "bridge/app/last_events.h"
#include "bridge/app/reconciler_accounts.h"
#include "bridge/base/arena.h"
#include "bridge/status/view.h"

struct account_views_options {
    struct reconciler_accounts *accounts;
    const struct last_events *last_events; /* NULL: nothing is known of callbacks */
    struct filter filter;
    int64_t silent_after_ms; /* as subscription_count has it */
    int64_t now_unix_ms;
    int64_t now_mono_ms;
};

/* Fills the page that the filter asks for; looks at every account, and copies those of the page.
 * Owns: everything lives in the arena. Errors: STATUS_NOMEM. Thread: that of the accounts. */
enum status account_views_gather(const struct account_views_options *opt, struct arena *arena,
                                 struct view_accounts *ret) MUST_CHECK;
