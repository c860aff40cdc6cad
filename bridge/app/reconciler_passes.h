/* Which account has its pass when: those of the partitions led here, spread over the interval, a
 * bounded number at once. */
#pragma once

#include <stdatomic.h>

#include "bridge/app/last_events.h"
#include "bridge/app/reconciler_accounts.h"
#include "bridge/app/task_loop.h"
#include "bridge/ops/metrics.h"
#include "bridge/reconciler/guard.h"

struct reconciler_passes;

/* Whoever wants to hear of passes; what it is told is borrowed for the call. Thread: the loop's. */
struct pass_listener {
    void *ctx;
    /* As pass_options.on_plan and on_call. */
    void (*on_plan)(void *ctx, const struct reconciler_account *account, const struct plan *plan);
    void (*on_call)(void *ctx, const struct reconciler_account *account, enum call_kind kind,
                    const struct callback_url *url, const struct provider_outcome *outcome);
    /* account->last says how it ended. */
    void (*on_end)(void *ctx, const struct reconciler_account *account);
};

enum passes_purpose {
    PASSES_KEEP = 0, /* one after another, as long as the account is led here */
    PASSES_ONCE,     /* one for each account that is led here; another one only if it is woken */
    PASSES_PLAN,     /* likewise, for every account, whoever leads it; they only plan */
};

/* All is borrowed until the end. */
struct reconciler_passes_options {
    struct task_loop *loop;
    struct reconciler_accounts *accounts;
    const struct provider_calls *calls;
    const struct registry_writer *writer;
    const struct reconciler_options *reconciler; /* of the start: its route keys may be replaced */
    int64_t silent_after_ms;                     /* of subscription_count */
    struct metrics *metrics;
    enum passes_purpose purpose;
    const char *only_account;             /* ONCE and PLAN: no other one has a pass; NULL: all */
    const struct pass_listener *listener; /* NULL: none */
    size_t passes_max;                    /* at once */
    void *ctx;
    /* What is known of callbacks; NULL: nothing. Borrowed for the turn. */
    const struct last_events *(*last_events)(void *ctx);
    /* A commit's end is unknown: the partition's records have to be read again. */
    void (*on_records_unknown)(void *ctx, int32_t partition);
};

/* Owns:   on STATUS_OK the caller frees *ret with reconciler_passes_free(), when nothing is led any
 *         more. Errors: STATUS_NOMEM. */
enum status reconciler_passes_new(const struct reconciler_passes_options *opt,
                                  struct reconciler_passes **ret) MUST_CHECK;
void reconciler_passes_free(struct reconciler_passes *p);

/* Thread: the loop's, of all that follows but the last. */

/* The partition's records are known to their end and written by nobody else: its accounts are due
 * at once. Or no longer: its passes are ended on the spot. */
void reconciler_passes_lead(struct reconciler_passes *p, int32_t partition, bool is_led);

/* PASSES_PLAN: all that is to be known is known, every account is due at once; or it is over, and
 * what is under way is ended on the spot. */
void reconciler_passes_begin(struct reconciler_passes *p);
void reconciler_passes_end(struct reconciler_passes *p);

/* Whether the guard rail holds deletes back, by these counts. */
bool reconciler_passes_withhold(struct reconciler_passes *p, struct guard_count *ret);

/* The account's pass is due now, or as soon as the one under way is over. */
void reconciler_passes_wake(struct reconciler_passes *p, struct reconciler_account *account);

/* Passes that begin from now on go by these route keys; takes its own reference. */
void reconciler_passes_set_route_keys(struct reconciler_passes *p,
                                      const struct keyring *route_keys);

/* Begins no pass any more. */
void reconciler_passes_drain(struct reconciler_passes *p);

/* How many are under way. Thread: any. */
size_t reconciler_passes_running(const struct reconciler_passes *p);
