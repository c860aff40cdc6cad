/* The port through which the ingress asks for routes, wherever they come from. */
#pragma once

#include "bridge/domain/route.h"

enum route_lookup {
    ROUTE_UNKNOWN = 0, /* there is no such route, and we know all: 404 */
    ROUTE_FOUND,
    ROUTE_NOT_YET, /* our knowledge may be behind: 503 */
};

struct registry {
    /* Finds the route whose path is exactly this one. On ROUTE_FOUND the caller holds a reference
     * of *ret; otherwise *ret is untouched. Thread: any number at once.
     */
    enum route_lookup (*find)(struct registry *registry, const char *path, struct route **ret);
};

static inline enum route_lookup registry_find(struct registry *registry, const char *path,
                                              struct route **ret)
{
    return registry->find(registry, path, ret);
}
