#include "bridge/app/account_views.h"

#include <stdlib.h>

#include "bridge/base/scoped.h"

/* Subscriptions of a page, all its accounts together, and how many each account has in any case. */
static const size_t subscriptions_max = 2400;
static const size_t subscriptions_min = 24;

/* Slots of a turn, and about as many accounts: at most 1.1 ms, not optimized (measured with 100,000
 * accounts of 3 subscriptions, 2026-11-22). */
static const size_t turn_slots = 1024;

/* --- how an account is ------------------------------------------------------------------------ */

/* By its last pass. */
static enum account_condition condition_of_pass(const struct reconciler_account *account)
{
    switch (account->last.end) {
    case PASS_UNAUTHORIZED:
    case PASS_FORBIDDEN:
    case PASS_BLOCKED:
        return ACCOUNT_IS_BLOCKED;
    case PASS_INVALID:
        return ACCOUNT_IS_INVALID;
    case PASS_UNTRUSTED:
    case PASS_RETRY_LATER:
    case PASS_RECORDS_UNKNOWN:
    case PASS_FAILED:
        return ACCOUNT_IS_FAILING;
    case PASS_NOT_OWNED:
        return ACCOUNT_IS_AWAITED;
    case PASS_COMPLETE:
        break;
    }
    return account->differences > 0 ? ACCOUNT_IS_DRIFTING
           : account->silent > 0    ? ACCOUNT_IS_SILENT
                                    : ACCOUNT_IS_FINE;
}

static enum account_condition condition_of(const struct reconciler_accounts *accounts,
                                           const struct reconciler_account *account)
{
    const struct account_record *record = account->state.record;
    if (!reconciler_accounts_owns(accounts, account->partition))
        return ACCOUNT_IS_ELSEWHERE;
    if (!reconciler_accounts_can_read(account, NULL))
        return ACCOUNT_IS_UNREADABLE;
    if (record != NULL && record->status == ACCOUNT_BLOCKED)
        return ACCOUNT_IS_BLOCKED;
    if (record != NULL && record->status == ACCOUNT_INVALID)
        return ACCOUNT_IS_INVALID;
    return account->last_ended_unix_ms == 0 ? ACCOUNT_IS_AWAITED : condition_of_pass(account);
}

static enum subscription_state state_of(enum route_state state)
{
    switch (state) {
    case ROUTE_PENDING:
        return SUBSCRIPTION_PENDING;
    case ROUTE_ACTIVE:
        return SUBSCRIPTION_ACTIVE;
    case ROUTE_RETIRING:
        return SUBSCRIPTION_RETIRING;
    case ROUTE_RETIRED:
        break;
    }
    return SUBSCRIPTION_RETIRED;
}

static bool is_alive(const struct route_record *r)
{
    return r->state != ROUTE_RETIRED;
}

/* The route that the step is about: of its very generation, or else a living one of the same
 * specification; NULL: there is none, so that what is wanted is missing. */
static const struct route_record *route_of(const struct reconciler_account *account,
                                           const struct reported_step *step)
{
    const struct route_record *alive = NULL;
    for (size_t i = 0; i < account->state.routes_len; i++) {
        const struct route_record *r = account->state.routes[i].record;
        if (!specification_equal(&r->url.specification, &step->specification))
            continue;
        if (r->url.generation_unix_ms == step->generation_unix_ms)
            return r;
        if (is_alive(r))
            alive = r;
    }
    return alive;
}

/* A bit for each state that one of its subscriptions has. */
static unsigned states_of(const struct reconciler_account *account)
{
    unsigned states = 0;
    for (size_t i = 0; i < account->state.routes_len; i++)
        states |= 1U << state_of(account->state.routes[i].record->state);
    for (size_t i = 0; i < account->plan.len; i++)
        if (route_of(account, &account->plan.steps[i]) == NULL)
            states |= 1U << SUBSCRIPTION_MISSING;
    return states;
}

static const char *system_of(const struct reconciler_account *account)
{
    if (account->declared != NULL)
        return account->declared->desired.system;
    return account->state.record == NULL ? NULL : account->state.record->system;
}

static const char *provider_of(const struct reconciler_account *account)
{
    if (account->declared != NULL)
        return account->declared->desired.provider;
    return account->state.record == NULL ? NULL : account->state.record->provider;
}

/* --- which ones are shown ---------------------------------------------------------------------
 */

/* Names the account, which may be gone after the turn. */
struct ranked {
    enum account_condition condition;
    char id[ACCOUNT_ID_MAX + 1];
};

/* The first ones of all that match: a heap with the last of them on top, so that nothing is sorted
 * that no page shows. */
struct account_views {
    struct account_views_options opt;
    struct arena *arena;
    size_t slots_len;  /* when it began */
    size_t slots_seen; /* of them */
    struct view_accounts sum;
    struct ranked *heap;
    size_t len;
    size_t capacity;
};

static int compare_ranked(const void *a, const void *b)
{
    const struct ranked *x = a, *y = b;
    return x->condition != y->condition ? (int)x->condition - (int)y->condition
                                        : strcmp(x->id, y->id);
}

static void swap(struct ranked *a, struct ranked *b)
{
    struct ranked other = *a;
    *a = *b;
    *b = other;
}

static void sift_up(struct ranked *heap, size_t at)
{
    for (; at > 0 && compare_ranked(&heap[at], &heap[(at - 1) / 2]) > 0; at = (at - 1) / 2)
        swap(&heap[at], &heap[(at - 1) / 2]);
}

static void sift_down(struct ranked *heap, size_t len)
{
    for (size_t at = 0, child; (child = 2 * at + 1) < len; at = child) {
        if (child + 1 < len && compare_ranked(&heap[child + 1], &heap[child]) > 0)
            child++;
        if (compare_ranked(&heap[at], &heap[child]) >= 0)
            return;
        swap(&heap[at], &heap[child]);
    }
}

static void choose(struct account_views *v, const struct ranked *ranked)
{
    if (v->len < v->capacity) {
        v->heap[v->len++] = *ranked;
        sift_up(v->heap, v->len - 1);
    } else if (compare_ranked(ranked, &v->heap[0]) < 0) {
        v->heap[0] = *ranked;
        sift_down(v->heap, v->len);
    }
}

/* The chosen ones behind `first`, in their order: the last are on top. */
static size_t take_page(struct account_views *v, size_t first, struct ranked page[FILTER_PAGE_LEN])
{
    size_t len = v->len > first ? v->len - first : 0;
    for (size_t i = len; i > 0; i--) {
        page[i - 1] = v->heap[0];
        v->heap[0] = v->heap[--v->len];
        sift_down(v->heap, v->len);
    }
    return len;
}

/* What is led here, all together; silence as it was judged last. */
static void sum_up_all(struct view_accounts *all, const struct reconciler_account *account)
{
    all->differences += account->differences;
    all->silent += account->silent;
    for (size_t i = 0; i < account->state.routes_len; i++) {
        const struct route_record *r = account->state.routes[i].record;
        int64_t expires = r->expires_at_unix_ms;
        all->subscriptions[state_of(r->state)]++;
        if (r->state == ROUTE_ACTIVE && expires != 0 &&
            (all->soonest_expiry_unix_ms == 0 || expires < all->soonest_expiry_unix_ms))
            all->soonest_expiry_unix_ms = expires;
    }
}

static void look_at(void *ctx, struct reconciler_account *account)
{
    struct account_views *v = ctx;
    const struct filter *f = &v->opt.filter;
    struct ranked ranked = {.condition = condition_of(v->opt.accounts, account)};
    v->sum.all++;
    v->sum.by_condition[ranked.condition]++;
    if (ranked.condition != ACCOUNT_IS_ELSEWHERE)
        sum_up_all(&v->sum, account);
    unsigned states = f->states == 0 ? 0 : states_of(account);
    if (!filter_accepts(f, account->id, system_of(account), ranked.condition, states))
        return;
    v->sum.matching++;
    memcpy(ranked.id, account->id, strlen(account->id) + 1);
    choose(v, &ranked);
}

/* --- copies ----------------------------------------------------------------------------------- */

struct copying {
    const struct account_views_options *opt;
    struct arena *arena;
    bool is_short; /* of memory */
};

static const char *copy(struct copying *c, const char *text)
{
    const char *copied = text == NULL ? NULL : arena_dup(c->arena, bytes_of_text(text));
    c->is_short |= text != NULL && copied == NULL;
    return copied;
}

static const struct view_step *copy_step(struct copying *c, const struct reported_step *step)
{
    struct view_step *s = arena_alloc(c->arena, sizeof(*s));
    if (s == NULL) {
        c->is_short = true;
        return NULL;
    }
    *s = (struct view_step){
        .action = plan_action_name(step->action),
        .reason = plan_reason_text(step->reason),
        .detail = copy(c, step->detail),
        .is_difference = step->is_difference,
        .due_unix_ms = step->due_unix_ms,
    };
    return s;
}

/* A row before it is copied: a route with what is to be done about it, or what is missing. */
struct row {
    const struct specification *specification;
    const struct route_record *route; /* NULL: it is missing */
    const struct reported_step *step; /* NULL: nothing is to be done */
};

/* By specification; first what is missing, then the newest generation. */
static int compare_rows(const void *a, const void *b)
{
    const struct row *x = a, *y = b;
    int order = strcmp(x->specification->resource, y->specification->resource);
    if (order == 0)
        order = strcmp(x->specification->event, y->specification->event);
    if (order != 0)
        return order;
    if (x->route == NULL || y->route == NULL)
        return (x->route != NULL) - (y->route != NULL);
    int64_t left = x->route->url.generation_unix_ms, right = y->route->url.generation_unix_ms;
    return (left < right) - (left > right);
}

/* Of two steps the one that is a difference says more. */
static void attach(struct row *row, const struct reported_step *step)
{
    if (row->step == NULL || (step->is_difference && !row->step->is_difference))
        row->step = step;
}

/* Fills rows, of which there is room for every route and every step; returns how many there are. */
static size_t gather_rows(const struct reconciler_account *account, struct row rows[])
{
    size_t routes_len = account->state.routes_len, len = routes_len;
    for (size_t i = 0; i < routes_len; i++) {
        const struct route_record *r = account->state.routes[i].record;
        rows[i] = (struct row){&r->url.specification, r, NULL};
    }
    for (size_t s = 0; s < account->plan.len; s++) {
        const struct reported_step *step = &account->plan.steps[s];
        const struct route_record *r = route_of(account, step);
        if (r == NULL)
            rows[len++] = (struct row){&step->specification, NULL, step};
        for (size_t i = 0; r != NULL && i < routes_len; i++)
            if (rows[i].route == r)
                attach(&rows[i], step);
    }
    qsort(rows, len, sizeof(*rows), compare_rows);
    return len;
}

static void copy_row(struct copying *c, const struct row *row, struct view_subscription *ret)
{
    const struct route_record *r = row->route;
    int64_t heard =
        c->opt->last_events == NULL ? 0 : last_events_of(c->opt->last_events, row->specification);
    *ret = (struct view_subscription){
        .resource = copy(c, row->specification->resource),
        .event = copy(c, row->specification->event),
        .last_event_unix_ms = heard,
        .step = row->step == NULL ? NULL : copy_step(c, row->step),
    };
    if (r == NULL)
        return;
    ret->state = state_of(r->state);
    ret->created_at_unix_ms = r->created_at_unix_ms;
    ret->expires_at_unix_ms = r->expires_at_unix_ms;
    ret->is_silent = c->opt->last_events != NULL &&
                     route_record_is_silent(r, heard, c->opt->silent_after_ms, c->opt->now_unix_ms);
}

/* What the line of the account says of all of its subscriptions. */
static void sum_up(struct view_account *a, const struct view_subscription *s)
{
    a->by_state[s->state]++;
    a->silent += s->is_silent;
    if (s->state == SUBSCRIPTION_ACTIVE && s->expires_at_unix_ms != 0 &&
        (a->soonest_expiry_unix_ms == 0 || s->expires_at_unix_ms < a->soonest_expiry_unix_ms))
        a->soonest_expiry_unix_ms = s->expires_at_unix_ms;
    if (s->last_event_unix_ms > a->last_event_unix_ms)
        a->last_event_unix_ms = s->last_event_unix_ms;
}

static void rows_free(struct row *rows)
{
    free(rows);
}

DEFINE_CLEANUP(struct row *, rows_free)

static void copy_subscriptions(struct copying *c, const struct reconciler_account *account,
                               size_t max, struct view_account *ret)
{
    size_t room = account->state.routes_len + account->plan.len;
    if (room == 0)
        return;
    CLEANUP(rows_free_scoped) struct row *rows = calloc(room, sizeof(*rows));
    struct view_subscription *copies = arena_alloc(c->arena, room * sizeof(*copies));
    if (rows == NULL || copies == NULL) {
        c->is_short = true;
        return;
    }
    ret->subscriptions_all = gather_rows(account, rows);
    for (size_t i = 0; i < ret->subscriptions_all; i++) {
        copy_row(c, &rows[i], &copies[i]);
        sum_up(ret, &copies[i]);
    }
    ret->subscriptions = copies;
    ret->subscriptions_len = ret->subscriptions_all < max ? ret->subscriptions_all : max;
}

static const char *reason_of(struct copying *c, const struct reconciler_account *account,
                             enum account_condition condition)
{
    const struct account_record *record = account->state.record;
    struct diag why = {0};
    switch (condition) {
    case ACCOUNT_IS_BLOCKED:
    case ACCOUNT_IS_INVALID:
        if (record != NULL && record->status != ACCOUNT_OK && record->reason != NULL)
            return copy(c, record->reason);
        break;
    case ACCOUNT_IS_UNREADABLE:
        (void)reconciler_accounts_can_read(account, &why);
        return copy(c, why.text);
    case ACCOUNT_IS_FAILING:
        break;
    case ACCOUNT_IS_DRIFTING:
    case ACCOUNT_IS_SILENT:
    case ACCOUNT_IS_AWAITED:
    case ACCOUNT_IS_FINE:
    case ACCOUNT_IS_ELSEWHERE:
        return NULL;
    }
    return account->last.reason.text[0] == '\0' ? NULL : copy(c, account->last.reason.text);
}

static void copy_account(struct copying *c, const struct reconciler_account *account,
                         enum account_condition condition, size_t max, struct view_account *ret)
{
    const struct account_record *record = account->state.record;
    bool has_passed = account->last_ended_unix_ms != 0;
    *ret = (struct view_account){
        .id = copy(c, account->id),
        .provider = copy(c, provider_of(account)),
        .system = copy(c, system_of(account)),
        .is_declared = account->declared != NULL,
        .condition = condition,
        .reason = reason_of(c, account, condition),
        .since_unix_ms =
            record == NULL || record->status == ACCOUNT_OK ? 0 : record->status_since_unix_ms,
        .pass_result = has_passed ? pass_end_name(account->last.end) : NULL,
        .passed_at_unix_ms = account->last_ended_unix_ms,
        .differences = account->differences,
    };
    if (account->slot.position != 0)
        ret->next_pass_unix_ms =
            c->opt->now_unix_ms + account->slot.due_mono_ms - c->opt->now_mono_ms;
    copy_subscriptions(c, account, max, ret);
}

static void copy_page(struct copying *c, const struct ranked page[], size_t len,
                      struct view_accounts *ret)
{
    struct view_account *items = arena_alloc(c->arena, len * sizeof(*items));
    if (items == NULL) {
        c->is_short = true;
        return;
    }
    size_t max = subscriptions_max / len;
    if (max < subscriptions_min)
        max = subscriptions_min;
    size_t items_len = 0;
    for (size_t i = 0; i < len; i++) {
        const struct reconciler_account *account =
            reconciler_accounts_find(c->opt->accounts, page[i].id);
        if (account != NULL) /* it has not gone since */
            copy_account(c, account, page[i].condition, max, &items[items_len++]);
    }
    ret->items = items;
    ret->items_len = items_len;
}

/* --- all of it -------------------------------------------------------------------------------- */

static enum status tell_scope(const struct reconciler_accounts *accounts, struct arena *arena,
                              struct view_accounts *ret)
{
    int32_t partitions = reconciler_accounts_partitions(accounts), led = 0, owned = 0;
    for (int32_t p = 0; p < partitions; p++) {
        led += reconciler_accounts_leads(accounts, p);
        owned += reconciler_accounts_owns(accounts, p);
    }
    if (owned == partitions && led == owned)
        return STATUS_OK;
    ret->scope = arena_printf(arena,
                              "This replica has %d of the registry's %d partitions and leads %d of "
                              "them; accounts of the others are shown as elsewhere.",
                              (int)owned, (int)partitions, (int)led);
    return ret->scope == NULL ? STATUS_NOMEM : STATUS_OK;
}

enum status account_views_new(const struct account_views_options *opt, struct arena *arena,
                              struct account_views **ret)
{
    struct account_views *v = calloc(1, sizeof(*v));
    if (v == NULL)
        return STATUS_NOMEM;
    v->opt = *opt;
    v->arena = arena;
    v->slots_len = reconciler_accounts_slots(opt->accounts);
    size_t first = (size_t)opt->filter.page * FILTER_PAGE_LEN;
    size_t len = reconciler_accounts_len(opt->accounts);
    v->capacity = (len < first ? len : first) + FILTER_PAGE_LEN;
    v->heap = calloc(v->capacity, sizeof(*v->heap));
    if (v->heap == NULL) {
        free(v);
        return STATUS_NOMEM;
    }
    *ret = v;
    return STATUS_OK;
}

void account_views_free(struct account_views *v)
{
    if (v == NULL)
        return;
    free(v->heap);
    free(v);
}

/* When there are more slots the accounts have moved. Each time there are twice as many, so that it
 * comes to an end. */
static void begin_anew(struct account_views *v)
{
    v->slots_len = reconciler_accounts_slots(v->opt.accounts);
    v->slots_seen = 0;
    v->sum = (struct view_accounts){.all = 0};
    v->len = 0;
}

static enum status fill(struct account_views *v, struct view_accounts *ret)
{
    struct ranked page[FILTER_PAGE_LEN];
    struct copying copying = {&v->opt, v->arena, false};
    *ret = v->sum;
    size_t len = take_page(v, (size_t)v->opt.filter.page * FILTER_PAGE_LEN, page);
    if (len > 0)
        copy_page(&copying, page, len, ret);
    return copying.is_short ? STATUS_NOMEM : tell_scope(v->opt.accounts, v->arena, ret);
}

enum status account_views_turn(struct account_views *v, struct view_accounts *ret)
{
    if (v->slots_len != reconciler_accounts_slots(v->opt.accounts))
        begin_anew(v);
    reconciler_accounts_each_of(v->opt.accounts, v->slots_seen, turn_slots, look_at, v);
    v->slots_seen += turn_slots;
    return v->slots_seen < v->slots_len ? STATUS_BUSY : fill(v, ret);
}
