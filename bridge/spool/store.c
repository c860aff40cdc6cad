#include "bridge/spool/store.h"

#include <stdio.h>
#include <stdlib.h>

#include "bridge/base/clock.h"
#include "bridge/base/scoped.h"
#include "bridge/spool/connection.h"

enum {
    PAGE_SIZE = 4096,
    PAGES_MIN = 64,          /* what the smallest quota, 1 MiB, needs, and no less */
    SHRINK_PAGES_MIN = 64,   /* a smaller file is left as it is */
    PROGRESS_STEPS = 1000,   /* of SQLite's machine between two looks at the clock: some 10 us */
    CHECKPOINT_WAIT_MS = 50, /* for readers of other processes: callbacks wait meanwhile */
};

struct store {
    sqlite3 *db;
    sqlite3_stmt *begin, *insert, *delete, *set_aside, *update, *commit, *rollback;
    struct store_totals committed;
    struct store_totals totals; /* of the open transaction */
    int log_pages;
    int64_t check_until_mono_ms;
};

DEFINE_CLEANUP(struct store *, store_close)

static const char tables[] =
    "CREATE TABLE record (sequence INTEGER PRIMARY KEY, stored_at_unix_ms INTEGER NOT NULL,"
    " size INTEGER NOT NULL, topic TEXT NOT NULL, record BLOB NOT NULL);"
    "CREATE TABLE damaged (sequence INTEGER PRIMARY KEY, stored_at_unix_ms, size, topic, record);"
    "CREATE TABLE totals (id INTEGER PRIMARY KEY CHECK (id = 1), next_sequence INTEGER NOT NULL,"
    " records INTEGER NOT NULL, bytes INTEGER NOT NULL);";

/* --- making and opening --------------------------------------------------------------------- */

static enum status create_tables(sqlite3 *db, int64_t next_sequence, struct diag *diag)
{
    char sql[1024];
    snprintf(sql, sizeof(sql),
             "PRAGMA page_size=%d; PRAGMA synchronous=FULL; BEGIN; %s"
             "INSERT INTO totals VALUES (1, %lld, 0, 0);"
             "PRAGMA application_id=%d; PRAGMA user_version=%d; COMMIT; PRAGMA journal_mode=WAL",
             PAGE_SIZE, tables, (long long)next_sequence, CONNECTION_APPLICATION_ID,
             CONNECTION_LAYOUT_VERSION);
    return connection_exec(db, sql, diag);
}

enum status store_create(const char *path, int64_t next_sequence, struct diag *diag)
{
    sqlite3 *db = NULL;
    enum status status = connection_open(path, CONNECTION_WRITES, &db, diag);
    if (status != STATUS_OK)
        return status;
    /* It is whole and alone once its log is gone, which closing sees to. */
    sqlite3_db_config(db, SQLITE_DBCONFIG_NO_CKPT_ON_CLOSE, 0, NULL);
    status = create_tables(db, next_sequence, diag);
    connection_close(db);
    return status;
}

static int on_commit(void *ctx, sqlite3 *db, const char *name, int pages)
{
    (void)db;
    (void)name;
    struct store *st = ctx;
    st->log_pages = pages;
    return SQLITE_OK;
}

/* The file system may not be fit for a write-ahead log: SQLite then stays with what it had. */
static enum status use_log(sqlite3 *db, struct diag *diag)
{
    sqlite3_stmt *statement = NULL;
    enum status status = connection_prepare(db, "PRAGMA journal_mode=WAL", &statement, diag);
    if (status != STATUS_OK)
        return status;
    int step = sqlite3_step(statement);
    const char *mode = step == SQLITE_ROW ? (const char *)sqlite3_column_text(statement, 0) : "";
    if (step != SQLITE_ROW)
        status = connection_fail(db, "PRAGMA journal_mode=WAL", diag);
    else if (mode == NULL || strcmp(mode, "wal") != 0)
        status = diag_set(diag, STATUS_UNAVAILABLE, "its journal_mode is %s, not wal", mode);
    sqlite3_finalize(statement);
    return status;
}

/* A checkpoint is made when the writer has time for it, not by SQLite within a commit. FAST: what
 * is deleted is overwritten where that costs no further write (Debian's SQLite has ON, which writes
 * every deleted page once more). */
static enum status configure(struct store *st, const struct store_limits *limits, struct diag *diag)
{
    uint64_t pages = limits->file_bytes / PAGE_SIZE;
    if (pages < PAGES_MIN)
        pages = PAGES_MIN;
    else if (pages > INT32_MAX - 1)
        pages = INT32_MAX - 1;
    char sql[256];
    snprintf(sql, sizeof(sql),
             "PRAGMA synchronous=FULL; PRAGMA secure_delete=FAST; PRAGMA temp_store=MEMORY;"
             "PRAGMA journal_size_limit=%llu; PRAGMA max_page_count=%llu",
             (unsigned long long)limits->log_bytes, (unsigned long long)pages);
    enum status status = use_log(st->db, diag);
    if (status == STATUS_OK)
        status = connection_exec(st->db, sql, diag);
    sqlite3_wal_hook(st->db, on_commit, st);
    return status;
}

static enum status prepare(struct store *st, struct diag *diag)
{
    const struct {
        const char *sql;
        sqlite3_stmt **statement;
    } statements[] = {
        {"BEGIN IMMEDIATE", &st->begin},
        {"INSERT INTO record VALUES (?1, ?2, ?3, ?4, ?5)", &st->insert},
        {"DELETE FROM record WHERE sequence = ?1 RETURNING size", &st->delete},
        {"INSERT OR IGNORE INTO damaged SELECT * FROM record WHERE sequence = ?1", &st->set_aside},
        {"UPDATE totals SET next_sequence = ?1, records = ?2, bytes = ?3", &st->update},
        {"COMMIT", &st->commit},
        {"ROLLBACK", &st->rollback},
    };
    enum status status = STATUS_OK;
    for (size_t i = 0; i < sizeof(statements) / sizeof(statements[0]) && status == STATUS_OK; i++)
        status = connection_prepare(st->db, statements[i].sql, statements[i].statement, diag);
    return status;
}

/* The totals, and that the ends of the table agree with them. */
static enum status read_totals(struct store *st, struct diag *diag)
{
    int64_t next = 0, records = 0, bytes = 0, first = 0, last = 0;
    const struct {
        const char *sql;
        int64_t *ret;
    } numbers[] = {
        {"SELECT next_sequence FROM totals", &next}, {"SELECT records FROM totals", &records},
        {"SELECT bytes FROM totals", &bytes},        {"SELECT min(sequence) FROM record", &first},
        {"SELECT max(sequence) FROM record", &last},
    };
    enum status status = STATUS_OK;
    for (size_t i = 0; i < sizeof(numbers) / sizeof(numbers[0]) && status == STATUS_OK; i++)
        status = connection_number(st->db, numbers[i].sql, numbers[i].ret, diag);
    if (status != STATUS_OK)
        return status;
    if (next < 1 || records < 0 || bytes < 0 || last >= next || (last > 0) != (records > 0) ||
        (last > 0 && records > last - first + 1))
        return diag_set(diag, STATUS_INVALID,
                        "its totals disagree with its records: %lld of them, from %lld to %lld, "
                        "before %lld",
                        (long long)records, (long long)first, (long long)last, (long long)next);
    st->committed = (struct store_totals){(uint64_t)records, (uint64_t)bytes, next};
    return STATUS_OK;
}

static int is_out_of_time(void *ctx)
{
    const struct store *st = ctx;
    return clock_mono_ms() >= st->check_until_mono_ms;
}

/* What there was no time for is found by the record's own checksum, or by SQLite, when it is read.
 */
static enum status quick_check(struct store *st, int max_ms, struct diag *diag)
{
    sqlite3_stmt *check = NULL;
    enum status status = connection_prepare(st->db, "PRAGMA quick_check(1)", &check, diag);
    if (status != STATUS_OK)
        return status;
    st->check_until_mono_ms = clock_mono_ms() + max_ms;
    sqlite3_progress_handler(st->db, PROGRESS_STEPS, is_out_of_time, st);
    int step = sqlite3_step(check);
    sqlite3_progress_handler(st->db, 0, NULL, NULL);
    const char *found = step == SQLITE_ROW ? (const char *)sqlite3_column_text(check, 0) : NULL;
    if (step == SQLITE_ROW && found == NULL)
        status = STATUS_NOMEM;
    else if (step == SQLITE_ROW && strcmp(found, "ok") != 0)
        status = diag_set(diag, connection_met_error(st->db) ? STATUS_UNAVAILABLE : STATUS_INVALID,
                          "quick_check: %s", found);
    else if (step != SQLITE_ROW && step != SQLITE_DONE && (step & 0xff) != SQLITE_INTERRUPT)
        status = connection_fail(st->db, "quick_check", diag);
    sqlite3_finalize(check);
    return status;
}

enum status store_open(const char *path, const struct store_limits *limits, struct store **ret,
                       struct diag *diag)
{
    CLEANUP(store_close_scoped) struct store *st = calloc(1, sizeof(*st));
    if (st == NULL)
        return STATUS_NOMEM;
    enum status status = connection_open(path, CONNECTION_WRITES, &st->db, diag);
    if (status == STATUS_OK)
        status = connection_identify(st->db, diag);
    if (status == STATUS_OK)
        status = configure(st, limits, diag);
    if (status == STATUS_OK)
        status = prepare(st, diag);
    if (status == STATUS_OK)
        status = read_totals(st, diag);
    if (status == STATUS_OK)
        status = quick_check(st, limits->check_ms, diag);
    if (status != STATUS_OK)
        return status;
    sqlite3_busy_timeout(st->db, CHECKPOINT_WAIT_MS);
    *ret = TAKE(st);
    return STATUS_OK;
}

void store_close(struct store *st)
{
    if (st == NULL)
        return;
    sqlite3_stmt *const statements[] = {st->begin,  st->insert, st->delete,  st->set_aside,
                                        st->update, st->commit, st->rollback};
    for (size_t i = 0; i < sizeof(statements) / sizeof(statements[0]); i++)
        sqlite3_finalize(statements[i]);
    connection_close(st->db);
    free(st);
}

const struct store_totals *store_totals(const struct store *st)
{
    return &st->committed;
}

/* --- transactions --------------------------------------------------------------------------- */

/* Runs a statement that returns no row of interest, and makes it ready for the next time. */
static enum status run(struct store *st, sqlite3_stmt *statement, struct diag *diag)
{
    enum status status = STATUS_OK;
    if (sqlite3_step(statement) != SQLITE_DONE)
        status = connection_fail(st->db, sqlite3_sql(statement), diag);
    sqlite3_reset(statement);
    return status;
}

enum status store_begin(struct store *st, struct diag *diag)
{
    st->totals = st->committed;
    return run(st, st->begin, diag);
}

enum status store_insert(struct store *st, int64_t stored_at_unix_ms, size_t size,
                         const char *topic, struct bytes record, int64_t *ret_sequence,
                         struct diag *diag)
{
    sqlite3_bind_int64(st->insert, 1, st->totals.next_sequence);
    sqlite3_bind_int64(st->insert, 2, stored_at_unix_ms);
    sqlite3_bind_int64(st->insert, 3, (sqlite3_int64)size);
    sqlite3_bind_text(st->insert, 4, topic, -1, SQLITE_STATIC);
    sqlite3_bind_blob64(st->insert, 5, record.data, record.len, SQLITE_STATIC);
    enum status status = run(st, st->insert, diag);
    if (status != STATUS_OK)
        return status;
    *ret_sequence = st->totals.next_sequence++;
    st->totals.records++;
    st->totals.bytes += size;
    return STATUS_OK;
}

enum status store_delete(struct store *st, int64_t sequence, bool *ret_was_there, struct diag *diag)
{
    sqlite3_bind_int64(st->delete, 1, sequence);
    int step = sqlite3_step(st->delete);
    bool was_there = step == SQLITE_ROW;
    if (was_there) {
        uint64_t size = (uint64_t)sqlite3_column_int64(st->delete, 0);
        st->totals.records -= st->totals.records > 0;
        st->totals.bytes -= size < st->totals.bytes ? size : st->totals.bytes;
        step = sqlite3_step(st->delete);
    }
    enum status status = STATUS_OK;
    if (step != SQLITE_DONE)
        status = connection_fail(st->db, sqlite3_sql(st->delete), diag);
    else
        *ret_was_there = was_there;
    sqlite3_reset(st->delete);
    return status;
}

enum status store_set_aside(struct store *st, int64_t sequence, bool *ret_was_there,
                            struct diag *diag)
{
    sqlite3_bind_int64(st->set_aside, 1, sequence);
    enum status status = run(st, st->set_aside, diag);
    return status == STATUS_OK ? store_delete(st, sequence, ret_was_there, diag) : status;
}

enum status store_commit(struct store *st, struct diag *diag)
{
    sqlite3_bind_int64(st->update, 1, st->totals.next_sequence);
    sqlite3_bind_int64(st->update, 2, (sqlite3_int64)st->totals.records);
    sqlite3_bind_int64(st->update, 3, (sqlite3_int64)st->totals.bytes);
    enum status status = run(st, st->update, diag);
    if (status == STATUS_OK)
        status = run(st, st->commit, diag);
    if (status == STATUS_OK)
        st->committed = st->totals;
    return status;
}

void store_rollback(struct store *st)
{
    /* SQLite may have rolled back by itself, and what fails now is found by the next transaction.
     */
    if (!sqlite3_get_autocommit(st->db))
        (void)!run(st, st->rollback, NULL);
}

/* --- the log and the file ------------------------------------------------------------------- */

uint64_t store_log_bytes(const struct store *st)
{
    return (uint64_t)st->log_pages * PAGE_SIZE;
}

enum status store_checkpoint(struct store *st, bool is_whole, struct diag *diag)
{
    int pages = 0, moved = 0;
    int mode = is_whole ? SQLITE_CHECKPOINT_TRUNCATE : SQLITE_CHECKPOINT_PASSIVE;
    int code = sqlite3_wal_checkpoint_v2(st->db, NULL, mode, &pages, &moved);
    if (code != SQLITE_OK && (code & 0xff) != SQLITE_BUSY)
        return connection_fail(st->db, "checkpoint", diag);
    if (pages >= 0 && moved >= pages)
        st->log_pages = 0; /* the next transaction writes the log from its beginning */
    return STATUS_OK;
}

enum status store_shrink(struct store *st, struct diag *diag)
{
    int64_t pages = 0;
    if (st->committed.records > 0)
        return STATUS_OK;
    enum status status = connection_number(st->db, "PRAGMA page_count", &pages, diag);
    /* Without records it copies three pages, however long the file was. */
    return status == STATUS_OK && pages >= SHRINK_PAGES_MIN
               ? connection_exec(st->db, "VACUUM", diag)
               : status;
}
