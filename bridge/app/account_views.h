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

/* One reader's look at every account, in turns that are short however many there are: accounts may
 * come, go and change between two of them. */
struct account_views;

/* `arena` is for what is read.
 * Owns:   on STATUS_OK the caller frees *ret with account_views_free(). Errors: STATUS_NOMEM.
 * Thread: that of the accounts, of all that follows but account_views_free(). */
enum status account_views_new(const struct account_views_options *opt, struct arena *arena,
                              struct account_views **ret) MUST_CHECK;
void account_views_free(struct account_views *v);

/* Looks at some of the accounts; after the last of them fills the page that the filter asks for.
 * Owns:   everything lives in the arena.
 * Errors: STATUS_BUSY there are more: another turn. STATUS_NOMEM. */
enum status account_views_turn(struct account_views *v, struct view_accounts *ret) MUST_CHECK;
