#include "bridge/reconciler/plan_view.h"

#include <string.h>

struct scope plan_view_scope_of(const struct route_record *r)
{
    return (struct scope){r->company_id, r->environment_name};
}

static struct scope wanted_scope(const struct plan_view *v)
{
    return (struct scope){v->in->desired->company_id, v->in->desired->environment_name};
}

bool plan_view_is_of(const struct plan_view *v, const struct callback_url *url)
{
    return specification_equal(&url->specification, v->specification);
}

bool plan_view_is_useless(const struct route_record *r)
{
    return r->secret == NULL && r->token == NULL;
}

const struct sighting *plan_view_seen_of(const struct plan_view *v, const struct route_record *r)
{
    const struct sighting *seen = observation_find(v->in->observation, &r->url, r->provider_id);
    if (seen == NULL &&
        (r->state == ROUTE_RETIRED || (r->state == ROUTE_RETIRING && plan_view_is_useless(r))))
        seen = observation_find(v->in->observation, &r->url, NULL);
    return seen;
}

bool plan_view_is_believed_missing(const struct plan_view *v, const struct route_record *r)
{
    return r->missing_since_unix_ms != 0 &&
           v->in->listed_at_unix_ms - r->missing_since_unix_ms >= v->in->options->second_look_ms;
}

static bool events_equal(const struct wanted *wanted, const struct sighting *seen)
{
    if (seen->enabled_events == NULL || wanted->enabled_events_len == 0)
        return true; /* a provider without such sets */
    if (seen->enabled_events_len != wanted->enabled_events_len)
        return false;
    for (size_t i = 0; i < wanted->enabled_events_len; i++) { /* both are sorted, without twins */
        if (strcmp(seen->enabled_events[i], wanted->enabled_events[i]) != 0)
            return false;
    }
    return true;
}

enum plan_reason plan_view_misfit(const struct plan_view *v, const struct route_record *r,
                                  const struct sighting *seen)
{
    if (v->wanted == NULL)
        return REASON_FINE;
    if (!scope_equal(plan_view_scope_of(r), wanted_scope(v)))
        return REASON_SCOPE_CHANGED;
    if (!events_equal(v->wanted, seen))
        return REASON_EVENTS_CHANGED;
    if (seen->is_former)
        return REASON_MOVED;
    return REASON_FINE;
}

bool plan_view_is_held(const struct plan_view *v, const char *id)
{
    const struct account_state *state = v->in->state;
    for (size_t i = 0; i < state->routes_len; i++) {
        const struct route_record *r = state->routes[i].record;
        if (r->state == ROUTE_ACTIVE && r->provider_id != NULL && strcmp(r->provider_id, id) == 0)
            return true;
    }
    return false;
}

bool plan_view_orphan_may_go(const struct plan_view *v, const struct sighting *seen)
{
    if (plan_view_is_held(v, seen->id))
        return false;
    bool is_refused = v->setback != NULL && v->setback->is_refused;
    return v->wanted == NULL || v->keeper != NULL || is_refused || seen != v->newest_orphan;
}

/* Of a retiring one: whether it was not wanted, and is wanted again before it was deleted. */
static bool is_wanted_again(const struct plan_view *v, const struct route_record *r)
{
    return r->undesired_since_unix_ms != 0 && v->wanted != NULL && plan_view_seen_of(v, r) != NULL;
}

static void look_at_candidate(struct plan_view *v, const struct held_route *held)
{
    const struct route_record *r = held->record;
    const struct sighting *seen = plan_view_seen_of(v, r);
    if (seen == NULL) {
        if (scope_equal(plan_view_scope_of(r), wanted_scope(v)) &&
            !plan_view_is_believed_missing(v, r))
            v->is_in_doubt = true;
        return;
    }
    bool fits = plan_view_misfit(v, r, seen) == REASON_FINE;
    bool keeper_fits =
        v->keeper != NULL && plan_view_misfit(v, v->keeper->record, v->keeper_seen) == REASON_FINE;
    bool is_newer =
        v->keeper == NULL || v->keeper->record->url.generation_unix_ms < r->url.generation_unix_ms;
    if (fits == keeper_fits ? is_newer : fits) {
        v->keeper = held;
        v->keeper_seen = seen;
    }
}

static void look_at_pending(struct plan_view *v, const struct held_route *held)
{
    const struct route_record *r = held->record;
    if (plan_view_seen_of(v, r) != NULL || !scope_equal(plan_view_scope_of(r), wanted_scope(v)))
        return; /* an orphan; or of a scope that nothing is to be made in */
    if (!held->is_unsent)
        v->is_in_doubt |= !plan_view_is_believed_missing(v, r);
    else if (v->in->now_unix_ms < r->gone_after_unix_ms &&
             strcmp(r->public_base_url, v->in->options->bases[0]) == 0)
        v->unsent = held;
}

static void look_at_sighting(struct plan_view *v, const struct sighting *seen)
{
    const struct held_route *held = account_state_find(v->in->state, &seen->url);
    bool is_orphan = held == NULL || held->record->state == ROUTE_PENDING;
    if (is_orphan && !seen->is_deleted &&
        (v->newest_orphan == NULL ||
         v->newest_orphan->url.generation_unix_ms < seen->url.generation_unix_ms))
        v->newest_orphan = seen;
}

void plan_view_look(struct plan_view *v, const struct specification *specification)
{
    const struct plan_input *in = v->in;
    v->specification = specification;
    v->wanted = desired_account_find(in->desired, specification);
    v->setback = account_state_setback(in->state, specification);
    v->keeper = NULL;
    v->keeper_seen = NULL;
    v->unsent = NULL;
    v->newest_orphan = NULL;
    v->is_in_doubt = false;
    v->has_lost_one = false;
    v->first = v->len;
    for (size_t i = 0; i < in->state->routes_len; i++) {
        const struct held_route *held = &in->state->routes[i];
        if (!plan_view_is_of(v, &held->record->url))
            continue;
        switch (held->record->state) {
        case ROUTE_PENDING:
            look_at_pending(v, held);
            break;
        case ROUTE_ACTIVE:
            look_at_candidate(v, held);
            v->has_lost_one = true;
            break;
        case ROUTE_RETIRING:
            if (is_wanted_again(v, held->record))
                look_at_candidate(v, held);
            v->has_lost_one = true;
            break;
        case ROUTE_RETIRED:
            v->has_lost_one = true;
            break;
        }
    }
    for (size_t i = 0; i < in->observation->len; i++) {
        if (plan_view_is_of(v, &in->observation->sightings[i].url))
            look_at_sighting(v, &in->observation->sightings[i]);
    }
}
