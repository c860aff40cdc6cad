#include "bridge/spool/connection.h"

#include <errno.h>
#include <limits.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>

/* Another process may look at the spool (`spool list`); it holds SQLite's locks for moments. */
static const int busy_timeout_ms = 2000;

static enum status status_of(int code)
{
    switch (code & 0xff) {
    case SQLITE_NOMEM:
        return STATUS_NOMEM;
    case SQLITE_FULL:
        return STATUS_BUSY;
    case SQLITE_CORRUPT:
    case SQLITE_NOTADB:
    case SQLITE_SCHEMA:
    case SQLITE_ERROR: /* our statements are right: a table is missing, or its schema unreadable */
    case SQLITE_CONSTRAINT:
    case SQLITE_MISMATCH:
    case SQLITE_FORMAT:
        return STATUS_INVALID;
    default:
        return STATUS_UNAVAILABLE;
    }
}

static bool has_errno(sqlite3_file *file)
{
    int error = 0;
    return file != NULL && file->pMethods != NULL && file->pMethods->xFileControl != NULL &&
           file->pMethods->xFileControl(file, SQLITE_FCNTL_LAST_ERRNO, &error) == SQLITE_OK &&
           error != 0;
}

bool connection_met_error(sqlite3 *db)
{
    sqlite3_file *database = NULL, *log = NULL;
    sqlite3_file_control(db, NULL, SQLITE_FCNTL_FILE_POINTER, &database);
    sqlite3_file_control(db, NULL, SQLITE_FCNTL_JOURNAL_POINTER, &log);
    return has_errno(database) || has_errno(log);
}

enum status connection_fail(sqlite3 *db, const char *doing, struct diag *diag)
{
    int code = sqlite3_extended_errcode(db);
    enum status status = status_of(code);
    if (status == STATUS_INVALID && connection_met_error(db))
        status = STATUS_UNAVAILABLE;
    return diag_set(diag, status, "%s: %s (SQLite's %d)", doing, sqlite3_errmsg(db), code);
}

/* Whether surely nobody has it open, and nothing is to be read but the file itself: who reads it as
 * immutable never sees what is stored later. */
static bool is_at_rest(const char *path)
{
    char beside[PATH_MAX];
    struct stat st;
    if (snprintf(beside, sizeof(beside), "%s-shm", path) >= (int)sizeof(beside) ||
        stat(beside, &st) == 0 || errno != ENOENT)
        return false;
    snprintf(beside, sizeof(beside), "%s-wal", path);
    return stat(beside, &st) == 0 ? st.st_size == 0 : errno == ENOENT;
}

/* A database at rest is read without a trace: SQLite would make the two files beside it, and cannot
 * where they may not be written. Source: SQLite, "Uniform Resource Identifiers", immutable. */
static void name_at_rest(const char *path, char ret[3 * PATH_MAX])
{
    size_t len = (size_t)snprintf(ret, 3 * PATH_MAX, "file:");
    for (; *path != '\0' && len + 16 < 3 * PATH_MAX; path++) {
        if (*path == '?' || *path == '#' || *path == '%')
            len += (size_t)snprintf(ret + len, 4, "%%%02x", (unsigned)*path);
        else
            ret[len++] = *path;
    }
    snprintf(ret + len, 16, "?immutable=1");
}

enum status connection_open(const char *path, enum connection_use use, sqlite3 **ret,
                            struct diag *diag)
{
    sqlite3 *db = NULL;
    char uri[3 * PATH_MAX];
    int flags = SQLITE_OPEN_READWRITE;
    const char *name = path;
    if (use == CONNECTION_READS) {
        flags = SQLITE_OPEN_READONLY;
        if (is_at_rest(path)) {
            flags |= SQLITE_OPEN_URI;
            name_at_rest(path, uri);
            name = uri;
        }
    }
    if (sqlite3_open_v2(name, &db, flags | SQLITE_OPEN_NOMUTEX | SQLITE_OPEN_EXRESCODE, NULL) !=
        SQLITE_OK) {
        enum status status = db == NULL ? STATUS_NOMEM : connection_fail(db, path, diag);
        sqlite3_close(db);
        return status;
    }
    sqlite3_busy_timeout(db, busy_timeout_ms);
    sqlite3_db_config(db, SQLITE_DBCONFIG_NO_CKPT_ON_CLOSE, 1, NULL);
    sqlite3_db_config(db, SQLITE_DBCONFIG_DEFENSIVE, 1, NULL);
    *ret = db;
    return STATUS_OK;
}

void connection_close(sqlite3 *db)
{
    sqlite3_close(db);
}

enum status connection_exec(sqlite3 *db, const char *sql, struct diag *diag)
{
    return sqlite3_exec(db, sql, NULL, NULL, NULL) == SQLITE_OK ? STATUS_OK
                                                                : connection_fail(db, sql, diag);
}

enum status connection_prepare(sqlite3 *db, const char *sql, sqlite3_stmt **ret, struct diag *diag)
{
    return sqlite3_prepare_v3(db, sql, -1, SQLITE_PREPARE_PERSISTENT, ret, NULL) == SQLITE_OK
               ? STATUS_OK
               : connection_fail(db, sql, diag);
}

enum status connection_number(sqlite3 *db, const char *sql, int64_t *ret, struct diag *diag)
{
    sqlite3_stmt *statement = NULL;
    enum status status = connection_prepare(db, sql, &statement, diag);
    if (status != STATUS_OK)
        return status;
    int step = sqlite3_step(statement);
    if (step == SQLITE_ROW)
        *ret = sqlite3_column_int64(statement, 0);
    else if (step == SQLITE_DONE)
        *ret = 0;
    else
        status = connection_fail(db, sql, diag);
    sqlite3_finalize(statement);
    return status;
}

enum status connection_identify(sqlite3 *db, struct diag *diag)
{
    int64_t id = 0, version = 0;
    enum status status = connection_number(db, "PRAGMA application_id", &id, diag);
    if (status == STATUS_OK)
        status = connection_number(db, "PRAGMA user_version", &version, diag);
    if (status != STATUS_OK)
        return status;
    if (id != CONNECTION_APPLICATION_ID)
        return diag_set(diag, STATUS_INVALID, "it is no spool: application_id %lld, expected %d",
                        (long long)id, CONNECTION_APPLICATION_ID);
    if (version != CONNECTION_LAYOUT_VERSION)
        return diag_set(diag, STATUS_INVALID,
                        "its layout is version %lld, this program knows version %d",
                        (long long)version, CONNECTION_LAYOUT_VERSION);
    return STATUS_OK;
}
