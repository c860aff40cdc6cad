#include "bridge/dev/tenant.h"

#include "bridge/base/timestamp.h"

#define LENGTH(array) (sizeof(array) / sizeof((array)[0]))
#define LIST(array) array, LENGTH(array)

/* Random bytes that one event uses: 16 for its id, one for its resource, one for its type. */
static const size_t random_per_event = 18;
_Static_assert(1 + TENANT_EVENTS_MAX * 18 <= TENANT_RANDOM_SIZE, "one byte chooses how many");

static const char *const changes[] = {"CREATED", "UPDATED", "DELETED"};
static const char *const no_deletes[] = {"CREATED", "UPDATED"};

static const char *const businesscentral_resources[] = {
    "ACCOUNT", "CREDIT_NOTE", "CUSTOMER",      "DIMENSION", "EXPENSE",     "INVOICE",
    "ITEM",    "OFFER",       "JOURNAL_ENTRY", "SUPPLIER",  "SALES_ORDER",
};
/* A subscription to CONTACT delivers CUSTOMER or SUPPLIER. */
static const char *const exact_resources[] = {
    "ACCOUNT", "BANK_ACCOUNT",  "BILL",    "CUSTOMER", "SUPPLIER",
    "EXPENSE", "JOURNAL_ENTRY", "INVOICE", "PAYMENT",
};
static const char *const freshbooks_resources[] = {
    "ACCOUNT", "CREDIT_NOTE", "CUSTOMER", "INVOICE", "ITEM", "PAYMENT", "SUPPLIER", "TAX_RATE",
};
static const char *const lexware_resources[] = {
    "CUSTOMER", "INVOICE", "ITEM", "PAYMENT", "SUPPLIER", "TOKEN",
};
static const char *const moneybird_resources[] = {"CONTACT", "INVOICE", "PAYMENT", "TAX_RATE"};
static const char *const qonto_resources[] = {"INVOICE"};
static const char *const quickbooks_resources[] = {
    "ACCOUNT", "BILL", "CUSTOMER", "INVOICE", "ITEM", "PAYMENT", "SUPPLIER",
};
static const char *const weclapp_resources[] = {
    "CUSTOMER", "CREDIT_NOTE", "INVOICE", "SALES_ORDER", "SUPPLIER",
};
static const char *const xero_resources[] = {"CONTACT", "INVOICE"};

#define IGNORED TENANT_MEMBER_IGNORED
#define OPTIONAL TENANT_MEMBER_OPTIONAL
#define REQUIRED TENANT_MEMBER_REQUIRED

static const struct tenant_system businesscentral = {
    "businesscentral", true,     false,   LIST(businesscentral_resources),
    LIST(changes),     REQUIRED, IGNORED, false};
static const struct tenant_system exact_nl = {
    "exact-nl", false, false, LIST(exact_resources), LIST(changes), REQUIRED, IGNORED, false};
static const struct tenant_system freshbooks = {
    "freshbooks", false, true, LIST(freshbooks_resources), LIST(changes), REQUIRED, REQUIRED, true};
static const struct tenant_system lexware_office = {
    "lexware-office", false,    false,    LIST(lexware_resources),
    LIST(changes),    REQUIRED, REQUIRED, false};
static const struct tenant_system moneybird = {
    "moneybird", false, true, LIST(moneybird_resources), LIST(changes), REQUIRED, REQUIRED, false};
static const struct tenant_system qonto = {
    "qonto", false, false, LIST(qonto_resources), LIST(no_deletes), REQUIRED, IGNORED, false};
static const struct tenant_system quickbooks = {
    "quickbooks", true, true, LIST(quickbooks_resources), LIST(changes), IGNORED, IGNORED, false};
static const struct tenant_system weclapp = {
    "weclapp", false, true, LIST(weclapp_resources), LIST(changes), OPTIONAL, OPTIONAL, false};
/* Xero itself knows no delete events. */
static const struct tenant_system xero = {"xero",           true,    false,   LIST(xero_resources),
                                          LIST(no_deletes), IGNORED, IGNORED, false};

static const struct tenant_system *const systems[] = {
    &businesscentral, &exact_nl,   &freshbooks, &lexware_office, &moneybird,
    &qonto,           &quickbooks, &weclapp,    &xero,
};

const struct tenant_system *tenant_system_find(const char *name)
{
    for (size_t i = 0; i < LENGTH(systems); i++)
        if (strcmp(systems[i]->name, name) == 0)
            return systems[i];
    return NULL;
}

/* --- subscriptions ---------------------------------------------------------------------------- */

static bool is_among(const char *text, const char *const *list, size_t len)
{
    for (size_t i = 0; i < len; i++)
        if (strcmp(list[i], text) == 0)
            return true;
    return false;
}

/* Source: docs.maesn.com, page of Exact, 2026: a CONTACT arrives as a CUSTOMER or a SUPPLIER. */
static bool splits_contacts(const struct tenant_system *system)
{
    return strcmp(system->name, "exact-nl") == 0;
}

static bool is_part_of_contact(const char *resource)
{
    return strcmp(resource, "CUSTOMER") == 0 || strcmp(resource, "SUPPLIER") == 0;
}

static bool narrow_resources(const struct tenant_system *system, const char *resource,
                             struct tenant_scope *ret)
{
    bool is_contact =
        resource != NULL && splits_contacts(system) && strcmp(resource, "CONTACT") == 0;
    size_t len = 0;
    for (size_t i = 0; i < system->resources_len; i++) {
        const char *candidate = system->resources[i];
        bool wanted = resource == NULL || strcmp(candidate, resource) == 0;
        if (splits_contacts(system) && is_part_of_contact(candidate))
            wanted = resource == NULL || is_contact;
        if (wanted && strcmp(candidate, "TOKEN") != 0)
            ret->resources[len++] = candidate;
    }
    ret->system.resources = ret->resources;
    ret->system.resources_len = len;
    return len > 0;
}

/* TOKEN goes with REVOKED only: our reading, not the vendor's. */
static bool is_token_pair(const struct tenant_system *system, const char *resource,
                          const char *event_type)
{
    return is_among("TOKEN", system->resources, system->resources_len) && resource != NULL &&
           event_type != NULL && strcmp(resource, "TOKEN") == 0 &&
           strcmp(event_type, "REVOKED") == 0;
}

bool tenant_system_narrow(const struct tenant_system *system, const char *resource,
                          const char *event_type, struct tenant_scope *ret)
{
    *ret = (struct tenant_scope){.system = *system};
    if (system->resource == TENANT_MEMBER_IGNORED)
        resource = NULL;
    if (system->event_type == TENANT_MEMBER_IGNORED)
        event_type = NULL;
    if ((resource == NULL && system->resource == TENANT_MEMBER_REQUIRED) ||
        (event_type == NULL && system->event_type == TENANT_MEMBER_REQUIRED))
        return false;
    if (is_token_pair(system, resource, event_type)) {
        ret->system.resources_len = 0;
        return true;
    }
    if (resource != NULL && strcmp(resource, "TOKEN") == 0)
        return false;
    if (event_type != NULL) {
        if (!is_among(event_type, system->event_types, system->event_types_len))
            return false;
        ret->event_types[0] = event_type;
        ret->system.event_types = ret->event_types;
        ret->system.event_types_len = 1;
    }
    return narrow_resources(system, resource, ret);
}

/* --- the tenants ------------------------------------------------------------------------------ */

#define TENANT(account, system)                                                                    \
    {                                                                                              \
        account, system, "/in/maesn/" account "/by-hand", "maesn/" account "/all/all"              \
    }

const struct tenant tenants[] = {
    TENANT("acme-42", &xero),
    TENANT("birch-bakery", &exact_nl),
    TENANT("cobalt-labs", &freshbooks),
    TENANT("delta-dental", &lexware_office),
    TENANT("elm-street", &moneybird),
    TENANT("fjord-foods", &qonto),
    TENANT("granite-gmbh", &weclapp),
    TENANT("harbor-hr", &quickbooks),
    TENANT("iris-imports", &businesscentral),
    TENANT("juniper-jobs", &lexware_office),
    TENANT("kite-kiosk", &xero),
    TENANT("lumen-legal", &exact_nl),
};
const size_t tenants_len = LENGTH(tenants);

/* --- bodies ----------------------------------------------------------------------------------- */

void tenant_write_uuid(struct buf *b, const uint8_t random[16])
{
    for (size_t i = 0; i < 16; i++) {
        uint8_t byte = random[i];
        if (i == 6)
            byte = (byte & 0x0f) | 0x40; /* version 4 */
        if (i == 8)
            byte = (byte & 0x3f) | 0x80; /* variant 10. Source: RFC 9562 section 5.4 */
        buf_printf(b, i == 4 || i == 6 || i == 8 || i == 10 ? "-%02x" : "%02x", byte);
    }
}

/* Up to 15 digits: these systems' own ids have as many. */
static void write_number(struct buf *b, const uint8_t random[16])
{
    uint64_t number;
    memcpy(&number, random, sizeof(number));
    buf_printf(b, "%llu", (unsigned long long)(number % 1000000000000000));
}

/* Keys in the order of the published sample. */
static void write_event(const struct tenant_system *system, const uint8_t random[],
                        const char *filter_date, struct buf *b)
{
    const char *resource = system->resources[random[16] % system->resources_len];
    const char *event_type = system->event_types[random[17] % system->event_types_len];
    if (strcmp(resource, "TOKEN") == 0) /* tells that the customer took the connection back */
        event_type = "REVOKED";
    buf_printf(b,
               "{\"eventType\":\"%s\",\"filterDate\":\"%s\",\"resource\":\"%s\",\"resourceId\":\"",
               event_type, filter_date, resource);
    if (system->numeric_ids)
        write_number(b, random);
    else
        tenant_write_uuid(b, random);
    buf_append_text(b, "\"}");
}

size_t tenant_write_body(const struct tenant_system *system,
                         const uint8_t random[TENANT_RANDOM_SIZE], int64_t now_unix_ms,
                         struct buf *b)
{
    char filter_date[TIMESTAMP_SIZE];
    timestamp_format(now_unix_ms / 1000 * 1000, filter_date); /* whole seconds, as published */
    if (!system->array_shaped) {
        write_event(system, random + 1, filter_date, b);
        return 1;
    }
    size_t events = 1 + random[0] % TENANT_EVENTS_MAX;
    for (size_t i = 0; i < events; i++) {
        buf_append_text(b, i == 0 ? "[" : ",");
        write_event(system, random + 1 + i * random_per_event, filter_date, b);
    }
    buf_append_text(b, "]");
    return events;
}
