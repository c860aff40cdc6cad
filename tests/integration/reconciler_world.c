#include "tests/integration/reconciler_world.h"

#include <assert.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "bridge/base/secret.h"

/* --- chance ---------------------------------------------------------------------------------- */

/* Source: splitmix64, Sebastiano Vigna, public domain. */
uint64_t chance_next(struct chance *c)
{
    uint64_t z = (c->state += 0x9e3779b97f4a7c15u);
    z = (z ^ (z >> 30)) * 0xbf58476d1ce4e5b9u;
    z = (z ^ (z >> 27)) * 0x94d049bb133111ebu;
    return z ^ (z >> 31);
}

unsigned chance_below(struct chance *c, unsigned limit)
{
    return (unsigned)(chance_next(c) % limit);
}

bool chance_one_in(struct chance *c, unsigned n)
{
    return chance_below(c, n) == 0;
}

static bool fault(struct world *w, unsigned n)
{
    return w->has_faults && chance_one_in(&w->chance, n);
}

/* --- telling ---------------------------------------------------------------------------------- */

void world_trace(const struct world *w, const char *format, ...)
{
    if (!w->is_traced)
        return;
    va_list args;
    va_start(args, format);
    printf("%9lld  ", (long long)(w->now_unix_ms / 1000 % 1000000000));
    vprintf(format, args);
    printf("\n");
    va_end(args);
}

void world_violate(struct world *w, const char *promise, const char *format, ...)
{
    if (w->violated != NULL || (w->only != NULL && strcmp(w->only, promise) != 0))
        return;
    w->violated = promise;
    va_list args;
    va_start(args, format);
    vsnprintf(w->detail, sizeof(w->detail), format, args);
    va_end(args);
    world_trace(w, "VIOLATED %s: %s", promise, w->detail);
}

static void run_program(const struct world *w, bool is_running)
{
    if (w->on_program != NULL)
        w->on_program(is_running);
}

/* --- what there is ---------------------------------------------------------------------------- */

static const char *const resources[WORLD_SPECIFICATIONS] = {"invoice", "customer", "payment",
                                                            "item"};
static const char *const event_names[WORLD_EVENTS] = {"contact_changed", "contact_created",
                                                      "payment_registered"};

const char *world_company(const char *text)
{
    static const char *const companies[] = {"1", "2"};
    for (size_t i = 0; text != NULL && i < 2; i++) {
        if (strcmp(text, companies[i]) == 0)
            return companies[i];
    }
    return NULL;
}

static const char *provider_of(const struct world *w)
{
    return w->is_native ? "moneybird" : "maesn";
}

void world_specification(const struct world *w, const struct world_account *a, unsigned index,
                         struct specification *ret)
{
    bool ok =
        specification_set(ret, provider_of(w), a->id, w->is_native ? NULL : resources[index], NULL);
    assert(ok);
}

static unsigned index_of(const struct world *w, const struct specification *s)
{
    for (unsigned i = 0; i < WORLD_SPECIFICATIONS && !w->is_native; i++) {
        if (strcmp(s->resource, resources[i]) == 0)
            return i;
    }
    return 0;
}

static unsigned specifications(const struct world *w)
{
    return w->is_native ? 1 : WORLD_SPECIFICATIONS;
}

void world_init(struct world *w, uint64_t seed, struct keyring *keys)
{
    *w = (struct world){.chance = {seed * 0x2545f4914f6cdd1du + 1}, .keys = keys};
    w->now_unix_ms = 1795000000000;
    w->bases[0] = "https://hooks.example.com";
    w->bases[1] = "https://old.example.com/bridge";
    w->options = (struct reconciler_options){
        .policy = POLICY_SYNC,
        .interval_ms = 900 * 1000,
        .overlap_ms = 60 * 1000,
        .retire_grace_ms = 86400 * 1000,
        .pending_ttl_ms = 600 * 1000,
        .delete_delay_ms = 600 * 1000,
        .second_look_ms = 30 * 1000,
        .blocked_retry_ms = 3600 * 1000,
        .bases = w->bases,
        .bases_len = 2,
        .route_keys = keys,
    };
    for (unsigned i = 0; i < WORLD_ACCOUNTS; i++) {
        struct world_account *a = &w->accounts[i];
        snprintf(a->id, sizeof(a->id), "acme-%u", i);
        snprintf(a->key, sizeof(a->key), "key-%u", i);
        a->key_group = i;
        a->is_declared = true;
        account_state_init(&a->state);
    }
}

void world_done(struct world *w)
{
    for (size_t i = 0; i < w->routes_len; i++)
        route_record_free(w->routes[i].record);
    for (unsigned i = 0; i < WORLD_ACCOUNTS; i++) {
        account_record_free(w->accounts[i].record);
        account_state_done(&w->accounts[i].state);
        route_record_free(w->accounts[i].elsewhere);
    }
}

static void read_records(struct world *w, struct world_account *a)
{
    for (size_t i = 0; i < w->routes_len; i++) {
        const struct route_record *r = w->routes[i].record;
        if (r == NULL || strcmp(r->url.specification.account, a->id) != 0)
            continue;
        enum status status = account_state_take_route(&a->state, route_record_copy(r));
        assert(status == STATUS_OK);
    }
    account_state_take_account(&a->state,
                               a->record == NULL ? NULL : account_record_copy(a->record));
    world_trace(w, "%s: its records are read, %zu routes", a->id, a->state.routes_len);
}

void world_restart(struct world *w, struct world_account *a)
{
    account_state_done(&a->state);
    account_state_init(&a->state);
    a->unsaved_secret[0] = '\0';
    read_records(w, a);
}

/* The process reads the records anew, which may have had another owner; what only it knows it still
 * does. */
static void lead_again_take(struct world *w, struct world_account *a, struct route_record *unsaved)
{
    account_state_done(&a->state);
    account_state_init(&a->state);
    a->state.unsaved = unsaved;
    read_records(w, a);
}

/* The end of a commit was unknown: the partition comes back at once, or another process has it for
 * a while. */
static void lose_partition(struct world *w, struct world_account *a)
{
    struct route_record *unsaved = a->state.unsaved;
    a->state.unsaved = NULL;
    if (a->elsewhere == NULL && chance_one_in(&w->chance, 4)) {
        a->elsewhere = unsaved;
        world_restart(w, a);
    } else {
        lead_again_take(w, a, unsaved);
    }
}

static void come_back(struct world *w, struct world_account *a)
{
    if (a->elsewhere == NULL || !chance_one_in(&w->chance, 3))
        return;
    world_trace(w, "%s: its former owner is back", a->id);
    a->unsaved_secret[0] = '\0'; /* of the one in between */
    lead_again_take(w, a, a->elsewhere);
    a->elsewhere = NULL;
}

void world_url(struct world *w, const struct callback_url *u, const char *base, char ret[320])
{
    struct buf url;
    buf_init(&url, 319);
    enum status status = callback_url_text(u, base, w->keys, &url);
    assert(status == STATUS_OK);
    snprintf(ret, 320, "%s", buf_text(&url));
    buf_done(&url);
}

static struct callback_url_match recognise(const struct world *w, const char *url)
{
    struct callback_url_match match = {0};
    enum status status =
        callback_url_match(url, w->options.bases, w->options.bases_len, w->keys, &match);
    assert(status == STATUS_OK);
    return match;
}

static void set_url(struct world *w, struct subscription *s, const char *url)
{
    struct callback_url_match match = recognise(w, url);
    snprintf(s->url, sizeof(s->url), "%s", url);
    s->is_ours = match.ours;
    s->match = match.url;
}

static void set_expiry(const struct world *w, struct subscription *s)
{
    const int64_t day_ms = 86400 * 1000;
    if (w->expiry == 1 || w->expiry == 2) {
        s->expires_at_unix_ms = w->now_unix_ms + (w->expiry == 1 ? 3 : 365) * day_ms;
        s->dies_at_unix_ms = s->expires_at_unix_ms;
    } else if (w->expiry == 3) {
        s->expires_at_unix_ms = w->now_unix_ms - day_ms;
    }
}

struct subscription *world_subscribe(struct world *w, unsigned key_group, const char *url,
                                     const char *company_id, unsigned events)
{
    assert(w->subscriptions_len < WORLD_SUBSCRIPTIONS);
    struct subscription *s = &w->subscriptions[w->subscriptions_len++];
    *s = (struct subscription){
        .key_group = key_group,
        .company_id = company_id,
        .born_at_unix_ms = w->now_unix_ms,
        .events = events,
        .expires_at_unix_ms = PROVIDER_TIME_UNKNOWN,
    };
    snprintf(s->id, sizeof(s->id), "id-%u", w->ids);
    snprintf(s->secret, sizeof(s->secret), "secret-%u", w->ids++);
    set_url(w, s, url);
    set_expiry(w, s);
    return s;
}

static bool is_alive(const struct world *w, const struct subscription *s)
{
    return !s->is_dead && s->born_at_unix_ms <= w->now_unix_ms;
}

void world_advance(struct world *w, int64_t ms)
{
    w->now_unix_ms += ms;
    for (size_t i = 0; i < w->subscriptions_len; i++) {
        struct subscription *s = &w->subscriptions[i];
        if (s->dies_at_unix_ms != 0 && s->dies_at_unix_ms <= w->now_unix_ms && !s->is_dead) {
            s->is_dead = true;
            world_trace(w, "provider: %s expires", s->id);
        }
    }
}

static struct subscription *find_subscription(struct world *w, const char *id)
{
    for (size_t i = 0; i < w->subscriptions_len; i++) {
        if (strcmp(w->subscriptions[i].id, id) == 0)
            return &w->subscriptions[i];
    }
    return NULL;
}

/* Whose it is, by its URL alone; NULL: not ours. */
static struct world_account *owner(struct world *w, const char *url, struct callback_url_match *ret)
{
    struct callback_url_match match = recognise(w, url);
    if (ret != NULL)
        *ret = match;
    for (unsigned i = 0; match.ours && i < WORLD_ACCOUNTS; i++) {
        if (strcmp(match.url.specification.account, w->accounts[i].id) == 0)
            return &w->accounts[i];
    }
    return NULL;
}

static struct world_route *find_route(struct world *w, const struct callback_url *u)
{
    for (size_t i = 0; i < w->routes_len; i++) {
        const struct route_record *r = w->routes[i].record;
        if (r != NULL && r->url.generation_unix_ms == u->generation_unix_ms &&
            specification_equal(&r->url.specification, &u->specification))
            return &w->routes[i];
    }
    return NULL;
}

/* Whether the registry can verify what this subscription sends, for so long at least. */
static bool is_verifiable(const struct world *w, const struct subscription *s, int64_t for_ms)
{
    for (size_t i = 0; i < w->routes_len; i++) {
        const struct route_record *r = w->routes[i].record;
        if (r == NULL || r->state == ROUTE_PENDING || r->secret == NULL || r->provider_id == NULL ||
            strcmp(r->secret, s->secret) != 0 || strcmp(r->provider_id, s->id) != 0)
            continue;
        if (s->is_ours && s->match.generation_unix_ms == r->url.generation_unix_ms &&
            w->routes[i].secret_since_unix_ms + for_ms <= w->now_unix_ms)
            return true;
    }
    return false;
}

static bool is_of_specification(const struct subscription *s, const struct specification *spec)
{
    return s->is_ours && specification_equal(&s->match.specification, spec);
}

bool world_is_covered(const struct world *w, const struct world_account *a, unsigned specification,
                      int64_t for_ms)
{
    struct specification spec;
    world_specification(w, a, specification, &spec);
    for (size_t i = 0; i < w->subscriptions_len; i++) {
        const struct subscription *s = &w->subscriptions[i];
        if (is_alive(w, s) && is_of_specification(s, &spec) && is_verifiable(w, s, for_ms))
            return true;
    }
    return false;
}

/* --- the registry ------------------------------------------------------------------------------
 */

static void put_route(struct world *w, const struct route_record *r, bool is_tombstone)
{
    struct world_route *route = find_route(w, &r->url);
    if (route == NULL) {
        if (is_tombstone)
            return;
        for (size_t i = 0; i < w->routes_len && route == NULL; i++) {
            if (w->routes[i].record == NULL)
                route = &w->routes[i];
        }
        if (route == NULL) {
            assert(w->routes_len < WORLD_ROUTES);
            route = &w->routes[w->routes_len++];
        }
        *route = (struct world_route){0};
    }
    bool had_secret = route->record != NULL && route->record->secret != NULL;
    route_record_free(route->record);
    route->record = is_tombstone ? NULL : route_record_copy(r);
    if (!had_secret && r->secret != NULL)
        route->secret_since_unix_ms = w->now_unix_ms;
}

/* An active route that is declared gone was missing from two trusted lists far enough apart. */
static void check_gone(struct world *w, const struct route_record *r)
{
    const struct world_route *old = find_route(w, &r->url);
    if (old == NULL || old->record->state != ROUTE_ACTIVE || r->state != ROUTE_RETIRED)
        return;
    const struct subscription *s = find_subscription(w, r->provider_id);
    char url[320];
    world_url(w, &r->url, r->public_base_url, url);
    if (s == NULL || strcmp(s->url, url) != 0) /* moved, by a POST that was merged */
        return;
    size_t i = (size_t)(s - w->subscriptions);
    if ((!w->account->is_hidden[i] || w->account->hidden_since_unix_ms[i] == 0 ||
         w->now_unix_ms - w->account->hidden_since_unix_ms[i] < w->options.second_look_ms))
        world_violate(w, "second-look", "%s was declared gone", r->provider_id);
}

static void apply_commit(struct world *w)
{
    struct world_account *a = w->account;
    bool was_covered[WORLD_SPECIFICATIONS];
    for (unsigned i = 0; i < specifications(w); i++)
        was_covered[i] = world_is_covered(w, a, i, 0);
    for (size_t i = 0; i < w->waiting.routes_len; i++) {
        const struct route_record *r = w->waiting.routes[i];
        world_trace(w, "%s: commits %s %s %lld %s", a->id,
                    w->waiting.is_tombstone[i] ? "tombstone" : route_record_state_name(r->state),
                    r->url.specification.resource, (long long)r->url.generation_unix_ms,
                    r->provider_id == NULL ? "" : r->provider_id);
        if (!w->waiting.is_tombstone[i])
            check_gone(w, r);
        put_route(w, r, w->waiting.is_tombstone[i]);
        if (r->secret != NULL && strcmp(r->secret, a->unsaved_secret) == 0)
            a->unsaved_secret[0] = '\0';
    }
    if (w->waiting.account != NULL) {
        account_record_free(a->record);
        a->record =
            w->waiting.is_account_tombstone ? NULL : account_record_copy(w->waiting.account);
        world_trace(w, "%s: commits its account: %s", a->id,
                    a->record == NULL ? "tombstone"
                                      : account_record_status_name(a->record->status));
    }
    for (unsigned i = 0; i < specifications(w); i++) {
        if (was_covered[i] && !world_is_covered(w, a, i, 0))
            world_violate(w, "secrets-lost", "a commit forgot the last secret of %s %u", a->id, i);
    }
}

static void clear_waiting(struct world *w)
{
    for (size_t i = 0; i < w->waiting.routes_len; i++)
        route_record_free(w->waiting.routes[i]);
    account_record_free(w->waiting.account);
    memset(&w->waiting, 0, sizeof(w->waiting));
}

static bool writer_may_act(void *ctx, const char *account)
{
    struct world *w = ctx;
    (void)account;
    w->may_act = !fault(w, 40);
    return w->may_act;
}

static enum status writer_commit(void *ctx, const char *account,
                                 const struct registry_change changes[], size_t len,
                                 registry_committed_fn *on_done, void *done_ctx)
{
    struct world *w = ctx;
    run_program(w, false);
    assert(strcmp(account, w->account->id) == 0 && !w->waiting.is_set && len > 0);
    w->commits++;
    w->waiting.is_set = true;
    w->waiting.is_commit = true;
    w->waiting.on_committed = on_done;
    w->waiting.done_ctx = done_ctx;
    for (size_t i = 0; i < len; i++) {
        if (changes[i].account != NULL) {
            w->waiting.account = account_record_copy(changes[i].account);
            w->waiting.is_account_tombstone = changes[i].is_tombstone;
            continue;
        }
        assert(w->waiting.routes_len < 64);
        w->waiting.is_tombstone[w->waiting.routes_len] = changes[i].is_tombstone;
        w->waiting.routes[w->waiting.routes_len++] = route_record_copy(changes[i].route);
    }
    run_program(w, true);
    return STATUS_OK;
}

static void port_cancel(void *ctx, void *done_ctx)
{
    struct world *w = ctx;
    assert(w->waiting.is_set && w->waiting.done_ctx == done_ctx);
    clear_waiting(w);
}

/* --- the provider ------------------------------------------------------------------------------
 */

static enum status calls_start(void *ctx, const struct provider_call *call, call_done_fn *on_done,
                               void *done_ctx, struct diag *diag)
{
    (void)diag;
    struct world *w = ctx;
    struct world_account *a = w->account;
    assert(!w->waiting.is_set && strcmp(call->account, a->id) == 0);
    if (!w->may_act)
        world_violate(w, "ownership", "%s: a call by who may not be the owner any more", a->id);
    w->may_act = false;
    if (a->unsaved_secret[0] != '\0')
        world_violate(w, "secrets-lost", "%s: a call before %s was committed", a->id,
                      a->unsaved_secret);
    w->waiting.is_set = true;
    w->waiting.kind = call->kind;
    w->waiting.on_done = on_done;
    w->waiting.done_ctx = done_ctx;
    w->waiting.company_id = world_company(call->company_id);
    if (call->id != NULL)
        snprintf(w->waiting.id, sizeof(w->waiting.id), "%s", call->id);
    if (call->kind == CALL_CREATE) {
        snprintf(w->waiting.url, sizeof(w->waiting.url), "%s", call->callback_url);
        w->waiting.specification = index_of(w, &call->wanted->specification);
        for (unsigned i = 0; i < WORLD_EVENTS; i++) {
            for (size_t k = 0; k < call->wanted->enabled_events_len; k++)
                w->waiting.events |= (strcmp(call->wanted->enabled_events[k], event_names[i]) == 0)
                                     << i;
        }
    }
    return STATUS_OK;
}

static void answer(struct world *w, struct call_result *result, enum provider_verdict verdict)
{
    static const char *const kinds[] = {"GET", "POST", "DELETE", "PATCH"};
    result->outcome.verdict = verdict;
    world_trace(w, "%s: %s %s%s%s %s: %s", w->account->id, kinds[w->waiting.kind], w->waiting.id,
                w->waiting.url, w->waiting.company_id == NULL ? "" : w->waiting.company_id,
                result->is_unsent ? "(unsent)" : "", provider_verdict_name(verdict));
    call_done_fn *on_done = w->waiting.on_done;
    void *done_ctx = w->waiting.done_ctx;
    clear_waiting(w);
    run_program(w, true);
    on_done(done_ctx, result);
    run_program(w, false);
}

/* The faults that any call can meet before it does anything. Returns true if one was answered. */
static bool fails_early(struct world *w)
{
    struct call_result result = {0};
    if (fault(w, 30)) {
        result.is_unsent = true;
        answer(w, &result, VERDICT_RETRY_LATER);
    } else if (fault(w, 40)) {
        result.retry_at_unix_ms = w->now_unix_ms + 1000 * chance_below(&w->chance, 100);
        answer(w, &result, VERDICT_RETRY_LATER);
    } else if (fault(w, 50)) {
        answer(w, &result, VERDICT_UNAUTHORIZED);
    } else if (fault(w, 60)) {
        answer(w, &result, VERDICT_FORBIDDEN);
    } else {
        return false;
    }
    return true;
}

static void serve_untrusted(struct world *w)
{
    struct listing_entry entries[WORLD_SUBSCRIPTIONS];
    struct listing listing = {.entries = entries};
    struct call_result result = {.listing = &listing};
    for (size_t i = 0; i < w->subscriptions_len; i++) {
        struct subscription *s = &w->subscriptions[i];
        if (is_alive(w, s) && s->key_group == w->account->key_group && chance_one_in(&w->chance, 2))
            entries[listing.len++] = (struct listing_entry){
                .id = s->id, .callback_url = s->url, .expires_at_unix_ms = s->expires_at_unix_ms};
    }
    answer(w, &result, chance_one_in(&w->chance, 2) ? VERDICT_UNTRUSTED : VERDICT_AMBIGUOUS);
}

static void look_for_uncertain(struct world *w, const struct listing *listing)
{
    struct world_account *a = w->account;
    for (unsigned i = 0; i < WORLD_SPECIFICATIONS; i++) {
        for (size_t k = 0; k < listing->len; k++) {
            if (strcmp(listing->entries[k].callback_url, a->uncertain[i].url) == 0)
                a->uncertain[i].url[0] = '\0';
        }
        if (a->uncertain[i].company_id != w->waiting.company_id)
            continue;
        a->uncertain[i].last_unix_ms = w->now_unix_ms;
        if (a->uncertain[i].first_unix_ms == 0)
            a->uncertain[i].first_unix_ms = w->now_unix_ms;
    }
}

static void serve_list(struct world *w)
{
    struct world_account *a = w->account;
    struct listing_entry entries[WORLD_SUBSCRIPTIONS];
    const char *events[WORLD_SUBSCRIPTIONS][WORLD_EVENTS];
    struct listing listing = {.trusted = true, .entries = entries};
    struct call_result result = {.listing = &listing};
    w->lists++;
    if (fails_early(w))
        return;
    if (fault(w, 15)) { /* cut off, an error, a page of HTML: no list, or a part of one */
        serve_untrusted(w);
        return;
    }
    bool is_empty = fault(w, 40); /* well-formed, and wrong */
    for (size_t i = 0; i < w->subscriptions_len; i++) {
        const struct subscription *s = &w->subscriptions[i];
        bool is_in_company =
            s->company_id == w->waiting.company_id || (!w->filters_company && !w->is_native);
        bool is_listed = is_alive(w, s) && s->key_group == a->key_group && is_in_company;
        if (is_listed && (is_empty || fault(w, 60)))
            is_listed = false;
        if (!is_listed) {
            a->is_hidden[i] |= is_in_company;
            if (is_in_company && a->hidden_since_unix_ms[i] == 0)
                a->hidden_since_unix_ms[i] = w->now_unix_ms;
            continue;
        }
        a->is_shown[i] = true;
        a->is_hidden[i] = false;
        struct listing_entry *entry = &entries[listing.len];
        *entry = (struct listing_entry){
            .id = s->id,
            .callback_url = s->url,
            .expires_at_unix_ms = s->expires_at_unix_ms,
            .is_deactivated = s->is_deactivated,
        };
        if (w->is_native) {
            entry->enabled_events = events[listing.len];
            for (unsigned k = 0; k < WORLD_EVENTS; k++) {
                if (s->events & 1u << k)
                    entry->enabled_events[entry->enabled_events_len++] = event_names[k];
            }
        }
        listing.len++;
    }
    a->is_unlisted = false;
    look_for_uncertain(w, &listing);
    answer(w, &result, VERDICT_OK);
}

/* The intent of every call but a list is in the registry when it leaves. */
static void check_intent(struct world *w, const char *url, const char *id)
{
    bool is_post = id == NULL;
    struct callback_url_match match;
    struct world_account *a = owner(w, url, &match);
    const struct world_route *route = a == NULL ? NULL : find_route(w, &match.url);
    bool is_fine = false;
    if (route != NULL && is_post)
        is_fine = route->record->state == ROUTE_PENDING;
    else if (route != NULL) /* or a second id on the URL of one that stays */
        is_fine =
            route->record->state == ROUTE_RETIRING ||
            (route->record->state == ROUTE_ACTIVE && strcmp(route->record->provider_id, id) != 0);
    if (!is_fine)
        world_violate(w, "intent-first", "%s %s", is_post ? "POST" : "DELETE", url);
}

static struct subscription *create(struct world *w)
{
    struct world_account *a = w->account;
    struct specification spec;
    world_specification(w, a, w->waiting.specification, &spec);
    for (size_t i = 0; w->merges && i < w->subscriptions_len; i++) {
        struct subscription *s = &w->subscriptions[i];
        if (is_alive(w, s) && s->key_group == a->key_group && !s->is_foreign &&
            s->company_id == w->waiting.company_id && is_of_specification(s, &spec)) {
            set_url(w, s, w->waiting.url);
            snprintf(s->secret, sizeof(s->secret), "secret-%u", w->ids++);
            set_expiry(w, s);
            return s;
        }
    }
    return world_subscribe(w, a->key_group, w->waiting.url, w->waiting.company_id,
                           w->waiting.events);
}

/* A POST neither follows an ambiguous one without a list, nor, of the same specification, one that
 * was not missing from two lists. */
static void check_post(struct world *w)
{
    struct world_account *a = w->account;
    unsigned i = w->waiting.specification;
    if (a->is_unlisted)
        world_violate(w, "list-first", "%s: a POST after an ambiguous one", a->id);
    if (a->uncertain[i].url[0] != '\0' && a->uncertain[i].company_id == w->waiting.company_id &&
        (a->uncertain[i].first_unix_ms == 0 ||
         a->uncertain[i].last_unix_ms - a->uncertain[i].first_unix_ms < w->options.second_look_ms))
        world_violate(w, "second-look", "%s: a POST while %s may be there", a->id,
                      a->uncertain[i].url);
    check_intent(w, w->waiting.url, NULL);
}

/* What a POST did, of which nobody hears: nothing, or it was made, now or later, or twice. */
static void create_unheard(struct world *w)
{
    w->account->is_unlisted = true;
    snprintf(w->account->uncertain[w->waiting.specification].url, 320, "%s", w->waiting.url);
    w->account->uncertain[w->waiting.specification].company_id = w->waiting.company_id;
    w->account->uncertain[w->waiting.specification].first_unix_ms = 0;
    switch (chance_below(&w->chance, 4)) {
    case 0:
        break;
    case 1:
        create(w);
        break;
    case 2:
        if (!w->merges)
            create(w)->born_at_unix_ms = w->now_unix_ms + 1000 * chance_below(&w->chance, 90);
        break;
    case 3:
        create(w);
        if (!w->merges)
            create(w);
        break;
    }
}

static void serve_create(struct world *w)
{
    struct world_account *a = w->account;
    struct call_result result = {0};
    w->posts++;
    check_post(w);
    if (fails_early(w))
        return;
    if (fault(w, 40)) {
        answer(w, &result, chance_one_in(&w->chance, 2) ? VERDICT_REFUSED : VERDICT_NOT_FOUND);
        return;
    }
    if (fault(w, 6)) {
        create_unheard(w);
        answer(w, &result, VERDICT_AMBIGUOUS);
        return;
    }
    struct subscription *s = create(w);
    if (fault(w, 20) && !w->merges)
        create(w); /* a proxy has sent it twice */
    struct created created = {.entry = {
                                  .id = s->id,
                                  .callback_url = s->url,
                                  .expires_at_unix_ms = s->expires_at_unix_ms,
                              }};
    result.created = &created;
    a->is_shown[s - w->subscriptions] = true; /* by this answer */
    if (fault(w, 25)) {
        answer(w, &result, VERDICT_NO_SECRET);
        return;
    }
    enum status status = secret_new(bytes_of_text(s->secret), &created.secret, NULL);
    assert(status == STATUS_OK);
    snprintf(a->unsaved_secret, sizeof(a->unsaved_secret), "%s", s->secret);
    answer(w, &result, VERDICT_OK);
    secret_unref(created.secret);
}

/* Whether this subscription may be deleted now: what the bridge promises of every DELETE. */
static void check_delete(struct world *w, const struct subscription *s)
{
    struct world_account *a = w->account;
    struct callback_url_match match;
    if (s->is_foreign || owner(w, s->url, &match) != a) {
        world_violate(w, "foreign", "%s: DELETE %s %s", a->id, s->id, s->url);
        return;
    }
    if (!a->is_shown[s - w->subscriptions])
        world_violate(w, "trusted-list", "%s: DELETE %s, which no list showed", a->id, s->id);
    check_intent(w, s->url, s->id);
    if (!is_alive(w, s) || !is_verifiable(w, s, 0))
        return;
    unsigned spec = index_of(w, &match.url.specification);
    struct subscription *gone = (struct subscription *)s;
    gone->is_dead = true;
    bool is_wanted = a->is_declared && a->wants[spec];
    bool is_last = !world_is_covered(w, a, spec, 0);
    bool is_last_known = !world_is_covered(w, a, spec, w->options.overlap_ms);
    gone->is_dead = false;
    if (is_wanted && is_last_known)
        world_violate(w, is_last ? "gap" : "overlap", "%s: DELETE %s, the only one of %u", a->id,
                      s->id, spec);
    const struct world_route *route = find_route(w, &match.url);
    bool was_kept =
        route->state_at_start == ROUTE_ACTIVE ||
        (route->state_at_start == ROUTE_RETIRING && route->record->undesired_since_unix_ms != 0);
    if (!is_wanted && is_last && was_kept &&
        (w->withholds || w->options.policy == POLICY_UPSERT_ONLY ||
         w->now_unix_ms - a->unwanted_since_unix_ms[spec] < w->options.delete_delay_ms))
        world_violate(w, "guard", "%s: DELETE %s, which is not wanted", a->id, s->id);
}

static void serve_delete(struct world *w)
{
    struct call_result result = {0};
    struct subscription *s = find_subscription(w, w->waiting.id);
    assert(s != NULL);
    w->deletes++;
    check_delete(w, s);
    if (fails_early(w))
        return;
    if (fault(w, 10)) {
        s->is_dead |= chance_one_in(&w->chance, 2);
        answer(w, &result, chance_one_in(&w->chance, 3) ? VERDICT_NOT_FOUND : VERDICT_AMBIGUOUS);
        return;
    }
    bool was_alive = is_alive(w, s);
    s->is_dead = true;
    answer(w, &result, was_alive ? VERDICT_OK : VERDICT_NOT_FOUND);
}

static void serve_activate(struct world *w)
{
    struct call_result result = {0};
    struct subscription *s = find_subscription(w, w->waiting.id);
    assert(s != NULL);
    if (s->is_foreign || owner(w, s->url, NULL) != w->account)
        world_violate(w, "foreign", "%s: activates %s", w->account->id, s->id);
    if (fails_early(w))
        return;
    if (fault(w, 10)) {
        answer(w, &result, chance_one_in(&w->chance, 3) ? VERDICT_NOT_FOUND : VERDICT_AMBIGUOUS);
        return;
    }
    s->is_deactivated = false;
    answer(w, &result, VERDICT_OK);
}

/* --- a pass -------------------------------------------------------------------------------------
 */

static int64_t clock_now(void *ctx)
{
    return ((struct world *)ctx)->now_unix_ms;
}

static void on_end(void *ctx, const struct pass_result *result)
{
    struct world *w = ctx;
    w->has_ended = true;
    w->result = *result;
    world_trace(w, "%s: the pass ends: %s", w->account->id, pass_end_name(result->end));
}

static void on_plan(void *ctx, const struct plan *plan)
{
    struct world *w = ctx;
    struct world_account *a = w->account;
    for (unsigned i = 0; i < WORLD_SPECIFICATIONS; i++) {
        bool is_wanted = a->is_declared && a->wants[i];
        if (!is_wanted && a->unwanted_since_unix_ms[i] == 0)
            a->unwanted_since_unix_ms[i] = w->now_unix_ms;
    }
    for (size_t i = 0; w->is_traced && i < plan->len; i++) {
        const struct plan_step *step = &plan->steps[i];
        world_trace(w, "%s:   %s %s %lld %s: %s", w->account->id, plan_action_name(step->action),
                    step->url.specification.resource, (long long)step->url.generation_unix_ms,
                    step->sighting == NULL ? "" : step->sighting->id,
                    plan_reason_text(step->reason));
    }
}

/* The process dies in the middle of a call or a commit; what it asked for may be done all the same.
 */
static void crash(struct world *w)
{
    world_trace(w, "%s: CRASH", w->account->id);
    if (w->waiting.is_commit) {
        if (chance_one_in(&w->chance, 2))
            apply_commit(w);
    } else if (w->waiting.kind == CALL_CREATE) {
        check_post(w);
        create_unheard(w);
    } else if (w->waiting.kind == CALL_DELETE) {
        struct subscription *s = find_subscription(w, w->waiting.id);
        check_delete(w, s);
        s->is_dead |= chance_one_in(&w->chance, 2);
    }
    w->account->unsaved_secret[0] = '\0';
    pass_free(w->pass);
    w->pass = NULL;
}

static void serve_commit(struct world *w)
{
    registry_committed_fn *on_committed = w->waiting.on_committed;
    void *done_ctx = w->waiting.done_ctx;
    enum status status = STATUS_OK;
    if (fault(w, 60))
        status = chance_one_in(&w->chance, 2) ? STATUS_BUSY : STATUS_UNAVAILABLE;
    if (status == STATUS_OK || (status == STATUS_UNAVAILABLE && chance_one_in(&w->chance, 2)))
        apply_commit(w);
    clear_waiting(w);
    run_program(w, true);
    on_committed(done_ctx, status);
    run_program(w, false);
}

static void serve(struct world *w)
{
    /* Calls take time; what was late comes. */
    world_advance(w, 1 + chance_below(&w->chance, 2000));
    if (w->waiting.is_commit) {
        serve_commit(w);
        return;
    }
    switch (w->waiting.kind) {
    case CALL_LIST:
        serve_list(w);
        break;
    case CALL_CREATE:
        serve_create(w);
        break;
    case CALL_DELETE:
        serve_delete(w);
        break;
    case CALL_ACTIVATE:
        serve_activate(w);
        break;
    }
}

void world_pass(struct world *w, struct world_account *a)
{
    struct wanted wanted[WORLD_SPECIFICATIONS] = {0};
    const char *events[WORLD_EVENTS];
    struct desired_account desired = {
        .account = a->id,
        .provider = provider_of(w),
        .system = w->is_native ? "moneybird" : "xero",
        .company_id = a->company_id,
        .account_key = a->key,
        .wanted = wanted,
    };
    for (unsigned i = 0; i < specifications(w); i++) {
        if (!a->wants[i])
            continue;
        struct wanted *one = &wanted[desired.wanted_len++];
        world_specification(w, a, i, &one->specification);
        if (!w->is_native)
            continue;
        one->enabled_events = events;
        for (unsigned k = 0; k < WORLD_EVENTS; k++) {
            if (a->events & 1u << k)
                events[one->enabled_events_len++] = event_names[k];
        }
    }
    const struct provider_calls calls = {.ctx = w, .start = calls_start, .cancel = port_cancel};
    const struct registry_writer writer = {
        .ctx = w, .may_act = writer_may_act, .commit = writer_commit, .cancel = port_cancel};
    const struct pass_options opt = {
        .reconciler = &w->options,
        .calls = &calls,
        .writer = &writer,
        .now_unix_ms = clock_now,
        .clock_ctx = w,
        .withholds_deletes = w->withholds,
        .on_plan = on_plan,
        .on_end = on_end,
        .ctx = w,
    };
    come_back(w, a);
    w->account = a;
    w->has_ended = false;
    w->may_act = false;
    for (size_t i = 0; i < w->routes_len; i++) {
        if (w->routes[i].record != NULL)
            w->routes[i].state_at_start = w->routes[i].record->state;
    }
    w->lists = w->posts = w->deletes = w->commits = 0;
    memset(a->is_shown, 0, sizeof(a->is_shown));
    world_trace(w, "%s: a pass", a->id);
    run_program(w, true);
    enum status status =
        pass_new(&opt, a->id, a->is_declared ? &desired : NULL, &a->state, &w->pass);
    if (status == STATUS_OK)
        pass_start(w->pass);
    run_program(w, false);
    if (status != STATUS_OK) {
        assert(w->on_program != NULL);
        w->result = (struct pass_result){.end = PASS_FAILED};
        return;
    }
    for (unsigned i = 0; !w->has_ended && w->pass != NULL && w->violated == NULL; i++) {
        if (i == 1000) {
            world_violate(w, "bounded", "%s: a pass without end", a->id);
            break;
        }
        if (fault(w, 40))
            crash(w);
        else
            serve(w);
    }
    bool is_complete = w->pass != NULL && w->result.end == PASS_COMPLETE;
    for (size_t i = 0; i < w->subscriptions_len && is_complete; i++) {
        if (!a->is_hidden[i])
            a->hidden_since_unix_ms[i] = 0;
    }
    for (unsigned i = 0; i < WORLD_SPECIFICATIONS && is_complete; i++) {
        if (a->is_declared && a->wants[i])
            a->unwanted_since_unix_ms[i] = 0;
    }
    bool has_crashed = w->pass == NULL;
    pass_free(w->pass);
    w->pass = NULL;
    if (w->violated == NULL && has_crashed)
        world_restart(w, a);
    else if (w->violated == NULL && w->result.end == PASS_RECORDS_UNKNOWN)
        lose_partition(w, a);
}

/* --- what is promised in the end ----------------------------------------------------------------
 */

static void check_specification(struct world *w, const struct world_account *a, unsigned index)
{
    struct specification spec;
    world_specification(w, a, index, &spec);
    unsigned alive = 0;
    unsigned right = 0;
    bool has_scope = a->is_declared || a->record != NULL;
    const char *present = a->is_declared ? a->company_id
                          : has_scope    ? world_company(a->record->company_id)
                                         : NULL;
    for (size_t i = 0; i < w->subscriptions_len; i++) {
        const struct subscription *s = &w->subscriptions[i];
        if (!is_alive(w, s) || s->is_foreign || !is_of_specification(s, &spec))
            continue;
        struct callback_url_match match = recognise(w, s->url);
        const struct world_route *route = find_route(w, &match.url);
        bool is_listed =
            (has_scope && s->company_id == present) || (!w->filters_company && !w->is_native);
        if (!is_listed && route == NULL)
            continue; /* nothing says that it might be there */
        alive++;
        right += route != NULL && route->record->state == ROUTE_ACTIVE && is_verifiable(w, s, 0) &&
                 s->company_id == a->company_id && !s->is_deactivated &&
                 !callback_url_is_former(&match) && (!w->is_native || s->events == a->events);
    }
    bool is_wanted = a->is_declared && a->wants[index];
    if (is_wanted && right == 0)
        world_violate(w, "convergence", "%s %s: wanted, and %u alive, none right", a->id,
                      spec.resource, alive);
    if (alive > 1)
        world_violate(w, "duplicates", "%s %s: %u are alive", a->id, spec.resource, alive);
    if (!is_wanted && w->options.policy == POLICY_SYNC && alive > 0)
        world_violate(w, "convergence", "%s %s: not wanted, and alive", a->id, spec.resource);
}

void world_check_converged(struct world *w, const struct world_account *a)
{
    for (unsigned i = 0; i < specifications(w); i++)
        check_specification(w, a, i);
}
