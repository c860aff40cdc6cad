#include "bridge/sandbox/landlock.h"

#include <errno.h>
#include <fcntl.h>
#include <stddef.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <linux/landlock.h>

#include "bridge/base/scoped.h"

/* The C library has no functions for Landlock's calls, and Debian 12's headers end at version 2. */
#ifndef LANDLOCK_ACCESS_FS_TRUNCATE
#define LANDLOCK_ACCESS_FS_TRUNCATE (UINT64_C(1) << 14)
#endif
#ifndef LANDLOCK_ACCESS_FS_IOCTL_DEV
#define LANDLOCK_ACCESS_FS_IOCTL_DEV (UINT64_C(1) << 15)
#endif

/* The kinds of access that versions 1 and 2 know: LANDLOCK_ACCESS_FS_EXECUTE to _MAKE_SYM, and
 * _REFER. */
static const uint64_t first_kinds = (LANDLOCK_ACCESS_FS_MAKE_SYM << 1) - 1;

static const uint64_t reading = LANDLOCK_ACCESS_FS_READ_FILE | LANDLOCK_ACCESS_FS_READ_DIR;
static const uint64_t writing = LANDLOCK_ACCESS_FS_WRITE_FILE | LANDLOCK_ACCESS_FS_TRUNCATE |
                                LANDLOCK_ACCESS_FS_MAKE_REG | LANDLOCK_ACCESS_FS_REMOVE_FILE;
/* What can be said of a file that is no directory. */
static const uint64_t of_files =
    LANDLOCK_ACCESS_FS_READ_FILE | LANDLOCK_ACCESS_FS_WRITE_FILE | LANDLOCK_ACCESS_FS_TRUNCATE;

static void close_scoped(int *fd)
{
    if (*fd >= 0)
        close(*fd);
}

int landlock_abi(void)
{
    long abi = syscall(SYS_landlock_create_ruleset, NULL, 0, LANDLOCK_CREATE_RULESET_VERSION);
    return abi < 0 ? 0 : (int)abi;
}

/* Source: landlock(7), "Bitmask and ABI versions". */
static uint64_t kinds_of(int abi)
{
    uint64_t kinds = first_kinds;
    if (abi >= 2)
        kinds |= LANDLOCK_ACCESS_FS_REFER;
    if (abi >= 3)
        kinds |= LANDLOCK_ACCESS_FS_TRUNCATE;
    if (abi >= 5)
        kinds |= LANDLOCK_ACCESS_FS_IOCTL_DEV;
    return kinds;
}

enum status landlock_init(struct landlock *l, struct diag *diag)
{
    *l = (struct landlock){.ruleset_fd = -1};
    int abi = landlock_abi();
    if (abi == 0)
        return diag_set(diag, STATUS_UNAVAILABLE, "this kernel has no Landlock, or refuses it");
    l->handled = kinds_of(abi);
    /* Only the member of version 1: the kernel takes the shorter structure. */
    const struct landlock_ruleset_attr attributes = {.handled_access_fs = l->handled};
    l->ruleset_fd = (int)syscall(SYS_landlock_create_ruleset, &attributes,
                                 sizeof(attributes.handled_access_fs), 0);
    if (l->ruleset_fd < 0)
        return diag_set(diag, STATUS_UNAVAILABLE, "landlock_create_ruleset: %s", strerror(errno));
    return STATUS_OK;
}

void landlock_done(struct landlock *l)
{
    close_scoped(&l->ruleset_fd);
    l->ruleset_fd = -1;
}

static enum status let(struct landlock *l, const char *path, uint64_t kinds, struct diag *diag)
{
    CLEANUP(close_scoped) int fd = open(path, O_PATH | O_CLOEXEC);
    struct stat st;
    if (fd < 0 || fstat(fd, &st) != 0)
        return STATUS_OK; /* what cannot be found now needs no permission */
    if (!S_ISDIR(st.st_mode))
        kinds &= of_files;
    const struct landlock_path_beneath_attr rule = {.allowed_access = kinds & l->handled,
                                                    .parent_fd = fd};
    if (syscall(SYS_landlock_add_rule, l->ruleset_fd, LANDLOCK_RULE_PATH_BENEATH, &rule, 0) != 0)
        return diag_set(diag, STATUS_UNAVAILABLE, "landlock_add_rule: %s: %s", path,
                        strerror(errno));
    return STATUS_OK;
}

enum status landlock_let_read(struct landlock *l, const char *path, struct diag *diag)
{
    return let(l, path, reading, diag);
}

enum status landlock_let_write(struct landlock *l, const char *path, struct diag *diag)
{
    return let(l, path, reading | writing, diag);
}

enum status landlock_enforce(struct landlock *l, struct diag *diag)
{
    if (prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) != 0)
        return diag_set(diag, STATUS_UNAVAILABLE, "PR_SET_NO_NEW_PRIVS: %s", strerror(errno));
    if (syscall(SYS_landlock_restrict_self, l->ruleset_fd, 0) != 0)
        return diag_set(diag, STATUS_UNAVAILABLE, "landlock_restrict_self: %s", strerror(errno));
    return STATUS_OK;
}
