/* Callbacks of the make-believe tenants, to routes that somebody declared by hand. */
#pragma once

#include "bridge/dev/delivery.h"

struct secret;

/* Everything is borrowed. */
struct tenant_deliveries {
    uint16_t port;
    const struct tenant *tenants;  /* they take turns */
    struct secret *const *secrets; /* one a tenant */
    size_t tenants_len;
};

struct delivery_source tenant_deliveries_source(struct tenant_deliveries *t);
