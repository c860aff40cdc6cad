#include "bridge/spool/store_reader.h"

#include <stdlib.h>

#include "bridge/base/scoped.h"
#include "bridge/spool/connection.h"
#include "bridge/spool/record_codec.h"

enum { SURVEY_ROWS = 20000 }; /* of one snapshot */

struct store_reader {
    sqlite3 *db;
    sqlite3_stmt *select[2]; /* by enum store_table */
    sqlite3_stmt *survey;
};

DEFINE_CLEANUP(struct store_reader *, store_reader_close)

static enum status prepare(struct store_reader *r, struct diag *diag)
{
    const struct {
        const char *sql;
        sqlite3_stmt **statement;
    } statements[] = {
        {"SELECT sequence, stored_at_unix_ms, record FROM record"
         " WHERE sequence > ?1 ORDER BY sequence LIMIT ?2",
         &r->select[STORE_RECORDS]},
        {"SELECT sequence, stored_at_unix_ms, record FROM damaged"
         " WHERE sequence > ?1 ORDER BY sequence LIMIT ?2",
         &r->select[STORE_DAMAGED]},
        {"SELECT sequence, topic, size, stored_at_unix_ms FROM record"
         " WHERE sequence > ?1 ORDER BY sequence LIMIT ?2",
         &r->survey},
    };
    enum status status = STATUS_OK;
    for (size_t i = 0; i < sizeof(statements) / sizeof(statements[0]) && status == STATUS_OK; i++)
        status = connection_prepare(r->db, statements[i].sql, statements[i].statement, diag);
    return status;
}

enum status store_reader_open(const char *path, struct store_reader **ret, struct diag *diag)
{
    CLEANUP(store_reader_close_scoped) struct store_reader *r = calloc(1, sizeof(*r));
    if (r == NULL)
        return STATUS_NOMEM;
    enum status status = connection_open(path, CONNECTION_READS, &r->db, diag);
    if (status == STATUS_OK)
        status = connection_identify(r->db, diag);
    if (status == STATUS_OK)
        status = prepare(r, diag);
    if (status == STATUS_OK)
        *ret = TAKE(r);
    return status;
}

void store_reader_close(struct store_reader *r)
{
    if (r == NULL)
        return;
    sqlite3_finalize(r->select[STORE_RECORDS]);
    sqlite3_finalize(r->select[STORE_DAMAGED]);
    sqlite3_finalize(r->survey);
    connection_close(r->db);
    free(r);
}

bool store_reader_met_error(const struct store_reader *r)
{
    return connection_met_error(r->db);
}

/* --- records -------------------------------------------------------------------------------- */

/* The row the statement is at. STATUS_INVALID: it cannot be trusted, and *damage says why. */
static enum status read_row(sqlite3_stmt *row, struct arena *a, struct spooled_record *ret,
                            struct store_damage *damage)
{
    ret->sequence = sqlite3_column_int64(row, 0);
    ret->stored_at_unix_ms = sqlite3_column_int64(row, 1);
    const void *data = sqlite3_column_blob(row, 2);
    size_t len = (size_t)sqlite3_column_bytes(row, 2);
    if (data == NULL && sqlite3_errcode(sqlite3_db_handle(row)) == SQLITE_NOMEM)
        return STATUS_NOMEM;
    struct bytes encoded = bytes_of(arena_dup(a, bytes_of(data == NULL ? "" : data, len)), len);
    if (encoded.data == NULL)
        return STATUS_NOMEM;
    struct diag diag = {0};
    enum status status = record_codec_decode(encoded, &ret->record, &diag);
    if (status == STATUS_INVALID)
        *damage = (struct store_damage){ret->sequence, ret->stored_at_unix_ms, encoded, diag};
    return status;
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

static enum status read_rows(sqlite3_stmt *select, const struct store_range *range, struct arena *a,
                             struct store_page *page, struct diag *diag)
{
    size_t bytes = 0, capacity = 0;
    int step = SQLITE_ROW;
    while ((step = sqlite3_step(select)) == SQLITE_ROW) {
        struct spooled_record record;
        enum status status = STATUS_NOMEM;
        if (make_room(a, &capacity, page))
            status = read_row(select, a, &record, &page->damage);
        if (status != STATUS_OK)
            return status == STATUS_NOMEM && page->len == 0 ? STATUS_NOMEM : STATUS_OK;
        bytes += record_codec_payload(&record.record);
        if (bytes > range->max_bytes && page->len > 0)
            return STATUS_OK;
        page->records[page->len++] = record;
    }
    if (step != SQLITE_DONE)
        return connection_fail(sqlite3_db_handle(select), "reading", diag);
    page->is_at_end = page->len < range->max;
    return STATUS_OK;
}

static void bind_range(sqlite3_stmt *select, int64_t after, size_t max)
{
    sqlite3_bind_int64(select, 1, after);
    sqlite3_bind_int64(select, 2, max > INT32_MAX ? INT32_MAX : (int)max);
}

enum status store_reader_read(struct store_reader *r, const struct store_range *range,
                              struct arena *a, struct store_page *ret, struct diag *diag)
{
    sqlite3_stmt *select = r->select[range->table];
    *ret = (struct store_page){0};
    bind_range(select, range->after, range->max);
    enum status status = read_rows(select, range, a, ret, diag);
    sqlite3_reset(select); /* ends the snapshot */
    return status;
}

/* --- past damage ---------------------------------------------------------------------------- */

/* Whether SQLite finds its way to the row behind this sequence, or to the end. */
static bool can_read(struct store_reader *r, enum store_table table, int64_t after)
{
    bind_range(r->select[table], after, 1);
    int step = sqlite3_step(r->select[table]);
    sqlite3_reset(r->select[table]);
    return step == SQLITE_ROW || step == SQLITE_DONE;
}

/* Farther and farther, until it can be read; then back, by halves, to where that begins. */
int64_t store_reader_skip(struct store_reader *r, enum store_table table, int64_t after)
{
    const int64_t step_max = (int64_t)1 << 40;
    int64_t step = 1;
    while (step < step_max && !can_read(r, table, after + step))
        step *= 2;
    if (step >= step_max)
        return INT64_MAX;
    int64_t bad = after + step / 2, good = after + step;
    while (good - bad > 1) {
        int64_t middle = bad + (good - bad) / 2;
        if (can_read(r, table, middle))
            good = middle;
        else
            bad = middle;
    }
    return good;
}

/* --- the survey ----------------------------------------------------------------------------- */

static int compare_topics(const void *a, const void *b)
{
    return strcmp(((const struct store_topic *)a)->name, ((const struct store_topic *)b)->name);
}

/* NULL: memory is short. A spool holds few topics, and mostly one after the same one. */
static struct store_topic *find_topic(struct arena *a, struct store_survey *s, size_t *capacity,
                                      const char *name)
{
    for (size_t i = s->topics_len; i > 0; i--)
        if (strcmp(s->topics[i - 1].name, name) == 0)
            return &s->topics[i - 1];
    if (s->topics_len == *capacity) {
        size_t grown = *capacity == 0 ? 16 : *capacity * 2;
        struct store_topic *moved = arena_alloc(a, grown * sizeof(*moved));
        if (moved == NULL)
            return NULL;
        if (s->topics_len > 0)
            memcpy(moved, s->topics, s->topics_len * sizeof(*moved));
        s->topics = moved;
        *capacity = grown;
    }
    const char *copy = arena_dup(a, bytes_of_text(name));
    if (copy == NULL)
        return NULL;
    s->topics[s->topics_len] = (struct store_topic){.name = copy};
    return &s->topics[s->topics_len++];
}

static void count(struct store_topic *t, uint64_t bytes, int64_t stored_at_unix_ms)
{
    if (t->records == 0 || stored_at_unix_ms < t->oldest_unix_ms)
        t->oldest_unix_ms = stored_at_unix_ms;
    if (t->records == 0 || stored_at_unix_ms > t->newest_unix_ms)
        t->newest_unix_ms = stored_at_unix_ms;
    t->records++;
    t->bytes += bytes;
}

/* As many rows as one snapshot should see; *after is the last one's. */
static enum status survey_rows(struct store_reader *r, struct arena *a, struct store_survey *s,
                               size_t *capacity, int64_t *after, struct diag *diag)
{
    int step = SQLITE_ROW;
    bind_range(r->survey, *after, SURVEY_ROWS);
    while ((step = sqlite3_step(r->survey)) == SQLITE_ROW) {
        const char *name = (const char *)sqlite3_column_text(r->survey, 1);
        struct store_topic *t = find_topic(a, s, capacity, name == NULL ? "" : name);
        if (t == NULL)
            return STATUS_NOMEM;
        *after = sqlite3_column_int64(r->survey, 0);
        uint64_t bytes = (uint64_t)sqlite3_column_int64(r->survey, 2);
        int64_t stored_at = sqlite3_column_int64(r->survey, 3);
        count(t, bytes, stored_at);
        count(&s->all, bytes, stored_at);
    }
    return step == SQLITE_DONE ? STATUS_OK : connection_fail(r->db, "reading", diag);
}

enum status store_reader_survey(struct store_reader *r, struct arena *a, struct store_survey *ret,
                                struct diag *diag)
{
    int64_t after = 0, before = -1, damaged = 0;
    size_t capacity = 0;
    enum status status = STATUS_OK;
    *ret = (struct store_survey){0};
    while (status == STATUS_OK && after != before) {
        before = after;
        status = survey_rows(r, a, ret, &capacity, &after, diag);
        sqlite3_reset(r->survey);
    }
    if (ret->topics_len > 0)
        qsort(ret->topics, ret->topics_len, sizeof(ret->topics[0]), compare_topics);
    if (status == STATUS_OK)
        status = connection_number(r->db, "SELECT count(*) FROM damaged", &damaged, diag);
    ret->damaged = (uint64_t)damaged;
    return status;
}
