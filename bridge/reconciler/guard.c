#include "bridge/reconciler/guard.h"

static const size_t guarded_min = 10;
static const size_t undesired_percent_max = 30;

/* Whether the route is the first active one of its specification. */
static bool is_counted(const struct account_state *state, size_t route)
{
    const struct route_record *r = state->routes[route].record;
    if (r->state != ROUTE_ACTIVE)
        return false;
    for (size_t i = 0; i < route; i++) {
        const struct route_record *other = state->routes[i].record;
        if (other->state == ROUTE_ACTIVE &&
            specification_equal(&other->url.specification, &r->url.specification))
            return false;
    }
    return true;
}

void guard_add(struct guard_count *c, const struct desired_account *desired,
               const struct account_state *state)
{
    if (desired != NULL)
        c->desired += desired->wanted_len;
    for (size_t i = 0; i < state->routes_len; i++) {
        if (!is_counted(state, i))
            continue;
        const struct specification *s = &state->routes[i].record->url.specification;
        c->active++;
        c->undesired += desired == NULL || desired_account_find(desired, s) == NULL;
    }
}

bool guard_holds(const struct guard_count *c)
{
    if (c->desired == 0 && c->active > 0)
        return true;
    return c->active >= guarded_min && 100 * c->undesired > undesired_percent_max * c->active;
}
