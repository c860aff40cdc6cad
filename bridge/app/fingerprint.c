#include "bridge/app/fingerprint.h"

#include <dirent.h>
#include <errno.h>
#include <stddef.h>
#include <string.h>
#include <sys/stat.h>

#include "bridge/base/clock.h"

/* FNV-1a. Source: RFC 9923 (64-bit prime). It tells apart what nobody forges: whoever may write the
 * files needs no collision. */
static uint64_t hash_bytes(uint64_t hash, const void *data, size_t len)
{
    const uint8_t *bytes = data;
    for (size_t i = 0; i < len; i++)
        /* NOLINTNEXTLINE(clang-analyzer-core.UndefinedBinaryOperatorResult): stat() filled it */
        hash = (hash ^ bytes[i]) * 0x100000001b3;
    return hash;
}

static uint64_t hash_number(uint64_t hash, int64_t number)
{
    return hash_bytes(hash, &number, sizeof(number));
}

static void note_time(struct fingerprint *f, const struct timespec *at)
{
    int64_t at_unix_ms = (int64_t)at->tv_sec * 1000 + at->tv_nsec / 1000000;
    if (at_unix_ms > f->changed_at_unix_ms && at_unix_ms <= clock_unix_ms())
        f->changed_at_unix_ms = at_unix_ms;
}

/* The status-change time counts too: a file may have become readable. */
static uint64_t hash_file(struct fingerprint *f, uint64_t hash, const struct stat *st)
{
    note_time(f, &st->st_ctim);
    const int64_t numbers[] = {
        (int64_t)st->st_dev, (int64_t)st->st_ino, st->st_size,         st->st_mtim.tv_sec,
        st->st_mtim.tv_nsec, st->st_ctim.tv_sec,  st->st_ctim.tv_nsec,
    };
    return hash_bytes(hash, numbers, sizeof(numbers));
}

static uint64_t hash_entry(struct fingerprint *f, int directory, const char *name)
{
    uint64_t hash = hash_bytes(FINGERPRINT_EMPTY.hash, name, strlen(name));
    struct stat st;
    if (fstatat(directory, name, &st, 0) != 0)
        return hash_number(hash, errno);
    return hash_file(f, hash, &st);
}

static void add_entries(struct fingerprint *f, const char *path)
{
    DIR *directory = opendir(path);
    if (directory == NULL) {
        f->hash = hash_number(f->hash, errno);
        return;
    }
    uint64_t sum = 0; /* in whatever order they come */
    for (const struct dirent *entry; (entry = readdir(directory)) != NULL;)
        if (entry->d_name[0] != '.')
            sum += hash_entry(f, dirfd(directory), entry->d_name);
    closedir(directory);
    f->hash = hash_number(f->hash, (int64_t)sum);
}

void fingerprint_add(struct fingerprint *f, const char *path)
{
    struct stat st;
    if (stat(path, &st) != 0) {
        f->hash = hash_number(f->hash, errno);
    } else if (S_ISDIR(st.st_mode)) {
        note_time(f, &st.st_mtim);
        add_entries(f, path);
    } else {
        f->hash = hash_file(f, f->hash, &st);
    }
}

void fingerprint_add_directory_time(struct fingerprint *f, const char *path)
{
    struct stat st;
    if (stat(path, &st) == 0)
        note_time(f, &st.st_mtim);
}
