/* A directory of YAML files, each a map with one list of declared things: routes, accounts. */
#pragma once

#include "bridge/settings/field.h"
#include "bridge/settings/load.h"

struct declarations {
    const char *directory;
    enum setting_id setting; /* which names the directory */
    const char *list;        /* "routes" */
    void (*read)(struct load *l, const char *key, const struct node *n, void *ctx);
    void *ctx;
};

/* Calls read for each element of each file's list; key is "routes[0]". A directory that was set
 * must exist. The nodes are gone when read has returned. */
void declarations_read(struct load *l, const struct declarations *d);

/* The same of one file, wherever it is. */
void declarations_read_file(struct load *l, const struct declarations *d, const char *path);

/* The names that were declared, right or wrong otherwise, to find the ones declared twice. */
struct declared {
    const char *name;
    struct place place;
};
struct declared_list {
    struct declared *items;
    size_t len;
    size_t capacity;
};

/* Copies the texts into the settings. */
void declared_list_add(struct load *l, struct declared_list *list, const char *name,
                       struct place place);
void declared_list_done(struct declared_list *list);

/* A problem for every name that was declared before: it tells where. */
void declared_list_refuse_twins(struct load *l, const char *key, const struct declared_list *list);

/* Makes room for one more item of an array; the same pointer when there is room. NULL, and
 * l->problems->status, when memory is short: the array then stays. */
void *declarations_grow(struct load *l, void *items, size_t len, size_t *capacity, size_t size);
