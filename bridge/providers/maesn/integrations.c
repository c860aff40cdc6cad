#include "bridge/providers/maesn/integrations.h"

#include <string.h>

#define LIST(...) ((const char *const[]){__VA_ARGS__, NULL})
#define NO_LIST ((const char *const[]){NULL})
#define UNSUPPORTED INTEGRATION_UNSUPPORTED
#define OPTIONAL INTEGRATION_OPTIONAL
#define REQUIRED INTEGRATION_REQUIRED

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
