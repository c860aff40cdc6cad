#include "bridge/providers/moneybird/enabled_events.h"

#include <stdlib.h>

#include "bridge/base/nearest.h"
#include "bridge/base/scoped.h"
#include "bridge/domain/resource.h"
#include "bridge/providers/expansion.h"
#include "bridge/providers/moneybird/events.h"

/* `subscriptions: all` has the resources that Maesn unifies for Moneybird, and the token's end.
 * Source: docs.maesn.com, "Create webhook", 2026. */
static const char *const unified_resources[] = {"CONTACT",  "INVOICE", "PAYMENT",
                                                "TAX_RATE", "TOKEN",   NULL};
static const char *const event_types[] = {"CREATED", "DELETED", "REVOKED", "UPDATED", NULL};

/* Names being collected; room for all there are and all that the account adds. */
struct names {
    const char **items;
    size_t len;
};

static int compare_names(const void *left, const void *right)
{
    return strcmp(*(const char *const *)left, *(const char *const *)right);
}

size_t enabled_events_normalize(const char **names, size_t len)
{
    size_t kept = 0;
    if (len > 1)
        qsort(names, len, sizeof(*names), compare_names);
    for (size_t i = 0; i < len; i++)
        if (kept == 0 || strcmp(names[kept - 1], names[i]) != 0)
            names[kept++] = names[i];
    return kept;
}

static bool is_wanted_type(const char *resource, const char *event_type)
{
    return !resource_is_token(resource) || strcmp(event_type, "REVOKED") == 0;
}

/* Adds every event of the resource, of this type (NULL: all); returns how many. */
static size_t add_events(struct names *names, const char *resource, const char *event_type)
{
    size_t before = names->len;
    for (size_t i = 0; i < events_len(); i++) {
        struct moneybird_meaning meaning = events_nth_meaning(i);
        bool is_wanted = strcmp(meaning.resource, resource) == 0 &&
                         is_wanted_type(resource, meaning.event_type) &&
                         (event_type == NULL || strcmp(meaning.event_type, event_type) == 0);
        if (is_wanted)
            names->items[names->len++] = events_name(i);
    }
    return names->len - before;
}

/* The resource as the table writes it, or NULL. */
static const char *find_resource(const char *given)
{
    for (size_t i = 0; i < events_len(); i++) {
        const char *const names[] = {events_nth_meaning(i).resource, NULL};
        if (expansion_find(names, given) != NULL)
            return names[0];
    }
    return NULL;
}

static void add_subscription(struct expanding *e, size_t n, struct names *names)
{
    const struct account_subscription *s = &e->account->subscriptions[n];
    const char *resource = find_resource(s->resource);
    if (resource == NULL) {
        expansion_error(e, (struct expansion_place){EXPANSION_RESOURCE, n, 0},
                        arena_printf(e->arena, "%s, expected %s, or another of Moneybird's",
                                     s->resource,
                                     expansion_names(e, unified_resources, s->resource)));
        return;
    }
    if (s->events_len == 0)
        add_events(names, resource, NULL);
    for (size_t i = 0; i < s->events_len; i++) {
        struct expansion_place place = {EXPANSION_EVENTS, n, i};
        const char *type = expansion_find(event_types, s->events[i]);
        struct names twice = {names->items + names->len, 0};
        if (type == NULL)
            expansion_error(e, place,
                            arena_printf(e->arena, "%s, expected %s", s->events[i],
                                         expansion_names(e, event_types, s->events[i])));
        else if (add_events(&twice, resource, type) == 0)
            expansion_error(e, place,
                            arena_printf(e->arena, "%s of %s, which Moneybird has no event for",
                                         type, resource));
        names->len = enabled_events_normalize(names->items, names->len + twice.len);
    }
    names->len = enabled_events_normalize(names->items, names->len);
}

/* " (did you mean "goal_completed"?)", or nothing; NULL when memory is short. */
static const char *suggestion(struct expanding *e, const char *name)
{
    const char **names = arena_alloc(e->arena, (events_len() + 1) * sizeof(*names));
    if (names == NULL)
        return NULL;
    for (size_t i = 0; i < events_len(); i++)
        names[i] = events_name(i);
    names[events_len()] = NULL;
    const char *nearest = nearest_name(names, name);
    return nearest == NULL ? "" : arena_printf(e->arena, " (did you mean \"%s\"?)", nearest);
}

/* A group would come back as its events, or as itself: two sets that could not be compared. */
static void add_raw(struct expanding *e, size_t n, struct names *names)
{
    const char *name = e->account->events_raw[n];
    struct expansion_place place = {EXPANSION_EVENTS_RAW, 0, n};
    names->items[names->len++] = name;
    if (events_is_listed(name))
        return;
    if (events_is_group(name)) {
        expansion_error(
            e, place,
            arena_printf(e->arena, "%s is a group, expected the names of its events", name));
        return;
    }
    const char *meant = suggestion(e, name);
    expansion_warning(e, place,
                      meant == NULL
                          ? NULL
                          : arena_printf(e->arena, "%s is none of the %zu events known here%s",
                                         name, events_len(), meant));
}

static void add_all(struct expanding *e, struct names *names)
{
    if (e->account->wants_all)
        for (size_t i = 0; unified_resources[i] != NULL; i++)
            add_events(names, unified_resources[i], NULL);
    for (size_t i = 0; i < e->account->subscriptions_len; i++)
        add_subscription(e, i, names);
    for (size_t i = 0; i < e->account->events_raw_len; i++)
        add_raw(e, i, names);
    names->len = enabled_events_normalize(names->items, names->len);
}

static void check_parameters(struct expanding *e)
{
    if (e->account->company_id == NULL)
        expansion_error(e, (struct expansion_place){.field = EXPANSION_COMPANY_ID},
                        arena_printf(e->arena, "missing, expected the administration's id"));
    if (e->account->environment_name != NULL)
        expansion_warning(e, (struct expansion_place){.field = EXPANSION_ENVIRONMENT_NAME},
                          arena_printf(e->arena, "%s is not sent: moneybird takes none",
                                       e->account->environment_name));
}

enum status enabled_events_expand(const struct account *account,
                                  const struct integration_overrides *overrides, struct arena *a,
                                  struct expansion *ret)
{
    (void)overrides; /* they are Maesn's */
    /* Twice, as one subscription's events are added before twins are dropped. */
    size_t capacity = 2 * events_len() + account->events_raw_len;
    struct names names = {arena_alloc(a, capacity * sizeof(*names.items)), 0};
    if (names.items == NULL)
        return STATUS_NOMEM;

    CLEANUP(expansion_done) struct expanding e;
    expansion_begin(&e, account, a);
    check_parameters(&e);
    add_all(&e, &names);
    if (names.len > 0) /* none would mean the notifications of before 2017 */
        expansion_want(&e, NULL, NULL, names.items, names.len);
    enum status status = expansion_end(&e, ret);
    ret->company_id = account->company_id;
    ret->environment_name = NULL;
    return status;
}
