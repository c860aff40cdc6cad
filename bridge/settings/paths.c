#include "bridge/settings/paths.h"

#include <stdlib.h>

#include "bridge/base/hash64.h"

/* Paths are the operator's, no adversary's. */
static size_t hash_text(const char *text)
{
    return (size_t)hash64(HASH64_START, bytes_of_text(text));
}

void paths_init(struct paths *p)
{
    *p = (struct paths){0};
}

void paths_done(struct paths *p)
{
    for (size_t i = 0; i < p->len; i++)
        free((char *)p->items[i]);
    free(p->items);
    free(p->slots);
    paths_init(p);
}

/* The slot of this path, or the free one where it belongs. */
static size_t find_slot(const struct paths *p, const char *path)
{
    size_t slot = hash_text(path) & (p->slots_len - 1);
    while (p->slots[slot] != 0 && strcmp(p->items[p->slots[slot] - 1], path) != 0)
        slot = (slot + 1) & (p->slots_len - 1);
    return slot;
}

/* Room for one more, with at most half of the slots taken. */
static bool paths_grow(struct paths *p)
{
    if (p->len < p->capacity)
        return true;
    size_t capacity = p->capacity == 0 ? 32 : p->capacity * 2;
    const char **items = reallocarray(p->items, capacity, sizeof(*items));
    if (items == NULL)
        return false;
    p->items = items;
    size_t *slots = calloc(2 * capacity, sizeof(*slots));
    if (slots == NULL)
        return false;
    free(p->slots);
    p->slots = slots;
    p->slots_len = 2 * capacity;
    p->capacity = capacity;
    for (size_t i = 0; i < p->len; i++)
        p->slots[find_slot(p, p->items[i])] = i + 1;
    return true;
}

void paths_add(struct paths *p, const char *path)
{
    if (!paths_grow(p)) {
        p->status = STATUS_NOMEM;
        return;
    }
    size_t slot = find_slot(p, path);
    if (p->slots[slot] != 0)
        return;
    char *copy = strdup(path);
    if (copy == NULL) {
        p->status = STATUS_NOMEM;
        return;
    }
    p->items[p->len++] = copy;
    p->slots[slot] = p->len;
}
