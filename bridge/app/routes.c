#include "bridge/app/routes.h"

#include <stdlib.h>

#include "bridge/base/clock.h"
#include "bridge/registry/route_index.h"

struct routes {
    struct registry registry; /* first: the port's functions find their way back from it */
    struct registry *declared;
    struct route_index *index; /* NULL: none */
};

static enum route_lookup find_in_index(struct route_index *index, const char *path,
                                       struct route **ret)
{
    struct route *route = NULL;
    enum route_lookup lookup = route_index_find(index, path, clock_unix_ms(), &route);
    if (route == NULL)
        return lookup;
    *ret = route;
    bool is_awaited = lookup == ROUTE_FOUND && route->state == ROUTE_PENDING;
    return is_awaited ? ROUTE_AWAITED : lookup;
}

static enum route_lookup find(struct registry *registry, const char *path, struct route **ret)
{
    struct routes *r = (struct routes *)registry;
    enum route_lookup lookup = registry_find(r->declared, path, ret);
    if (lookup == ROUTE_FOUND || r->index == NULL)
        return lookup;
    return find_in_index(r->index, path, ret);
}

enum status routes_new(struct registry *declared, struct route_index *index, struct routes **ret)
{
    struct routes *r = calloc(1, sizeof(*r));
    if (r == NULL)
        return STATUS_NOMEM;
    r->registry.find = find;
    r->declared = declared;
    r->index = index;
    *ret = r;
    return STATUS_OK;
}

void routes_free(struct routes *r)
{
    free(r);
}

struct registry *routes_registry(struct routes *r)
{
    return &r->registry;
}
