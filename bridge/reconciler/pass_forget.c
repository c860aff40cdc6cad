/* An account that is no longer declared is forgotten because a person says so. Nothing is called:
 * what is left at its provider stays there. */
#include "bridge/reconciler/pass_state.h"

bool pass_may_forget(const struct pass *p)
{
    const struct account_state *state = p->state;
    int64_t before_unix_ms = p->opt.forget_before_unix_ms;
    if (p->is_declared || p->opt.only_plans || before_unix_ms == 0)
        return false;
    /* Declared anew since, and withdrawn again, it is not the account that was meant. */
    if (state->record != NULL && state->record->key_since_unix_ms > before_unix_ms)
        return false;
    for (size_t i = 0; i < state->routes_len; i++)
        if (state->routes[i].record->url.generation_unix_ms > before_unix_ms)
            return false;
    return state->record != NULL || state->routes_len > 0;
}

static void after_forgetting(struct pass *p)
{
    p->result.is_forgotten = true;
    pass_end(p, PASS_COMPLETE);
}

void pass_forget(struct pass *p)
{
    const struct account_state *state = p->state;
    enum status status = STATUS_OK;
    pass_commit_clear(p);
    if (state->record != NULL)
        status = pass_commit_add_account(p, state->record, true);
    for (size_t i = 0; status == STATUS_OK && i < state->routes_len; i++)
        status = pass_commit_add_route(p, state->routes[i].record, true, false);
    if (status == STATUS_OK)
        pass_commit(p, PASS_COMMITTING, after_forgetting);
    else
        pass_end_failed(p, status);
}
