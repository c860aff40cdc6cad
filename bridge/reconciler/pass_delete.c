/* The last stage of a pass: one DELETE or activation at a time. */
#include "bridge/reconciler/pass_state.h"

#include <assert.h>
#include <string.h>

/* What was deleted is retired: what the provider still has in its queue verifies for the grace. */
static void save_deleted(struct pass *p, const char *id)
{
    const struct route_record *held = pass_present_route(p)->record;
    pass_commit_clear(p);
    enum status status = STATUS_OK;
    if (held->provider_id != NULL && strcmp(held->provider_id, id) == 0) {
        struct route_record r = *held;
        bool is_useless = r.secret == NULL && r.token == NULL;
        r.state = ROUTE_RETIRED;
        r.gone_after_unix_ms = pass_now_unix_ms(p) + p->opt.reconciler->retire_grace_ms;
        status = pass_commit_add_route(p, &r, is_useless, false);
    }
    if (status == STATUS_OK)
        pass_commit(p, PASS_SAVING, pass_delete_next);
    else
        pass_end_failed(p, status);
}

static void on_deleted(void *ctx, const struct call_result *result)
{
    struct pass *p = ctx;
    assert(p->is_waiting && p->at == PASS_DELETING);
    p->is_waiting = false;
    const struct plan_step *step = pass_present_step(p);
    pass_report_call(p, CALL_DELETE, &step->url, &result->outcome);
    if (pass_is_ended_by(p, result))
        return;
    if (result->outcome.verdict != VERDICT_OK) {
        pass_delete_next(p); /* it stays retiring: the next list says whether it is gone */
        return;
    }
    p->result.deletes++;
    for (size_t i = 0; i < p->observation.len; i++) { /* at whatever URLs a merge has left it */
        struct sighting *seen = &p->observation.sightings[i];
        seen->is_deleted |= strcmp(seen->id, step->sighting->id) == 0;
    }
    save_deleted(p, step->sighting->id);
}

static void on_activated(void *ctx, const struct call_result *result)
{
    struct pass *p = ctx;
    assert(p->is_waiting && p->at == PASS_DELETING);
    p->is_waiting = false;
    pass_report_call(p, CALL_ACTIVATE, &pass_present_step(p)->url, &result->outcome);
    if (pass_is_ended_by(p, result))
        return;
    p->result.activates += result->outcome.verdict == VERDICT_OK;
    pass_delete_next(p);
}

static bool calls_after_create(const struct plan_step *step)
{
    return (step->action == PLAN_DELETE || step->action == PLAN_ACTIVATE) &&
           !step->sighting->is_deleted;
}

/* From the last step to the first: a second id on a URL goes before the one its record holds. */
void pass_delete_next(struct pass *p)
{
    p->at = PASS_DELETING;
    do {
        if (p->step == 0) {
            pass_end(p, PASS_COMPLETE);
            return;
        }
        p->step--;
    } while (!calls_after_create(pass_present_step(p)));
    if (!pass_may_call(p))
        return;
    const struct plan_step *step = pass_present_step(p);
    const struct route_record *r = pass_present_route(p)->record;
    bool is_delete = step->action == PLAN_DELETE;
    struct diag diag = {0};
    enum status status = pass_call(p,
                                   (struct provider_call){
                                       .kind = is_delete ? CALL_DELETE : CALL_ACTIVATE,
                                       .id = step->sighting->id,
                                   },
                                   (struct scope){r->company_id, r->environment_name},
                                   is_delete ? on_deleted : on_activated, &diag);
    if (status != STATUS_OK)
        pass_end_unstarted(p, status, &diag);
}
