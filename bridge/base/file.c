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

/* Reads to the end, or until the buffer takes no more. Returns an errno value, 0 for none. */
static int read_pieces(int fd, struct buf *ret)
{
    uint8_t piece[4096];
    int error = 0;
    ssize_t len = 1;
    while (error == 0 && len > 0 && ret->status == STATUS_OK) {
        len = read(fd, piece, sizeof(piece));
        if (len > 0)
            buf_append(ret, piece, (size_t)len);
        else if (len < 0 && errno == EINTR)
            len = 1; /* again */
        else if (len < 0)
            error = errno;
    }
    crypto_wipe(piece, sizeof(piece)); /* it may be a secret */
    return error;
}

static enum status read_to_end(int fd, const char *path, struct buf *ret, struct diag *diag)
{
    int error = read_pieces(fd, ret);
    if (error != 0)
        return diag_set(diag, STATUS_UNAVAILABLE, "%s: %s", path, strerror(error));
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
