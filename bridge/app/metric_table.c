#include "bridge/app/metric_table.h"

struct reading {
    const struct metric_table *table;
    struct arena *arena;
    struct view_table *ret;
    bool is_short; /* of memory */
};

static void take_row(void *ctx, const struct metric_reading *m)
{
    struct reading *r = ctx;
    struct view_table *ret = r->ret;
    size_t texts = ret->columns_len - 1;
    if (!(m->value > 0) || ret->rows_len == METRIC_TABLE_ROWS_MAX)
        return;
    for (size_t i = 0; i < texts; i++) {
        struct bytes value = metric_label_find(m->labels, r->table->labels[i]);
        const char *copied = arena_dup(r->arena, value.data == NULL ? BYTES_LITERAL("") : value);
        r->is_short |= copied == NULL;
        ret->cells[ret->rows_len * texts + i] = copied;
    }
    ret->numbers[ret->rows_len++] = m->value;
}

enum status metric_table_read(const struct metric_table *t, struct metrics *m, struct arena *arena,
                              struct view_table *ret)
{
    size_t labels = 0;
    while (labels < METRIC_TABLE_LABELS_MAX && t->labels[labels] != NULL)
        labels++;
    *ret = (struct view_table){
        .name = t->name,
        .title = t->title,
        .columns = t->columns,
        .columns_len = labels + 1,
        .cells = arena_alloc(arena, METRIC_TABLE_ROWS_MAX * labels * sizeof(*ret->cells)),
        .numbers = arena_alloc(arena, METRIC_TABLE_ROWS_MAX * sizeof(*ret->numbers)),
    };
    if (ret->cells == NULL || ret->numbers == NULL)
        return STATUS_NOMEM;
    struct reading reading = {t, arena, ret, false};
    metrics_each(m, t->family, take_row, &reading);
    return reading.is_short ? STATUS_NOMEM : STATUS_OK;
}
