/* The life of a pass. Each stage has a file of its own, which begins the next one.
 *
 *      pass_start() ─ SAVING first, where an earlier pass could not
 *  NEW ──────┬─ invalid, blocked, revoked: pass_standing.c ─────────────► COMMITTING ─► ENDED
 *            ├─ to be forgotten: pass_forget.c ──────────────────────────► COMMITTING ─► ENDED
 *            ├─ adopt(): COMMITTING first, where a person's subscription is taken over
 *            │ pass_list()
 *            ▼
 *         LISTING ─ one list a scope, list_next() and on_listed();
 *            │  ▲    the present scope's list is not trusted: pass_end()              ─► ENDED
 *     pass_  │  │    401, 403: pass_end_blocked() ────────────────────► COMMITTING    ─► ENDED
 *    plan()  ▼  │
 *       COMMITTING ─ the plan's records, with every intent, in one transaction
 *            │  │
 *     pass_  │  │ on_created(): ambiguous, so pass_list()
 *   create_  ▼  │
 *   next() CREATING ─ one POST at a time ──► SAVING ─ its secret ──► pass_create_next()
 *            │
 *            ├─ something was made: pass_plan() again, without creates
 *     pass_  │
 *   delete_  ▼
 *   next() DELETING ─ one DELETE or activation at a time ──► SAVING ─ it is retired
 *            │
 *            ▼ pass_end()
 *          ENDED
 *
 * Invariants; those that can be seen are in pass_check():
 *
 *  1. At most one call or commit is under way: `is_waiting`. Only its callback goes on.
 *  2. Before a POST its intent is committed, and from then on it is no longer "unsent" until an
 *     answer says that nothing was done.
 *  3. Before a DELETE its record is committed, as retiring or, for another id on the URL of an
 *     active route, anew; no active route holds the id.
 *  4. A secret is committed before the next call, of a next pass too. A commit is made whether or
 * not the ownership deadline has passed, since it is fenced; a call is not.
 *  5. After an ambiguous POST nothing but lists is called until the present scope was listed.
 *  6. The state says what was committed, never what is meant to be: it changes in on_committed(),
 *     but for what only this process remembers.
 *
 * A crash anywhere leaves a pending intent (looked for twice, then forgotten or found an orphan), a
 * replaced route that is still active (two active ones: the older is retired), or a retiring one
 * (deleted by the next pass).
 */
#include "bridge/reconciler/pass.h"

#include <assert.h>
#include <stdlib.h>
#include <string.h>

#include "bridge/base/scoped.h"
#include "bridge/reconciler/pass_state.h"
#include "bridge/reconciler/refusals.h"

int64_t pass_now_unix_ms(const struct pass *p)
{
    return p->opt.now_unix_ms(p->opt.clock_ctx);
}

static bool has_key(const struct account_record *r)
{
    return r != NULL && r->account_key != NULL && r->provider != NULL;
}

/* What is no longer declared is known from its record. */
static enum status desire_nothing(struct pass *p)
{
    struct account_record *r = account_record_copy(p->state->record);
    if (r == NULL)
        return STATUS_NOMEM;
    p->former = r;
    p->desired = (struct desired_account){
        .account = p->account,
        .provider = r->provider,
        .system = r->system,
        .company_id = r->company_id,
        .environment_name = r->environment_name,
        .account_key = r->account_key,
    };
    return STATUS_OK;
}

/* Setbacks are about one configuration and one key: with others, everything is tried again. */
static enum status compare_configuration(struct pass *p)
{
    const struct desired_account *d = &p->desired;
    CLEANUP(buf_done) struct buf text;
    buf_init(&text, 1024 * 1024);
    buf_printf(&text, "%s\n%s\n%s\n%s\n%s\n%s\n", p->opt.reconciler->bases[0], p->fingerprint,
               d->provider, d->system == NULL ? "" : d->system,
               d->company_id == NULL ? "" : d->company_id,
               d->environment_name == NULL ? "" : d->environment_name);
    for (size_t i = 0; i < d->wanted_len; i++) {
        const struct specification *s = &d->wanted[i].specification;
        buf_printf(&text, "%s/%s\n", s->resource, s->event);
        for (size_t k = 0; k < d->wanted[i].enabled_events_len; k++)
            buf_printf(&text, "%s\n", d->wanted[i].enabled_events[k]);
    }
    if (text.status != STATUS_OK)
        return text.status;
    char configuration[ACCOUNT_FINGERPRINT_SIZE];
    enum status status = account_record_fingerprint(buf_bytes(&text), configuration);
    if (status == STATUS_OK && strcmp(configuration, p->state->configuration) != 0) {
        memcpy(p->state->configuration, configuration, sizeof(configuration));
        account_state_forget_setbacks(p->state);
    }
    return status == STATUS_OK ? refusals_recall(p->state, pass_now_unix_ms(p)) : status;
}

/* Whether the declaration can be carried out; otherwise the pass has ended. */
static bool is_valid(struct pass *p)
{
    const struct account_record *r = p->state->record;
    const struct desired_account *d = &p->desired;
    if (d->invalid != NULL)
        diag_set(&p->result.reason, STATUS_INVALID, "%s", d->invalid);
    else if (r != NULL && r->provider != NULL && strcmp(r->provider, d->provider) != 0)
        diag_set(&p->result.reason, STATUS_INVALID,
                 "provider: %s, and it was %s: another provider is another account", d->provider,
                 r->provider);
    else if (r != NULL && r->system != NULL && d->system != NULL &&
             strcmp(r->system, d->system) != 0)
        diag_set(&p->result.reason, STATUS_INVALID,
                 "system: %s, and it was %s: another system is another account", d->system,
                 r->system);
    else
        return true;
    pass_end_invalid(p);
    return false;
}

/* Whether a call may be made: a blocked account has one now and then, or at once with a new key. */
static bool is_callable(struct pass *p)
{
    const struct account_record *r = p->state->record;
    if (r == NULL || r->status != ACCOUNT_BLOCKED || strcmp(r->fingerprint, p->fingerprint) != 0 ||
        p->opt.retries_blocked)
        return true;
    int64_t last_unix_ms = r->status_since_unix_ms > p->state->blocked_call_unix_ms
                               ? r->status_since_unix_ms
                               : p->state->blocked_call_unix_ms;
    int64_t next_unix_ms = last_unix_ms + p->opt.reconciler->blocked_retry_ms;
    if (pass_now_unix_ms(p) >= next_unix_ms) {
        p->state->blocked_call_unix_ms = pass_now_unix_ms(p);
        return true;
    }
    p->result.again_at_unix_ms = next_unix_ms;
    diag_set(&p->result.reason, STATUS_INVALID, "%s", r->reason == NULL ? "" : r->reason);
    pass_end(p, PASS_BLOCKED);
    return false;
}

/* Commits the adoption before anything is listed: what nobody knows of would be an orphan. One that
 * cannot be is none: a request may be read again, and is ours already then. */
static void adopt(struct pass *p)
{
    struct route_record *r = NULL;
    enum status status = STATUS_INVALID;
    pass_commit_clear(p);
    if (p->opt.adoption != NULL && p->is_declared && !p->opt.only_plans)
        status = adoption_make(p->opt.adoption, &p->desired, p->state, p->opt.reconciler,
                               pass_now_unix_ms(p), &r, NULL);
    if (status == STATUS_OK)
        status = pass_commit_add_route(p, r, false, false);
    route_record_free(r);
    if (status == STATUS_NOMEM)
        pass_end_failed(p, status);
    else
        pass_commit(p, PASS_COMMITTING, pass_list);
}

enum status pass_new(const struct pass_options *opt, const char *account,
                     const struct desired_account *desired, struct account_state *state,
                     struct pass **ret)
{
    struct pass *p = calloc(1, sizeof(*p));
    if (p == NULL)
        return STATUS_NOMEM;
    p->opt = *opt;
    size_t len = strlen(account);
    assert(len <= ACCOUNT_ID_MAX);
    memcpy(p->account, account, len); /* NOLINT(bugprone-not-null-terminated-result): calloc() */
    p->state = state;
    p->is_declared = desired != NULL;
    if (desired != NULL)
        p->desired = *desired;
    *ret = p;
    return STATUS_OK;
}

void pass_begin(struct pass *p)
{
    enum status status = STATUS_OK;
    if (pass_may_forget(p)) {
        pass_forget(p);
        return;
    }
    if (!p->is_declared && !has_key(p->state->record)) {
        if (p->state->routes_len > 0)
            diag_set(&p->result.reason, STATUS_INVALID,
                     "it is not declared, and the registry has no key to clean up after it");
        pass_end(p, p->state->routes_len > 0 ? PASS_INVALID : PASS_COMPLETE);
        return;
    }
    if (!p->is_declared)
        status = desire_nothing(p);
    if (status == STATUS_OK && p->desired.account_key != NULL)
        status = account_record_fingerprint(bytes_of_text(p->desired.account_key), p->fingerprint);
    if (status == STATUS_OK)
        status = compare_configuration(p);
    if (status != STATUS_OK) {
        pass_end_failed(p, status);
        return;
    }
    if (!is_valid(p))
        return;
    if (pass_is_revoked(p))
        pass_end_revoked(p);
    else if (is_callable(p))
        adopt(p);
}

void pass_start(struct pass *p)
{
    assert(p->at == PASS_NEW);
    if (p->state->unsaved != NULL && !p->opt.only_plans)
        pass_save_unsaved(p);
    else
        pass_begin(p);
}

void pass_free(struct pass *p)
{
    if (p == NULL)
        return;
    if (p->is_waiting && (p->at == PASS_COMMITTING || p->at == PASS_SAVING))
        p->opt.writer->cancel(p->opt.writer->ctx, p);
    else if (p->is_waiting)
        p->opt.calls->cancel(p->opt.calls->ctx, p);
    pass_commit_clear(p);
    free(p->changes);
    account_record_free(p->former);
    arena_free(p->seen);
    arena_free(p->planned);
    free(p);
}
