/* The life of a pass.
 *
 *      pass_start()
 *  NEW ──────┬─ invalid, blocked, revoked: end_standing() ──────────────► COMMITTING ─► ENDED
 *            │ list_again()
 *            ▼
 *         LISTING ─ one list a scope, list_next() and on_listed();
 *            │  ▲    the present scope's list is not trusted: end()                   ─► ENDED
 *  plan_and_ │  │    401, 403: end_blocked() ─────────────────────────► COMMITTING    ─► ENDED
 *  commit()  ▼  │
 *       COMMITTING ─ the plan's records, with every intent, in one transaction
 *            │  │
 *  create_   ▼  │ on_created(): ambiguous, so list_again()
 *  next() CREATING ─ one POST at a time ──► SAVING ─ its secret ──► create_next()
 *            │
 *            ├─ something was made: plan_and_commit() again, without creates
 *  delete_   ▼
 *  next() DELETING ─ one DELETE or activation at a time ──► SAVING ─ it is retired ─► delete_next()
 *            │
 *            ▼ end()
 *          ENDED
 *
 * Invariants; those that can be seen are in pass_check():
 *
 *  1. At most one call or commit is under way: `is_waiting`. Only its callback goes on.
 *  2. Before a POST its intent is committed, and from then on it is no longer "unsent" until an
 *     answer says that nothing was done.
 *  3. Before a DELETE its record is committed, as retiring or, for another id on the URL of an
 *     active route, anew; no active route holds the id.
 *  4. A secret is committed before the next call. A commit is made whether or not the ownership
 *     deadline has passed, since it is fenced; a call is not.
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

#include "bridge/base/crypto.h"
#include "bridge/base/scoped.h"
#include "bridge/base/secret.h"

enum pass_state {
    PASS_NEW = 0,
    PASS_LISTING,
    PASS_COMMITTING,
    PASS_CREATING,
    PASS_SAVING,
    PASS_DELETING,
    PASS_ENDED,
};

/* A change that is being committed, with copies of its own. */
struct pass_change {
    struct route_record *route;
    struct account_record *account;
    bool is_tombstone;
    bool is_intent;
};

struct pass {
    struct pass_options opt;
    char account[ACCOUNT_ID_MAX + 1];
    bool is_declared;
    struct account_record *former;  /* of one that is not declared: a copy, for `desired` */
    struct desired_account desired; /* of one that is not declared: what its record says */
    struct account_state *state;
    char fingerprint[ACCOUNT_FINGERPRINT_SIZE]; /* of the account key */

    enum pass_state at;
    bool is_waiting; /* for the callback of a call or a commit */
    void (*after_commit)(struct pass *p);

    struct arena *seen; /* of observation and scopes */
    struct observation observation;
    struct scope scopes[OBSERVATION_SCOPES_MAX]; /* to list; the present one first */
    size_t scopes_len;
    size_t scope;              /* that is being listed */
    int64_t listed_at_unix_ms; /* when the first one was begun */

    struct arena *planned; /* of plan */
    struct plan plan;
    size_t step;          /* that is being carried out */
    bool has_created;     /* something was tried to be made by this plan */
    bool is_after_create; /* this plan has no creates */
    bool has_ambiguity;   /* of a POST that no list has cleared up yet */

    struct pass_change *changes;
    size_t changes_len;
    size_t changes_capacity;

    struct pass_result result;
};

/* What a pass may hold of one account's lists and plan: ten thousand entries and more. */
static const size_t arena_max = 32 * 1024 * 1024;
static const size_t url_max = 4096;

static const char *const end_names[PASS_ENDS] = {
    [PASS_COMPLETE] = "complete",   [PASS_UNTRUSTED] = "untrusted",
    [PASS_RETRY_LATER] = "later",   [PASS_UNAUTHORIZED] = "unauthorized",
    [PASS_FORBIDDEN] = "forbidden", [PASS_BLOCKED] = "blocked",
    [PASS_INVALID] = "invalid",     [PASS_NOT_OWNED] = "not-owned",
    [PASS_FAILED] = "failed",       [PASS_RECORDS_UNKNOWN] = "records-unknown",
};

const char *pass_end_name(enum pass_end end)
{
    return end_names[end];
}

static void list_again(struct pass *p);
static void create_next(struct pass *p);
static void delete_next(struct pass *p);

static int64_t now_unix_ms(const struct pass *p)
{
    return p->opt.now_unix_ms(p->opt.clock_ctx);
}

/* --- the end ------------------------------------------------------------------------------------
 */

static void end(struct pass *p, enum pass_end how)
{
    assert(!p->is_waiting);
    p->at = PASS_ENDED;
    p->result.end = how;
    struct pass_result result = p->result;
    p->opt.on_end(p->opt.ctx, &result); /* p may be gone now */
}

static void end_failed(struct pass *p, enum status status)
{
    diag_set(&p->result.reason, status, "%s",
             status == STATUS_NOMEM ? "out of memory" : status_name(status));
    p->result.again_at_unix_ms = now_unix_ms(p) + p->opt.reconciler->second_look_ms;
    end(p, PASS_FAILED);
}

/* retry_at may be 0: the provider did not say. */
static void end_later(struct pass *p, int64_t retry_at_unix_ms, const struct diag *reason)
{
    int64_t at_unix_ms = now_unix_ms(p) + p->opt.reconciler->second_look_ms;
    p->result.again_at_unix_ms = retry_at_unix_ms > at_unix_ms ? retry_at_unix_ms : at_unix_ms;
    p->result.reason = *reason;
    end(p, PASS_RETRY_LATER);
}

/* --- commits ------------------------------------------------------------------------------------
 */

static void changes_clear(struct pass *p)
{
    for (size_t i = 0; i < p->changes_len; i++) {
        route_record_free(p->changes[i].route);
        account_record_free(p->changes[i].account);
    }
    p->changes_len = 0;
}

static struct pass_change *changes_append(struct pass *p)
{
    if (p->changes_len == p->changes_capacity) {
        size_t capacity = p->changes_capacity == 0 ? 8 : 2 * p->changes_capacity;
        struct pass_change *changes = reallocarray(p->changes, capacity, sizeof(*changes));
        if (changes == NULL)
            return NULL;
        p->changes = changes;
        p->changes_capacity = capacity;
    }
    struct pass_change *change = &p->changes[p->changes_len];
    *change = (struct pass_change){0};
    return change;
}

static enum status change_route(struct pass *p, const struct route_record *r, bool is_tombstone,
                                bool is_intent)
{
    struct pass_change *change = changes_append(p);
    if (change == NULL || (change->route = route_record_copy(r)) == NULL)
        return STATUS_NOMEM;
    change->is_tombstone = is_tombstone;
    change->is_intent = is_intent;
    p->changes_len++;
    return STATUS_OK;
}

static enum status change_account(struct pass *p, const struct account_record *r, bool is_tombstone)
{
    struct pass_change *change = changes_append(p);
    if (change == NULL || (change->account = account_record_copy(r)) == NULL)
        return STATUS_NOMEM;
    change->is_tombstone = is_tombstone;
    p->changes_len++;
    return STATUS_OK;
}

static void apply_change(struct pass *p, struct pass_change *change)
{
    if (change->account != NULL) {
        account_state_take_account(p->state, change->is_tombstone ? NULL : TAKE(change->account));
    } else if (change->is_tombstone) {
        account_state_remove_route(p->state, &change->route->url);
    } else {
        const struct callback_url url = change->route->url;
        /* Cannot fail: the room was reserved before the commit. */
        enum status status = account_state_take_route(p->state, TAKE(change->route));
        assert(status == STATUS_OK);
        account_state_find(p->state, &url)->is_unsent = change->is_intent;
    }
}

static void on_committed(void *ctx, enum status status)
{
    struct pass *p = ctx;
    assert(p->is_waiting && (p->at == PASS_COMMITTING || p->at == PASS_SAVING));
    p->is_waiting = false;
    if (status == STATUS_OK) {
        for (size_t i = 0; i < p->changes_len; i++)
            apply_change(p, &p->changes[i]);
    }
    changes_clear(p);
    if (status == STATUS_OK) {
        p->after_commit(p);
    } else if (status == STATUS_BUSY) {
        struct diag reason = {0};
        diag_set(&reason, status, "the registry's writer is busy");
        end_later(p, 0, &reason);
    } else {
        diag_set(&p->result.reason, status, "the commit failed: %s", status_name(status));
        end(p, PASS_RECORDS_UNKNOWN);
    }
}

/* Commits what was collected, then goes on. */
static void commit(struct pass *p, enum pass_state at, void (*after_commit)(struct pass *p))
{
    if (p->changes_len == 0) {
        after_commit(p);
        return;
    }
    struct registry_change *changes = calloc(p->changes_len, sizeof(*changes));
    enum status status =
        changes == NULL ? STATUS_NOMEM : account_state_reserve(p->state, p->changes_len);
    if (status != STATUS_OK) {
        free(changes);
        end_failed(p, status);
        return;
    }
    for (size_t i = 0; i < p->changes_len; i++) {
        changes[i] = (struct registry_change){
            .route = p->changes[i].route,
            .account = p->changes[i].account,
            .is_tombstone = p->changes[i].is_tombstone,
        };
    }
    p->at = at;
    p->after_commit = after_commit;
    p->is_waiting = true;
    const struct registry_writer *writer = p->opt.writer;
    status = writer->commit(writer->ctx, p->account, changes, p->changes_len, on_committed, p);
    free(changes);
    if (status != STATUS_OK)
        on_committed(p, status);
}

/* --- the account's own record -------------------------------------------------------------------
 */

/* What the account's record is to say. */
static struct account_record standing(const struct pass *p, enum account_status status,
                                      const char *reason)
{
    const struct account_record *old = p->state->record;
    struct account_record r = {.key_since_unix_ms = now_unix_ms(p)};
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
    p->result.again_at_unix_ms = now_unix_ms(p) + p->opt.reconciler->blocked_retry_ms;
    end(p, p->result.end);
}

static void after_invalid(struct pass *p)
{
    end(p, PASS_INVALID);
}

/* Ends the pass with a status of the account that is kept over restarts. */
static void end_standing(struct pass *p, enum account_status account_status,
                         void (*after_commit)(struct pass *p))
{
    const struct account_record *old = p->state->record;
    struct account_record r = standing(p, account_status, p->result.reason.text);
    bool is_news = old == NULL ? account_status == ACCOUNT_BLOCKED : !account_record_equal(old, &r);
    enum status status = STATUS_OK;
    changes_clear(p);
    if (is_news && !p->opt.only_plans)
        status = change_account(p, &r, false);
    if (status == STATUS_OK)
        commit(p, PASS_COMMITTING, after_commit);
    else
        end_failed(p, status);
}

static void end_blocked(struct pass *p, enum pass_end how, const struct diag *reason)
{
    p->result.end = how;
    p->result.reason = *reason;
    p->state->blocked_call_unix_ms = now_unix_ms(p);
    end_standing(p, ACCOUNT_BLOCKED, after_blocked);
}

/* Whether a TOKEN/REVOKED event says that the key that is used is no longer good. What came before
 * the key, or before a call showed that it is good after all, says nothing. */
static bool is_revoked(const struct pass *p)
{
    const struct account_record *r = p->state->record;
    return r != NULL && strcmp(r->fingerprint, p->fingerprint) == 0 && r->status == ACCOUNT_OK &&
           p->state->revoked_at_unix_ms > r->key_since_unix_ms &&
           p->state->revoked_at_unix_ms > r->status_since_unix_ms;
}

static void end_revoked(struct pass *p)
{
    struct diag reason = {0};
    diag_set(&reason, STATUS_INVALID, "the provider has sent TOKEN/REVOKED");
    end_blocked(p, PASS_UNAUTHORIZED, &reason);
}

/* Before every call but a list: whether it may be made. Otherwise the pass has ended. */
static bool may_call(struct pass *p)
{
    if (is_revoked(p)) {
        end_revoked(p);
        return false;
    }
    if (p->opt.writer->may_act(p->opt.writer->ctx, p->account))
        return true;
    diag_set(&p->result.reason, STATUS_BUSY, "the ownership deadline has passed");
    end(p, PASS_NOT_OWNED);
    return false;
}

/* --- calls --------------------------------------------------------------------------------------
 */

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

/* Starts a call in the scope. Errors: nothing was sent, and on_done is not called. */
static enum status start_call(struct pass *p, struct provider_call call, struct scope scope,
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

static void end_unstarted(struct pass *p, enum status status, const struct diag *diag)
{
    if (status == STATUS_BUSY) {
        end_later(p, 0, diag);
        return;
    }
    p->result.reason = *diag;
    end_failed(p, status);
}

static void report(const struct pass *p, enum call_kind kind, const struct callback_url *url,
                   const struct provider_outcome *outcome)
{
    if (p->opt.on_call != NULL)
        p->opt.on_call(p->opt.ctx, kind, url, outcome);
}

/* Whether the answer ends the pass, whatever the call was; it then has ended. */
static bool ends_pass(struct pass *p, const struct call_result *result)
{
    switch (result->outcome.verdict) {
    case VERDICT_UNAUTHORIZED:
        end_blocked(p, PASS_UNAUTHORIZED, &result->outcome.reason);
        return true;
    case VERDICT_FORBIDDEN:
        end_blocked(p, PASS_FORBIDDEN, &result->outcome.reason);
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
    end_later(p, result->retry_at_unix_ms, &result->outcome.reason);
    return true;
}

/* --- listing
 * -------------------------------------------------------------------------------------- */

/* Plans, and commits what the registry is to say. */
static void plan_and_commit(struct pass *p);

static void on_listed(void *ctx, const struct call_result *result);

static void list_next(struct pass *p)
{
    if (p->scope == p->scopes_len) {
        p->is_after_create = false;
        plan_and_commit(p);
        return;
    }
    struct diag diag = {0};
    p->at = PASS_LISTING;
    enum status status = start_call(p, (struct provider_call){.kind = CALL_LIST},
                                    p->scopes[p->scope], on_listed, &diag);
    if (status != STATUS_OK)
        end_unstarted(p, status, &diag);
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
        p->result.again_at_unix_ms = now_unix_ms(p) + p->opt.reconciler->second_look_ms;
    end(p, PASS_UNTRUSTED);
}

static void on_listed(void *ctx, const struct call_result *result)
{
    struct pass *p = ctx;
    assert(p->is_waiting && p->at == PASS_LISTING);
    p->is_waiting = false;
    report(p, CALL_LIST, NULL, &result->outcome);
    bool is_old = p->scope > 0;
    if (is_old && result->outcome.verdict == VERDICT_FORBIDDEN) {
        on_untrusted(p, result); /* a company that was left may well refuse us */
        return;
    }
    if (ends_pass(p, result))
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
        end_failed(p, status);
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

/* Forgets what was seen and lists: the present scope, and those of every route that is
 * remembered: also what is retired may show up again. */
static void list_again(struct pass *p)
{
    arena_free(p->seen);
    p->seen = arena_new(arena_max);
    enum status status = p->seen == NULL ? STATUS_NOMEM : STATUS_OK;
    observation_init(&p->observation, p->seen);
    p->scopes_len = 0;
    p->scope = 0;
    p->listed_at_unix_ms = now_unix_ms(p);
    if (status == STATUS_OK)
        status = add_scope(p, (struct scope){p->desired.company_id, p->desired.environment_name});
    for (size_t i = 0; status == STATUS_OK && i < p->state->routes_len; i++) {
        const struct route_record *r = p->state->routes[i].record;
        status = add_scope(p, (struct scope){r->company_id, r->environment_name});
    }
    if (status == STATUS_OK)
        list_next(p);
    else
        end_failed(p, status);
}

/* --- planning
 * ------------------------------------------------------------------------------------- */

/* Whether, after this plan, nothing is left of an account that is no longer declared. */
static bool is_finished_with(const struct pass *p)
{
    size_t forgotten = 0;
    for (size_t i = 0; i < p->plan.len; i++) {
        if (!p->plan.steps[i].forgets)
            return false;
        forgotten++;
    }
    for (size_t i = 0; i < p->observation.len; i++) {
        if (!p->observation.sightings[i].is_deleted)
            return false;
    }
    return !p->is_declared && forgotten == p->state->routes_len;
}

static enum status collect_account(struct pass *p)
{
    const struct account_record *old = p->state->record;
    if (old != NULL && is_finished_with(p))
        return change_account(p, old, true);
    struct account_record r = standing(p, ACCOUNT_OK, NULL);
    if (old == NULL ? p->desired.wanted_len == 0 && p->state->routes_len == 0 && p->plan.len == 0
                    : account_record_equal(old, &r))
        return STATUS_OK;
    return change_account(p, &r, false);
}

static enum status collect_changes(struct pass *p)
{
    changes_clear(p);
    enum status status = collect_account(p);
    for (size_t i = 0; status == STATUS_OK && i < p->plan.len; i++) {
        const struct plan_step *step = &p->plan.steps[i];
        if (step->writes || step->forgets)
            status = change_route(p, &step->after, step->forgets, step->action == PLAN_CREATE);
    }
    return status;
}

static void start_creating(struct pass *p)
{
    p->step = 0;
    p->has_created = false;
    create_next(p);
}

static void plan_and_commit(struct pass *p)
{
    arena_free(p->planned);
    p->planned = arena_new(arena_max);
    const struct plan_input in = {
        .desired = &p->desired,
        .state = p->state,
        .observation = &p->observation,
        .options = p->opt.reconciler,
        .now_unix_ms = now_unix_ms(p),
        .listed_at_unix_ms = p->listed_at_unix_ms,
        .may_create = !p->is_after_create,
        .withholds_deletes = p->opt.withholds_deletes,
        .rotate_before_unix_ms = p->opt.rotate_before_unix_ms,
        .rotate_resource = p->opt.rotate_resource,
    };
    enum status status = p->planned == NULL ? STATUS_NOMEM : plan_make(&in, p->planned, &p->plan);
    if (status != STATUS_OK) {
        end_failed(p, status);
        return;
    }
    p->result.again_at_unix_ms = p->plan.again_at_unix_ms;
    if (p->opt.on_plan != NULL)
        p->opt.on_plan(p->opt.ctx, &p->plan);
    if (p->opt.only_plans) {
        end(p, PASS_COMPLETE);
        return;
    }
    status = collect_changes(p);
    if (status == STATUS_OK)
        commit(p, PASS_COMMITTING, start_creating);
    else
        end_failed(p, status);
}

/* --- creating
 * ------------------------------------------------------------------------------------- */

static const struct plan_step *present_step(const struct pass *p)
{
    return &p->plan.steps[p->step];
}

static struct held_route *present_route(const struct pass *p)
{
    struct held_route *held = account_state_find(p->state, &present_step(p)->url);
    assert(held != NULL);
    return held;
}

static void after_saving_secret(struct pass *p)
{
    p->step++;
    create_next(p);
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

/* Saves what the answer brought: an active route, or, without its secret, one to be deleted. */
static void save_created(struct pass *p, const struct created *created, bool has_secret)
{
    char secret[SECRET_MAX + 1];
    char token[SECRET_MAX + 1];
    struct route_record r = *present_route(p)->record;
    r.provider_id = created->entry.id;
    r.created_at_unix_ms = now_unix_ms(p);
    if (created->entry.expires_at_unix_ms != PROVIDER_TIME_UNKNOWN)
        r.expires_at_unix_ms = created->entry.expires_at_unix_ms;
    r.gone_after_unix_ms = 0;
    r.missing_since_unix_ms = 0;
    if (has_secret) {
        r.state = ROUTE_ACTIVE;
        r.secret = copy_secret(created->secret, secret);
        r.token = copy_secret(created->token, token);
        account_state_succeed(p->state, &r.url.specification);
        p->result.creates++;
    } else {
        r.state = ROUTE_RETIRING;
        r.delete_after_unix_ms = r.created_at_unix_ms;
    }
    changes_clear(p);
    enum status status = change_route(p, &r, false, false);
    crypto_wipe(secret, sizeof(secret));
    crypto_wipe(token, sizeof(token));
    if (status == STATUS_OK)
        status = observation_add_created(
            &p->observation, &r.url,
            (struct scope){p->desired.company_id, p->desired.environment_name},
            present_step(p)->wanted, created);
    if (status == STATUS_OK)
        commit(p, PASS_SAVING, after_saving_secret);
    else
        end_failed(p, status);
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
    const struct plan_step *step = present_step(p);
    const struct provider_outcome *outcome = &result->outcome;
    report(p, CALL_CREATE, &step->url, outcome);

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
    present_route(p)->is_unsent = did_nothing;
    p->has_ambiguity = is_ambiguous;
    if (ends_pass(p, result))
        return;
    if (outcome->verdict == VERDICT_OK) {
        save_created(p, result->created, true);
        return;
    }
    enum status status = account_state_fail(
        p->state, &step->url.specification, now_unix_ms(p), p->opt.reconciler->second_look_ms,
        is_refused && !is_renewal(step->reason), &outcome->reason);
    if (status != STATUS_OK) {
        end_failed(p, status);
    } else if (outcome->verdict == VERDICT_NO_SECRET) {
        save_created(p, result->created, false);
    } else if (is_ambiguous) {
        list_again(p);
    } else {
        p->step++;
        create_next(p);
    }
}

static enum status start_create(struct pass *p, struct diag *diag)
{
    const struct plan_step *step = present_step(p);
    struct held_route *held = present_route(p);
    CLEANUP(buf_done) struct buf url;
    buf_init(&url, url_max);
    enum status status = callback_url_text(&step->url, p->opt.reconciler->bases[0],
                                           p->opt.reconciler->route_keys, &url);
    if (status != STATUS_OK)
        return diag_set(diag, status, "the callback URL cannot be made");
    held->is_unsent = false;
    status = start_call(p,
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

static void create_next(struct pass *p)
{
    p->at = PASS_CREATING;
    while (p->step < p->plan.len && present_step(p)->action != PLAN_CREATE)
        p->step++;
    if (p->step < p->plan.len) {
        if (!may_call(p))
            return;
        struct diag diag = {0};
        p->has_created = true;
        enum status status = start_create(p, &diag);
        if (status != STATUS_OK)
            end_unstarted(p, status, &diag);
    } else if (p->has_created) {
        p->is_after_create = true;
        plan_and_commit(p);
    } else {
        p->step = p->plan.len;
        delete_next(p);
    }
}

/* --- deleting
 * ------------------------------------------------------------------------------------- */

/* What was deleted is retired: what the provider still has in its queue verifies for the grace. */
static void save_deleted(struct pass *p, const char *id)
{
    const struct route_record *held = present_route(p)->record;
    changes_clear(p);
    enum status status = STATUS_OK;
    if (held->provider_id != NULL && strcmp(held->provider_id, id) == 0) {
        struct route_record r = *held;
        bool is_useless = r.secret == NULL && r.token == NULL;
        r.state = ROUTE_RETIRED;
        r.gone_after_unix_ms = now_unix_ms(p) + p->opt.reconciler->retire_grace_ms;
        status = change_route(p, &r, is_useless, false);
    }
    if (status == STATUS_OK)
        commit(p, PASS_SAVING, delete_next);
    else
        end_failed(p, status);
}

static void on_deleted(void *ctx, const struct call_result *result)
{
    struct pass *p = ctx;
    assert(p->is_waiting && p->at == PASS_DELETING);
    p->is_waiting = false;
    const struct plan_step *step = present_step(p);
    report(p, CALL_DELETE, &step->url, &result->outcome);
    if (ends_pass(p, result))
        return;
    if (result->outcome.verdict != VERDICT_OK) {
        delete_next(p); /* it stays retiring: the next list says whether it is gone */
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
    report(p, CALL_ACTIVATE, &present_step(p)->url, &result->outcome);
    if (ends_pass(p, result))
        return;
    p->result.activates += result->outcome.verdict == VERDICT_OK;
    delete_next(p);
}

static bool calls_after_create(const struct plan_step *step)
{
    return (step->action == PLAN_DELETE || step->action == PLAN_ACTIVATE) &&
           !step->sighting->is_deleted;
}

/* From the last step to the first: a second id on a URL goes before the one its record holds. */
static void delete_next(struct pass *p)
{
    p->at = PASS_DELETING;
    do {
        if (p->step == 0) {
            end(p, PASS_COMPLETE);
            return;
        }
        p->step--;
    } while (!calls_after_create(present_step(p)));
    if (!may_call(p))
        return;
    const struct plan_step *step = present_step(p);
    const struct route_record *r = present_route(p)->record;
    bool is_delete = step->action == PLAN_DELETE;
    struct diag diag = {0};
    enum status status = start_call(p,
                                    (struct provider_call){
                                        .kind = is_delete ? CALL_DELETE : CALL_ACTIVATE,
                                        .id = step->sighting->id,
                                    },
                                    (struct scope){r->company_id, r->environment_name},
                                    is_delete ? on_deleted : on_activated, &diag);
    if (status != STATUS_OK)
        end_unstarted(p, status, &diag);
}

/* --- the beginning
 * -------------------------------------------------------------------------------- */

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
    return status;
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
    end_standing(p, ACCOUNT_INVALID, after_invalid);
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
    if (now_unix_ms(p) >= next_unix_ms) {
        p->state->blocked_call_unix_ms = now_unix_ms(p);
        return true;
    }
    p->result.again_at_unix_ms = next_unix_ms;
    diag_set(&p->result.reason, STATUS_INVALID, "%s", r->reason == NULL ? "" : r->reason);
    end(p, PASS_BLOCKED);
    return false;
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
    memcpy(p->account, account, len);
    p->state = state;
    p->is_declared = desired != NULL;
    if (desired != NULL)
        p->desired = *desired;
    *ret = p;
    return STATUS_OK;
}

void pass_start(struct pass *p)
{
    assert(p->at == PASS_NEW);
    enum status status = STATUS_OK;
    if (!p->is_declared && !has_key(p->state->record)) {
        if (p->state->routes_len > 0)
            diag_set(&p->result.reason, STATUS_INVALID,
                     "it is not declared, and the registry has no key to clean up after it");
        end(p, p->state->routes_len > 0 ? PASS_INVALID : PASS_COMPLETE);
        return;
    }
    if (!p->is_declared)
        status = desire_nothing(p);
    if (status == STATUS_OK && p->desired.account_key != NULL)
        status = account_record_fingerprint(bytes_of_text(p->desired.account_key), p->fingerprint);
    if (status == STATUS_OK)
        status = compare_configuration(p);
    if (status != STATUS_OK) {
        end_failed(p, status);
        return;
    }
    if (!is_valid(p))
        return;
    if (is_revoked(p))
        end_revoked(p);
    else if (is_callable(p))
        list_again(p);
}

void pass_free(struct pass *p)
{
    if (p == NULL)
        return;
    if (p->is_waiting && (p->at == PASS_COMMITTING || p->at == PASS_SAVING))
        p->opt.writer->cancel(p->opt.writer->ctx, p);
    else if (p->is_waiting)
        p->opt.calls->cancel(p->opt.calls->ctx, p);
    changes_clear(p);
    free(p->changes);
    account_record_free(p->former);
    arena_free(p->seen);
    arena_free(p->planned);
    free(p);
}
