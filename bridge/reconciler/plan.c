#include "bridge/reconciler/plan.h"

#include <assert.h>
#include <stdlib.h>
#include <string.h>

/* --- names ---------------------------------------------------------------------------------- */

static const char *const action_names[PLAN_ACTIONS] = {
    [PLAN_KEEP] = "keep",     [PLAN_CREATE] = "create",     [PLAN_ACTIVATE] = "activate",
    [PLAN_RETIRE] = "retire", [PLAN_DELETE] = "delete",     [PLAN_GONE] = "gone",
    [PLAN_FORGET] = "forget", [PLAN_WAIT] = "wait",         [PLAN_LEAVE] = "leave",
    [PLAN_STUCK] = "stuck",   [PLAN_WITHHOLD] = "withhold",
};

static const char *const reason_texts[PLAN_REASONS] = {
    [REASON_FINE] = "as it should be",
    [REASON_NEW] = "wanted, and not there",
    [REASON_REPLACES_GONE] = "the former one is gone",
    [REASON_REPLACES_ORPHAN] = "the one that is there has no known secret",
    [REASON_EXPIRES] = "the present one expires",
    [REASON_ROTATION] = "a rotation was asked for",
    [REASON_MOVED] = "the public base URL or the route key has changed",
    [REASON_SCOPE_CHANGED] = "the company or the environment has changed",
    [REASON_EVENTS_CHANGED] = "the set of events has changed",
    [REASON_REPLACED] = "replaced by a newer one",
    [REASON_NOT_WANTED] = "not wanted any more",
    [REASON_ORPHAN] = "its secret never reached the registry",
    [REASON_DUPLICATE] = "another subscription has the same URL",
    [REASON_RESURFACED] = "it was gone, and is there again",
    [REASON_NO_LONGER_LISTED] = "the provider does not list it any more",
    [REASON_GRACE_OVER] = "its grace is over",
    [REASON_NEVER_MADE] = "it was never made",
    [REASON_MISSING] = "missing, waiting for a second look",
    [REASON_UNCERTAIN] = "maybe made, waiting for a second look",
    [REASON_OVERLAP] = "waiting for the end of the overlap",
    [REASON_NO_REPLACEMENT] = "waiting for its replacement",
    [REASON_DELETE_DELAY] = "not wanted any more, waiting for the delay of deletes",
    [REASON_SETBACK] = "waiting after a failure",
    [REASON_UNLISTED] = "its company could not be listed",
    [REASON_REFUSED] = "refused by the provider",
    [REASON_DEACTIVATED] = "the provider has deactivated it",
};

const char *plan_action_name(enum plan_action action)
{
    return action_names[action];
}

const char *plan_reason_text(enum plan_reason reason)
{
    return reason_texts[reason];
}

bool plan_step_is_difference(const struct plan_step *step)
{
    switch (step->action) {
    case PLAN_KEEP:
    case PLAN_FORGET:
    case PLAN_LEAVE:
        return false;
    case PLAN_WAIT:
        return step->reason != REASON_OVERLAP;
    case PLAN_CREATE:
    case PLAN_ACTIVATE:
    case PLAN_RETIRE:
    case PLAN_DELETE:
    case PLAN_GONE:
    case PLAN_WITHHOLD:
    case PLAN_STUCK:
        return true;
    }
    return true;
}

/* --- one specification, seen from every side ------------------------------------------------- */

struct view {
    const struct plan_input *in;
    struct plan_step *steps; /* of the whole plan; room for all */
    size_t len;
    int64_t generation_unix_ms; /* the newest one given to an intent of this plan */
    unsigned without_expiry;

    /* Of the present specification: */
    const struct specification *specification;
    const struct wanted *wanted;   /* NULL: it is not */
    const struct setback *setback; /* NULL: none */
    const struct held_route *keeper;
    const struct sighting *keeper_seen;
    const struct held_route *unsent; /* an intent that may still be used */
    const struct sighting *newest_orphan;
    bool is_in_doubt;  /* something may be there, or be gone: the next list tells */
    bool has_lost_one; /* something of it was there once, and is the keeper or no more */
    size_t first;      /* its first step */
};

static struct scope route_scope(const struct route_record *r)
{
    return (struct scope){r->company_id, r->environment_name};
}

static struct scope wanted_scope(const struct view *v)
{
    return (struct scope){v->in->desired->company_id, v->in->desired->environment_name};
}

static bool is_of(const struct view *v, const struct callback_url *url)
{
    return specification_equal(&url->specification, v->specification);
}

/* Nothing that it sends could be verified. */
static bool is_useless(const struct route_record *r)
{
    return r->secret == NULL && r->token == NULL;
}

/* The route's own subscription; for one that has none any more, or none that is known or of use,
 * any at its URL. */
static const struct sighting *seen_of(const struct view *v, const struct route_record *r)
{
    const struct sighting *seen = observation_find(v->in->observation, &r->url, r->provider_id);
    if (seen == NULL &&
        (r->state == ROUTE_RETIRED || (r->state == ROUTE_RETIRING && is_useless(r))))
        seen = observation_find(v->in->observation, &r->url, NULL);
    return seen;
}

/* Whether the second of two trusted lists, far enough apart, lacks it as the first one did. */
static bool is_believed_missing(const struct view *v, const struct route_record *r)
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

/* REASON_FINE, or why a living subscription is not the one that is wanted. */
static enum plan_reason misfit(const struct view *v, const struct route_record *r,
                               const struct sighting *seen)
{
    if (v->wanted == NULL)
        return REASON_FINE;
    if (!scope_equal(route_scope(r), wanted_scope(v)))
        return REASON_SCOPE_CHANGED;
    if (!events_equal(v->wanted, seen))
        return REASON_EVENTS_CHANGED;
    if (seen->is_former)
        return REASON_MOVED;
    return REASON_FINE;
}

/* Whether an active route, other than this one, holds the id: a provider that merges POSTs answers
 * the same id again, and a DELETE would end both. */
static bool is_held_elsewhere(const struct view *v, const char *id, const struct callback_url *but)
{
    const struct account_state *state = v->in->state;
    for (size_t i = 0; i < state->routes_len; i++) {
        const struct route_record *r = state->routes[i].record;
        if (r->state != ROUTE_ACTIVE || r->provider_id == NULL || strcmp(r->provider_id, id) != 0)
            continue;
        if (r->url.generation_unix_ms != but->generation_unix_ms ||
            !specification_equal(&r->url.specification, &but->specification))
            return true;
    }
    return false;
}

/* Retiring because it was not wanted, and wanted again before it was deleted. */
static bool is_wanted_again(const struct view *v, const struct route_record *r)
{
    return r->state == ROUTE_RETIRING && r->undesired_since_unix_ms != 0 && v->wanted != NULL &&
           seen_of(v, r) != NULL;
}

static void look_at_candidate(struct view *v, const struct held_route *held)
{
    const struct route_record *r = held->record;
    const struct sighting *seen = seen_of(v, r);
    if (seen == NULL) {
        if (scope_equal(route_scope(r), wanted_scope(v)) && !is_believed_missing(v, r))
            v->is_in_doubt = true;
        return;
    }
    bool fits = misfit(v, r, seen) == REASON_FINE;
    bool keeper_fits =
        v->keeper != NULL && misfit(v, v->keeper->record, v->keeper_seen) == REASON_FINE;
    bool is_newer =
        v->keeper == NULL || v->keeper->record->url.generation_unix_ms < r->url.generation_unix_ms;
    if (fits == keeper_fits ? is_newer : (fits || v->keeper == NULL)) {
        v->keeper = held;
        v->keeper_seen = seen;
    }
}

static void look_at_pending(struct view *v, const struct held_route *held)
{
    const struct route_record *r = held->record;
    if (seen_of(v, r) != NULL || !scope_equal(route_scope(r), wanted_scope(v)))
        return; /* an orphan; or of a scope that nothing is to be made in */
    if (!held->is_unsent)
        v->is_in_doubt |= !is_believed_missing(v, r);
    else if (v->in->now_unix_ms < r->gone_after_unix_ms &&
             strcmp(r->public_base_url, v->in->options->bases[0]) == 0)
        v->unsent = held;
}

static void look_at_sighting(struct view *v, const struct sighting *seen)
{
    const struct held_route *held = account_state_find(v->in->state, &seen->url);
    bool is_orphan = held == NULL || held->record->state == ROUTE_PENDING;
    if (is_orphan && !seen->is_deleted &&
        (v->newest_orphan == NULL ||
         v->newest_orphan->url.generation_unix_ms < seen->url.generation_unix_ms))
        v->newest_orphan = seen;
}

static void look(struct view *v, const struct specification *specification)
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
        if (!is_of(v, &held->record->url))
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
        if (is_of(v, &in->observation->sightings[i].url))
            look_at_sighting(v, &in->observation->sightings[i]);
    }
}

/* --- steps ------------------------------------------------------------------------------------ */

static struct plan_step *add_step(struct view *v, enum plan_action action, enum plan_reason reason,
                                  const struct route_record *after)
{
    struct plan_step *step = &v->steps[v->len++];
    *step = (struct plan_step){.action = action, .reason = reason, .after = *after};
    step->url = after->url;
    return step;
}

/* A step for a route of the registry: it writes where it leaves another record. */
static struct plan_step *add_route_step(struct view *v, const struct route_record *r,
                                        enum plan_action action, enum plan_reason reason,
                                        const struct route_record *after)
{
    struct plan_step *step = add_step(v, action, reason, after);
    step->writes = !route_record_equal(r, after);
    return step;
}

static void add_wait(struct view *v, const struct route_record *r, enum plan_reason reason,
                     const struct route_record *after, int64_t due_unix_ms)
{
    add_route_step(v, r, PLAN_WAIT, reason, after)->due_unix_ms = due_unix_ms;
}

static void add_gone(struct view *v, const struct route_record *r)
{
    struct route_record after = *r;
    after.state = ROUTE_RETIRED;
    after.gone_after_unix_ms = v->in->now_unix_ms + v->in->options->retire_grace_ms;
    add_route_step(v, r, PLAN_GONE, REASON_NO_LONGER_LISTED, &after);
}

static void add_forget(struct view *v, const struct route_record *r, enum plan_reason reason)
{
    add_step(v, PLAN_FORGET, reason, r)->forgets = true;
}

static void add_delete(struct view *v, const struct route_record *r, enum plan_reason reason,
                       const struct route_record *after, const struct sighting *seen)
{
    add_route_step(v, r, PLAN_DELETE, reason, after)->sighting = seen;
}

/* What is seen of it no more: the first look is remembered, the second is believed. */
static void step_for_missing(struct view *v, const struct route_record *r, enum plan_reason reason)
{
    struct route_record after = *r;
    if (!observation_is_trusted(v->in->observation, route_scope(r))) {
        add_wait(v, r, REASON_UNLISTED, r, 0);
        return;
    }
    if (after.missing_since_unix_ms == 0)
        after.missing_since_unix_ms = v->in->now_unix_ms;
    if (!is_believed_missing(v, &after))
        add_wait(v, r, reason, &after,
                 after.missing_since_unix_ms + v->in->options->second_look_ms);
    else if (r->state == ROUTE_ACTIVE)
        add_gone(v, r);
    else if (v->in->now_unix_ms >= r->gone_after_unix_ms)
        add_forget(v, r, REASON_NEVER_MADE);
}

/* An active route that nothing replaces and nothing wants. */
static void step_for_undesired(struct view *v, const struct route_record *r,
                               struct route_record *after, const struct sighting *seen)
{
    const struct reconciler_options *opt = v->in->options;
    if (opt->policy == POLICY_UPSERT_ONLY) {
        add_route_step(v, r, PLAN_LEAVE, REASON_NOT_WANTED, after);
        return;
    }
    if (after->undesired_since_unix_ms == 0)
        after->undesired_since_unix_ms = v->in->now_unix_ms;
    int64_t due_unix_ms = after->undesired_since_unix_ms + opt->delete_delay_ms;
    if (v->in->now_unix_ms < due_unix_ms) {
        add_wait(v, r, REASON_DELETE_DELAY, after, due_unix_ms);
    } else if (v->in->withholds_deletes) {
        add_route_step(v, r, PLAN_WITHHOLD, REASON_NOT_WANTED, after);
    } else {
        after->state = ROUTE_RETIRING;
        after->delete_after_unix_ms = v->in->now_unix_ms;
        add_delete(v, r, REASON_NOT_WANTED, after, seen);
    }
}

static void step_for_active(struct view *v, const struct held_route *held)
{
    const struct route_record *r = held->record;
    const struct sighting *seen = seen_of(v, r);
    if (seen == NULL) {
        step_for_missing(v, r, REASON_MISSING);
        return;
    }
    struct route_record after = *r;
    after.missing_since_unix_ms = 0;
    if (seen->expires_at_unix_ms != 0)
        after.expires_at_unix_ms = seen->expires_at_unix_ms;
    if (v->wanted != NULL)
        after.undesired_since_unix_ms = 0;

    if (held != v->keeper) {
        after.state = ROUTE_RETIRING;
        after.undesired_since_unix_ms = 0;
        after.delete_after_unix_ms = v->in->now_unix_ms + v->in->options->overlap_ms;
        add_route_step(v, r, PLAN_RETIRE, REASON_REPLACED, &after)->due_unix_ms =
            after.delete_after_unix_ms;
    } else if (v->wanted == NULL) {
        step_for_undesired(v, r, &after, seen);
    } else if (seen->is_deactivated) {
        struct plan_step *step = add_route_step(v, r, PLAN_ACTIVATE, REASON_DEACTIVATED, &after);
        step->sighting = seen;
        step->writes = true; /* as the fence that every call but a GET needs */
    } else {
        add_route_step(v, r, PLAN_KEEP, REASON_FINE, &after);
    }
}

/* When a replaced subscription may be deleted: every ingress knows the keeper's secret by then. */
static int64_t overlap_end(const struct view *v, const struct route_record *r)
{
    int64_t end_unix_ms = r->delete_after_unix_ms;
    if (v->keeper != NULL && v->wanted != NULL) {
        int64_t keeper_end_unix_ms =
            v->keeper->record->created_at_unix_ms + v->in->options->overlap_ms;
        if (end_unix_ms < keeper_end_unix_ms)
            end_unix_ms = keeper_end_unix_ms;
    }
    return end_unix_ms;
}

/* A subscription at the provider that the registry says is to end. */
static void step_for_ending(struct view *v, const struct route_record *r,
                            const struct route_record *after, enum plan_reason reason,
                            const struct sighting *seen)
{
    if (is_held_elsewhere(v, seen->id, &r->url) ||
        (v->wanted != NULL && v->keeper == NULL && !is_useless(r)))
        add_wait(v, r, REASON_NO_REPLACEMENT, after, 0);
    else if (!is_useless(r) && v->in->now_unix_ms < overlap_end(v, after))
        add_wait(v, r, REASON_OVERLAP, after, overlap_end(v, after));
    else
        add_delete(v, r, reason, after, seen);
}

static void step_for_wanted_again(struct view *v, const struct route_record *r)
{
    struct route_record after = *r;
    after.state = ROUTE_ACTIVE;
    after.undesired_since_unix_ms = 0;
    after.delete_after_unix_ms = 0;
    add_route_step(v, r, PLAN_KEEP, REASON_FINE, &after);
}

static void step_for_retiring(struct view *v, const struct held_route *held)
{
    const struct route_record *r = held->record;
    const struct sighting *seen = seen_of(v, r);
    if (held == v->keeper) {
        step_for_wanted_again(v, r);
        return;
    }
    bool is_undesired = v->wanted == NULL && r->undesired_since_unix_ms != 0;
    if (seen != NULL && is_undesired && v->in->options->policy == POLICY_UPSERT_ONLY)
        add_route_step(v, r, PLAN_LEAVE, REASON_NOT_WANTED, r);
    else if (seen != NULL && is_undesired && v->in->withholds_deletes)
        add_route_step(v, r, PLAN_WITHHOLD, REASON_NOT_WANTED, r);
    else if (seen != NULL)
        step_for_ending(v, r, r,
                        is_useless(r)  ? REASON_ORPHAN
                        : is_undesired ? REASON_NOT_WANTED
                                       : REASON_REPLACED,
                        seen);
    else if (!observation_is_trusted(v->in->observation, route_scope(r)))
        add_wait(v, r, REASON_UNLISTED, r, 0);
    else if (is_useless(r))
        add_forget(v, r, REASON_NO_LONGER_LISTED);
    else
        add_gone(v, r); /* at the first look: should it show up again, it is deleted then */
}

static void step_for_retired(struct view *v, const struct route_record *r)
{
    const struct sighting *seen = seen_of(v, r);
    struct route_record after = *r;
    after.missing_since_unix_ms = 0;
    if (seen != NULL && v->wanted == NULL && v->keeper == NULL &&
        strcmp(seen->id, r->provider_id) == 0) {
        /* Nothing has replaced it: it is as undesired as if it had never been gone. */
        after.state = ROUTE_ACTIVE;
        after.gone_after_unix_ms = 0;
        step_for_undesired(v, r, &after, seen);
    } else if (seen != NULL) {
        after.state = ROUTE_RETIRING;
        after.provider_id = seen->id;
        after.delete_after_unix_ms = v->in->now_unix_ms;
        step_for_ending(v, r, &after, REASON_RESURFACED, seen);
    } else if (v->in->now_unix_ms >= r->gone_after_unix_ms) {
        add_forget(v, r, REASON_GRACE_OVER);
    }
}

/* Whether an orphan may go: what could take its place is there, or nothing is to; of several, the
 * newest is enough to wait with. */
static bool orphan_may_go(const struct view *v, const struct sighting *seen)
{
    if (is_held_elsewhere(v, seen->id, &seen->url))
        return false;
    bool is_refused = v->setback != NULL && v->setback->is_refused;
    return v->wanted == NULL || v->keeper != NULL || is_refused || seen != v->newest_orphan;
}

static void step_for_pending(struct view *v, const struct held_route *held)
{
    const struct route_record *r = held->record;
    const struct sighting *seen = seen_of(v, r);
    if (seen != NULL) {
        struct route_record after = *r;
        after.state = ROUTE_RETIRING;
        after.provider_id = seen->id;
        after.delete_after_unix_ms = v->in->now_unix_ms;
        if (orphan_may_go(v, seen))
            add_delete(v, r, REASON_ORPHAN, &after, seen);
        else
            add_wait(v, r, REASON_NO_REPLACEMENT, r, 0);
    } else if (!held->is_unsent) {
        step_for_missing(v, r, REASON_UNCERTAIN);
    } else if (v->in->now_unix_ms >= r->gone_after_unix_ms) {
        add_forget(v, r, REASON_NEVER_MADE);
    }
}

static void step_for_route(struct view *v, const struct held_route *held)
{
    switch (held->record->state) {
    case ROUTE_PENDING:
        step_for_pending(v, held);
        break;
    case ROUTE_ACTIVE:
        step_for_active(v, held);
        break;
    case ROUTE_RETIRING:
        step_for_retiring(v, held);
        break;
    case ROUTE_RETIRED:
        step_for_retired(v, held->record);
        break;
    }
}

/* --- what is at the provider and is no route's own ------------------------------------------- */

static struct plan_step *step_of(const struct view *v, const struct callback_url *url)
{
    for (size_t i = v->first; i < v->len; i++) {
        if (v->steps[i].url.generation_unix_ms == url->generation_unix_ms)
            return &v->steps[i];
    }
    return NULL;
}

/* An orphan that the registry knows nothing of: what is known of it is in its URL. */
static void step_for_unknown(struct view *v, const struct sighting *seen)
{
    const struct desired_account *desired = v->in->desired;
    struct route_record after = {
        .url = seen->url,
        .state = ROUTE_RETIRING,
        .system = desired->system,
        .company_id = seen->scope.company_id,
        .environment_name = seen->scope.environment_name,
        .public_base_url = v->in->options->bases[0],
        .provider_id = seen->id,
        .delete_after_unix_ms = v->in->now_unix_ms,
    };
    const struct plan_step *own = step_of(v, &seen->url);
    if (own != NULL) { /* made twice: they go together */
        if (own->action == PLAN_DELETE)
            add_step(v, PLAN_DELETE, REASON_DUPLICATE, &after)->sighting = seen;
    } else if (orphan_may_go(v, seen)) {
        struct plan_step *step = add_step(v, PLAN_DELETE, REASON_ORPHAN, &after);
        step->sighting = seen;
        step->writes = true;
    } else {
        add_step(v, PLAN_WAIT, REASON_NO_REPLACEMENT, &after);
    }
}

/* A second id on the URL of a route, whose own is alive or on its way out. Source: nothing says
 * that a second POST is refused or merged, and a proxy may send one twice. */
static void step_for_duplicate(struct view *v, const struct route_record *r,
                               const struct sighting *seen)
{
    struct plan_step *own = step_of(v, &r->url);
    if (own == NULL || is_held_elsewhere(v, seen->id, &r->url))
        return;
    bool own_is_alive = r->state == ROUTE_ACTIVE && seen_of(v, r) != NULL;
    bool own_goes = r->state != ROUTE_ACTIVE && own->action == PLAN_DELETE;
    if (!own_is_alive && !own_goes)
        return;
    own->writes = true; /* its record, be it as it was, is the fence of this call */
    add_step(v, PLAN_DELETE, REASON_DUPLICATE, &own->after)->sighting = seen;
}

static void step_for_sighting(struct view *v, const struct sighting *seen)
{
    if (seen->is_deleted)
        return;
    const struct held_route *held = account_state_find(v->in->state, &seen->url);
    if (held == NULL)
        step_for_unknown(v, seen);
    else if (seen != seen_of(v, held->record))
        step_for_duplicate(v, held->record, seen);
}

/* --- creation ----------------------------------------------------------------------------------
 */

/* The lead is relative to the lifetime as it was seen: from three days to a year, who knows. An
 * expiry before the creation is none; one that has passed since is overdue. */
static bool is_due_for_renewal(const struct view *v, const struct route_record *r)
{
    const struct reconciler_options *opt = v->in->options;
    int64_t lifetime_ms = r->expires_at_unix_ms - r->created_at_unix_ms;
    if (r->expires_at_unix_ms == 0 || lifetime_ms <= 0)
        return false;
    int64_t lead_ms =
        2 * opt->interval_ms < lifetime_ms / 2 ? 2 * opt->interval_ms : lifetime_ms / 2;
    if (lead_ms < lifetime_ms / 5)
        lead_ms = lifetime_ms / 5;
    if (r->expires_at_unix_ms - v->in->now_unix_ms >= lead_ms)
        return false;

    /* At most one create in 0.3 lifetimes, whatever became of it. */
    int64_t newest_unix_ms = 0;
    for (size_t i = 0; i < v->in->state->routes_len; i++) {
        const struct route_record *other = v->in->state->routes[i].record;
        if (is_of(v, &other->url) && other->created_at_unix_ms > newest_unix_ms)
            newest_unix_ms = other->created_at_unix_ms;
    }
    return v->in->now_unix_ms - newest_unix_ms >= lifetime_ms * 3 / 10;
}

/* REASON_FINE, or why a wanted specification needs a new generation. */
static enum plan_reason why_create(const struct view *v)
{
    if (v->keeper == NULL && v->newest_orphan != NULL)
        return REASON_REPLACES_ORPHAN;
    if (v->keeper == NULL)
        return v->has_lost_one ? REASON_REPLACES_GONE : REASON_NEW;
    const struct route_record *r = v->keeper->record;
    enum plan_reason reason = misfit(v, r, v->keeper_seen);
    if (reason != REASON_FINE)
        return reason;
    const char *rotate_resource = v->in->rotate_resource;
    if (r->created_at_unix_ms < v->in->rotate_before_unix_ms &&
        (rotate_resource == NULL || strcmp(rotate_resource, v->specification->resource) == 0))
        return REASON_ROTATION;
    return is_due_for_renewal(v, r) ? REASON_EXPIRES : REASON_FINE;
}

/* What was replaced again and again within a day is replaced more and more slowly: a provider that
 * loses what it made, or shows another set of events than was asked for, is not asked every pass.
 * Returns the instant before which nothing is made, or 0. */
static int64_t churn_end(const struct view *v, enum plan_reason reason)
{
    if (reason != REASON_REPLACES_GONE && reason != REASON_EVENTS_CHANGED && reason != REASON_MOVED)
        return 0;
    const int64_t day_ms = 24 * 3600 * 1000;
    int64_t newest_unix_ms = 0;
    int64_t pause_ms = v->in->options->second_look_ms / 2;
    for (size_t i = 0; i < v->in->state->routes_len; i++) {
        const struct route_record *r = v->in->state->routes[i].record;
        if (!is_of(v, &r->url) || r->created_at_unix_ms < v->in->now_unix_ms - day_ms)
            continue;
        if (newest_unix_ms < r->created_at_unix_ms)
            newest_unix_ms = r->created_at_unix_ms;
        if (pause_ms < SETBACK_MAX_MS)
            pause_ms *= 2;
    }
    return newest_unix_ms == 0
               ? 0
               : newest_unix_ms + (pause_ms < SETBACK_MAX_MS ? pause_ms : SETBACK_MAX_MS);
}

static void add_intent(struct view *v, enum plan_reason reason)
{
    const struct desired_account *desired = v->in->desired;
    struct plan_step *step;
    if (v->unsent != NULL) {
        step = add_step(v, PLAN_CREATE, reason, v->unsent->record);
    } else {
        int64_t now_unix_ms = v->in->now_unix_ms;
        v->generation_unix_ms =
            v->generation_unix_ms < now_unix_ms ? now_unix_ms : v->generation_unix_ms + 1;
        struct route_record after = {
            .url = {*v->specification, v->generation_unix_ms},
            .state = ROUTE_PENDING,
            .system = desired->system,
            .company_id = desired->company_id,
            .environment_name = desired->environment_name,
            .public_base_url = v->in->options->bases[0],
            .gone_after_unix_ms = now_unix_ms + v->in->options->pending_ttl_ms,
        };
        step = add_step(v, PLAN_CREATE, reason, &after);
        step->writes = true;
    }
    step->wanted = v->wanted;
}

static void step_for_create(struct view *v)
{
    if (v->wanted == NULL)
        return;
    if (v->keeper != NULL &&
        v->keeper->record->expires_at_unix_ms <= v->keeper->record->created_at_unix_ms)
        v->without_expiry++;
    enum plan_reason reason = why_create(v);
    if (reason == REASON_FINE || v->is_in_doubt)
        return;

    const struct route_record nothing = {.url = {*v->specification, 0}};
    int64_t now_unix_ms = v->in->now_unix_ms;
    int64_t due_unix_ms = churn_end(v, reason);
    if (v->setback != NULL && v->setback->not_before_unix_ms > due_unix_ms)
        due_unix_ms = v->setback->not_before_unix_ms;
    if (due_unix_ms > now_unix_ms + SETBACK_MAX_MS)
        due_unix_ms = 0; /* the clock was set back */
    if (v->setback != NULL && v->setback->is_refused)
        add_step(v, PLAN_STUCK, REASON_REFUSED, &nothing);
    else if (now_unix_ms < due_unix_ms)
        add_step(v, PLAN_WAIT, REASON_SETBACK, &nothing)->due_unix_ms = due_unix_ms;
    else if (v->in->may_create)
        add_intent(v, reason);
}

/* --- the plan ----------------------------------------------------------------------------------
 */

static int compare_specifications(const void *a, const void *b)
{
    const struct specification *const *left = a;
    const struct specification *const *right = b;
    int order = strcmp((*left)->resource, (*right)->resource);
    return order != 0 ? order : strcmp((*left)->event, (*right)->event);
}

/* Every specification that is wanted, held or seen, each once, in order. */
static enum status collect(const struct plan_input *in, struct arena *a,
                           const struct specification ***ret, size_t *ret_len)
{
    size_t max = in->desired->wanted_len + in->state->routes_len + in->observation->len;
    const struct specification **all = arena_alloc(a, (max + 1) * sizeof(const void *));
    if (all == NULL)
        return STATUS_NOMEM;
    size_t len = 0;
    for (size_t i = 0; i < in->desired->wanted_len; i++)
        all[len++] = &in->desired->wanted[i].specification;
    for (size_t i = 0; i < in->state->routes_len; i++)
        all[len++] = &in->state->routes[i].record->url.specification;
    for (size_t i = 0; i < in->observation->len; i++)
        all[len++] = &in->observation->sightings[i].url.specification;
    qsort(all, len, sizeof(*all), compare_specifications);
    size_t unique = 0;
    for (size_t i = 0; i < len; i++) {
        if (unique == 0 || !specification_equal(all[unique - 1], all[i]))
            all[unique++] = all[i];
    }
    *ret = all;
    *ret_len = unique;
    return STATUS_OK;
}

static void plan_specification(struct view *v, const struct specification *specification)
{
    const struct plan_input *in = v->in;
    look(v, specification);
    for (size_t i = 0; i < in->state->routes_len; i++) {
        if (is_of(v, &in->state->routes[i].record->url))
            step_for_route(v, &in->state->routes[i]);
    }
    for (size_t i = 0; i < in->observation->len; i++) {
        if (is_of(v, &in->observation->sightings[i].url))
            step_for_sighting(v, &in->observation->sightings[i]);
    }
    step_for_create(v);
}

static int64_t earliest_due(const struct view *v)
{
    int64_t earliest_unix_ms = 0;
    for (size_t i = 0; i < v->len; i++) {
        int64_t due_unix_ms = v->steps[i].due_unix_ms;
        if (due_unix_ms != 0 && (earliest_unix_ms == 0 || due_unix_ms < earliest_unix_ms))
            earliest_unix_ms = due_unix_ms;
    }
    return earliest_unix_ms;
}

enum status plan_make(const struct plan_input *in, struct arena *a, struct plan *ret)
{
    assert(observation_is_trusted(
        in->observation, (struct scope){in->desired->company_id, in->desired->environment_name}));
    const struct specification **specifications;
    size_t specifications_len;
    enum status status = collect(in, a, &specifications, &specifications_len);
    if (status != STATUS_OK)
        return status;

    /* One step a route, one a sighting, one a wanted specification, at most. */
    size_t max = in->state->routes_len + in->observation->len + in->desired->wanted_len;
    struct view v = {
        .in = in,
        .steps = arena_alloc(a, (max + 1) * sizeof(*v.steps)),
        .generation_unix_ms = in->state->generation_unix_ms,
    };
    if (v.steps == NULL)
        return STATUS_NOMEM;
    for (size_t i = 0; i < specifications_len; i++)
        plan_specification(&v, specifications[i]);
    assert(v.len <= max);
    *ret = (struct plan){
        .steps = v.steps,
        .len = v.len,
        .again_at_unix_ms = earliest_due(&v),
        .without_expiry = v.without_expiry,
    };
    return STATUS_OK;
}
