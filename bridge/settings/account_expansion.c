#include "bridge/settings/account_expansion.h"

#include <stdio.h>

#include "bridge/base/scoped.h"
#include "bridge/domain/provider_api.h"

DEFINE_CLEANUP(struct arena *, arena_free)

static const struct node *member(const struct node *map, const char *key)
{
    const struct node *n = map == NULL ? NULL : map->first;
    while (n != NULL && strcmp(n->key, key) != 0)
        n = n->next;
    return n;
}

static const struct node *element(const struct node *list, size_t index)
{
    const struct node *n = list == NULL ? NULL : list->first;
    while (n != NULL && index-- > 0)
        n = n->next;
    return n;
}

static const char *name_of(enum expansion_field field)
{
    switch (field) {
    case EXPANSION_ACCOUNT:
        return "id";
    case EXPANSION_SYSTEM:
        return "system";
    case EXPANSION_COMPANY_ID:
        return "company_id";
    case EXPANSION_ENVIRONMENT_NAME:
        return "environment_name";
    case EXPANSION_SUBSCRIPTIONS:
        return "subscriptions";
    case EXPANSION_RESOURCE:
        return "resource";
    case EXPANSION_EVENTS:
        return "events";
    case EXPANSION_EVENTS_RAW:
        return "events_raw";
    }
    return "";
}

static void tell(struct load *l, const char *key, const struct node *account,
                 const struct expansion_problem *p)
{
    char full[128];
    const char *name = name_of(p->field);
    bool is_of_one = p->field == EXPANSION_RESOURCE || p->field == EXPANSION_EVENTS;
    const struct node *owner = account;
    if (is_of_one)
        owner = element(member(account, "subscriptions"), p->subscription);
    const struct node *value = member(owner, name);
    const struct node *item =
        value != NULL && value->kind == NODE_LIST ? element(value, p->item) : NULL;
    const struct node *at = item != NULL ? item : value != NULL ? value : account;
    if (is_of_one)
        snprintf(full, sizeof(full), "%s.subscriptions[%zu].%s", key, p->subscription, name);
    else
        snprintf(full, sizeof(full), "%s.%s", key, name);
    if (p->is_warning)
        load_warning(l, at->place, full, "%s", p->text);
    else
        load_error(l, at->place, full, "%s", p->text);
}

void account_expansion_check(struct load *l, const char *key, const struct node *n,
                             const struct account *a)
{
    CLEANUP(arena_free_scoped) struct arena *arena = arena_new(EXPANSION_ARENA_MAX);
    struct expansion expansion = {.problems_len = 0};
    enum status status = STATUS_NOMEM;
    if (arena != NULL)
        status = a->provider->api->expand(a, &l->settings->maesn_integrations, arena, &expansion);
    load_note_status(l, status);
    for (size_t i = 0; status == STATUS_OK && i < expansion.problems_len; i++)
        tell(l, key, n, &expansion.problems[i]);
}
