#include "bridge/app/hardening.h"

#include <errno.h>
#include <signal.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/stat.h>

#include "bridge/base/secret_memory.h"
#include "bridge/domain/log_events.h"

static enum status forbid_core_dumps(struct diag *diag)
{
    const struct rlimit none = {0, 0};
    if (setrlimit(RLIMIT_CORE, &none) != 0 || prctl(PR_SET_DUMPABLE, 0, 0, 0, 0) != 0)
        return diag_set(diag, STATUS_INTERNAL, "core dumps cannot be forbidden: %s",
                        strerror(errno));
    return STATUS_OK;
}

static enum status raise_open_files(struct diag *diag)
{
    struct rlimit limit;
    if (getrlimit(RLIMIT_NOFILE, &limit) != 0)
        return diag_set(diag, STATUS_INTERNAL, "the limit of open files is not told: %s",
                        strerror(errno));
    limit.rlim_cur = limit.rlim_max;
    if (setrlimit(RLIMIT_NOFILE, &limit) != 0)
        return diag_set(diag, STATUS_INTERNAL, "the limit of open files cannot be raised: %s",
                        strerror(errno));
    return STATUS_OK;
}

static enum status ignore_broken_pipes(struct diag *diag)
{
    const struct sigaction ignore = {.sa_handler = SIG_IGN};
    if (sigaction(SIGPIPE, &ignore, NULL) != 0)
        return diag_set(diag, STATUS_INTERNAL, "SIGPIPE cannot be ignored: %s", strerror(errno));
    return STATUS_OK;
}

/* Without it the process goes on: most nodes that run containers have no swap. */
static void keep_secrets_in_memory(void)
{
    size_t locked = 0;
    if (secret_memory_start(&locked) != STATUS_OK)
        LOG(SECRETS_UNLOCKED, log_text("error", "there is no memory of its own for secrets"));
    else if (locked == 0)
        LOG(SECRETS_UNLOCKED, log_text("error", "no memory may be locked"));
}

enum status hardening_apply(struct diag *diag)
{
    umask(S_IRWXG | S_IRWXO);
    enum status status = forbid_core_dumps(diag);
    if (status == STATUS_OK)
        status = raise_open_files(diag);
    if (status == STATUS_OK)
        status = ignore_broken_pipes(diag);
    if (status == STATUS_OK)
        keep_secrets_in_memory();
    return status;
}
