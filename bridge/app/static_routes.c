#include "bridge/app/static_routes.h"

#include <pthread.h>
#include <stdlib.h>

#include "bridge/domain/route_table.h"

struct static_routes {
    struct registry registry; /* first: the port's functions find their way back from it */
    pthread_rwlock_t lock;    /* guards table */
    struct route_table *table;
};

static enum route_lookup find(struct registry *registry, const char *path, struct route **ret)
{
    struct static_routes *s = (struct static_routes *)registry;
    pthread_rwlock_rdlock(&s->lock);
    struct route *found = route_table_find(s->table, path);
    if (found != NULL)
        *ret = route_ref(found);
    pthread_rwlock_unlock(&s->lock);
    return found == NULL ? ROUTE_UNKNOWN : ROUTE_FOUND;
}

enum status static_routes_new(struct static_routes **ret)
{
    struct static_routes *s = calloc(1, sizeof(*s));
    if (s == NULL)
        return STATUS_NOMEM;
    enum status status = route_table_new(NULL, 0, &s->table, NULL);
    if (status != STATUS_OK || pthread_rwlock_init(&s->lock, NULL) != 0) {
        route_table_free(s->table);
        free(s);
        return STATUS_NOMEM;
    }
    s->registry.find = find;
    *ret = s;
    return STATUS_OK;
}

void static_routes_free(struct static_routes *s)
{
    if (s == NULL)
        return;
    pthread_rwlock_destroy(&s->lock);
    route_table_free(s->table);
    free(s);
}

enum status static_routes_replace(struct static_routes *s, struct route *const routes[],
                                  size_t routes_len, struct diag *diag)
{
    struct route_table *table = NULL;
    enum status status = route_table_new(routes, routes_len, &table, diag);
    if (status != STATUS_OK)
        return status;
    pthread_rwlock_wrlock(&s->lock);
    struct route_table *former = s->table;
    s->table = table;
    pthread_rwlock_unlock(&s->lock);
    route_table_free(former);
    return STATUS_OK;
}

struct registry *static_routes_registry(struct static_routes *s)
{
    return &s->registry;
}

size_t static_routes_len(struct static_routes *s)
{
    pthread_rwlock_rdlock(&s->lock);
    size_t len = route_table_len(s->table);
    pthread_rwlock_unlock(&s->lock);
    return len;
}
