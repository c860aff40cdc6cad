#include "bridge/domain/route_table.h"

#include <stdlib.h>

#include "bridge/base/hash64.h"

struct route_table {
    size_t len;
    size_t mask;           /* slots - 1; at most half of the slots are taken */
    struct route *slots[]; /* open addressing, linear probing; NULL: free */
};

/* The keys are the operator's, so nobody can choose them to collide. */
static size_t hash_path(const char *path)
{
    return (size_t)hash64(HASH64_START, bytes_of_text(path));
}

/* The slot that holds the path, or the free one where it belongs. */
static size_t find_slot(const struct route_table *t, const char *path)
{
    size_t slot = hash_path(path) & t->mask;
    while (t->slots[slot] != NULL && strcmp(t->slots[slot]->path, path) != 0)
        slot = (slot + 1) & t->mask;
    return slot;
}

enum status route_table_new(struct route *const routes[], size_t routes_len,
                            struct route_table **ret, struct diag *diag)
{
    size_t slots = 2;
    while (slots < routes_len * 2)
        slots *= 2;
    struct route_table *t = calloc(1, sizeof(*t) + slots * sizeof(t->slots[0]));
    if (t == NULL)
        return STATUS_NOMEM;
    t->mask = slots - 1;
    for (size_t i = 0; i < routes_len; i++) {
        size_t slot = find_slot(t, routes[i]->path);
        if (t->slots[slot] != NULL) {
            route_table_free(t);
            return diag_set(diag, STATUS_INVALID, "path: %s, expected to be there once",
                            routes[i]->path);
        }
        t->slots[slot] = route_ref(routes[i]);
        t->len++;
    }
    *ret = t;
    return STATUS_OK;
}

void route_table_free(struct route_table *t)
{
    if (t == NULL)
        return;
    for (size_t slot = 0; slot <= t->mask; slot++)
        route_unref(t->slots[slot]);
    free(t);
}

struct route *route_table_find(const struct route_table *t, const char *path)
{
    return t->slots[find_slot(t, path)];
}

size_t route_table_len(const struct route_table *t)
{
    return t->len;
}
