#include "bridge/providers/maesn/integrations.h"

#include <string.h>

#define LIST(...) ((const char *const[]){__VA_ARGS__, NULL})
#define NO_LIST ((const char *const[]){NULL})
#define UNSUPPORTED REQUIREMENT_UNSUPPORTED
#define OPTIONAL REQUIREMENT_OPTIONAL
#define REQUIRED REQUIREMENT_REQUIRED

/* Source: docs.maesn.com, "Create webhook" (parameters) and "Webhooks" of 2026-02-13 (systems and
 * shapes). Where the two disagree (weclapp: "needs both") the more permissive one stands.
 */
const struct integration integrations[] = {
    {"businesscentral", OPTIONAL, OPTIONAL, REQUIRED, UNSUPPORTED,
     LIST("ACCOUNT", "CREDIT_NOTE", "CUSTOMER", "DIMENSION", "EXPENSE", "INVOICE", "ITEM",
          "JOURNAL_ENTRY", "OFFER", "SALES_ORDER", "SUPPLIER"),
     NO_LIST, true},
    /* CONTACT arrives as CUSTOMER or SUPPLIER. */
    {"exact-nl", UNSUPPORTED, OPTIONAL, REQUIRED, UNSUPPORTED,
     LIST("ACCOUNT", "BANK_ACCOUNT", "BILL", "CONTACT", "EXPENSE", "INVOICE", "JOURNAL_ENTRY",
          "PAYMENT"),
     NO_LIST, false},
    {"freshbooks", UNSUPPORTED, REQUIRED, REQUIRED, REQUIRED,
     LIST("ACCOUNT", "CREDIT_NOTE", "CUSTOMER", "INVOICE", "ITEM", "PAYMENT", "SUPPLIER",
          "TAX_RATE"),
     LIST("CREATED", "DELETED", "UPDATED"), false},
    /* REVOKED goes with TOKEN only, and TOKEN with REVOKED only: our reading, not the vendor's. */
    {"lexware-office", UNSUPPORTED, UNSUPPORTED, REQUIRED, REQUIRED,
     LIST("CUSTOMER", "INVOICE", "ITEM", "PAYMENT", "SUPPLIER", "TOKEN"),
     LIST("CREATED", "DELETED", "REVOKED", "UPDATED"), false},
    {"moneybird", UNSUPPORTED, OPTIONAL, REQUIRED, REQUIRED,
     LIST("CONTACT", "INVOICE", "PAYMENT", "TAX_RATE"), LIST("CREATED", "DELETED", "UPDATED"),
     false},
    {"qonto", UNSUPPORTED, UNSUPPORTED, REQUIRED, UNSUPPORTED, LIST("INVOICE"), NO_LIST, false},
    {"quickbooks", UNSUPPORTED, UNSUPPORTED, UNSUPPORTED, UNSUPPORTED, NO_LIST, NO_LIST, true},
    {"weclapp", UNSUPPORTED, UNSUPPORTED, OPTIONAL, OPTIONAL,
     LIST("CUSTOMER", "CREDIT_NOTE", "INVOICE", "SALES_ORDER", "SUPPLIER"),
     LIST("CREATED", "DELETED", "UPDATED"), false},
    {"xero", UNSUPPORTED, UNSUPPORTED, UNSUPPORTED, UNSUPPORTED, NO_LIST, NO_LIST, true},
    {.system = NULL},
};

const struct integration *integration_of(const char *system)
{
    for (const struct integration *row = integrations; row->system != NULL; row++)
        if (strcmp(row->system, system) == 0)
            return row;
    return NULL;
}

static void override_rule(enum requirement *rule, enum requirement given)
{
    if (given != REQUIREMENT_UNSET)
        *rule = given;
}

/* The names as a list that a NULL ends; what stands in *list stays where none are given. */
static bool override_list(const char *const **list, const char **names, size_t names_len,
                          struct arena *a)
{
    if (names == NULL)
        return true;
    const char **copy = arena_alloc(a, (names_len + 1) * sizeof(*copy));
    if (copy == NULL)
        return false;
    memcpy(copy, names, names_len * sizeof(*copy));
    copy[names_len] = NULL;
    *list = copy;
    return true;
}

static const char *const no_names[] = {NULL};

/* What a system that the table lacks takes: the names that its override lists. */
static struct integration unlisted(const struct integration_override *override)
{
    return (struct integration){
        .system = override->system,
        .environment = REQUIREMENT_UNSET,
        .company_id = REQUIREMENT_UNSET,
        .resource = override->resources_len > 0 ? REQUIRED : UNSUPPORTED,
        .event_type = override->events_len > 0 ? REQUIRED : UNSUPPORTED,
        .resources = no_names,
        .event_types = no_names,
    };
}

enum status integration_resolve(const char *system, const struct integration_overrides *overrides,
                                struct arena *a, const struct integration **ret)
{
    const struct integration *row = integration_of(system);
    const struct integration_override *override = integration_overrides_find(overrides, system);
    *ret = row;
    if (override == NULL)
        return STATUS_OK;

    struct integration *changed = arena_alloc(a, sizeof(*changed));
    if (changed == NULL)
        return STATUS_NOMEM;
    *changed = row == NULL ? unlisted(override) : *row;
    override_rule(&changed->resource, override->resource);
    override_rule(&changed->event_type, override->event_type);
    override_rule(&changed->company_id, override->company_id);
    if (!override_list(&changed->resources, override->resources, override->resources_len, a) ||
        !override_list(&changed->event_types, override->events, override->events_len, a))
        return STATUS_NOMEM;
    *ret = changed;
    return STATUS_OK;
}
