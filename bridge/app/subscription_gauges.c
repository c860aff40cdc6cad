#include "bridge/app/subscription_gauges.h"

#include <math.h>

void subscription_gauges_init(struct subscription_gauges *g, struct metrics *m)
{
    for (int state = 0; state < ROUTE_STATES; state++) {
        const struct metric_label label = {"state",
                                           route_record_state_name((enum route_state)state)};
        g->by_state[state] =
            metrics_gauge(m, "maesn_bridge_subscriptions",
                          "Subscriptions led by this process, by their state.", &label, 1);
    }
    g->expiry = metrics_gauge(
        m, "maesn_bridge_subscription_expiry_seconds",
        "Seconds until the first active subscription expires; +Inf: none does.", NULL, 0);
    g->silent = metrics_gauge(m, "maesn_bridge_subscriptions_silent",
                              "Active subscriptions that were not heard for "
                              "reconciler.silent_after_s; NaN: topics.activity is not read.",
                              NULL, 0);
    gauge_set(g->expiry, (double)INFINITY);
    gauge_set(g->silent, (double)NAN);
}

static void add_active(struct subscription_count *c, const struct route_record *r)
{
    if (r->expires_at_unix_ms > 0 &&
        (c->soonest_expiry_unix_ms == 0 || r->expires_at_unix_ms < c->soonest_expiry_unix_ms))
        c->soonest_expiry_unix_ms = r->expires_at_unix_ms;
    if (c->last_events == NULL)
        return;
    c->silent += route_record_is_silent(r, last_events_of(c->last_events, &r->url.specification),
                                        c->silent_after_ms, c->now_unix_ms);
}

void subscription_count_add(struct subscription_count *c, const struct account_state *state)
{
    for (size_t i = 0; i < state->routes_len; i++) {
        const struct route_record *r = state->routes[i].record;
        c->by_state[r->state]++;
        if (r->state == ROUTE_ACTIVE)
            add_active(c, r);
    }
}

void subscription_gauges_set(const struct subscription_gauges *g,
                             const struct subscription_count *c)
{
    for (int state = 0; state < ROUTE_STATES; state++)
        gauge_set(g->by_state[state], (double)c->by_state[state]);
    gauge_set(g->expiry, c->soonest_expiry_unix_ms == 0
                             ? (double)INFINITY
                             : (double)(c->soonest_expiry_unix_ms - c->now_unix_ms) / 1000);
    gauge_set(g->silent, c->last_events == NULL ? (double)NAN : (double)c->silent);
}
