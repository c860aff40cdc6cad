/* The half of a `dev` run that needs no routes by hand: accounts declared in a file, the simulated
 * providers behind them, the reconciler that subscribes them, and the callbacks that follow.
 */
#pragma once

#include "bridge/app/configuration.h"
#include "bridge/dev/provider_server.h"
#include "bridge/dev/sender.h"
#include "bridge/dev/workspace.h"

struct dev_accounts;

typedef void dev_accounts_call_fn(void *owner, const struct provider_server_call *call);

/* Starts the providers; faults (faults.h) may be NULL. on_call is told of calls to them.
 * Owns:   on STATUS_OK the caller frees *ret with dev_accounts_free().
 * Errors: STATUS_INVALID faults are none. STATUS_UNAVAILABLE no port or thread. STATUS_INTERNAL no
 *         random bytes. STATUS_NOMEM. diag says why.
 */
enum status dev_accounts_new(const char *faults, dev_accounts_call_fn *on_call, void *owner,
                             struct dev_accounts **ret, struct diag *diag) MUST_CHECK;

/* What the workspace is made with. Borrowed until dev_accounts_free(). */
uint16_t dev_accounts_port(const struct dev_accounts *a);
const char *dev_accounts_api_key(const struct dev_accounts *a);
const struct workspace_account *dev_accounts_declared(const struct dev_accounts *a);
size_t dev_accounts_len(const struct dev_accounts *a);

/* Starts the reconciler, and the sender with options whose source is filled in.
 * Owns:   takes the configuration on every path.
 * Errors: as reconciler_process_start_take() and sender_new().
 */
enum status dev_accounts_start_take(struct dev_accounts *a, struct configuration *configuration,
                                    const struct sender_options *sender, struct diag *diag)
    MUST_CHECK;

/* Lets the reconciler read its files again if they have changed. Thread: the one that started. */
void dev_accounts_follow_files(struct dev_accounts *a);

/* Nothing is sent any more, and the reconciler has gone. The providers still answer. Twice is fine,
 * and so is NULL. */
void dev_accounts_stop(struct dev_accounts *a);
void dev_accounts_free(struct dev_accounts *a);
