#include "bridge/settings/declarations.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>

#include "bridge/base/scoped.h"

/* A node takes a hundred bytes and may come from two; beyond this the file is no sane one. */
static const size_t nodes_max = (size_t)1 << 30;

DEFINE_CLEANUP(struct arena *, arena_free)

static void read_list(struct load *l, const struct declarations *d, const struct node *list)
{
    if (list->kind != NODE_LIST) {
        load_mistyped(l, list, d->list, "a list");
        return;
    }
    size_t index = 0;
    for (const struct node *n = list->first; n != NULL; n = n->next) {
        char key[64];
        snprintf(key, sizeof(key), "%s[%zu]", d->list, index++);
        d->read(l, key, n, d->ctx);
    }
}

void declarations_read_file(struct load *l, const struct declarations *d, const char *path)
{
    CLEANUP(arena_free_scoped) struct arena *a = arena_new(nodes_max);
    if (a == NULL) {
        l->problems->status = STATUS_NOMEM;
        return;
    }
    const struct node *root = load_document(l, path, LOAD_DECLARATIONS_MAX, a);
    if (root == NULL)
        return;
    if (root->kind != NODE_MAP) {
        load_mistyped(l, root, d->list, "a map with one list");
        return;
    }
    const struct node *list = NULL;
    for (const struct node *n = root->first; n != NULL; n = n->next) {
        if (strcmp(n->key, d->list) != 0)
            load_error(l, n->key_place, n->key, "unknown key (did you mean \"%s\"?)", d->list);
        else if (list == NULL)
            list = n;
    }
    if (list != NULL)
        read_list(l, d, list);
    else /* an empty file is more likely a truncated one than a wish for nothing */
        load_error(l, root->place, d->list, "missing, expected a list, [] for none");
}

DEFINE_CLEANUP(struct load_files *, load_files_free)

void declarations_read(struct load *l, const struct declarations *d)
{
    struct load_files files = {0};
    const struct origin *origin = &l->settings->origins[d->setting];
    if (!load_files(l, d->directory, &files)) {
        int error = errno;
        bool is_default = origin->file == NULL;
        if (!is_default || error != ENOENT)
            load_error(l, load_origin(l, d->setting), settings_table[d->setting].key,
                       "%s: %s, expected a readable directory", d->directory, strerror(error));
        return;
    }
    CLEANUP(load_files_free_scoped) struct load_files *held = &files;
    if (held->len > LOAD_FILES_MAX) {
        load_error(l, load_origin(l, d->setting), settings_table[d->setting].key,
                   "%s: %zu files, expected at most %d", d->directory, held->len, LOAD_FILES_MAX);
        return;
    }
    for (size_t i = 0; i < held->len; i++)
        declarations_read_file(l, d, held->names[i]);
}

void *declarations_grow(struct load *l, void *items, size_t len, size_t *capacity, size_t size)
{
    if (len < *capacity)
        return items;
    size_t grown = *capacity == 0 ? 64 : *capacity * 2;
    void *moved = reallocarray(items, grown, size);
    if (moved == NULL)
        l->problems->status = STATUS_NOMEM;
    else
        *capacity = grown;
    return moved;
}

/* --- twins --------------------------------------------------------------------------------- */

void declared_list_add(struct load *l, struct declared_list *list, const char *name,
                       struct place place)
{
    struct declared *items =
        declarations_grow(l, list->items, list->len, &list->capacity, sizeof(*items));
    if (items == NULL)
        return;
    list->items = items;
    place.file = load_copy(l, place.file);
    list->items[list->len++] = (struct declared){load_copy(l, name), place};
}

void declared_list_done(struct declared_list *list)
{
    free(list->items);
}

/* By name, then in the order of reading, which is the order in memory. */
static int declared_compare(const void *a, const void *b)
{
    const struct declared *x = *(const struct declared *const *)a;
    const struct declared *y = *(const struct declared *const *)b;
    int order = strcmp(x->name, y->name);
    return order == 0 ? (x > y) - (x < y) : order;
}

void declared_list_refuse_twins(struct load *l, const char *key, const struct declared_list *list)
{
    const struct declared **sorted = calloc(list->len + 1, sizeof(*sorted));
    if (sorted == NULL) {
        l->problems->status = STATUS_NOMEM;
        return;
    }
    for (size_t i = 0; i < list->len; i++)
        sorted[i] = &list->items[i];
    qsort(sorted, list->len, sizeof(*sorted), declared_compare);
    const struct declared *first = sorted[0];
    for (size_t i = 1; i < list->len; i++) {
        if (strcmp(sorted[i]->name, first->name) == 0)
            load_error(l, sorted[i]->place, key, "%s, declared before at %s:%u:%u, expected once",
                       sorted[i]->name, first->place.file, first->place.line, first->place.column);
        else
            first = sorted[i];
    }
    free(sorted);
}
