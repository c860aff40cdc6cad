#include "bridge/settings/paths.h"

#include <stdlib.h>
#include <sys/stat.h>

/* FNV-1a, 64 bits: no adversary, only different instants of the same files. */
static const uint64_t fnv_basis = 0xcbf29ce484222325, fnv_prime = 0x100000001b3;

static uint64_t hash_bytes(uint64_t hash, const void *data, size_t len)
{
    const uint8_t *bytes = data;
    for (size_t i = 0; i < len; i++)
        hash = (hash ^ bytes[i]) * fnv_prime;
    return hash;
}

void paths_init(struct paths *p)
{
    *p = (struct paths){0};
}

void paths_done(struct paths *p)
{
    for (size_t i = 0; i < p->len; i++)
        free(p->items[i]);
    free(p->items);
    free(p->slots);
    paths_init(p);
}

/* The slot of this path, or the free one where it belongs. */
static size_t find_slot(const struct paths *p, const char *path)
{
    size_t slot = hash_bytes(fnv_basis, path, strlen(path)) & (p->slots_len - 1);
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
    char **items = reallocarray(p->items, capacity, sizeof(*items));
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

uint64_t paths_fingerprint(const struct paths *p)
{
    uint64_t hash = fnv_basis;
    for (size_t i = 0; i < p->len; i++) {
        struct stat st;
        if (stat(p->items[i], &st) != 0) {
            hash = hash_bytes(hash, "-", 1);
            continue;
        }
        const int64_t what[] = {(int64_t)st.st_dev,  (int64_t)st.st_ino,
                                (int64_t)st.st_size, (int64_t)st.st_mtim.tv_sec,
                                st.st_mtim.tv_nsec,  (int64_t)st.st_ctim.tv_sec,
                                st.st_ctim.tv_nsec,  (int64_t)st.st_mode};
        hash = hash_bytes(hash, what, sizeof(what));
    }
    return hash;
}
