#include "bridge/providers/maesn/subscriptions.h"

#include "bridge/base/scoped.h"
#include "bridge/domain/resource.h"
#include "bridge/providers/expansion.h"
#include "bridge/providers/maesn/integrations.h"

/* REVOKED is what happens to a token and to nothing else; our reading of Maesn's list of nine
 * systems, where only lexware-office has either. */
static bool event_goes_with(const char *resource, const char *event)
{
    return resource == NULL || resource_is_token(resource) == (strcmp(event, "REVOKED") == 0);
}

/* --- the account ---------------------------------------------------------------------------- */

/* The value as it is sent; a warning or an error when it should not be there, or should. */
static const char *check_parameter(struct expanding *e, const struct integration *in,
                                   enum expansion_field field, enum requirement rule,
                                   const char *value)
{
    struct expansion_place place = {.field = field};
    if (rule == REQUIREMENT_UNSUPPORTED && value != NULL) {
        expansion_warning(
            e, place, arena_printf(e->arena, "%s is not sent: %s takes none", value, in->system));
        return NULL;
    }
    if (rule == REQUIREMENT_REQUIRED && value == NULL)
        expansion_error(e, place,
                        arena_printf(e->arena, "missing, %s cannot do without", in->system));
    if (rule == REQUIREMENT_OPTIONAL && value == NULL)
        expansion_warning(e, place,
                          arena_printf(e->arena,
                                       "missing, %s needs it unless the end user has chosen one",
                                       in->system));
    return value;
}

static void check_table(struct expanding *e, const struct integration *in)
{
    struct expansion_place place = {.field = EXPANSION_SYSTEM};
    if (in->resource == REQUIREMENT_REQUIRED && in->resources[0] == NULL)
        expansion_error(e, place,
                        arena_printf(e->arena,
                                     "%s must name a resource, and maesn.integrations lists none",
                                     in->system));
    if (in->event_type == REQUIREMENT_REQUIRED && in->event_types[0] == NULL)
        expansion_error(e, place,
                        arena_printf(e->arena,
                                     "%s must name an event, and maesn.integrations lists none",
                                     in->system));
}

/* --- subscriptions: all --------------------------------------------------------------------- */

static void want_events(struct expanding *e, const char *resource, const char *const events[])
{
    for (; *events != NULL; events++)
        if (event_goes_with(resource, *events))
            expansion_want(e, resource, *events, NULL, 0);
}

/* Names only what must be named: a subscription that names nothing is for everything. */
static void want_all(struct expanding *e, const struct integration *in)
{
    bool by_resource = in->resource == REQUIREMENT_REQUIRED;
    bool by_event = in->event_type == REQUIREMENT_REQUIRED;
    size_t resource = 0;
    do {
        const char *name = by_resource ? in->resources[resource] : NULL;
        if (by_resource && name == NULL)
            break;
        if (by_event)
            want_events(e, name, in->event_types);
        else
            expansion_want(e, name, NULL, NULL, 0);
    } while (by_resource && in->resources[++resource] != NULL);
}

/* --- a list of subscriptions ---------------------------------------------------------------- */

/* The resource as the table writes it; NULL with an error. */
static const char *check_resource(struct expanding *e, const struct integration *in, size_t n)
{
    struct expansion_place place = {EXPANSION_RESOURCE, n, 0};
    const char *given = e->account->subscriptions[n].resource;
    if (in->resource == REQUIREMENT_UNSUPPORTED) {
        expansion_error(e, place,
                        arena_printf(e->arena,
                                     "%s, expected \"subscriptions: all\": one subscription to %s "
                                     "is for everything, and names no resource",
                                     given, in->system));
        return NULL;
    }
    const char *name = expansion_find(in->resources, given);
    if (name == NULL)
        expansion_error(e, place,
                        arena_printf(e->arena, "%s, expected %s", given,
                                     expansion_names(e, in->resources, given)));
    return name;
}

static void want_event(struct expanding *e, const struct integration *in, const char *resource,
                       struct expansion_place place)
{
    const char *given = e->account->subscriptions[place.subscription].events[place.item];
    const char *event = expansion_find(in->event_types, given);
    if (event == NULL)
        expansion_error(e, place,
                        arena_printf(e->arena, "%s, expected %s", given,
                                     expansion_names(e, in->event_types, given)));
    else if (!event_goes_with(resource, event))
        expansion_error(e, place,
                        arena_printf(e->arena, "%s of %s, expected %s", event, resource,
                                     resource_is_token(resource)
                                         ? "REVOKED, which is all that happens to a TOKEN"
                                         : "another event: only a TOKEN is REVOKED"));
    else if (!expansion_want(e, resource, event, NULL, 0))
        expansion_warning(e, place,
                          arena_printf(e->arena, "%s of %s is said twice", event, resource));
}

static void want_subscription(struct expanding *e, const struct integration *in, size_t n)
{
    const struct account_subscription *s = &e->account->subscriptions[n];
    const char *resource = check_resource(e, in, n);
    if (resource == NULL)
        return;
    if (in->event_type == REQUIREMENT_UNSUPPORTED && s->events_len > 0) {
        expansion_error(e, (struct expansion_place){EXPANSION_EVENTS, n, 0},
                        arena_printf(e->arena,
                                     "%s, expected it left out: a subscription to %s names no "
                                     "event, and is for all",
                                     s->events[0], in->system));
        return;
    }
    for (size_t i = 0; i < s->events_len; i++)
        want_event(e, in, resource, (struct expansion_place){EXPANSION_EVENTS, n, i});
    if (s->events_len > 0)
        return;
    if (in->event_type == REQUIREMENT_UNSUPPORTED) {
        if (!expansion_want(e, resource, NULL, NULL, 0))
            expansion_warning(e, (struct expansion_place){EXPANSION_RESOURCE, n, 0},
                              arena_printf(e->arena, "%s is said twice", resource));
        return;
    }
    want_events(e, resource, in->event_types);
}

static void want(struct expanding *e, const struct integration *in)
{
    if (e->account->wants_all)
        want_all(e, in);
    for (size_t i = 0; i < e->account->subscriptions_len; i++)
        want_subscription(e, in, i);
}

enum status subscriptions_expand(const struct account *account,
                                 const struct integration_overrides *overrides, struct arena *a,
                                 struct expansion *ret)
{
    const struct integration *in;
    const char *company_id = NULL, *environment_name = NULL;
    enum status status = integration_resolve(account->system, overrides, a, &in);
    if (status != STATUS_OK)
        return status;

    CLEANUP(expansion_done) struct expanding e;
    expansion_begin(&e, account, a);
    if (in == NULL) {
        expansion_error(&e, (struct expansion_place){.field = EXPANSION_SYSTEM},
                        arena_printf(a, "%s, expected a system that maesn knows", account->system));
    } else {
        check_table(&e, in);
        company_id =
            check_parameter(&e, in, EXPANSION_COMPANY_ID, in->company_id, account->company_id);
        environment_name = check_parameter(&e, in, EXPANSION_ENVIRONMENT_NAME, in->environment,
                                           account->environment_name);
        want(&e, in);
    }
    status = expansion_end(&e, ret);
    ret->company_id = company_id;
    ret->environment_name = environment_name;
    return status;
}
