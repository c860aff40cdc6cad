/* What becomes of a route of the registry, by its state. */
#include "bridge/reconciler/plan_rules.h"

#include <string.h>

#include "bridge/reconciler/plan_step.h"

static void add_wait(struct plan_view *v, const struct route_record *r, enum plan_reason reason,
                     const struct route_record *after, int64_t due_unix_ms)
{
    plan_step_add_for_route(v, r, PLAN_WAIT, reason, after)->due_unix_ms = due_unix_ms;
}

static void add_gone(struct plan_view *v, const struct route_record *r)
{
    struct route_record after = *r;
    after.state = ROUTE_RETIRED;
    after.gone_after_unix_ms = v->in->now_unix_ms + v->in->options->retire_grace_ms;
    plan_step_add_for_route(v, r, PLAN_GONE, REASON_NO_LONGER_LISTED, &after);
}

static void add_forget(struct plan_view *v, const struct route_record *r, enum plan_reason reason)
{
    plan_step_add(v, PLAN_FORGET, reason, r)->forgets = true;
}

static void add_delete(struct plan_view *v, const struct route_record *r, enum plan_reason reason,
                       const struct route_record *after, const struct sighting *seen)
{
    plan_step_add_for_route(v, r, PLAN_DELETE, reason, after)->sighting = seen;
}

/* What is seen of it no more: the first look is remembered, the second is believed. */
static void step_for_missing(struct plan_view *v, const struct route_record *r,
                             enum plan_reason reason)
{
    struct route_record after = *r;
    if (!observation_is_trusted(v->in->observation, plan_view_scope_of(r))) {
        add_wait(v, r, REASON_UNLISTED, r, 0);
        return;
    }
    if (after.missing_since_unix_ms == 0)
        after.missing_since_unix_ms = v->in->now_unix_ms;
    if (!plan_view_is_believed_missing(v, &after))
        add_wait(v, r, reason, &after,
                 after.missing_since_unix_ms + v->in->options->second_look_ms);
    else if (r->state == ROUTE_ACTIVE)
        add_gone(v, r);
    else if (v->in->now_unix_ms >= r->gone_after_unix_ms)
        add_forget(v, r, REASON_NEVER_MADE);
}

/* An active route that nothing replaces and nothing wants. */
static void step_for_undesired(struct plan_view *v, const struct route_record *r,
                               struct route_record *after, const struct sighting *seen)
{
    const struct reconciler_options *opt = v->in->options;
    if (opt->policy == POLICY_UPSERT_ONLY) {
        plan_step_add_for_route(v, r, PLAN_LEAVE, REASON_NOT_WANTED, after);
        return;
    }
    if (after->undesired_since_unix_ms == 0)
        after->undesired_since_unix_ms = v->in->now_unix_ms;
    int64_t due_unix_ms = after->undesired_since_unix_ms + opt->delete_delay_ms;
    if (v->in->now_unix_ms < due_unix_ms) {
        add_wait(v, r, REASON_DELETE_DELAY, after, due_unix_ms);
    } else if (v->in->withholds_deletes) {
        plan_step_add_for_route(v, r, PLAN_WITHHOLD, REASON_NOT_WANTED, after);
    } else {
        after->state = ROUTE_RETIRING;
        after->delete_after_unix_ms = v->in->now_unix_ms;
        if (v->in->is_forced)
            after->undesired_since_unix_ms = 0; /* a DELETE that fails is not withheld again */
        add_delete(v, r, REASON_NOT_WANTED, after, seen);
    }
}

static void step_for_active(struct plan_view *v, const struct held_route *held)
{
    const struct route_record *r = held->record;
    const struct sighting *seen = plan_view_seen_of(v, r);
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
        plan_step_add_for_route(v, r, PLAN_RETIRE, REASON_REPLACED, &after)->due_unix_ms =
            after.delete_after_unix_ms;
    } else if (v->wanted == NULL) {
        step_for_undesired(v, r, &after, seen);
    } else if (seen->is_deactivated) {
        struct plan_step *step =
            plan_step_add_for_route(v, r, PLAN_ACTIVATE, REASON_DEACTIVATED, &after);
        step->sighting = seen;
        step->writes = true; /* as the fence that every call but a GET needs */
    } else {
        plan_step_add_for_route(v, r, PLAN_KEEP, REASON_FINE, &after);
    }
}

/* When a replaced subscription may be deleted: every ingress knows the keeper's secret by then. */
static int64_t overlap_end(const struct plan_view *v, const struct route_record *r)
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
static void step_for_ending(struct plan_view *v, const struct route_record *r,
                            const struct route_record *after, enum plan_reason reason,
                            const struct sighting *seen)
{
    if (plan_view_is_held(v, seen->id) ||
        (v->wanted != NULL && v->keeper == NULL && !plan_view_is_useless(r)))
        add_wait(v, r, REASON_NO_REPLACEMENT, after, 0);
    else if (!plan_view_is_useless(r) && v->in->now_unix_ms < overlap_end(v, after))
        add_wait(v, r, REASON_OVERLAP, after, overlap_end(v, after));
    else
        add_delete(v, r, reason, after, seen);
}

static void step_for_wanted_again(struct plan_view *v, const struct route_record *r)
{
    struct route_record after = *r;
    after.state = ROUTE_ACTIVE;
    after.undesired_since_unix_ms = 0;
    after.delete_after_unix_ms = 0;
    plan_step_add_for_route(v, r, PLAN_KEEP, REASON_FINE, &after);
}

static void step_for_retiring(struct plan_view *v, const struct held_route *held)
{
    const struct route_record *r = held->record;
    const struct sighting *seen = plan_view_seen_of(v, r);
    if (held == v->keeper) {
        step_for_wanted_again(v, r);
        return;
    }
    bool is_undesired = v->wanted == NULL && r->undesired_since_unix_ms != 0;
    if (seen != NULL && is_undesired && v->in->options->policy == POLICY_UPSERT_ONLY)
        plan_step_add_for_route(v, r, PLAN_LEAVE, REASON_NOT_WANTED, r);
    else if (seen != NULL && is_undesired && v->in->withholds_deletes)
        plan_step_add_for_route(v, r, PLAN_WITHHOLD, REASON_NOT_WANTED, r);
    else if (seen != NULL)
        step_for_ending(v, r, r,
                        plan_view_is_useless(r) ? REASON_ORPHAN
                        : is_undesired          ? REASON_NOT_WANTED
                                                : REASON_REPLACED,
                        seen);
    else if (!observation_is_trusted(v->in->observation, plan_view_scope_of(r)))
        add_wait(v, r, REASON_UNLISTED, r, 0);
    else if (plan_view_is_useless(r))
        add_forget(v, r, REASON_NO_LONGER_LISTED);
    else
        add_gone(v, r); /* at the first look: should it show up again, it is deleted then */
}

static void step_for_retired(struct plan_view *v, const struct route_record *r)
{
    const struct sighting *seen = plan_view_seen_of(v, r);
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

static void step_for_pending(struct plan_view *v, const struct held_route *held)
{
    const struct route_record *r = held->record;
    const struct sighting *seen = plan_view_seen_of(v, r);
    if (seen != NULL) {
        struct route_record after = *r;
        after.state = ROUTE_RETIRING;
        after.provider_id = seen->id;
        after.delete_after_unix_ms = v->in->now_unix_ms;
        if (plan_view_orphan_may_go(v, seen))
            add_delete(v, r, REASON_ORPHAN, &after, seen);
        else
            add_wait(v, r, REASON_NO_REPLACEMENT, r, 0);
    } else if (!held->is_unsent) {
        step_for_missing(v, r, REASON_UNCERTAIN);
    } else if (v->in->now_unix_ms >= r->gone_after_unix_ms) {
        add_forget(v, r, REASON_NEVER_MADE);
    }
}

void plan_route(struct plan_view *v, const struct held_route *held)
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
