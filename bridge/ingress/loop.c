/* The loop. Only its thread touches libmicrohttpd, so that nothing there needs a lock:
 *
 *   poll({epoll fds, mailbox's eventfd}, next deadline)
 *   mailbox ─► request_settle()       what the sink reported
 *   run_held()                        whose route has changed
 *   fifos ───► expire()               whose time has come
 *   room_keep()                       who is slow while there is no room for others
 *   MHD_run()                         accepts, reads, calls the handler, writes; twice where there
 *                                     are reports: it queues an answer in one run and sends it in
 *                                     the next
 *   run_hangups()                     who has closed his side
 *
 * External mode is no matter of taste. With a thread of its own libmicrohttpd (0.9.75, 1.0.1,
 * daemon.c, MHD_epoll()) waits again, with the full timeout, after a batch of exactly 128 events:
 * 128 lock-step connections then stand still until one of them times out. MHD_run() waits for
 * nothing.
 */
#include "bridge/ingress/loop.h"

#include <assert.h>
#include <microhttpd.h>
#include <poll.h>
#include <signal.h>
#include <stdlib.h>
#include <sys/epoll.h>
#include <unistd.h>

#include "bridge/base/clock.h"
#include "bridge/ingress/daemon.h"
#include "bridge/ingress/room.h"
#include "bridge/ingress/stopping.h"

/* No turn is later than this after the one before, so that ingress_is_alive() means something. */
static const int64_t turn_max_ms = 500;

/* Nor later than this while a request waits for its route: a change of the registry wakes nobody,
 * it is looked for. */
static const int64_t held_turn_max_ms = 10;

/* Nor later than this while connections stand by for their report, or nothing has come for some
 * turns: among what libmicrohttpd counts as work there may be the rest of a long header, or a
 * pipelined request. */
static const int64_t standing_turn_max_ms = 2;

/* libmicrohttpd (0.9.75, connection_https.c, MHD_run_tls_handshake_()) counts a TLS handshake that
 * waits for its client as work, all the time. What it really has to do, it has done after so many
 * turns, or there is an event. */
static const unsigned idle_turns_max = 16;

/* libmicrohttpd reads once from each connection in a run, some kilobytes: the pieces of a body are
 * gathered in so many runs before anything else is looked after. */
static const unsigned body_runs_max = 8;

/* How late a wrong signature beyond the limit is told so, at least, and twice that at most: a
 * client that tries again at once, as a broken one does, tries twice a second, and costs those who
 * are right next to nothing.
 */
static const int64_t refusal_delay_ms = 500;

/* From a client's closing its side, or the last piece read since, to the end of what it sent. */
static const int64_t read_out_ms = 200;

/* --- deadlines ------------------------------------------------------------------------------- */

/* Whether there is a request line, or the part of one that is all that will ever come. */
static bool has_begun(const struct connection *c)
{
    uint64_t received, sent;
    connection_traffic(c, &received, &sent);
    return c->has_request_line || (c->half_closed && received > 1);
}

/* A request that did not become complete in time. */
static void expire_incomplete(struct connection *c)
{
    if (c->half_closed && connection_has_unread(c))
        connection_enter(c, c->phase); /* it is us who are late */
    else if (c->phase == PHASE_IDLE || (c->phase == PHASE_HEADER && !has_begun(c)))
        connection_cut(c);
    else
        request_refuse(c, c->half_closed ? ANSWER_MALFORMED : ANSWER_TOO_SLOW);
}

/* Returns false when the connection stays where it is for this turn. */
static bool expire(struct connection *c)
{
    switch (c->phase) {
    case PHASE_HELD:
    case PHASE_PUBLISHING:
    case PHASE_DELAYED:
        return request_expire(c);
    case PHASE_IDLE:
    case PHASE_HEADER:
    case PHASE_BODY:
        expire_incomplete(c);
        return true;
    case PHASE_DECIDED:
    case PHASE_ANSWERING:
    case PHASE_CUT:
        connection_cut(c);
        return true;
    }
    return false;
}

static void run_hangups(struct loop *l)
{
    struct epoll_event events[64];
    int len = epoll_wait(l->hangups_fd, events, sizeof(events) / sizeof(events[0]), 0);
    for (int i = 0; i < len; i++)
        connection_half_closed(events[i].data.ptr);
}

static void run_mailbox(struct loop *l)
{
    for (struct mailbox_node *node = mailbox_take(l->mailbox), *next; node != NULL; node = next) {
        next = node->next;
        request_settle(flight_of_node(node));
    }
}

/* The number of changes is read before what they changed: a change that comes in between is seen
 * again in the next turn, none is missed. */
static void run_held(struct loop *l)
{
    unsigned long long changes = registry_changes(l->shared->opt.registry);
    if (changes == l->changes_seen)
        return;
    l->changes_seen = changes;
    for (struct deadline *d = l->fifos[PHASE_HELD].oldest, *next; d != NULL; d = next) {
        next = d->next;
        if (connection_of_deadline(d)->phase == PHASE_HELD)
            request_reconsider(connection_of_deadline(d));
    }
}

static void run_deadlines(struct loop *l)
{
    int64_t now = clock_mono_ms();
    for (unsigned i = 0; i < FIFOS; i++) {
        struct deadline *due;
        while ((due = deadline_due(&l->fifos[i], now)) != NULL)
            if (!expire(connection_of_deadline(due)))
                break;
    }
    room_keep(l);
    lingering_run(&l->lingering, now);
}

/* libmicrohttpd counts as work each connection that stands by for its report. Others may have some
 * left: a body of many pieces, an answer that was not sent at once, and what was suspended, which
 * it reads and does not watch before there is nothing to read. */
static bool has_other_work(const struct loop *l)
{
    size_t under_way = l->fifos[PHASE_BODY].len + l->fifos[PHASE_ANSWERING].len;
    if (l->idle_turns >= idle_turns_max)
        return false;
    return l->fifos[PHASE_PUBLISHING].len == 0 || l->has_resumed ||
           (l->has_progressed && under_way > 0);
}

static void run_daemon(struct loop *l)
{
    unsigned runs = 0;
    do {
        l->has_gathered = false;
        MHD_run(l->daemon);
    } while (l->has_gathered && l->fifos[PHASE_BODY].len > 0 && ++runs < body_runs_max);
}

int64_t loop_wait_ms(struct loop *l)
{
    MHD_UNSIGNED_LONG_LONG daemon_ms;
    bool has_work = MHD_get_timeout(l->daemon, &daemon_ms) == MHD_YES && daemon_ms == 0;
    if (has_work && has_other_work(l))
        return 0;
    int64_t now = clock_mono_ms(), wait = l->held > 0 ? held_turn_max_ms : turn_max_ms;
    wait = has_work ? standing_turn_max_ms : wait;
    for (unsigned i = 0; i < FIFOS; i++) {
        int64_t left = deadline_wait_ms(&l->fifos[i], now);
        wait = left < wait ? left : wait;
    }
    int64_t left = deadline_wait_ms(&l->lingering.fifo, now);
    return left < wait ? left : wait;
}

void loop_turn(struct loop *l, int64_t wait_ms)
{
    struct pollfd fds[] = {
        {.fd = l->epoll_fd, .events = POLLIN},
        {.fd = mailbox_fd(l->mailbox), .events = POLLIN},
        {.fd = l->lingering.epoll_fd, .events = POLLIN},
        {.fd = l->hangups_fd, .events = POLLIN},
    };
    bool is_idle = poll(fds, sizeof(fds) / sizeof(fds[0]), (int)wait_ms) == 0;
    l->has_resumed = l->has_progressed = false;
    if (fds[1].revents != 0)
        run_mailbox(l);
    run_held(l);
    run_deadlines(l);
    run_daemon(l);
    if (l->has_answers) { /* they are queued: now they are sent */
        l->has_answers = false;
        MHD_run(l->daemon);
    }
    if (fds[3].revents != 0)
        run_hangups(l);
    if (!is_idle || l->has_resumed || l->has_progressed)
        l->idle_turns = 0;
    else if (l->idle_turns < idle_turns_max)
        l->idle_turns++;
    atomic_store(&l->turned_at_mono_ms, clock_mono_ms());
}

static void *run(void *ctx)
{
    struct loop *l = ctx;
    while (!atomic_load(&l->stopping))
        loop_turn(l, loop_wait_ms(l));
    stopping_run(l);
    MHD_stop_daemon(l->daemon);
    l->daemon = NULL;
    return NULL;
}

/* --- from outside ---------------------------------------------------------------------------- */

/* Every signal goes to the threads that wait for it; SIGPIPE becomes EPIPE. */
static int start_thread(struct loop *l)
{
    sigset_t all, before;
    sigfillset(&all);
    pthread_sigmask(SIG_SETMASK, &all, &before);
    int error = pthread_create(&l->thread, NULL, run, l);
    pthread_sigmask(SIG_SETMASK, &before, NULL);
    l->has_thread = error == 0;
    return error;
}

static void set_durations(struct loop *l)
{
    const struct ingress_options *opt = &l->shared->opt;
    l->fifos[PHASE_IDLE].duration_ms = opt->idle_timeout_ms;
    l->fifos[PHASE_HEADER].duration_ms = opt->header_timeout_ms;
    l->fifos[PHASE_BODY].duration_ms = opt->body_timeout_ms;
    l->fifos[FIFO_READ_OUT].duration_ms = read_out_ms;
    l->fifos[PHASE_HELD].duration_ms = opt->deadline_ms;
    l->fifos[PHASE_PUBLISHING].duration_ms = opt->deadline_ms;
    l->fifos[PHASE_DELAYED].duration_ms =
        refusal_delay_ms < opt->deadline_ms / 2 ? refusal_delay_ms : opt->deadline_ms / 2;
    l->fifos[PHASE_DECIDED].duration_ms = opt->header_timeout_ms;
    l->fifos[PHASE_ANSWERING].duration_ms = opt->header_timeout_ms;
}

static enum status start(struct loop *l, struct diag *diag)
{
    l->hangups_fd = epoll_create1(EPOLL_CLOEXEC);
    if (l->hangups_fd < 0 || lingering_init(&l->lingering) != STATUS_OK ||
        mailbox_new(&l->mailbox) != STATUS_OK || answers_new(&l->answers) != STATUS_OK)
        return STATUS_NOMEM;
    l->daemon = daemon_start(l);
    if (l->daemon == NULL)
        return diag_set(diag, STATUS_INTERNAL, "libmicrohttpd %s refuses its options",
                        MHD_get_version());
    l->epoll_fd = MHD_get_daemon_info(l->daemon, MHD_DAEMON_INFO_EPOLL_FD)->epoll_fd;
    int error = start_thread(l);
    if (error != 0)
        return diag_set(diag, STATUS_NOMEM, "cannot start a thread: %s", strerror(error));
    return STATUS_OK;
}

enum status loop_new(struct shared *shared, int listen_fd, struct loop **ret, struct diag *diag)
{
    struct loop *l = calloc(1, sizeof(*l));
    if (l == NULL) {
        close(listen_fd);
        return STATUS_NOMEM;
    }
    l->shared = shared;
    l->listen_fd = listen_fd;
    l->hangups_fd = -1;
    l->lingering.epoll_fd = -1;
    atomic_init(&l->turned_at_mono_ms, clock_mono_ms());
    set_durations(l);
    enum status status = start(l, diag);
    if (status != STATUS_OK) {
        loop_free(l);
        return status;
    }
    *ret = l;
    return STATUS_OK;
}

void loop_stop(struct loop *l, int64_t until_mono_ms)
{
    atomic_store(&l->stop_until_mono_ms, until_mono_ms);
    atomic_store(&l->stopping, true);
    mailbox_wake(l->mailbox);
}

size_t loop_join(struct loop *l)
{
    if (l->has_thread)
        pthread_join(l->thread, NULL);
    l->has_thread = false;
    return l->cut;
}

void loop_free(struct loop *l)
{
    if (l == NULL)
        return;
    assert(!l->has_thread);
    if (l->daemon != NULL) { /* it never ran */
        MHD_stop_daemon(l->daemon);
        l->listen_fd = -1;
    }
    if (l->listen_fd >= 0)
        close(l->listen_fd);
    if (l->hangups_fd >= 0)
        close(l->hangups_fd);
    lingering_done(&l->lingering);
    answers_free(l->answers);
    mailbox_unref(l->mailbox);
    free(l);
}
