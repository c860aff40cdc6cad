#include "bridge/app/reported_plan.h"

#include <stdlib.h>
#include <string.h>

static void free_text(const char *text)
{
    free((char *)text);
}

void reported_plan_done(struct reported_plan *r)
{
    for (size_t i = 0; i < r->len; i++)
        free_text(r->steps[i].detail);
    free(r->steps);
    *r = (struct reported_plan){.steps = NULL};
}

static bool is_reported(const struct plan_step *step)
{
    return step->action != PLAN_KEEP && step->action != PLAN_FORGET;
}

/* What the provider has said last of the specification; NULL: nothing of a failure. */
static const struct diag *detail_of(const struct account_state *state, const struct plan_step *step)
{
    bool is_failure = step->reason == REASON_REFUSED || step->reason == REASON_SETBACK;
    const struct setback *setback =
        is_failure ? account_state_setback(state, &step->url.specification) : NULL;
    return setback == NULL || setback->reason.text[0] == '\0' ? NULL : &setback->reason;
}

static enum status take_step(struct reported_plan *r, const struct account_state *state,
                             const struct plan_step *step)
{
    const struct diag *detail = detail_of(state, step);
    struct reported_step *taken = &r->steps[r->len++];
    *taken = (struct reported_step){
        .action = step->action,
        .reason = step->reason,
        .is_difference = plan_step_is_difference(step),
        .specification = step->url.specification,
        .generation_unix_ms = step->url.generation_unix_ms,
        .due_unix_ms = step->due_unix_ms,
        .detail = detail == NULL ? NULL : strdup(detail->text),
    };
    return detail != NULL && taken->detail == NULL ? STATUS_NOMEM : STATUS_OK;
}

enum status reported_plan_take(struct reported_plan *r, const struct account_state *state,
                               const struct plan *plan)
{
    reported_plan_done(r);
    size_t len = 0;
    for (size_t i = 0; i < plan->len; i++)
        len += is_reported(&plan->steps[i]);
    if (len == 0)
        return STATUS_OK;
    r->steps = calloc(len, sizeof(*r->steps));
    if (r->steps == NULL)
        return STATUS_NOMEM;
    enum status status = STATUS_OK;
    for (size_t i = 0; i < plan->len; i++)
        if (is_reported(&plan->steps[i]) && take_step(r, state, &plan->steps[i]) != STATUS_OK)
            status = STATUS_NOMEM;
    return status;
}

void reported_plan_drop_work(struct reported_plan *r)
{
    size_t left = 0;
    for (size_t i = 0; i < r->len; i++) {
        if (reported_step_is_work(&r->steps[i]))
            free_text(r->steps[i].detail);
        else
            r->steps[left++] = r->steps[i];
    }
    r->len = left;
}

bool reported_step_is_work(const struct reported_step *step)
{
    switch (step->action) {
    case PLAN_CREATE:
    case PLAN_ACTIVATE:
    case PLAN_RETIRE:
    case PLAN_DELETE:
    case PLAN_GONE:
        return true;
    case PLAN_KEEP:
    case PLAN_FORGET:
    case PLAN_WAIT:
    case PLAN_LEAVE:
    case PLAN_WITHHOLD:
    case PLAN_STUCK:
        break;
    }
    return false;
}
