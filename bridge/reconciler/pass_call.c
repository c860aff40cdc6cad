/* The calls of a pass, and what any of their answers may mean. */
#include "bridge/reconciler/pass_state.h"

#include <assert.h>
#include <string.h>

static void pass_check(const struct pass *p, const struct provider_call *call)
{
    assert(!p->is_waiting);
    assert(strcmp(call->account, p->account) == 0);
    if (call->kind == CALL_LIST) {
        assert(p->at == PASS_LISTING);
        return;
    }
    assert(!p->opt.only_plans && !p->has_ambiguity);
    const struct plan_step *step = &p->plan.steps[p->step];
    const struct held_route *held = account_state_find(p->state, &step->url);
    assert(held != NULL);
    switch (call->kind) {
    case CALL_LIST:
        break;
    case CALL_CREATE:
        assert(p->at == PASS_CREATING && step->action == PLAN_CREATE);
        assert(held->record->state == ROUTE_PENDING && held->record->secret == NULL);
        assert(!held->is_unsent);
        break;
    case CALL_ACTIVATE:
        assert(p->at == PASS_DELETING && step->action == PLAN_ACTIVATE);
        assert(held->record->state == ROUTE_ACTIVE);
        break;
    case CALL_DELETE:
        assert(p->at == PASS_DELETING && step->action == PLAN_DELETE);
        assert(step->sighting != NULL && !step->sighting->is_deleted);
        assert(strcmp(step->sighting->id, call->id) == 0);
        for (size_t i = 0; i < p->state->routes_len; i++) {
            const struct route_record *r = p->state->routes[i].record;
            assert(r->state != ROUTE_ACTIVE || r->provider_id == NULL ||
                   strcmp(r->provider_id, call->id) != 0);
        }
        break;
    }
}

/* Who only plans needs to own nothing. */
static bool may_act(const struct pass *p)
{
    return p->opt.only_plans || p->opt.writer->may_act(p->opt.writer->ctx, p->account);
}

static void end_not_owned(struct pass *p)
{
    p->state->blocked_call_unix_ms = 0; /* a blocked account's one call an hour was not made */
    diag_set(&p->result.reason, STATUS_BUSY, "the ownership deadline has passed");
    pass_end(p, PASS_NOT_OWNED);
}

bool pass_may_call(struct pass *p)
{
    if (pass_is_revoked(p)) {
        pass_end_revoked(p);
        return false;
    }
    if (may_act(p))
        return true;
    end_not_owned(p);
    return false;
}

enum status pass_call(struct pass *p, struct provider_call call, struct scope scope,
                      call_done_fn *on_done, struct diag *diag)
{
    call.account = p->account;
    call.provider = p->desired.provider;
    call.account_key = p->desired.account_key;
    call.company_id = scope.company_id;
    call.environment_name = scope.environment_name;
    pass_check(p, &call);
    const struct provider_calls *calls = p->opt.calls;
    enum status status = calls->start(calls->ctx, &call, on_done, p, diag);
    p->is_waiting = status == STATUS_OK;
    return status;
}

void pass_report_call(const struct pass *p, enum call_kind kind, const struct callback_url *url,
                      const struct provider_outcome *outcome)
{
    if (p->opt.on_call != NULL)
        p->opt.on_call(p->opt.ctx, kind, url, outcome);
}

bool pass_is_ended_by(struct pass *p, const struct call_result *result)
{
    switch (result->outcome.verdict) {
    case VERDICT_UNAUTHORIZED:
        pass_end_blocked(p, PASS_UNAUTHORIZED, &result->outcome.reason);
        return true;
    case VERDICT_FORBIDDEN:
        pass_end_blocked(p, PASS_FORBIDDEN, &result->outcome.reason);
        return true;
    case VERDICT_OK:
    case VERDICT_NO_SECRET:
        return false;
    case VERDICT_AMBIGUOUS:
    case VERDICT_NOT_FOUND:
    case VERDICT_UNTRUSTED:
    case VERDICT_RETRY_LATER:
    case VERDICT_REFUSED:
        break;
    }
    if (!result->is_unsent && result->outcome.verdict != VERDICT_RETRY_LATER)
        return false;
    if (result->is_unsent && result->retry_at_unix_ms == 0 && !may_act(p))
        end_not_owned(p); /* that is why: it is wanted again as soon as it may be sent */
    else
        pass_end_later(p, result->retry_at_unix_ms, &result->outcome.reason);
    return true;
}
