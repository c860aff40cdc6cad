#include "bridge/app/pass_report.h"

#include <stdlib.h>
#include <string.h>

/* A copy; NULL of NULL. When memory is short the report is not whole. */
static const char *copy(struct pass_report *r, const char *text)
{
    const char *copied = text == NULL ? NULL : strdup(text);
    if (text != NULL && copied == NULL)
        r->status = STATUS_NOMEM;
    return copied;
}

static const char *copy_reason(struct pass_report *r, const struct diag *diag)
{
    return diag->text[0] == '\0' ? NULL : copy(r, diag->text);
}

static void free_text(const char *text)
{
    free((char *)text);
}

static void account_done(struct reported_account *a)
{
    reported_plan_done(&a->plan);
    for (size_t i = 0; i < a->calls_len; i++)
        free_text(a->calls[i].reason);
    free(a->calls);
    free_text(a->provider);
    free_text(a->system);
    free_text(a->reason);
}

void pass_report_done(struct pass_report *r)
{
    for (size_t i = 0; i < r->len; i++)
        account_done(&r->accounts[i]);
    free(r->accounts);
    *r = (struct pass_report){0};
}

/* --- the accounts --------------------------------------------------------------------------- */

void pass_report_add(struct pass_report *r, const struct reconciler_account *account)
{
    if (r->len == r->capacity) {
        size_t grown = r->capacity == 0 ? 64 : 2 * r->capacity;
        void *moved = reallocarray(r->accounts, grown, sizeof(*r->accounts));
        if (moved == NULL) {
            r->status = STATUS_NOMEM;
            return;
        }
        r->accounts = moved;
        r->capacity = grown;
    }
    struct reported_account *a = &r->accounts[r->len++];
    *a = (struct reported_account){
        .is_declared = account->declared != NULL, .is_readable = true, .changes = account->changes};
    memcpy(a->id, account->id, sizeof(a->id));
    const struct account_record *record = account->state.record;
    const struct desired_account *desired =
        account->declared == NULL ? NULL : &account->declared->desired;
    if (desired == NULL && record == NULL)
        return;
    a->provider = copy(r, desired != NULL ? desired->provider : record->provider);
    a->system = copy(r, desired != NULL ? desired->system : record->system);
}

static int compare_accounts(const void *a, const void *b)
{
    const struct reported_account *x = a, *y = b;
    return strcmp(x->id, y->id);
}

static int compare_id(const void *id, const void *account)
{
    return strcmp(id, ((const struct reported_account *)account)->id);
}

void pass_report_sort(struct pass_report *r)
{
    if (r->len > 0)
        qsort(r->accounts, r->len, sizeof(*r->accounts), compare_accounts);
}

struct reported_account *pass_report_find(const struct pass_report *r, const char *account)
{
    return r->len == 0 ? NULL
                       : bsearch(account, r->accounts, r->len, sizeof(*r->accounts), compare_id);
}

/* --- what passes tell ------------------------------------------------------------------------ */

void pass_report_take_plan(struct pass_report *r, const struct reconciler_account *account,
                           const struct plan *plan)
{
    struct reported_account *a = pass_report_find(r, account->id);
    if (a == NULL)
        return;
    if (reported_plan_take(&a->plan, &account->state, plan) != STATUS_OK)
        r->status = STATUS_NOMEM;
}

void pass_report_take_call(struct pass_report *r, const struct reconciler_account *account,
                           enum call_kind kind, const struct callback_url *url,
                           const struct provider_outcome *outcome)
{
    struct reported_account *a = pass_report_find(r, account->id);
    if (a == NULL || kind == CALL_LIST || url == NULL)
        return;
    void *moved = reallocarray(a->calls, a->calls_len + 1, sizeof(*a->calls));
    if (moved == NULL) {
        r->status = STATUS_NOMEM;
        return;
    }
    a->calls = moved;
    a->calls[a->calls_len++] = (struct reported_call){
        .kind = kind,
        .verdict = outcome->verdict,
        .specification = url->specification,
        .reason = outcome->verdict == VERDICT_OK ? NULL : copy_reason(r, &outcome->reason),
    };
}

static void take_end(struct pass_report *r, struct reported_account *a, const struct diag *reason)
{
    free_text(a->reason);
    a->reason = copy_reason(r, reason);
    r->ended += !a->has_ended;
    a->has_ended = true;
}

void pass_report_take_end(struct pass_report *r, const struct reconciler_account *account,
                          bool is_final)
{
    struct reported_account *a = pass_report_find(r, account->id);
    if (a == NULL)
        return;
    a->tries++;
    a->end = account->last.end;
    if (account->last.end != PASS_COMPLETE)
        reported_plan_done(&a->plan); /* of a plan that has lost its ground */
    if (is_final)
        take_end(r, a, &account->last.reason);
}

void pass_report_take_unreadable(struct pass_report *r, const struct reconciler_account *account,
                                 const struct diag *why)
{
    struct reported_account *a = pass_report_find(r, account->id);
    if (a == NULL)
        return;
    a->is_readable = false;
    a->end = PASS_FAILED;
    take_end(r, a, why);
}

void pass_report_take_gone(struct pass_report *r, struct reported_account *account)
{
    const struct diag nothing = {0};
    reported_plan_done(&account->plan);
    account->end = PASS_COMPLETE;
    take_end(r, account, &nothing);
}

void pass_report_drop_work(struct reported_account *account)
{
    reported_plan_drop_work(&account->plan);
}

void pass_report_expect_again(struct pass_report *r, struct reported_account *account)
{
    r->ended -= account->has_ended;
    account->has_ended = false;
}

size_t pass_report_count_done(const struct reported_account *account, enum call_kind kind)
{
    size_t done = 0;
    for (size_t i = 0; i < account->calls_len; i++)
        done += account->calls[i].kind == kind && account->calls[i].verdict == VERDICT_OK;
    return done;
}

/* --- what it means --------------------------------------------------------------------------- */

bool pass_report_is_unknown(const struct reported_account *account)
{
    switch (account->end) {
    case PASS_COMPLETE:
    case PASS_UNAUTHORIZED:
    case PASS_FORBIDDEN:
    case PASS_BLOCKED:
    case PASS_INVALID:
        return !account->has_ended;
    case PASS_UNTRUSTED:
    case PASS_RETRY_LATER:
    case PASS_NOT_OWNED:
    case PASS_RECORDS_UNKNOWN:
    case PASS_FAILED:
        break;
    }
    return true;
}

bool pass_report_has_work(const struct reported_account *account)
{
    for (size_t i = 0; i < account->plan.len; i++)
        if (reported_step_is_work(&account->plan.steps[i]))
            return true;
    return false;
}

bool pass_report_is_under_way(const struct reported_account *account)
{
    for (size_t i = 0; i < account->plan.len; i++) {
        const struct reported_step *step = &account->plan.steps[i];
        if (step->action == PLAN_WAIT &&
            (step->reason == REASON_UNCERTAIN || step->reason == REASON_NO_REPLACEMENT))
            return true;
    }
    return false;
}

bool pass_report_has_difference(const struct reported_account *account)
{
    for (size_t i = 0; i < account->plan.len; i++)
        if (account->plan.steps[i].is_difference)
            return true;
    return false;
}

bool pass_report_is_blocked(const struct reported_account *account)
{
    return account->has_ended && (account->end == PASS_BLOCKED || account->end == PASS_FORBIDDEN ||
                                  account->end == PASS_UNAUTHORIZED);
}
