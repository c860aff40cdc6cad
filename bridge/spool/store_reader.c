#include "bridge/spool/store_reader.h"

#include <stdlib.h>

#include "bridge/base/scoped.h"
#include "bridge/spool/connection.h"
#include "bridge/spool/record_codec.h"

struct store_reader {
    sqlite3 *db;
    sqlite3_stmt *select;
};

DEFINE_CLEANUP(struct store_reader *, store_reader_close)

enum status store_reader_open(const char *path, struct store_reader **ret, struct diag *diag)
{
    CLEANUP(store_reader_close_scoped) struct store_reader *r = calloc(1, sizeof(*r));
    if (r == NULL)
        return STATUS_NOMEM;
    enum status status = connection_open(path, CONNECTION_READS, &r->db, diag);
    if (status == STATUS_OK)
        status = connection_identify(r->db, diag);
    if (status == STATUS_OK)
        status = connection_prepare(r->db,
                                    "SELECT sequence, stored_at_unix_ms, record FROM record"
                                    " WHERE sequence > ?1 ORDER BY sequence LIMIT ?2",
                                    &r->select, diag);
    if (status == STATUS_OK)
        *ret = TAKE(r);
    return status;
}

void store_reader_close(struct store_reader *r)
{
    if (r == NULL)
        return;
    sqlite3_finalize(r->select);
    connection_close(r->db);
    free(r);
}

/* The row the statement is at. STATUS_INVALID: it cannot be trusted. */
static enum status read_row(struct store_reader *r, struct arena *a, struct spooled_record *ret,
                            struct diag *diag)
{
    ret->sequence = sqlite3_column_int64(r->select, 0);
    ret->stored_at_unix_ms = sqlite3_column_int64(r->select, 1);
    const void *data = sqlite3_column_blob(r->select, 2);
    if (data == NULL)
        return sqlite3_errcode(r->db) == SQLITE_NOMEM
                   ? STATUS_NOMEM
                   : diag_set(diag, STATUS_INVALID, "it is empty");
    struct bytes encoded = bytes_of(data, (size_t)sqlite3_column_bytes(r->select, 2));
    const char *copy = arena_dup(a, encoded);
    return copy == NULL ? STATUS_NOMEM
                        : record_codec_decode(bytes_of(copy, encoded.len), &ret->record, diag);
}

/* Room for one more, in the arena: twice as many when it is full. */
static bool make_room(struct arena *a, size_t *capacity, struct store_page *page)
{
    if (page->len < *capacity)
        return true;
    size_t grown = *capacity == 0 ? 16 : *capacity * 2;
    struct spooled_record *moved = arena_alloc(a, grown * sizeof(*moved));
    if (moved == NULL)
        return false;
    if (page->len > 0)
        memcpy(moved, page->records, page->len * sizeof(*moved));
    page->records = moved;
    *capacity = grown;
    return true;
}

static enum status read_rows(struct store_reader *r, const struct store_range *range,
                             struct arena *a, struct store_page *page, struct diag *diag)
{
    size_t bytes = 0, capacity = 0;
    int step = SQLITE_ROW;
    while ((step = sqlite3_step(r->select)) == SQLITE_ROW) {
        struct spooled_record record;
        enum status status = make_room(a, &capacity, page)
                                 ? read_row(r, a, &record, &page->damage.diag)
                                 : STATUS_NOMEM;
        if (status == STATUS_INVALID)
            page->damage.sequence = record.sequence;
        if (status != STATUS_OK)
            return status == STATUS_NOMEM && page->len == 0 ? STATUS_NOMEM : STATUS_OK;
        bytes += record_codec_payload(&record.record);
        if (bytes > range->max_bytes && page->len > 0)
            return STATUS_OK;
        page->records[page->len++] = record;
    }
    if (step != SQLITE_DONE)
        return connection_fail(r->db, "reading", diag);
    page->is_at_end = page->len < range->max;
    return STATUS_OK;
}

enum status store_reader_read(struct store_reader *r, const struct store_range *range,
                              struct arena *a, struct store_page *ret, struct diag *diag)
{
    *ret = (struct store_page){0};
    sqlite3_bind_int64(r->select, 1, range->after);
    sqlite3_bind_int64(r->select, 2, range->max > INT32_MAX ? INT32_MAX : (int)range->max);
    enum status status = read_rows(r, range, a, ret, diag);
    sqlite3_reset(r->select); /* ends the snapshot */
    return status;
}
