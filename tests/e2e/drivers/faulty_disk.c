/* libfaulty_disk.so: a disk that runs full, fails or dawdles below a real program, at run time.
 *
 *     LD_PRELOAD=libfaulty_disk.so FAULTY_DISK_DIRECTORY=/spool FAULTY_DISK_CONTROL=/tmp/fault
 * program
 *
 * Before every write or flush of a file below the directory the control file is read; it may hold
 * one of these words, and nothing, or no such file, is a healthy disk:
 *
 *     full          no file can grow, and none be made: ENOSPC
 *     flush-fails   fsync() and fdatasync() fail: EIO
 *     flush-slow    they take half a second
 *     flush-stuck   they take as long as the word stands there
 *
 * Both paths are absolute; the control file may lie in the directory.
 */
#include <dirent.h>
#include <dlfcn.h>
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/types.h>
#include <unistd.h>

enum { SLOW_MS = 500, POLL_MS = 10 };

/* The next definition of a function behind this one. POSIX lets a data pointer carry it. */
#define REAL(name)                                                                                 \
    static __typeof__(&name) real;                                                                 \
    if (real == NULL)                                                                              \
    *(void **)&real = dlsym(RTLD_NEXT, #name)

/* By what the directory holds: a program in its sandbox may ask for that, but not for where
 * /proc/self/fd leads. */
static bool is_ours(int fd)
{
    const char *path = getenv("FAULTY_DISK_DIRECTORY");
    struct stat st;
    DIR *directory =
        path != NULL && fstat(fd, &st) == 0 && S_ISREG(st.st_mode) ? opendir(path) : NULL;
    bool found = false;
    if (directory == NULL)
        return false;
    for (const struct dirent *entry; !found && (entry = readdir(directory)) != NULL;)
        found = entry->d_ino == st.st_ino;
    closedir(directory);
    return found;
}

/* Whether the control file holds this word. Leaves errno as it was. */
static bool wants(const char *word)
{
    const char *control = getenv("FAULTY_DISK_CONTROL");
    int before = errno;
    char text[32] = "";
    int fd = control == NULL ? -1 : open(control, O_RDONLY | O_CLOEXEC);
    if (fd >= 0 && read(fd, text, sizeof(text) - 1) < 0)
        text[0] = '\0';
    if (fd >= 0)
        close(fd);
    errno = before;
    return strncmp(text, word, strlen(word)) == 0;
}

static int fail(int code)
{
    errno = code;
    return -1;
}

/* --- room ----------------------------------------------------------------------------------- */

static bool has_no_room(int fd, off64_t end)
{
    struct stat st;
    return is_ours(fd) && wants("full") && (fstat(fd, &st) != 0 || end > st.st_size);
}

ssize_t pwrite64(int fd, const void *data, size_t len, off64_t offset)
{
    REAL(pwrite64);
    return has_no_room(fd, offset + (off64_t)len) ? fail(ENOSPC) : real(fd, data, len, offset);
}

ssize_t pwrite(int fd, const void *data, size_t len, off_t offset)
{
    REAL(pwrite);
    return has_no_room(fd, offset + (off_t)len) ? fail(ENOSPC) : real(fd, data, len, offset);
}

ssize_t write(int fd, const void *data, size_t len)
{
    REAL(write);
    return is_ours(fd) && has_no_room(fd, lseek(fd, 0, SEEK_CUR) + (off_t)len)
               ? fail(ENOSPC)
               : real(fd, data, len);
}

int ftruncate64(int fd, off64_t len)
{
    REAL(ftruncate64);
    return has_no_room(fd, len) ? fail(ENOSPC) : real(fd, len);
}

int ftruncate(int fd, off_t len)
{
    REAL(ftruncate);
    return has_no_room(fd, len) ? fail(ENOSPC) : real(fd, len);
}

/* --- flushes -------------------------------------------------------------------------------- */

/* Whether it fails. */
static bool suffer_flush(int fd)
{
    if (!is_ours(fd))
        return false;
    if (wants("flush-slow"))
        poll(NULL, 0, SLOW_MS);
    while (wants("flush-stuck"))
        poll(NULL, 0, POLL_MS);
    return wants("flush-fails");
}

int fdatasync(int fd)
{
    REAL(fdatasync);
    return suffer_flush(fd) ? fail(EIO) : real(fd);
}

int fsync(int fd)
{
    REAL(fsync);
    return suffer_flush(fd) ? fail(EIO) : real(fd);
}
