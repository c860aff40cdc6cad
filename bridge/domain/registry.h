/* The port through which the ingress asks for routes, wherever they come from. */
#pragma once

#include <stdatomic.h>

#include "bridge/domain/route.h"

enum route_lookup {
    ROUTE_UNKNOWN = 0, /* there is no such route, and we know all: 404 */
    ROUTE_FOUND,
    ROUTE_AWAITED, /* found, pending, and its secret is on its way: a callback may wait for it */
    ROUTE_NOT_YET, /* our knowledge may be behind: 503 */
};

struct registry {
    /* Finds the route whose path is exactly this one. On ROUTE_FOUND and ROUTE_AWAITED the caller
     * holds a reference of *ret. On ROUTE_NOT_YET he may: then *ret is a pending route, which tells
     * whose probes and signatures to expect. Otherwise *ret is untouched. Thread: any number at
     * once.
     */
    enum route_lookup (*find)(struct registry *registry, const char *path, struct route **ret);

    /* Grows after each change of what find() says. Who found a route that is awaited, and had read
     * this before, looks again when it has grown: so no change is missed. */
    atomic_ullong changes;
};

static inline enum route_lookup registry_find(struct registry *registry, const char *path,
                                              struct route **ret)
{
    return registry->find(registry, path, ret);
}

/* Thread: any. */
static inline void registry_changed(struct registry *registry)
{
    atomic_fetch_add_explicit(&registry->changes, 1, memory_order_release);
}

static inline unsigned long long registry_changes(const struct registry *registry)
{
    return atomic_load_explicit(&registry->changes, memory_order_acquire);
}
