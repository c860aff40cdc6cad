/* What people watch of the subscriptions that are led here: how many there are in each state, how
 * soon the first one expires, how many have fallen silent. */
#pragma once

#include "bridge/app/last_events.h"
#include "bridge/ops/metrics.h"
#include "bridge/reconciler/account_state.h"

#define ROUTE_STATES (ROUTE_RETIRED + 1)

struct subscription_gauges {
    struct gauge *by_state[ROUTE_STATES];
    struct gauge *expiry;
    struct gauge *silent;
};

/* One look at all of them: filled account by account. */
struct subscription_count {
    const struct last_events *last_events; /* NULL: nobody can be called silent */
    int64_t now_unix_ms;
    int64_t silent_after_ms;
    size_t by_state[ROUTE_STATES];
    size_t silent;
    int64_t soonest_expiry_unix_ms; /* 0: none expires */
};

void subscription_gauges_init(struct subscription_gauges *g, struct metrics *m);

/* An active subscription is silent when nothing was heard of it for so long, nor was it made since.
 */
void subscription_count_add(struct subscription_count *c, const struct account_state *state);

void subscription_gauges_set(const struct subscription_gauges *g,
                             const struct subscription_count *c);
