/* Whether a wanted specification gets a new generation, and when. */
#include "bridge/reconciler/plan_rules.h"

#include <string.h>

#include "bridge/reconciler/plan_step.h"

/* The lead is relative to the lifetime as it was seen: from three days to a year, who knows. An
 * expiry before the creation is none; one that has passed since is overdue. */
static bool is_due_for_renewal(const struct plan_view *v, const struct route_record *r)
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
        if (plan_view_is_of(v, &other->url) && other->created_at_unix_ms > newest_unix_ms)
            newest_unix_ms = other->created_at_unix_ms;
    }
    return v->in->now_unix_ms - newest_unix_ms >= lifetime_ms * 3 / 10;
}

static bool is_to_be_rotated(const struct plan_view *v, const struct route_record *r)
{
    for (size_t i = 0; i < ROTATIONS; i++) {
        const struct rotation *rotation = &v->in->rotations[i];
        if (r->created_at_unix_ms < rotation->before_unix_ms &&
            (rotation->resource == NULL ||
             strcmp(rotation->resource, v->specification->resource) == 0))
            return true;
    }
    return false;
}

/* REASON_FINE, or why a wanted specification needs a new generation. */
static enum plan_reason why_create(const struct plan_view *v)
{
    if (v->keeper == NULL && v->newest_orphan != NULL)
        return REASON_REPLACES_ORPHAN;
    if (v->keeper == NULL)
        return v->has_lost_one ? REASON_REPLACES_GONE : REASON_NEW;
    const struct route_record *r = v->keeper->record;
    enum plan_reason reason = plan_view_misfit(v, r, v->keeper_seen);
    if (reason != REASON_FINE)
        return reason;
    if (is_to_be_rotated(v, r))
        return REASON_ROTATION;
    return is_due_for_renewal(v, r) ? REASON_EXPIRES : REASON_FINE;
}

/* What was replaced again and again within a day is replaced more and more slowly: a provider that
 * loses what it made, or shows another set of events than was asked for, is not asked every pass.
 * Returns the instant before which nothing is made, or 0. */
static int64_t churn_end(const struct plan_view *v, enum plan_reason reason)
{
    if (reason != REASON_REPLACES_GONE && reason != REASON_EVENTS_CHANGED && reason != REASON_MOVED)
        return 0;
    const int64_t day_ms = 24 * 3600 * 1000;
    int64_t newest_unix_ms = 0;
    int64_t pause_ms = v->in->options->second_look_ms / 2;
    for (size_t i = 0; i < v->in->state->routes_len; i++) {
        const struct route_record *r = v->in->state->routes[i].record;
        if (!plan_view_is_of(v, &r->url) || r->created_at_unix_ms < v->in->now_unix_ms - day_ms)
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

static void add_intent(struct plan_view *v, enum plan_reason reason)
{
    const struct desired_account *desired = v->in->desired;
    struct plan_step *step;
    if (v->unsent != NULL) {
        step = plan_step_add(v, PLAN_CREATE, reason, v->unsent->record);
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
        step = plan_step_add(v, PLAN_CREATE, reason, &after);
        step->writes = true;
    }
    step->wanted = v->wanted;
}

void plan_create(struct plan_view *v)
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
        plan_step_add(v, PLAN_STUCK, REASON_REFUSED, &nothing);
    else if (now_unix_ms < due_unix_ms)
        plan_step_add(v, PLAN_WAIT, REASON_SETBACK, &nothing)->due_unix_ms = due_unix_ms;
    else if (v->in->may_create)
        add_intent(v, reason);
}
