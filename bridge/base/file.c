#include "bridge/base/file.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "bridge/base/crypto.h"
#include "bridge/base/scoped.h"

static void close_scoped(int *fd)
{
    if (*fd >= 0)
        close(*fd);
}

static enum status read_to_end(int fd, const char *path, struct buf *ret, struct diag *diag)
{
    uint8_t piece[4096];
    ssize_t len;
    while ((len = read(fd, piece, sizeof(piece))) != 0) {
        if (len < 0 && errno == EINTR)
            continue;
        if (len < 0)
            return diag_set(diag, STATUS_UNAVAILABLE, "%s: %s", path, strerror(errno));
        buf_append(ret, piece, (size_t)len);
    }
    crypto_wipe(piece, sizeof(piece));
    if (ret->status == STATUS_INVALID)
        return diag_set(diag, STATUS_INVALID, "%s: larger than %zu bytes", path, ret->max);
    return ret->status;
}

enum status file_read(const char *path, struct buf *ret, struct diag *diag)
{
    CLEANUP(close_scoped) int fd = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK);
    if (fd < 0)
        return diag_set(diag, STATUS_INVALID, "%s: %s", path, strerror(errno));
    struct stat st;
    if (fstat(fd, &st) != 0 || !S_ISREG(st.st_mode))
        return diag_set(diag, STATUS_INVALID, "%s: not a regular file", path);
    return read_to_end(fd, path, ret, diag);
}
