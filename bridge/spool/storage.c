#include "bridge/spool/storage.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

#include "bridge/base/clock.h"
#include "bridge/base/scoped.h"
#include "bridge/base/timestamp.h"

#define LOCK "spool.lock"
#define FRESH STORAGE_DATABASE ".new"

static const mode_t ours_alone = 0600;

DEFINE_CLEANUP(char *, free)

/* --- whose directory ------------------------------------------------------------------------ */

static enum status take_lock(struct storage *s, struct diag *diag)
{
    s->lock_fd = openat(s->directory_fd, LOCK, O_RDWR | O_CREAT | O_CLOEXEC, ours_alone);
    if (s->lock_fd < 0)
        return diag_set(diag, STATUS_INVALID, "%s: %s cannot be written: %s", s->directory, LOCK,
                        strerror(errno));
    if (flock(s->lock_fd, LOCK_EX | LOCK_NB) == 0)
        return STATUS_OK;
    return errno == EWOULDBLOCK
               ? diag_set(diag, STATUS_INVALID, "%s: another process has this spool", s->directory)
               : diag_set(diag, STATUS_INVALID, "%s: cannot be locked: %s", s->directory,
                          strerror(errno));
}

enum status storage_init(struct storage *ret, const char *directory, struct diag *diag)
{
    *ret = (struct storage){.directory_fd = -1, .lock_fd = -1};
    /* Without links, which SQLite would look for each time that it opens the database. */
    CLEANUP(free_scoped) char *real = realpath(directory, NULL);
    ret->directory = strdup(directory);
    size_t size = strlen(real == NULL ? directory : real) + sizeof("/" STORAGE_DATABASE);
    ret->database = malloc(size);
    if (ret->directory == NULL || ret->database == NULL)
        return STATUS_NOMEM;
    snprintf(ret->database, size, "%s/%s", real == NULL ? directory : real, STORAGE_DATABASE);
    ret->directory_fd = open(directory, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    return ret->directory_fd < 0 ? diag_set(diag, STATUS_INVALID, "%s: %s, expected a directory",
                                            directory, strerror(errno))
                                 : take_lock(ret, diag);
}

void storage_done(struct storage *s)
{
    if (s->lock_fd >= 0)
        close(s->lock_fd);
    if (s->directory_fd >= 0)
        close(s->directory_fd);
    free(s->directory);
    free(s->database);
    *s = (struct storage){.directory_fd = -1, .lock_fd = -1};
}

/* --- moving files --------------------------------------------------------------------------- */

/* Only what is surely not there is none: a disk that does not say is no reason to make a new one.
 */
static enum status look(const struct storage *s, const char *name, bool *ret_exists,
                        struct diag *diag)
{
    struct stat st;
    *ret_exists = fstatat(s->directory_fd, name, &st, AT_SYMLINK_NOFOLLOW) == 0;
    return *ret_exists || errno == ENOENT ? STATUS_OK
                                          : diag_set(diag, STATUS_UNAVAILABLE, "%s/%s: %s",
                                                     s->directory, name, strerror(errno));
}

static enum status sync_directory(const struct storage *s, struct diag *diag)
{
    return fsync(s->directory_fd) == 0
               ? STATUS_OK
               : diag_set(diag, STATUS_UNAVAILABLE, "%s: %s", s->directory, strerror(errno));
}

static enum status move(const struct storage *s, const char *from, const char *to,
                        struct diag *diag)
{
    if (renameat(s->directory_fd, from, s->directory_fd, to) == 0 || errno == ENOENT)
        return STATUS_OK;
    return diag_set(diag, STATUS_UNAVAILABLE, "%s/%s: cannot be renamed: %s", s->directory, from,
                    strerror(errno));
}

/* By SQLite's call for it, so that the sandbox has one to allow. What is not there, or cannot be
 * removed, is met again by whoever makes it anew. */
static enum status remove_file(const struct storage *s, const char *name)
{
    char *path = NULL;
    if (asprintf(&path, "%s/%s", s->directory, name) < 0)
        return STATUS_NOMEM;
    unlink(path);
    free(path);
    return STATUS_OK;
}

/* A name that is free: "spool.db.damaged-20261231T235959Z", with "-2" to "-99" behind it where the
 * second has had one. */
static enum status damaged_name(const struct storage *s, char ret[64], struct diag *diag)
{
    char now[TIMESTAMP_SIZE], compact[TIMESTAMP_SIZE];
    timestamp_format(clock_unix_ms() / 1000 * 1000, now);
    size_t len = 0;
    for (const char *c = now; *c != '\0'; c++)
        if (*c != '-' && *c != ':')
            compact[len++] = *c;
    compact[len] = '\0';
    snprintf(ret, 64, STORAGE_DATABASE ".damaged-%s", compact);
    bool is_taken = false;
    enum status status = look(s, ret, &is_taken, diag);
    for (int n = 2; status == STATUS_OK && is_taken && n < 100; n++) {
        snprintf(ret, 64, STORAGE_DATABASE ".damaged-%s-%d", compact, n);
        status = look(s, ret, &is_taken, diag);
    }
    return status == STATUS_OK && is_taken
               ? diag_set(diag, STATUS_UNAVAILABLE, "%s: no name is free for what is damaged",
                          s->directory)
               : status;
}

/* The database first: a log that is left alone by a crash in between is never taken for a new
 * database's, but moved aside in its turn. SQLite would delete it. */
static enum status move_aside(const struct storage *s, struct storage_damage *ret,
                              struct diag *diag)
{
    char log[sizeof(ret->name) + 4];
    enum status status = damaged_name(s, ret->name, diag);
    snprintf(log, sizeof(log), "%s-wal", ret->name);
    if (status == STATUS_OK)
        status = move(s, STORAGE_DATABASE, ret->name, diag);
    if (status == STATUS_OK)
        status = move(s, STORAGE_DATABASE "-wal", log, diag);
    if (status == STATUS_OK)
        status = sync_directory(s, diag);
    if (status != STATUS_OK)
        return status;
    ret->is_moved = true;
    return remove_file(s, STORAGE_DATABASE "-shm"); /* SQLite makes it from the log */
}

/* --- making and opening --------------------------------------------------------------------- */

/* Under another name until it is whole: an empty or half-made spool.db is therefore a damaged one.
 */
static enum status make(const struct storage *s, int64_t next_sequence, struct diag *diag)
{
    static const char *const leftovers[] = {FRESH, FRESH "-journal", FRESH "-wal", FRESH "-shm"};
    for (size_t i = 0; i < sizeof(leftovers) / sizeof(leftovers[0]); i++)
        if (remove_file(s, leftovers[i]) != STATUS_OK)
            return STATUS_NOMEM;
    int fd = openat(s->directory_fd, FRESH, O_RDWR | O_CREAT | O_EXCL | O_CLOEXEC, ours_alone);
    if (fd < 0)
        return diag_set(diag, STATUS_UNAVAILABLE, "%s/%s: %s", s->directory, FRESH,
                        strerror(errno));
    close(fd);
    char *path = NULL;
    if (asprintf(&path, "%s.new", s->database) < 0)
        return STATUS_NOMEM;
    enum status status = store_create(path, next_sequence, diag);
    free(path);
    if (status == STATUS_OK)
        status = move(s, FRESH, STORAGE_DATABASE, diag);
    return status == STATUS_OK ? sync_directory(s, diag) : status;
}

static enum status open_or_make(const struct storage *s, const struct store_limits *limits,
                                int64_t next_sequence, struct store **ret, struct diag *diag)
{
    bool has_database = false, has_log = false;
    enum status status = look(s, STORAGE_DATABASE, &has_database, diag);
    if (status == STATUS_OK)
        status = look(s, STORAGE_DATABASE "-wal", &has_log, diag);
    if (status == STATUS_OK && !has_database)
        status = has_log ? diag_set(diag, STATUS_INVALID, "its log is there without it")
                         : make(s, next_sequence, diag);
    if (status != STATUS_OK)
        return status;
    /* Whoever put the file there: what is in it concerns nobody else. */
    if (fchmodat(s->directory_fd, STORAGE_DATABASE, ours_alone, 0) != 0)
        return diag_set(diag, STATUS_UNAVAILABLE, "%s: %s", s->database, strerror(errno));
    return store_open(s->database, limits, ret, diag);
}

enum status storage_open(struct storage *s, const struct store_limits *limits,
                         int64_t next_sequence, const struct diag *known_damage, struct store **ret,
                         struct storage_damage *ret_damage, struct diag *diag)
{
    *ret_damage = (struct storage_damage){0};
    enum status status = STATUS_INVALID;
    if (known_damage != NULL)
        ret_damage->why = *known_damage;
    else
        status = open_or_make(s, limits, next_sequence, ret, &ret_damage->why);
    if (status == STATUS_INVALID) {
        status = move_aside(s, ret_damage, diag);
        return status == STATUS_OK ? open_or_make(s, limits, next_sequence, ret, diag) : status;
    }
    if (status != STATUS_OK)
        (void)diag_set(diag, status, "%s", ret_damage->why.text);
    return status;
}

void storage_forget_cache(const struct storage *s)
{
    static const char *const names[] = {STORAGE_DATABASE, STORAGE_DATABASE "-wal"};
    for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++) {
        int fd = openat(s->directory_fd, names[i], O_RDONLY | O_CLOEXEC);
        if (fd < 0)
            continue;
        (void)!posix_fadvise(fd, 0, 0, POSIX_FADV_DONTNEED);
        close(fd);
    }
}
