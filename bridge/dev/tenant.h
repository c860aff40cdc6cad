/* The make-believe customers of a `dev` run, and what Maesn delivers for their accounting systems.
 */
#pragma once

#include "bridge/base/buf.h"

/* The most events in one callback. */
#define TENANT_EVENTS_MAX 3

/* What Maesn makes of a member in the request for a subscription. */
enum tenant_member {
    TENANT_MEMBER_IGNORED = 0, /* with a warning */
    TENANT_MEMBER_OPTIONAL,
    TENANT_MEMBER_REQUIRED,
};

/* How Maesn delivers for one target system, and what it can be asked to deliver.
 * Source: https://docs.maesn.com/webhook as of 2026-02-13: the notification is an array for
 * Business Central, QuickBooks and Xero, an object otherwise. "Create webhook", 2026: the rest.
 */
struct tenant_system {
    const char *name; /* "xero" */
    bool array_shaped;
    bool numeric_ids; /* resourceId is a number's text; a UUID otherwise */
    const char *const *resources;
    size_t resources_len;
    const char *const *event_types;
    size_t event_types_len;
    enum tenant_member resource, event_type;
    bool needs_company; /* where it is not part of the connection itself */
};

/* NULL: Maesn has no such system. Static. */
const struct tenant_system *tenant_system_find(const char *name);

/* The system with those resources and event types alone that a subscription to them delivers; NULL
 * stands for all. Of TOKEN, which tells that the customer took the connection back, nothing.
 * Returns false, with *ret undefined, when there can be no such subscription.
 */
struct tenant_scope {
    struct tenant_system system; /* resources_len 0: nothing is ever delivered */
    const char *resources[16];
    const char *event_types[4];
};
bool tenant_system_narrow(const struct tenant_system *system, const char *resource,
                          const char *event_type, struct tenant_scope *ret);

struct tenant {
    const char *account; /* "acme-42" */
    const struct tenant_system *system;
    const char *path; /* of its callback URL */
    const char
        *specification; /* of its route, which names no resource and no event: a part of ce_id */
};

/* All of them; every one of Maesn's nine systems is there. */
extern const struct tenant tenants[];
extern const size_t tenants_len;

/* Appends the body of a callback about this system, as Maesn writes it. Its events and ids are
 * chosen by `random`, so that no two bodies of a run are alike. Returns the number of events.
 * b->status tells of failure (buf.h).
 */
#define TENANT_RANDOM_SIZE 64
size_t tenant_write_body(const struct tenant_system *system,
                         const uint8_t random[TENANT_RANDOM_SIZE], int64_t now_unix_ms,
                         struct buf *b);

/* Appends random bytes as a version 4 UUID. */
void tenant_write_uuid(struct buf *b, const uint8_t random[16]);
