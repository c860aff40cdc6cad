#include "bridge/reconciler/plan_step.h"

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

struct plan_step *plan_step_add(struct plan_view *v, enum plan_action action,
                                enum plan_reason reason, const struct route_record *after)
{
    struct plan_step *step = &v->steps[v->len++];
    *step = (struct plan_step){.action = action, .reason = reason, .after = *after};
    step->url = after->url;
    return step;
}

struct plan_step *plan_step_add_for_route(struct plan_view *v, const struct route_record *r,
                                          enum plan_action action, enum plan_reason reason,
                                          const struct route_record *after)
{
    struct plan_step *step = plan_step_add(v, action, reason, after);
    step->writes = !route_record_equal(r, after);
    return step;
}

struct plan_step *plan_step_find(const struct plan_view *v, const struct callback_url *url)
{
    for (size_t i = v->first; i < v->len; i++) {
        if (v->steps[i].url.generation_unix_ms == url->generation_unix_ms)
            return &v->steps[i];
    }
    return NULL;
}
