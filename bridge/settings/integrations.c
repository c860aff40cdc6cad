#include "bridge/settings/integrations.h"

#include <stdio.h>

#include "bridge/base/json_text.h"
#include "bridge/domain/account.h"
#include "bridge/settings/field.h"
#include "bridge/settings/load.h"

static const char *const requirement_names[] = {
    [REQUIREMENT_UNSET] = "unset",
    [REQUIREMENT_REQUIRED] = "required",
    [REQUIREMENT_OPTIONAL] = "optional",
    [REQUIREMENT_UNSUPPORTED] = "unsupported",
};

static bool is_requirement(const char *text)
{
    for (size_t i = REQUIREMENT_REQUIRED; i <= REQUIREMENT_UNSUPPORTED; i++)
        if (strcmp(requirement_names[i], text) == 0)
            return true;
    return false;
}

#define REQUIREMENT_PATTERN "^(required|optional|unsupported)$"
#define REQUIREMENT_EXPECTATION "required, optional or unsupported"
#define NAMES_EXPECTATION "a list of names, each of " FIELD_NAME_EXPECTATION

enum { COMPANY_ID, EVENT_TYPE, EVENTS, RESOURCE, RESOURCES };

const struct field integration_fields[] = {
    [COMPANY_ID] = {"company_id", FIELD_TEXT, false, is_requirement, REQUIREMENT_PATTERN,
                    REQUIREMENT_EXPECTATION, "Whether an account must name its company."},
    [EVENT_TYPE] = {"event_type", FIELD_TEXT, false, is_requirement, REQUIREMENT_PATTERN,
                    REQUIREMENT_EXPECTATION, "Whether a subscription names its event."},
    [EVENTS] = {"events", FIELD_TEXTS, false, field_is_name, FIELD_NAME_PATTERN, NAMES_EXPECTATION,
                "The events it knows."},
    [RESOURCE] = {"resource", FIELD_TEXT, false, is_requirement, REQUIREMENT_PATTERN,
                  REQUIREMENT_EXPECTATION, "Whether a subscription names its resource."},
    [RESOURCES] = {"resources", FIELD_TEXTS, false, field_is_name, FIELD_NAME_PATTERN,
                   NAMES_EXPECTATION, "The resources it knows."},
    {0},
};

static enum requirement read_requirement(int field, const char *key,
                                         const struct node *const values[], struct load *l)
{
    const char *text = field_text(&integration_fields[field], key, values[field], l);
    enum requirement found = REQUIREMENT_UNSET;
    for (size_t i = REQUIREMENT_REQUIRED; text != NULL && i <= REQUIREMENT_UNSUPPORTED; i++)
        if (strcmp(requirement_names[i], text) == 0)
            found = (enum requirement)i;
    return found;
}

/* Returns whether *ret was set. */
static bool read_integration(const char *key, const struct node *n, struct load *l,
                             struct integration_override *ret)
{
    char full[256];
    snprintf(full, sizeof(full), "%s.%s", key, n->key);
    if (!account_id_is_valid(n->key)) { /* systems have the form of account ids */
        load_error(l, n->key_place, full, "a system's name, expected %s", FIELD_ID_EXPECTATION);
        return false;
    }
    const struct node *values[FIELDS_MAX];
    if (!field_collect(integration_fields, full, n, l, values))
        return false;
    struct text_list resources =
        field_texts(&integration_fields[RESOURCES], full, values[RESOURCES], l);
    struct text_list events = field_texts(&integration_fields[EVENTS], full, values[EVENTS], l);
    *ret = (struct integration_override){
        .system = load_copy(l, n->key),
        .resource = read_requirement(RESOURCE, full, values, l),
        .event_type = read_requirement(EVENT_TYPE, full, values, l),
        .company_id = read_requirement(COMPANY_ID, full, values, l),
        .resources = resources.items,
        .resources_len = resources.len,
        .events = events.items,
        .events_len = events.len,
    };
    return true;
}

void integrations_read(const char *key, const struct node *map, struct load *l,
                       struct integration_overrides *ret)
{
    size_t len = 0;
    for (const struct node *n = map->first; n != NULL; n = n->next)
        len++;
    struct integration_overrides integrations = {
        load_alloc(l, len + 1, sizeof(*integrations.items)), 0};
    for (const struct node *n = map->first; n != NULL && integrations.items != NULL; n = n->next)
        integrations.len += read_integration(key, n, l, &integrations.items[integrations.len]);
    *ret = integrations;
}

static void print_requirement(const char *name, enum requirement value, const char **separator,
                              struct buf *ret)
{
    if (value == REQUIREMENT_UNSET)
        return;
    buf_printf(ret, "%s\"%s\": \"%s\"", *separator, name, requirement_names[value]);
    *separator = ", ";
}

static void print_texts(const char *name, const char **texts, size_t texts_len,
                        const char **separator, struct buf *ret)
{
    if (texts == NULL)
        return;
    buf_printf(ret, "%s\"%s\": [", *separator, name);
    for (size_t i = 0; i < texts_len; i++) {
        buf_append_text(ret, i == 0 ? "" : ", ");
        json_text_string(ret, bytes_of_text(texts[i]));
    }
    buf_append_text(ret, "]");
    *separator = ", ";
}

void integrations_print(const struct integration_overrides *i, struct buf *ret)
{
    buf_append_text(ret, "{");
    for (size_t n = 0; n < i->len; n++) {
        const struct integration_override *in = &i->items[n];
        const char *separator = "";
        buf_printf(ret, "%s\"%s\": {", n == 0 ? "" : ", ", in->system);
        print_requirement("company_id", in->company_id, &separator, ret);
        print_requirement("event_type", in->event_type, &separator, ret);
        print_texts("events", in->events, in->events_len, &separator, ret);
        print_requirement("resource", in->resource, &separator, ret);
        print_texts("resources", in->resources, in->resources_len, &separator, ret);
        buf_append_text(ret, "}");
    }
    buf_append_text(ret, "}");
}
