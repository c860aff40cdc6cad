#include "bridge/reconciler/adoption.h"

#include <string.h>

static bool is_of_account(const struct specification *s, const struct desired_account *desired)
{
    return strcmp(s->provider, desired->provider) == 0 && strcmp(s->account, desired->account) == 0;
}

/* What the registry knows with a secret is not taken over: it is ours already. */
static enum status check_unknown(const struct adoption *adoption, const struct callback_url *url,
                                 const struct account_state *state, struct diag *diag)
{
    const struct held_route *held = account_state_find(state, url);
    if (held != NULL && held->record->secret != NULL)
        return diag_set(diag, STATUS_INVALID,
                        "the registry has a secret for this URL, its route is %s",
                        route_record_state_name(held->record->state));
    for (size_t i = 0; i < state->routes_len; i++) {
        const struct route_record *r = state->routes[i].record;
        if (r->state == ROUTE_ACTIVE && strcmp(r->provider_id, adoption->provider_id) == 0)
            return diag_set(diag, STATUS_INVALID, "the id belongs to the active route of %s/%s",
                            r->url.specification.resource, r->url.specification.event);
    }
    return STATUS_OK;
}

enum status adoption_make(const struct adoption *adoption, const struct desired_account *desired,
                          const struct account_state *state, const struct reconciler_options *opt,
                          int64_t now_unix_ms, struct route_record **ret, struct diag *diag)
{
    struct callback_url_match match = {0};
    enum status status = callback_url_match(adoption->callback_url, opt->bases, opt->bases_len,
                                            opt->route_keys, &match);
    if (status != STATUS_OK)
        return status;
    if (!match.ours)
        return diag_set(diag, STATUS_INVALID,
                        "the callback URL has not the form of ours, or not our token");
    if (!is_of_account(&match.url.specification, desired))
        return diag_set(diag, STATUS_INVALID, "the callback URL is of the account %s, expected %s",
                        match.url.specification.account, desired->account);
    status = check_unknown(adoption, &match.url, state, diag);
    if (status != STATUS_OK)
        return status;

    struct route_record *r = route_record_copy(&(struct route_record){
        .url = match.url,
        .state = ROUTE_ACTIVE,
        .origin = ROUTE_ORIGIN_ADOPTED,
        .system = desired->system,
        .company_id = desired->company_id,
        .environment_name = desired->environment_name,
        .public_base_url = opt->bases[match.base],
        .provider_id = adoption->provider_id,
        .secret = adoption->secret,
        .token = adoption->token,
        /* Since when the registry can verify it: what it replaces stays for the overlap. */
        .created_at_unix_ms = now_unix_ms,
    });
    if (r == NULL)
        return STATUS_NOMEM;
    *ret = r;
    return STATUS_OK;
}
