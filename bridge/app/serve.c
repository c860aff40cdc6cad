#include "bridge/app/serve.h"

#include <errno.h>
#include <poll.h>
#include <signal.h>
#include <string.h>
#include <sys/signalfd.h>
#include <unistd.h>

#include "bridge/app/configuration.h"
#include "bridge/app/watch.h"
#include "bridge/base/clock.h"
#include "bridge/base/scoped.h"
#include "bridge/domain/log_events.h"
#include "bridge/ops/sd_notify.h"

/* Turns of the main loop are at most this far apart, so that a fallback poll and the watchdog get
 * their turn. */
static const int turn_max_ms = 1000;

DEFINE_CLEANUP(struct watch *, watch_free)

static void close_scoped(int *fd)
{
    if (*fd >= 0)
        close(*fd);
}

static sigset_t served_signals(void)
{
    sigset_t set;
    sigemptyset(&set);
    sigaddset(&set, SIGTERM);
    sigaddset(&set, SIGINT);
    sigaddset(&set, SIGHUP);
    return set;
}

enum status serve_prepare(struct diag *diag)
{
    sigset_t set = served_signals();
    int error = pthread_sigmask(SIG_BLOCK, &set, NULL);
    if (error != 0)
        return diag_set(diag, STATUS_INTERNAL, "cannot block signals: %s", strerror(error));
    return STATUS_OK;
}

static void exit_at_once(int signal_number)
{
    (void)signal_number;
    _exit(1);
}

/* From here on a further SIGTERM or SIGINT is not waited for: its default comes through, with our
 * exit code. */
static void let_second_signal_through(void)
{
    struct sigaction action = {.sa_handler = exit_at_once};
    sigaction(SIGTERM, &action, NULL);
    sigaction(SIGINT, &action, NULL);
    sigset_t set = served_signals();
    sigdelset(&set, SIGHUP);
    pthread_sigmask(SIG_UNBLOCK, &set, NULL);
}

/* Reads one signal if there is one; 0 if there is none. */
static int take_signal(int fd)
{
    struct signalfd_siginfo info;
    return read(fd, &info, sizeof(info)) == sizeof(info) ? (int)info.ssi_signo : 0;
}

/* A process and how to deal with it. */
struct server {
    const struct served_process *served;
    void *process;
};

/* Watches what was read last, which a reload may have changed. */
static void watch_again(struct watch *w, const struct server *s)
{
    const struct configuration *c = s->served->read_last(s->process);
    if (watch_replace(w, (const char *const *)c->read.items, c->read.len, c->read_from_unix_ms) !=
        STATUS_OK)
        LOG(WATCH_FAILED, log_text("error", "out of memory"));
}

static void reload(const struct server *s, struct watch *w)
{
    sd_notify_reloading();
    s->served->reload(s->process);
    if (w != NULL)
        watch_again(w, s);
    sd_notify_ready();
}

/* Serves until a signal asks to stop, or the process must not go on. w may be NULL: then only
 * SIGHUP reloads. */
static enum status serve_until_stopped(const struct server *s, int signals, struct watch *w,
                                       struct diag *diag)
{
    int64_t watchdog_ms = sd_notify_watchdog_ms();
    int turn_ms =
        watchdog_ms > 0 && watchdog_ms / 2 < turn_max_ms ? (int)(watchdog_ms / 2) : turn_max_ms;
    for (;;) {
        struct pollfd fds[] = {{.fd = signals, .events = POLLIN},
                               {.fd = w == NULL ? -1 : watch_fd(w), .events = POLLIN}};
        if (poll(fds, 2, turn_ms) < 0 && errno != EINTR)
            return STATUS_OK; /* only a bug or a lack of kernel memory: a clean stop is the best
                                 answer to both */
        int signal_number = take_signal(signals);
        if (signal_number == SIGTERM || signal_number == SIGINT)
            return STATUS_OK;
        enum status status = s->served->refusal(s->process, diag);
        if (status != STATUS_OK)
            return status;
        if (signal_number == SIGHUP || (w != NULL && watch_changed(w)))
            reload(s, w);
        if (watchdog_ms > 0 && s->served->is_alive(s->process))
            sd_notify_watchdog();
    }
}

/* Waits in the drained state; load balancers look away meanwhile. */
static void wait_drained(const struct server *s)
{
    int64_t until_mono_ms = clock_mono_ms() + s->served->drain_ms(s->process);
    for (int64_t left_ms; (left_ms = until_mono_ms - clock_mono_ms()) > 0;)
        poll(NULL, 0, (int)left_ms);
}

static size_t stop(const struct server *s)
{
    sd_notify_stopping(s->served->hard_stop_ms(s->process));
    let_second_signal_through();
    s->served->drain(s->process);
    wait_drained(s);
    return s->served->stop(s->process);
}

enum status serve_run(const struct served_process *served, void *process,
                      const struct confinement *confinement, size_t *ret_cut, struct diag *diag)
{
    const struct server server = {served, process};
    sigset_t set = served_signals();
    CLEANUP(close_scoped) int signals = signalfd(-1, &set, SFD_CLOEXEC | SFD_NONBLOCK);
    if (signals < 0) {
        diag_set(diag, STATUS_INTERNAL, "signalfd: %s", strerror(errno));
        *ret_cut = stop(&server);
        return STATUS_INTERNAL;
    }
    CLEANUP(watch_free_scoped) struct watch *w = NULL;
    struct diag why = {0};
    if (watch_new(WATCH_POLL_MS, &w, &why) == STATUS_OK)
        watch_again(w, &server);
    else /* a limit of the node, not of ours: SIGHUP still reloads */
        LOG(WATCH_FAILED, log_text("error", why.text));

    confinement_of_calls(confinement);
    sd_notify_ready();
    enum status status = serve_until_stopped(&server, signals, w, diag);
    *ret_cut = stop(&server);
    return status;
}
