#include "bridge/app/confinement.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "bridge/base/scoped.h"
#include "bridge/domain/log_events.h"
#include "bridge/sandbox/landlock.h"
#include "bridge/sandbox/system_call_filter.h"

DEFINE_CLEANUP(char *, free)

#if defined(__SANITIZE_ADDRESS__) || defined(__SANITIZE_THREAD__)
static const bool is_instrumented = true;
#else
static const bool is_instrumented = false;
#endif

struct confinement confinement_wanted(const struct settings *s)
{
    struct confinement c = {.mode = (enum confinement_mode)s->sandbox};
    if (s->process == SETTINGS_RECONCILER)
        c.uses |= SYSTEM_CALL_USE_RECONCILER;
    else if (s->spool_directory[0] != '\0')
        c.uses |= SYSTEM_CALL_USE_SPOOL;
    return c;
}

static void tell_reduced(const char *part, enum status status, const struct diag *diag)
{
    LOG(SANDBOX_REDUCED, log_text("part", part),
        log_text("error", diag->text[0] == '\0' ? status_name(status) : diag->text));
}

/* --- files ---------------------------------------------------------------------------------- */

/* The directory rather than the file: editors, package managers and the kubelet replace files. */
static enum status let_read_beside(struct landlock *l, const char *path, struct diag *diag)
{
    const char *slash = strrchr(path, '/');
    if (slash == path) /* of the root directory only this file */
        return landlock_let_read(l, path, diag);
    CLEANUP(free_scoped)
    char *directory = slash == NULL ? strdup(".") : strndup(path, (size_t)(slash - path));
    return directory == NULL ? STATUS_NOMEM : landlock_let_read(l, directory, diag);
}

/* A file, where it stands and where its links lead now. */
static enum status let_read_file(struct landlock *l, const char *path, struct diag *diag)
{
    enum status status = let_read_beside(l, path, diag);
    CLEANUP(free_scoped) char *real = realpath(path, NULL);
    if (status == STATUS_OK && real != NULL && strcmp(real, path) != 0)
        status = let_read_beside(l, real, diag);
    return status;
}

static bool is_directory(const char *path)
{
    struct stat st;
    return stat(path, &st) == 0 && S_ISDIR(st.st_mode);
}

static enum status let_read_configuration(struct landlock *l, const struct paths *read,
                                          struct diag *diag)
{
    enum status status = STATUS_OK;
    for (size_t i = 0; i < read->len && status == STATUS_OK; i++)
        status = is_directory(read->items[i]) ? landlock_let_read(l, read->items[i], diag)
                                              : let_read_file(l, read->items[i], diag);
    return status;
}

/* What the C library, OpenSSL, GnuTLS and the process's own metrics open long after the start. */
static enum status let_read_system(struct landlock *l, struct diag *diag)
{
    static const char *const trees[] = {
        "/etc", /* name services, certificate authorities */
        "/usr", /* name service modules, what links in /etc lead to */
        "/lib",
        "/lib64",
        "/nix/store", /* the same elsewhere */
        "/proc/self", /* the metrics */
        "/proc/stat",
        "/proc/sys/crypto",        /* whether FIPS is on */
        "/sys/devices/system/cpu", /* how many processors there are */
        "/dev/urandom",
    };
    static const char *const files[] = {"/etc/resolv.conf", "/etc/hosts", "/etc/nsswitch.conf"};
    static const char *const variables[] = {"SSL_CERT_FILE", "SSL_CERT_DIR", "OPENSSL_CONF"};
    enum status status = STATUS_OK;
    for (size_t i = 0; i < sizeof(trees) / sizeof(trees[0]) && status == STATUS_OK; i++)
        status = landlock_let_read(l, trees[i], diag);
    for (size_t i = 0; i < sizeof(files) / sizeof(files[0]) && status == STATUS_OK; i++)
        status = let_read_file(l, files[i], diag);
    for (size_t i = 0; i < sizeof(variables) / sizeof(variables[0]) && status == STATUS_OK; i++) {
        const char *value = getenv(variables[i]);
        if (value != NULL)
            status = landlock_let_read(l, value, diag);
    }
    return status;
}

/* A rule holds for an inode, and the kernel forgets that of /proc/self when memory is short, unless
 * somebody has it open: this descriptor, to the end. */
static void keep_own_directory(void)
{
    int fd = open("/proc/self", O_PATH | O_DIRECTORY | O_CLOEXEC);
    (void)fd;
}

static enum status confine_files(const struct configuration *c, struct diag *diag)
{
    CLEANUP(landlock_done) struct landlock l;
    keep_own_directory();
    enum status status = landlock_init(&l, diag);
    if (status == STATUS_OK)
        status = let_read_system(&l, diag);
    if (status == STATUS_OK)
        status = let_read_configuration(&l, &c->read, diag);
    if (status == STATUS_OK && c->settings->spool_directory[0] != '\0' &&
        c->settings->process != SETTINGS_RECONCILER)
        status = landlock_let_write(&l, c->settings->spool_directory, diag);
    if (status != STATUS_OK)
        return status;
    return landlock_enforce(&l, diag);
}

void confinement_of_files(struct confinement *c, const struct configuration *configuration)
{
    if (c->mode != CONFINEMENT_ENFORCE || is_instrumented)
        return;
    struct diag diag = {0};
    int version = landlock_abi(); /* what is not there later, when it is in force */
    enum status status = confine_files(configuration, &diag);
    if (status == STATUS_OK)
        c->landlock_version = version;
    else
        tell_reduced("landlock", status, &diag);
}

/* --- system calls --------------------------------------------------------------------------- */

static void tell_violated(const char *name)
{
    LOG(SANDBOX_VIOLATED, log_text("system_call", name));
}

static enum status confine_calls(const struct confinement *c, struct diag *diag)
{
    if (is_instrumented)
        return diag_set(diag, STATUS_UNAVAILABLE,
                        "a build for tests, which asks for more than a sandbox allows");
    return c->mode == CONFINEMENT_WARN ? system_call_filter_watch(c->uses, tell_violated, diag)
                                       : system_call_filter_enforce(c->uses, diag);
}

void confinement_of_calls(const struct confinement *c)
{
    if (c->mode == CONFINEMENT_OFF)
        return;
    struct diag diag = {0};
    enum status status = confine_calls(c, &diag);
    if (status != STATUS_OK)
        tell_reduced("seccomp", status, &diag);
    size_t allowed = status == STATUS_OK ? system_call_filter_allowed(c->uses) : 0;
    LOG(SANDBOX_APPLIED, log_text("mode", c->mode == CONFINEMENT_WARN ? "warn" : "enforce"),
        log_number("landlock_version", c->landlock_version),
        log_number("system_calls", (int64_t)allowed));
}
