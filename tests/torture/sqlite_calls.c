/* SQLite's own memory and system calls: it offers both to be replaced, but for the flushes. Source:
 * sqlite3.h, sqlite3_mem_methods and sqlite3_vfs.xSetSystemCall; src/os_unix.c, aSyscall. */
#include "tests/torture/sqlite_calls.h"

#include <assert.h>
#include <sqlite3.h>
#include <stdio.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include "tests/torture/interposed.h"

static sqlite3_mem_methods memory;

static void *allocate(int size)
{
    return FAILS("SQLite's malloc", {0, ENOMEM}) ? NULL : memory.xMalloc(size);
}

static void *reallocate(void *old, int size)
{
    return FAILS("SQLite's realloc", {0, ENOMEM}) ? NULL : memory.xRealloc(old, size);
}

static struct {
    int (*open)(const char *path, int flags, int mode);
    ssize_t (*read)(int fd, void *to, size_t len);
    ssize_t (*pread)(int fd, void *to, size_t len, off_t offset);
    ssize_t (*write)(int fd, const void *from, size_t len);
    ssize_t (*pwrite)(int fd, const void *from, size_t len, off_t offset);
    int (*ftruncate)(int fd, off_t len);
    int (*fstat)(int fd, struct stat *ret);
    int (*unlink)(const char *path);
    void *(*mmap)(void *address, size_t len, int protection, int flags, int fd, off_t offset);
} real;

static int failing_open(const char *path, int flags, int mode)
{
    return FAILS("SQLite's open", {-1, EMFILE}, {-1, EIO}) ? -1 : real.open(path, flags, mode);
}

static ssize_t failing_read(int fd, void *to, size_t len)
{
    return FAILS("SQLite's read", {-1, EIO}) ? -1 : real.read(fd, to, len);
}

static ssize_t failing_pread(int fd, void *to, size_t len, off_t offset)
{
    return FAILS("SQLite's pread", {-1, EIO}) ? -1 : real.pread(fd, to, len, offset);
}

static ssize_t failing_write(int fd, const void *from, size_t len)
{
    return FAILS("SQLite's write", {-1, EIO}, {-1, ENOSPC}) ? -1 : real.write(fd, from, len);
}

static ssize_t failing_pwrite(int fd, const void *from, size_t len, off_t offset)
{
    return FAILS("SQLite's pwrite", {-1, EIO}, {-1, ENOSPC}) ? -1
                                                             : real.pwrite(fd, from, len, offset);
}

static int failing_ftruncate(int fd, off_t len)
{
    return FAILS("SQLite's ftruncate", {-1, EIO}) ? -1 : real.ftruncate(fd, len);
}

static int failing_fstat(int fd, struct stat *ret)
{
    return FAILS("SQLite's fstat", {-1, EIO}) ? -1 : real.fstat(fd, ret);
}

static int failing_unlink(const char *path)
{
    return FAILS("SQLite's unlink", {-1, EIO}) ? -1 : real.unlink(path);
}

static void *failing_mmap(void *address, size_t len, int protection, int flags, int fd,
                          off_t offset)
{
    return FAILS("SQLite's mmap", {-1, ENOMEM})
               ? MAP_FAILED
               : real.mmap(address, len, protection, flags, fd, offset);
}

int fsync(int fd)
{
    return FAILS("fsync", {-1, EIO}) ? -1 : INTERPOSED(fsync)(fd);
}

int fdatasync(int fd)
{
    return FAILS("fdatasync", {-1, EIO}) ? -1 : INTERPOSED(fdatasync)(fd);
}

#define REPLACE(vfs, system_name, member)                                                          \
    do {                                                                                           \
        sqlite3_syscall_ptr *slot_ = (sqlite3_syscall_ptr *)&real.member;                          \
        *slot_ = (vfs)->xGetSystemCall((vfs), system_name);                                        \
        if (*slot_ != NULL)                                                                        \
            (vfs)->xSetSystemCall((vfs), system_name, (sqlite3_syscall_ptr)failing_##member);      \
    } while (0)

void sqlite_calls_start(void)
{
    assert(sqlite3_config(SQLITE_CONFIG_GETMALLOC, &memory) == SQLITE_OK);
    sqlite3_mem_methods failing = memory;
    failing.xMalloc = allocate;
    failing.xRealloc = reallocate;
    assert(sqlite3_config(SQLITE_CONFIG_MALLOC, &failing) == SQLITE_OK);
    sqlite3_vfs *vfs = sqlite3_vfs_find(NULL);
    REPLACE(vfs, "open", open);
    REPLACE(vfs, "read", read);
    REPLACE(vfs, "pread", pread);
    if (real.pread == NULL)
        REPLACE(vfs, "pread64", pread);
    REPLACE(vfs, "write", write);
    REPLACE(vfs, "pwrite", pwrite);
    if (real.pwrite == NULL)
        REPLACE(vfs, "pwrite64", pwrite);
    REPLACE(vfs, "ftruncate", ftruncate);
    REPLACE(vfs, "fstat", fstat);
    REPLACE(vfs, "unlink", unlink);
    REPLACE(vfs, "mmap", mmap);
}
