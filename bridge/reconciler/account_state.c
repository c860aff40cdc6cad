#include "bridge/reconciler/account_state.h"

#include <stdlib.h>

#include "bridge/reconciler/options.h"

void account_state_init(struct account_state *s)
{
    *s = (struct account_state){0};
}

void account_state_done(struct account_state *s)
{
    for (size_t i = 0; i < s->routes_len; i++)
        route_record_free(s->routes[i].record);
    free(s->routes);
    account_record_free(s->record);
    route_record_free(s->unsaved);
    free(s->setbacks);
    *s = (struct account_state){0};
}

static bool is_same_url(const struct callback_url *a, const struct callback_url *b)
{
    return a->generation_unix_ms == b->generation_unix_ms &&
           specification_equal(&a->specification, &b->specification);
}

struct held_route *account_state_find(const struct account_state *s, const struct callback_url *u)
{
    for (size_t i = 0; i < s->routes_len; i++) {
        if (is_same_url(&s->routes[i].record->url, u))
            return &s->routes[i];
    }
    return NULL;
}

enum status account_state_reserve(struct account_state *s, size_t more)
{
    if (s->routes_capacity - s->routes_len >= more)
        return STATUS_OK;
    size_t capacity = s->routes_len + more;
    if (capacity < 2 * s->routes_capacity)
        capacity = 2 * s->routes_capacity;
    struct held_route *routes = reallocarray(s->routes, capacity, sizeof(*routes));
    if (routes == NULL)
        return STATUS_NOMEM;
    s->routes = routes;
    s->routes_capacity = capacity;
    return STATUS_OK;
}

enum status account_state_take_route(struct account_state *s, struct route_record *r)
{
    struct held_route *held = account_state_find(s, &r->url);
    if (held == NULL) {
        enum status status = account_state_reserve(s, 1);
        if (status != STATUS_OK) {
            route_record_free(r);
            return status;
        }
        held = &s->routes[s->routes_len++];
    } else {
        route_record_free(held->record);
    }
    *held = (struct held_route){.record = r};
    if (s->generation_unix_ms < r->url.generation_unix_ms)
        s->generation_unix_ms = r->url.generation_unix_ms;
    return STATUS_OK;
}

void account_state_take_account(struct account_state *s, struct account_record *r)
{
    account_record_free(s->record);
    s->record = r;
}

void account_state_remove_route(struct account_state *s, const struct callback_url *u)
{
    struct held_route *held = account_state_find(s, u);
    if (held == NULL)
        return;
    route_record_free(held->record);
    *held = s->routes[--s->routes_len];
}

static struct setback *find_setback(const struct account_state *s, const struct specification *spec)
{
    for (size_t i = 0; i < s->setbacks_len; i++) {
        if (specification_equal(&s->setbacks[i].specification, spec))
            return &s->setbacks[i];
    }
    return NULL;
}

const struct setback *account_state_setback(const struct account_state *s,
                                            const struct specification *spec)
{
    return find_setback(s, spec);
}

enum status account_state_fail(struct account_state *s, const struct specification *spec,
                               int64_t now_unix_ms, int64_t first_ms, bool is_refused,
                               const struct diag *reason)
{
    struct setback *setback = find_setback(s, spec);
    if (setback == NULL) {
        /* There are few: as many as the account wants subscriptions, at most. */
        struct setback *setbacks =
            reallocarray(s->setbacks, s->setbacks_len + 1, sizeof(*setbacks));
        if (setbacks == NULL)
            return STATUS_NOMEM;
        s->setbacks = setbacks;
        setback = &setbacks[s->setbacks_len++];
        *setback = (struct setback){.specification = *spec};
    }
    int64_t pause_ms = first_ms;
    for (unsigned i = 0; i < setback->failures && pause_ms < SETBACK_MAX_MS; i++)
        pause_ms *= 2;
    setback->failures++;
    setback->not_before_unix_ms =
        now_unix_ms + (pause_ms < SETBACK_MAX_MS ? pause_ms : SETBACK_MAX_MS);
    setback->is_refused = is_refused;
    setback->reason = *reason;
    return STATUS_OK;
}

void account_state_succeed(struct account_state *s, const struct specification *spec)
{
    struct setback *setback = find_setback(s, spec);
    if (setback != NULL)
        *setback = s->setbacks[--s->setbacks_len];
}

void account_state_forget_setbacks(struct account_state *s)
{
    free(s->setbacks);
    s->setbacks = NULL;
    s->setbacks_len = 0;
}
