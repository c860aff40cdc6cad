/* Which account has its pass when: those of the partitions led here, spread over the interval, a
 * bounded number at once. */
#pragma once

#include <stdatomic.h>

#include "bridge/app/reconciler_accounts.h"
#include "bridge/app/task_loop.h"
#include "bridge/ops/metrics.h"

struct reconciler_passes;

/* All is borrowed until the end. */
struct reconciler_passes_options {
    struct task_loop *loop;
    struct reconciler_accounts *accounts;
    const struct provider_calls *calls;
    const struct registry_writer *writer;
    const struct reconciler_options *reconciler;
    struct metrics *metrics;
    size_t passes_max; /* at once */
    void *ctx;
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

/* The account's pass is due now, or as soon as the one under way is over. */
void reconciler_passes_wake(struct reconciler_passes *p, struct reconciler_account *account);

/* Begins no pass any more. */
void reconciler_passes_drain(struct reconciler_passes *p);

/* How many are under way. Thread: any. */
size_t reconciler_passes_running(const struct reconciler_passes *p);
