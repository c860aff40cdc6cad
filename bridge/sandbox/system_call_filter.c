#include "bridge/sandbox/system_call_filter.h"

#include <errno.h>
#include <linux/netlink.h>
#include <pthread.h>
#include <sched.h>
#include <semaphore.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <unistd.h>

#include <seccomp.h>

#include "bridge/base/scoped.h"

#define EVERYONE SYSTEM_CALL_USE_EVERYONE
#define SPOOL SYSTEM_CALL_USE_SPOOL
#define RECONCILER SYSTEM_CALL_USE_RECONCILER

struct allowed_call {
    int number;
    unsigned uses;
};

static const struct allowed_call allowed_calls[] = {
#define C(call, uses) {SCMP_SYS(call), uses},
#define D(call)
#define K(call)
#include "bridge/sandbox/system_calls.def"
#undef C
#undef D
#undef K
};

static const int dispensable_calls[] = {
#define C(call, uses)
#define D(call) SCMP_SYS(call),
#define K(call)
#include "bridge/sandbox/system_calls.def"
#undef C
#undef D
#undef K
};

static const int deadly_calls[] = {
#define C(call, uses)
#define D(call)
#define K(call) SCMP_SYS(call),
#include "bridge/sandbox/system_calls.def"
#undef C
#undef D
#undef K
};

/* A call of which only some arguments are allowed. */
struct allowed_arguments {
    int number;
    unsigned len;
    struct scmp_arg_cmp conditions[2]; /* all of them */
};

#define ARGUMENT_IS(index, value)                                                                  \
    {                                                                                              \
        index, SCMP_CMP_EQ, value, 0                                                               \
    }
#define ARGUMENT_IS_NOT(index, value)                                                              \
    {                                                                                              \
        index, SCMP_CMP_NE, value, 0                                                               \
    }
#define ARGUMENT_HAS(index, bits)                                                                  \
    {                                                                                              \
        index, SCMP_CMP_MASKED_EQ, bits, bits                                                      \
    }
#define ARGUMENT_LACKS(index, bits)                                                                \
    {                                                                                              \
        index, SCMP_CMP_MASKED_EQ, bits, 0                                                         \
    }

/* getaddrinfo binds a netlink socket; no address of the internet is as short, for which the kernel
 * answers EINVAL. Source: __netlink_open in glibc's ifaddrs.c and check_pf.c; inet_bind() in Linux.
 */
#define NETLINK_ADDRESS_LEN sizeof(struct sockaddr_nl)

static const struct allowed_arguments allowed_arguments[] = {
    {SCMP_SYS(bind), 1, {ARGUMENT_IS(2, NETLINK_ADDRESS_LEN)}},
    {SCMP_SYS(clone), 1, {ARGUMENT_HAS(0, CLONE_THREAD)}},
    {SCMP_SYS(ioctl), 1, {ARGUMENT_IS(1, FIONBIO)}},
    {SCMP_SYS(ioctl), 1, {ARGUMENT_IS(1, FIONREAD)}},
    {SCMP_SYS(ioctl), 1, {ARGUMENT_IS(1, TCGETS)}},
    /* Nothing can be written and executed, not even one after the other. */
    {SCMP_SYS(mmap), 1, {ARGUMENT_LACKS(2, PROT_EXEC)}},
    {SCMP_SYS(mmap), 1, {ARGUMENT_LACKS(2, PROT_WRITE)}},
    {SCMP_SYS(mprotect), 1, {ARGUMENT_LACKS(2, PROT_EXEC)}},
    {SCMP_SYS(socket), 1, {ARGUMENT_IS(0, AF_INET)}},
    {SCMP_SYS(socket), 1, {ARGUMENT_IS(0, AF_INET6)}},
    {SCMP_SYS(socket), 1, {ARGUMENT_IS(0, AF_UNIX)}}, /* the service manager, name services */
    {SCMP_SYS(socket), 2, {ARGUMENT_IS(0, AF_NETLINK), ARGUMENT_IS(2, NETLINK_ROUTE)}},
};

/* Of calls that are allowed with other arguments. */
static const struct allowed_arguments deadly_arguments[] = {
    {SCMP_SYS(bind), 1, {ARGUMENT_IS_NOT(2, NETLINK_ADDRESS_LEN)}},
    {SCMP_SYS(clone), 1, {ARGUMENT_LACKS(0, CLONE_THREAD)}},
};

#define LEN(array) (sizeof(array) / sizeof((array)[0]))

/* Those of these arguments and abort()'s tgkill, see below. */
enum { CALLS_BY_ARGUMENT = 7 };

size_t system_call_filter_allowed(unsigned uses)
{
    size_t len = CALLS_BY_ARGUMENT;
    for (size_t i = 0; i < LEN(allowed_calls); i++)
        len += (allowed_calls[i].uses & (uses | EVERYONE)) != 0;
    return len;
}

/* --- the rules ------------------------------------------------------------------------------ */

DEFINE_CLEANUP(scmp_filter_ctx, seccomp_release)

static enum status fail(int error, const char *what, struct diag *diag)
{
    return error == -ENOMEM
               ? STATUS_NOMEM
               : diag_set(diag, STATUS_UNAVAILABLE, "seccomp: %s: %s", what, strerror(-error));
}

static int add_all(scmp_filter_ctx filter, uint32_t action, const struct allowed_arguments items[],
                   size_t len)
{
    int error = 0;
    for (size_t i = 0; i < len && error == 0; i++)
        error = seccomp_rule_add_array(filter, action, items[i].number, items[i].len,
                                       items[i].conditions);
    return error;
}

static int allow_calls(scmp_filter_ctx filter, unsigned uses)
{
    int error = 0;
    for (size_t i = 0; i < LEN(allowed_calls) && error == 0; i++)
        if ((allowed_calls[i].uses & (uses | EVERYONE)) != 0)
            error = seccomp_rule_add(filter, SCMP_ACT_ALLOW, allowed_calls[i].number, 0);
    if (error == 0)
        error = add_all(filter, SCMP_ACT_ALLOW, allowed_arguments, LEN(allowed_arguments));
    /* A signal to itself, as abort() sends it. */
    if (error == 0)
        error = seccomp_rule_add(filter, SCMP_ACT_ALLOW, SCMP_SYS(tgkill), 1,
                                 SCMP_A0_64(SCMP_CMP_EQ, (uint64_t)getpid(), 0));
    return error;
}

static int kill_calls(scmp_filter_ctx filter)
{
    int error = 0;
    for (size_t i = 0; i < LEN(deadly_calls) && error == 0; i++)
        error = seccomp_rule_add(filter, SCMP_ACT_KILL_PROCESS, deadly_calls[i], 0);
    return error == 0
               ? add_all(filter, SCMP_ACT_KILL_PROCESS, deadly_arguments, LEN(deadly_arguments))
               : error;
}

/* A filter of this default action, for all threads. */
static enum status make(uint32_t otherwise, unsigned uses, scmp_filter_ctx *ret, struct diag *diag)
{
    CLEANUP(seccomp_release_scoped) scmp_filter_ctx filter = seccomp_init(otherwise);
    if (filter == NULL)
        return diag_set(diag, STATUS_UNAVAILABLE, "seccomp: this kernel has none, or refuses it");
    int error = seccomp_attr_set(filter, SCMP_FLTATR_CTL_TSYNC, 1);
    if (error == 0) /* a 32-bit call on a 64-bit kernel */
        error = seccomp_attr_set(filter, SCMP_FLTATR_ACT_BADARCH, SCMP_ACT_KILL_PROCESS);
    if (error == 0) /* a binary tree */
        error = seccomp_attr_set(filter, SCMP_FLTATR_CTL_OPTIMIZE, 2);
    if (error == 0)
        error = allow_calls(filter, uses);
    if (error != 0)
        return fail(error, "the filter cannot be made", diag);
    *ret = TAKE(filter);
    return STATUS_OK;
}

enum status system_call_filter_enforce(unsigned uses, struct diag *diag)
{
    CLEANUP(seccomp_release_scoped) scmp_filter_ctx filter = NULL;
    enum status status = make(SCMP_ACT_ERRNO(ENOSYS), uses, &filter, diag);
    if (status != STATUS_OK)
        return status;
    int error = kill_calls(filter);
    if (error == 0)
        error = seccomp_load(filter);
    return error == 0 ? STATUS_OK : fail(error, "the filter cannot be loaded", diag);
}

/* --- watching ------------------------------------------------------------------------------- */

/* More than any architecture has calls, but for x32. */
enum { NUMBERS = 1024 };

/* Lives as long as the process once the filter is loaded. */
struct watching {
    scmp_filter_ctx filter;
    struct seccomp_notif *call;
    struct seccomp_notif_resp *answer;
    void (*tell)(const char *name);
    int error; /* of loading the filter, set before: */
    sem_t is_decided;
    bool told[NUMBERS];
};

static void watching_free(struct watching *w)
{
    if (w == NULL)
        return;
    if (w->filter != NULL)
        seccomp_release(w->filter);
    seccomp_notify_free(w->call, w->answer);
    sem_destroy(&w->is_decided);
    free(w);
}
DEFINE_CLEANUP(struct watching *, watching_free)

static void tell_once(struct watching *w)
{
    const struct seccomp_data *call = &w->call->data;
    if (call->nr < 0 || call->nr >= NUMBERS || w->told[call->nr])
        return;
    w->told[call->nr] = true;
    char *name = seccomp_syscall_resolve_num_arch(call->arch, call->nr);
    w->tell(name == NULL ? "?" : name);
    free(name);
}

/* Lets each call that the kernel asks about happen, for as long as it asks. */
static void answer_all(struct watching *w)
{
    int fd = seccomp_notify_fd(w->filter);
    /* ENOENT: whoever called was killed meanwhile. */
    while (seccomp_notify_receive(fd, w->call) == 0 || errno == EINTR || errno == ENOENT) {
        tell_once(w);
        *w->answer = (struct seccomp_notif_resp){
            .id = w->call->id,
            .flags = SECCOMP_USER_NOTIF_FLAG_CONTINUE,
        };
        (void)seccomp_notify_respond(fd, w->answer); /* fails when the caller was interrupted */
        *w->call = (struct seccomp_notif){0};        /* the kernel takes no other */
    }
}

/* Loads the filter itself: from then on whoever makes a call that is not allowed waits for this
 * thread. */
static void *watch(void *arg)
{
    struct watching *w = arg;
    int error = seccomp_load(w->filter);
    w->error = error;
    sem_post(&w->is_decided); /* after an error *w is gone */
    if (error == 0)
        answer_all(w);
    return NULL;
}

/* Allowed beside the rest: how this thread hears and answers. Nobody is told of what libraries do
 * without. */
static enum status make_watching(unsigned uses, scmp_filter_ctx *ret, struct diag *diag)
{
    static const struct allowed_arguments own[] = {
        {SCMP_SYS(ioctl), 1, {ARGUMENT_IS(1, SECCOMP_IOCTL_NOTIF_RECV)}},
        {SCMP_SYS(ioctl), 1, {ARGUMENT_IS(1, SECCOMP_IOCTL_NOTIF_SEND)}},
    };
    CLEANUP(seccomp_release_scoped) scmp_filter_ctx filter = NULL;
    enum status status = make(SCMP_ACT_NOTIFY, uses, &filter, diag);
    if (status != STATUS_OK)
        return status;
    int error = add_all(filter, SCMP_ACT_ALLOW, own, LEN(own));
    for (size_t i = 0; i < LEN(dispensable_calls) && error == 0; i++)
        error = seccomp_rule_add(filter, SCMP_ACT_ERRNO(ENOSYS), dispensable_calls[i], 0);
    if (error != 0)
        return fail(error, "the filter cannot be made", diag);
    *ret = TAKE(filter);
    return STATUS_OK;
}

enum status system_call_filter_watch(unsigned uses, void (*tell)(const char *name),
                                     struct diag *diag)
{
    CLEANUP(watching_free_scoped) struct watching *w = calloc(1, sizeof(*w));
    if (w == NULL)
        return STATUS_NOMEM;
    w->tell = tell;
    sem_init(&w->is_decided, 0, 0);
    enum status status = make_watching(uses, &w->filter, diag);
    if (status != STATUS_OK)
        return status;
    /* It asks the kernel for their sizes, which the thread could not any more. */
    int error = seccomp_notify_alloc(&w->call, &w->answer);
    if (error != 0)
        return fail(error, "this kernel cannot watch", diag);
    pthread_t thread;
    error = pthread_create(&thread, NULL, watch, w);
    if (error != 0)
        return fail(-error, "no thread can be started", diag);
    pthread_detach(thread);
    while (sem_wait(&w->is_decided) != 0)
        ; /* only ever interrupted */
    if (w->error != 0)
        return fail(w->error, "the filter cannot be loaded", diag);
    TAKE(w);
    return STATUS_OK;
}
