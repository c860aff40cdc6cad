/* What becomes of a subscription under our URL that is no route's own: orphans and duplicates. */
#include "bridge/reconciler/plan_rules.h"

#include "bridge/reconciler/plan_step.h"

/* An orphan that the registry knows nothing of: what is known of it is in its URL. */
static void step_for_unknown(struct plan_view *v, const struct sighting *seen)
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
    const struct plan_step *own = plan_step_find(v, &seen->url);
    if (own != NULL) { /* made twice: they go together */
        if (own->action == PLAN_DELETE)
            plan_step_add(v, PLAN_DELETE, REASON_DUPLICATE, &after)->sighting = seen;
    } else if (plan_view_orphan_may_go(v, seen)) {
        struct plan_step *step = plan_step_add(v, PLAN_DELETE, REASON_ORPHAN, &after);
        step->sighting = seen;
        step->writes = true;
    } else {
        plan_step_add(v, PLAN_WAIT, REASON_NO_REPLACEMENT, &after);
    }
}

/* A second id on the URL of a route, whose own is alive or on its way out. Source: nothing says
 * that a second POST is refused or merged, and a proxy may send one twice. */
static void step_for_duplicate(struct plan_view *v, const struct route_record *r,
                               const struct sighting *seen)
{
    struct plan_step *own = plan_step_find(v, &r->url);
    if (own == NULL || plan_view_is_held(v, seen->id))
        return;
    bool own_is_alive = r->state == ROUTE_ACTIVE && plan_view_seen_of(v, r) != NULL;
    bool own_goes = r->state != ROUTE_ACTIVE && own->action == PLAN_DELETE;
    if (!own_is_alive && !own_goes)
        return;
    own->writes = true; /* its record, be it as it was, is the fence of this call */
    plan_step_add(v, PLAN_DELETE, REASON_DUPLICATE, &own->after)->sighting = seen;
}

void plan_sighting(struct plan_view *v, const struct sighting *seen)
{
    if (seen->is_deleted)
        return;
    const struct held_route *held = account_state_find(v->in->state, &seen->url);
    if (held == NULL)
        step_for_unknown(v, seen);
    else if (seen != plan_view_seen_of(v, held->record))
        step_for_duplicate(v, held->record, seen);
}
