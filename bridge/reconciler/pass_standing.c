/* The account's own record: whether it may be called, and since when not. */
#include "bridge/reconciler/pass_state.h"

#include <string.h>

struct account_record pass_standing(const struct pass *p, enum account_status status,
                                    const char *reason)
{
    const struct account_record *old = p->state->record;
    struct account_record r = {.key_since_unix_ms = pass_now_unix_ms(p)};
    r.status_since_unix_ms = r.key_since_unix_ms;
    memcpy(r.account, p->account, sizeof(r.account));
    r.provider = p->desired.provider;
    r.system = p->desired.system;
    r.company_id = p->desired.company_id;
    r.environment_name = p->desired.environment_name;
    r.account_key = p->desired.account_key;
    memcpy(r.fingerprint, p->fingerprint, sizeof(r.fingerprint));
    r.status = status;
    r.reason = reason;
    if (old == NULL)
        return r;

    r.refused = old->refused;
    memcpy(r.configuration, old->configuration, sizeof(r.configuration));
    r.forced_unix_ms = old->forced_unix_ms;
    if (strcmp(old->fingerprint, p->fingerprint) == 0)
        r.key_since_unix_ms = old->key_since_unix_ms;
    if (old->status == status)
        r.status_since_unix_ms = old->status_since_unix_ms;
    if (status == ACCOUNT_INVALID) { /* nothing of an invalid declaration is taken over */
        struct account_record kept = *old;
        kept.status = status;
        kept.reason = reason;
        kept.status_since_unix_ms = r.status_since_unix_ms;
        return kept;
    }
    return r;
}

static void after_blocked(struct pass *p)
{
    p->result.again_at_unix_ms = pass_now_unix_ms(p) + p->opt.reconciler->blocked_retry_ms;
    pass_end(p, p->result.end);
}

static void after_invalid(struct pass *p)
{
    pass_end(p, PASS_INVALID);
}

/* Ends the pass with a status of the account that is kept over restarts. */
static void end_standing(struct pass *p, enum account_status account_status,
                         void (*after_commit)(struct pass *p))
{
    const struct account_record *old = p->state->record;
    struct account_record r = pass_standing(p, account_status, p->result.reason.text);
    bool is_news = old == NULL ? account_status == ACCOUNT_BLOCKED : !account_record_equal(old, &r);
    enum status status = STATUS_OK;
    pass_commit_clear(p);
    if (is_news && !p->opt.only_plans)
        status = pass_commit_add_account(p, &r, false);
    if (status == STATUS_OK)
        pass_commit(p, PASS_COMMITTING, after_commit);
    else
        pass_end_failed(p, status);
}

void pass_end_blocked(struct pass *p, enum pass_end how, const struct diag *reason)
{
    p->result.end = how;
    p->result.reason = *reason;
    p->state->blocked_call_unix_ms = pass_now_unix_ms(p);
    end_standing(p, ACCOUNT_BLOCKED, after_blocked);
}

void pass_end_invalid(struct pass *p)
{
    end_standing(p, ACCOUNT_INVALID, after_invalid);
}

bool pass_is_revoked(const struct pass *p)
{
    const struct account_record *r = p->state->record;
    return r != NULL && strcmp(r->fingerprint, p->fingerprint) == 0 &&
           r->status != ACCOUNT_BLOCKED && p->state->revoked_at_unix_ms > r->key_since_unix_ms &&
           p->state->revoked_at_unix_ms > r->status_since_unix_ms;
}

void pass_end_revoked(struct pass *p)
{
    struct diag reason = {0};
    diag_set(&reason, STATUS_INVALID, "the provider has sent TOKEN/REVOKED");
    pass_end_blocked(p, PASS_UNAUTHORIZED, &reason);
}
