/* A route: what the ingress knows of one callback URL. Immutable once made, shared by reference. */
#pragma once

#include "bridge/base/bytes.h"
#include "bridge/base/diag.h"

struct provider;
struct secret;

enum route_state {
    ROUTE_PENDING = 0, /* no secret yet: nothing is accepted */
    ROUTE_ACTIVE,
    ROUTE_RETIRING,
    ROUTE_RETIRED,
};

/* What a route is made of; route_new() copies the texts and takes its own references of the
 * secrets. */
struct route_fields {
    const char *path; /* decoded, begins with "/in/" */
    const struct provider *provider;
    const char *account;  /* [a-z0-9][a-z0-9-]{0,62} */
    const char *system;   /* "xero"; "moneybird" for a native route */
    const char *resource; /* "INVOICE", any case; NULL: all */
    const char *event;    /* "CREATED", any case; NULL: all */
    enum route_state state;
    struct secret *current_secret;  /* NULL: none */
    struct secret *previous_secret; /* NULL: none */
    struct secret *token;           /* Moneybird's webhook_token; NULL: none */
};

struct route {
    const char *path;
    const struct provider *provider;
    const char *account;
    const char *system;
    const char
        *specification; /* "maesn/acme-42/invoice/all": what ce_id hashes; without the generation */
    const char *source; /* ce_source: "/maesn/xero/acme-42" */
    enum route_state state;
    struct secret *current_secret;
    struct secret *previous_secret;
    struct secret *token;
};

/* Owns:   on STATUS_OK the caller holds one reference of *ret.
 * Errors: STATUS_NOMEM.
 */
enum status route_new(const struct route_fields *fields, struct route **ret) MUST_CHECK;

/* Thread: any. route_unref(NULL) is fine. The reference count is the only thing that changes. */
struct route *route_ref(const struct route *r);
void route_unref(const struct route *r);

/* Whether it is declared for `maesn-bridge probe`: with the resource RESOURCE_PROBE. */
bool route_is_probe(const struct route *r);

/* Whether any secret or token is there to verify a callback with. */
bool route_has_secret(const struct route *r);
