#include "bridge/app/topic_rows.h"

#include <search.h>
#include <stdlib.h>

#include "bridge/base/bytes.h"

struct held_row {
    struct topic_row row; /* first: the tree's order looks at it alone */
    uint8_t data[];
};

static int compare_rows(const void *left, const void *right)
{
    const struct topic_row *a = left, *b = right;
    size_t len = a->key.len < b->key.len ? a->key.len : b->key.len;
    int order = len == 0 ? 0 : memcmp(a->key.data, b->key.data, len);
    if (order == 0)
        order = (a->key.len > b->key.len) - (a->key.len < b->key.len);
    return order != 0 ? order : (a->partition > b->partition) - (a->partition < b->partition);
}

void topic_rows_done(struct topic_rows *rows)
{
    tdestroy(rows->tree, free);
    *rows = (struct topic_rows){0};
}

const struct topic_row *topic_rows_find(const struct topic_rows *rows, int32_t partition,
                                        struct bytes key)
{
    const struct topic_row wanted = {.partition = partition, .key = key};
    const struct topic_row *const *found = tfind(&wanted, &rows->tree, compare_rows);
    return found == NULL ? NULL : *found;
}

static void take_away(struct topic_rows *rows, int32_t partition, struct bytes key)
{
    const struct topic_row *row = topic_rows_find(rows, partition, key);
    if (row == NULL)
        return;
    tdelete(row, &rows->tree, compare_rows);
    rows->len--;
    free((void *)row);
}

static struct held_row *hold(int32_t partition, struct bytes key, struct bytes value)
{
    struct held_row *held = malloc(sizeof(*held) + key.len + value.len + 1);
    if (held == NULL)
        return NULL;
    if (key.len > 0)
        memcpy(held->data, key.data, key.len);
    if (value.len > 0)
        memcpy(held->data + key.len, value.data, value.len);
    held->row = (struct topic_row){partition, bytes_of(held->data, key.len),
                                   bytes_of(held->data + key.len, value.len)};
    return held;
}

enum status topic_rows_put(struct topic_rows *rows, int32_t partition, struct bytes key,
                           struct bytes value)
{
    if (value.data == NULL) {
        take_away(rows, partition, key);
        return STATUS_OK;
    }
    struct held_row *held = hold(partition, key, value);
    struct topic_row **found = held == NULL ? NULL : tsearch(&held->row, &rows->tree, compare_rows);
    if (found == NULL) {
        free(held);
        return STATUS_NOMEM;
    }
    if (*found == &held->row) {
        rows->len++;
        return STATUS_OK;
    }
    free(*found);
    *found = &held->row;
    return STATUS_OK;
}

struct walk {
    void (*on_row)(void *ctx, const struct topic_row *row);
    void *ctx;
};

static void walk_on(const void *node, VISIT which, void *closure)
{
    const struct walk *walk = closure;
    if (which == postorder || which == leaf)
        walk->on_row(walk->ctx, *(const struct topic_row *const *)node);
}

void topic_rows_each(const struct topic_rows *rows,
                     void (*on_row)(void *ctx, const struct topic_row *row), void *ctx)
{
    twalk_r(rows->tree, walk_on, &(struct walk){on_row, ctx});
}
