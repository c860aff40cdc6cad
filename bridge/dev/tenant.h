/* The make-believe customers of a `dev` run, and what Maesn delivers for their accounting systems.
 */
#pragma once

#include "bridge/base/buf.h"

/* The most events in one callback. */
#define TENANT_EVENTS_MAX 3

/* How Maesn delivers for one target system.
 * Source: https://docs.maesn.com/webhook as of 2026-02-13: the notification is an array for
 * Business Central, QuickBooks and Xero, an object otherwise.
 */
struct tenant_system {
    const char *name; /* "xero" */
    bool array_shaped;
    bool numeric_ids; /* resourceId is a number's text; a UUID otherwise */
    const char *const *resources;
    size_t resources_len;
    const char *const *event_types;
    size_t event_types_len;
};

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

/* Appends the body of the tenant's next callback, as Maesn writes it. Its events and ids are chosen
 * by `random`, so that no two bodies of a run are alike.
 * Returns the number of events. b->status tells of failure (buf.h).
 */
#define TENANT_RANDOM_SIZE 64
size_t tenant_write_body(const struct tenant *t, const uint8_t random[TENANT_RANDOM_SIZE],
                         int64_t now_unix_ms, struct buf *b);
