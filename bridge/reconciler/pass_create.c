/* The third stage of a pass: one POST at a time, and its secret before the next. */
#include "bridge/reconciler/pass_state.h"

#include <assert.h>
#include <string.h>

#include "bridge/base/crypto.h"
#include "bridge/base/scoped.h"
#include "bridge/base/secret.h"

static const size_t url_max = 4096;

/* --- the secret ---------------------------------------------------------------------------------
 */

static void forget_unsaved(struct account_state *s)
{
    route_record_free(s->unsaved);
    s->unsaved = NULL;
}

static void after_saving_secret(struct pass *p)
{
    forget_unsaved(p->state);
    p->step++;
    pass_create_next(p);
}

static void after_saving_unsaved(struct pass *p)
{
    forget_unsaved(p->state);
    pass_begin(p);
}

/* Where the registry has it, or an owner in between has gone on without it, there is nothing to
 * save. */
void pass_save_unsaved(struct pass *p)
{
    const struct route_record *r = p->state->unsaved;
    const struct held_route *held = account_state_find(p->state, &r->url);
    enum status status = STATUS_OK;
    pass_commit_clear(p);
    if (held != NULL && held->record->state == ROUTE_PENDING)
        status = pass_commit_add_route(p, r, false, false);
    if (status == STATUS_OK)
        pass_commit(p, PASS_SAVING, after_saving_unsaved);
    else
        pass_end_failed(p, status);
}

static const char *copy_secret(const struct secret *secret, char ret[SECRET_MAX + 1])
{
    if (secret == NULL)
        return NULL;
    struct bytes text = secret_bytes(secret);
    assert(text.len <= SECRET_MAX);
    memcpy(ret, text.data, text.len);
    ret[text.len] = '\0';
    return ret;
}

/* Since when there is a subscription of this specification, without a gap that is known; 0: only
 * now. */
static int64_t subscribed_since(const struct account_state *state, const struct specification *spec)
{
    int64_t since_unix_ms = 0;
    for (size_t i = 0; i < state->routes_len; i++) {
        const struct route_record *r = state->routes[i].record;
        int64_t own_unix_ms =
            r->subscribed_since_unix_ms == 0 ? r->created_at_unix_ms : r->subscribed_since_unix_ms;
        if (own_unix_ms != 0 && specification_equal(&r->url.specification, spec) &&
            (since_unix_ms == 0 || own_unix_ms < since_unix_ms))
            since_unix_ms = own_unix_ms;
    }
    return since_unix_ms;
}

/* Saves what the answer brought: an active route, or, without its secret, one to be deleted. */
static void save_created(struct pass *p, const struct created *created, bool has_secret)
{
    char secret[SECRET_MAX + 1];
    char token[SECRET_MAX + 1];
    struct route_record r = *pass_present_route(p)->record;
    r.provider_id = created->entry.id;
    r.created_at_unix_ms = pass_now_unix_ms(p);
    r.subscribed_since_unix_ms = subscribed_since(p->state, &r.url.specification);
    if (created->entry.expires_at_unix_ms != PROVIDER_TIME_UNKNOWN)
        r.expires_at_unix_ms = created->entry.expires_at_unix_ms;
    r.gone_after_unix_ms = 0;
    r.missing_since_unix_ms = 0;
    if (has_secret) {
        r.state = ROUTE_ACTIVE;
        r.secret = copy_secret(created->secret, secret);
        r.token = copy_secret(created->token, token);
        p->state->unsaved = route_record_copy(&r); /* NULL: this commit is all there is */
        account_state_succeed(p->state, &r.url.specification);
        p->result.creates++;
    } else {
        r.state = ROUTE_RETIRING;
        r.delete_after_unix_ms = r.created_at_unix_ms;
    }
    pass_commit_clear(p);
    enum status status = pass_commit_add_route(p, &r, false, false);
    crypto_wipe(secret, sizeof(secret));
    crypto_wipe(token, sizeof(token));
    if (status == STATUS_OK)
        status = observation_add_created(
            &p->observation, &r.url,
            (struct scope){p->desired.company_id, p->desired.environment_name},
            pass_present_step(p)->wanted, created);
    if (status == STATUS_OK)
        pass_commit(p, PASS_SAVING, after_saving_secret);
    else
        pass_end_failed(p, status);
}

/* Whether a living subscription is to be replaced, and so is there if nothing else will be. */
static bool is_renewal(enum plan_reason reason)
{
    return reason != REASON_NEW && reason != REASON_REPLACES_GONE &&
           reason != REASON_REPLACES_ORPHAN;
}

static void on_created(void *ctx, const struct call_result *result)
{
    struct pass *p = ctx;
    assert(p->is_waiting && p->at == PASS_CREATING);
    p->is_waiting = false;
    const struct plan_step *step = pass_present_step(p);
    const struct provider_outcome *outcome = &result->outcome;
    pass_report_call(p, CALL_CREATE, &step->url, outcome);

    /* Invariant 2: only what is known to have done nothing may be sent again. */
    bool did_nothing = result->is_unsent;
    bool is_refused = false;
    bool is_ambiguous = false;
    switch (outcome->verdict) {
    case VERDICT_OK:
    case VERDICT_NO_SECRET:
        break;
    case VERDICT_AMBIGUOUS:
    case VERDICT_UNTRUSTED: /* not of a POST */
        is_ambiguous = !did_nothing;
        break;
    case VERDICT_RETRY_LATER:
    case VERDICT_UNAUTHORIZED:
    case VERDICT_FORBIDDEN:
        did_nothing = true;
        break;
    case VERDICT_REFUSED:
    case VERDICT_NOT_FOUND: /* 404: this system has no such thing */
        did_nothing = true;
        is_refused = true;
        break;
    }
    pass_present_route(p)->is_unsent = did_nothing;
    p->has_ambiguity = is_ambiguous;
    if (pass_is_ended_by(p, result))
        return;
    if (outcome->verdict == VERDICT_OK) {
        save_created(p, result->created, true);
        return;
    }
    enum status status = account_state_fail(
        p->state, &step->url.specification, pass_now_unix_ms(p), p->opt.reconciler->second_look_ms,
        is_refused && !is_renewal(step->reason), &outcome->reason);
    if (status != STATUS_OK) {
        pass_end_failed(p, status);
    } else if (outcome->verdict == VERDICT_NO_SECRET) {
        save_created(p, result->created, false);
    } else if (is_ambiguous) {
        pass_list(p);
    } else {
        p->step++;
        pass_create_next(p);
    }
}

static enum status start_create(struct pass *p, struct diag *diag)
{
    const struct plan_step *step = pass_present_step(p);
    struct held_route *held = pass_present_route(p);
    CLEANUP(buf_done) struct buf url;
    buf_init(&url, url_max);
    enum status status = callback_url_text(&step->url, p->opt.reconciler->bases[0],
                                           p->opt.reconciler->route_keys, &url);
    if (status != STATUS_OK)
        return diag_set(diag, status, "the callback URL cannot be made");
    held->is_unsent = false;
    status = pass_call(p,
                       (struct provider_call){
                           .kind = CALL_CREATE,
                           .wanted = step->wanted,
                           .callback_url = buf_text(&url),
                       },
                       (struct scope){held->record->company_id, held->record->environment_name},
                       on_created, diag);
    held->is_unsent = status != STATUS_OK;
    return status;
}

void pass_create_next(struct pass *p)
{
    p->at = PASS_CREATING;
    while (p->step < p->plan.len && pass_present_step(p)->action != PLAN_CREATE)
        p->step++;
    if (p->step < p->plan.len) {
        if (!pass_may_call(p))
            return;
        struct diag diag = {0};
        p->has_created = true;
        enum status status = start_create(p, &diag);
        if (status != STATUS_OK)
            pass_end_unstarted(p, status, &diag);
    } else if (p->has_created) {
        p->is_after_create = true;
        pass_plan(p);
    } else {
        p->step = p->plan.len;
        pass_delete_next(p);
    }
}
