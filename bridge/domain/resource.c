#include "bridge/domain/resource.h"

#include <strings.h>

const char *const resources[] = {
    "ACCOUNT",   "BANK_ACCOUNT", "BILL",     "CONTACT",  "CREDIT_NOTE",   "CUSTOMER",
    "DIMENSION", "EXPENSE",      "INVOICE",  "ITEM",     "JOURNAL_ENTRY", "OFFER",
    "PAYMENT",   "SALES_ORDER",  "SUPPLIER", "TAX_RATE", "TOKEN",         NULL,
};

static bool list_holds(const char *const list[], const char *text)
{
    for (; *list != NULL; list++)
        if ((**list ^ *text) % 32 == 0 && strcasecmp(*list, text) == 0) /* the same first letter */
            return true;
    return false;
}

bool resource_is_known(const char *resource)
{
    return list_holds(resources, resource);
}

bool resource_is_token(const char *resource)
{
    return strcasecmp(resource, "TOKEN") == 0;
}

bool resource_is_probe(const char *resource)
{
    return strcasecmp(resource, RESOURCE_PROBE) == 0;
}

bool event_type_is_known(const char *event_type)
{
    static const char *const event_types[] = {"CREATED", "DELETED", "REVOKED", "UPDATED", NULL};
    return list_holds(event_types, event_type);
}
