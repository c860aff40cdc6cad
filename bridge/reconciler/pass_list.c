/* The first stage of a pass: what is at the provider, in every scope that may hold something. */
#include "bridge/reconciler/pass_state.h"

#include <assert.h>

static void on_listed(void *ctx, const struct call_result *result);

static void list_next(struct pass *p)
{
    if (p->scope == p->scopes_len) {
        p->is_after_create = false;
        pass_plan(p);
        return;
    }
    if (!pass_may_call(p))
        return;
    struct diag diag = {0};
    p->at = PASS_LISTING;
    enum status status = pass_call(p, (struct provider_call){.kind = CALL_LIST},
                                   p->scopes[p->scope], on_listed, &diag);
    if (status != STATUS_OK)
        pass_end_unstarted(p, status, &diag);
}

/* An old scope that cannot be listed leaves what is in it as it is; the present one ends the pass.
 */
static void on_untrusted(struct pass *p, const struct call_result *result)
{
    if (p->scope > 0) {
        observation_add_untrusted(&p->observation, p->scopes[p->scope++]);
        list_next(p);
        return;
    }
    p->result.reason = result->outcome.reason;
    if (p->has_ambiguity)
        p->result.again_at_unix_ms = pass_now_unix_ms(p) + p->opt.reconciler->second_look_ms;
    pass_end(p, PASS_UNTRUSTED);
}

static void on_listed(void *ctx, const struct call_result *result)
{
    struct pass *p = ctx;
    assert(p->is_waiting && p->at == PASS_LISTING);
    p->is_waiting = false;
    pass_report_call(p, CALL_LIST, NULL, &result->outcome);
    bool is_old = p->scope > 0;
    if (is_old && result->outcome.verdict == VERDICT_FORBIDDEN) {
        on_untrusted(p, result); /* a company that was left may well refuse us */
        return;
    }
    if (pass_is_ended_by(p, result))
        return;
    if (result->outcome.verdict != VERDICT_OK || !result->listing->trusted) {
        on_untrusted(p, result);
        return;
    }
    const struct reconciler_options *opt = p->opt.reconciler;
    const struct observer observer = {
        .provider = p->desired.provider,
        .account = p->account,
        .bases = opt->bases,
        .bases_len = opt->bases_len,
        .route_keys = opt->route_keys,
    };
    enum status status =
        observation_add(&p->observation, &observer, p->scopes[p->scope], result->listing);
    if (status != STATUS_OK) {
        pass_end_failed(p, status);
        return;
    }
    if (!is_old) {
        p->result.was_listed = true;
        p->has_ambiguity = false;
    }
    p->scope++;
    list_next(p);
}

static enum status add_scope(struct pass *p, struct scope scope)
{
    for (size_t i = 0; i < p->scopes_len; i++) {
        if (scope_equal(p->scopes[i], scope))
            return STATUS_OK;
    }
    if (p->scopes_len == OBSERVATION_SCOPES_MAX)
        return STATUS_OK; /* what is in it waits until another one is done with */
    struct scope copy = {
        arena_dup(p->seen, bytes_of_text(scope.company_id)),
        arena_dup(p->seen, bytes_of_text(scope.environment_name)),
    };
    if (!scope_equal(copy, scope))
        return STATUS_NOMEM;
    p->scopes[p->scopes_len++] = copy;
    return STATUS_OK;
}

void pass_list(struct pass *p)
{
    arena_free(p->seen);
    p->seen = arena_new(PASS_ARENA_MAX);
    enum status status = p->seen == NULL ? STATUS_NOMEM : STATUS_OK;
    observation_init(&p->observation, p->seen);
    p->scopes_len = 0;
    p->scope = 0;
    p->listed_at_unix_ms = pass_now_unix_ms(p);
    if (status == STATUS_OK)
        status = add_scope(p, (struct scope){p->desired.company_id, p->desired.environment_name});
    for (size_t i = 0; status == STATUS_OK && i < p->state->routes_len; i++) {
        const struct route_record *r = p->state->routes[i].record;
        status = add_scope(p, (struct scope){r->company_id, r->environment_name});
    }
    if (status == STATUS_OK)
        list_next(p);
    else
        pass_end_failed(p, status);
}
