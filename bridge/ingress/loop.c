/* The loop. Only its thread touches libmicrohttpd, so that nothing there needs a lock:
 *
 *   poll({epoll fds, mailbox's eventfd}, next deadline)
 *   mailbox ─► request_settle()       what the sink reported
 *   fifos ───► expire()               whose time has come
 *   MHD_run()                         accepts, reads, calls the handler, writes
 *   run_hangups()                     who has closed his side
 *
 * External mode is no matter of taste. With a thread of its own libmicrohttpd (0.9.75, 1.0.1,
 * daemon.c, MHD_epoll()) waits again, with the full timeout, after a batch of exactly 128 events:
 * 128 lock-step connections then stand still until one of them times out. MHD_run() waits for
 * nothing.
 *
 * The stop, also in this thread:
 *
 *   RUNNING ─► CLOSING            the socket takes no new handshake, what is established is
 * accepted ─► FINISHING          nothing is queued any more: the socket is closed; requests finish
 *           ─► stopped            nothing is left, or the last instant has come
 */
#include "bridge/ingress/loop.h"

#include <assert.h>
#include <linux/filter.h>
#include <microhttpd.h>
#include <poll.h>
#include <signal.h>
#include <stdlib.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <unistd.h>

#include "bridge/base/clock.h"
#include "bridge/base/scoped.h"
#include "bridge/domain/log_events.h"

/* No turn is later than this after the one before, so that ingress_is_alive() means something. */
static const int64_t turn_max_ms = 500;

/* Connections beyond the limit that are cut but not closed yet. */
static const size_t spare_connections = 64;

/* Handshakes that are answered but not complete when the stop begins: a round trip of the
 * internet. */
static const int64_t handshake_ms = 250;

/* From a client's closing its side, or the last piece read since, to the end of what it sent. */
static const int64_t read_out_ms = 200;

/* What a client that has just been told nothing may still have under way on a silent connection. */
static const int64_t silence_ms = 1000;

/* For the last answers, at the hard stop, to leave. */
static const int64_t farewell_ms = 200;

/* --- room for newcomers ---------------------------------------------------------------------- */

static struct connection *oldest_silent(const struct deadline_fifo *fifo,
                                        const struct connection *newcomer)
{
    for (struct deadline *d = fifo->oldest; d != NULL; d = d->next) {
        struct connection *c = connection_of_deadline(d);
        if (!c->has_request_line && c != newcomer)
            return c;
    }
    return NULL;
}

/* One connection too many takes the place of the one in its loop that has been silent for longest:
 * whoever only holds connections open shuts nobody out. At libmicrohttpd's own limit, a little
 * higher and counted by loop, newcomers wait in the backlog without any answer. */
static void make_room(struct loop *l, const struct connection *newcomer)
{
    if (atomic_load(&l->shared->connections) <= l->shared->opt.connections_max)
        return;
    struct connection *c = oldest_silent(&l->fifos[PHASE_IDLE], newcomer);
    if (c == NULL)
        c = oldest_silent(&l->fifos[PHASE_HEADER], newcomer);
    if (c != NULL)
        connection_cut(c);
}

/* --- libmicrohttpd's callbacks --------------------------------------------------------------- */

/* The connection ends before its first request line. On a first line that is none libmicrohttpd
 * 0.9.75 closes without a word (measured), 1.0.1 answers; neither tells. */
static void end_without_request(struct connection *c)
{
    uint64_t received, sent;
    if (c == NULL || c->phase != PHASE_HEADER || c->has_request_line)
        return;
    connection_traffic(c, &received, &sent);
    if (received <= 1)
        return;
    request_count(c, ANSWER_MALFORMED, "");
    if (sent == 0 && c->loop->shared->tls == NULL)
        connection_refuse(c, ANSWER_MALFORMED);
}

static void on_connection(void *ctx, struct MHD_Connection *mhd, void **socket_context,
                          enum MHD_ConnectionNotificationCode code)
{
    struct loop *l = ctx;
    if (code == MHD_CONNECTION_NOTIFY_STARTED) {
        atomic_fetch_add(&l->shared->connections, 1);
        *socket_context = connection_new(l, mhd);
        make_room(l, *socket_context);
        return;
    }
    atomic_fetch_sub(&l->shared->connections, 1);
    end_without_request(*socket_context);
    connection_free(*socket_context);
    *socket_context = NULL;
}

static void *on_request_line(void *ctx, const char *target, struct MHD_Connection *mhd)
{
    (void)ctx, (void)target;
    struct connection *c = connection_of(mhd);
    if (c == NULL || c->phase == PHASE_CUT)
        return NULL;
    if (c->phase == PHASE_IDLE)
        connection_enter(c, PHASE_HEADER);
    c->has_request_line = true;
    return NULL;
}

/* The path is decoded in framing.c, where an encoded NUL is noticed; the query is not read. */
static size_t leave_escaped(void *ctx, struct MHD_Connection *mhd, char *text)
{
    (void)ctx, (void)mhd;
    return strlen(text);
}

static enum MHD_Result on_request(void *ctx, struct MHD_Connection *mhd, const char *target,
                                  const char *method, const char *version, const char *data,
                                  size_t *data_len, void **request_context)
{
    (void)ctx, (void)version, (void)request_context;
    struct connection *c = connection_of(mhd);
    struct bytes piece = bytes_of(data, *data_len);
    *data_len = 0;
    if (c == NULL)
        return MHD_NO;
    bool goes_on = false;
    switch (c->phase) {
    case PHASE_IDLE:
    case PHASE_HEADER:
        goes_on = request_begin(c, target, method);
        break;
    case PHASE_BODY:
        goes_on = piece.len > 0 ? request_gather(c, piece) : request_complete(c);
        break;
    case PHASE_PUBLISHING: /* a call without a reason: nothing has changed */
        MHD_suspend_connection(mhd);
        goes_on = true;
        break;
    case PHASE_DECIDED:
        goes_on = request_reply(c);
        break;
    case PHASE_ANSWERING:
        goes_on = true;
        break;
    case PHASE_CUT:
        break;
    }
    return goes_on ? MHD_YES : MHD_NO;
}

/* What libmicrohttpd answered by itself: it found fault before, or after, the handler was asked. */
static void count_own_answer(struct connection *c)
{
    const union MHD_ConnectionInfo *info =
        MHD_get_connection_info(c->mhd, MHD_CONNECTION_INFO_HTTP_STATUS);
    if (info == NULL || c->request.counted)
        return;
    enum answer answer = ANSWER_MALFORMED;
    if (info->http_status == MHD_HTTP_REQUEST_HEADER_FIELDS_TOO_LARGE)
        answer = ANSWER_HEADER_TOO_LARGE;
    else if (info->http_status == MHD_HTTP_CONTENT_TOO_LARGE)
        answer = ANSWER_BODY_TOO_LARGE;
    request_count(c, answer, "");
}

static void on_completed(void *ctx, struct MHD_Connection *mhd, void **request_context,
                         enum MHD_RequestTerminationCode code)
{
    (void)ctx, (void)request_context, (void)code;
    struct connection *c = connection_of(mhd);
    if (c == NULL)
        return;
    count_own_answer(c);
    request_done(c);
    if (c->phase != PHASE_CUT)
        connection_enter(c, PHASE_IDLE);
}

__attribute__((format(printf, 2, 0))) static void on_log(void *ctx, const char *format,
                                                         va_list args)
{
    (void)ctx, (void)format, (void)args; /* it tells of clients that went away; we count those */
}

/* --- deadlines ------------------------------------------------------------------------------- */

static void refuse(struct connection *c, enum answer answer)
{
    request_count(c, answer, "");
    connection_refuse(c, answer);
    connection_cut(c);
}

/* A request that did not become complete in time. */
static void expire_incomplete(struct connection *c)
{
    if (c->half_closed && connection_has_unread(c))
        connection_enter(c, c->phase); /* it is us who are late */
    else if (c->phase == PHASE_IDLE || (c->phase == PHASE_HEADER && !c->has_request_line))
        connection_cut(c);
    else
        refuse(c, c->half_closed ? ANSWER_MALFORMED : ANSWER_TOO_SLOW);
}

/* Returns false when the connection stays where it is for this turn. */
static bool expire(struct connection *c)
{
    switch (c->phase) {
    case PHASE_PUBLISHING:
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

static void run_deadlines(struct loop *l)
{
    int64_t now = clock_mono_ms();
    for (unsigned i = 0; i < FIFOS; i++) {
        struct deadline *due;
        while ((due = deadline_due(&l->fifos[i], now)) != NULL)
            if (!expire(connection_of_deadline(due)))
                break;
    }
    lingering_run(&l->lingering, now);
}

static int64_t next_turn_ms(struct loop *l)
{
    MHD_UNSIGNED_LONG_LONG daemon_ms;
    if (MHD_get_timeout(l->daemon, &daemon_ms) == MHD_YES && daemon_ms == 0)
        return 0;
    int64_t now = clock_mono_ms(), wait = turn_max_ms;
    for (unsigned i = 0; i < FIFOS; i++) {
        int64_t left = deadline_wait_ms(&l->fifos[i], now);
        wait = left < wait ? left : wait;
    }
    int64_t left = deadline_wait_ms(&l->lingering.fifo, now);
    return left < wait ? left : wait;
}

static void turn(struct loop *l, int64_t wait_ms)
{
    struct pollfd fds[] = {
        {.fd = l->epoll_fd, .events = POLLIN},
        {.fd = mailbox_fd(l->mailbox), .events = POLLIN},
        {.fd = l->lingering.epoll_fd, .events = POLLIN},
        {.fd = l->hangups_fd, .events = POLLIN},
    };
    poll(fds, sizeof(fds) / sizeof(fds[0]), (int)wait_ms);
    for (struct mailbox_node *node = mailbox_take(l->mailbox), *next; node != NULL; node = next) {
        next = node->next;
        request_settle(flight_of_node(node));
    }
    run_deadlines(l);
    MHD_run(l->daemon);
    if (fds[3].revents != 0)
        run_hangups(l);
    atomic_store(&l->turned_at_mono_ms, clock_mono_ms());
}

/* --- the stop -------------------------------------------------------------------------------- */

/* Drops handshakes that begin now, in the kernel: closing a listening socket resets what is in its
 * queue, so the queue must come to an end first. A client whose handshake is dropped tries again a
 * second later and is refused, or meets another replica.
 * Source: Linux, net/ipv4/tcp_ipv4.c, tcp_v4_rcv(): the filter of the listening socket sees the TCP
 * header; byte 13 holds the flags.
 */
static void refuse_handshakes(int listen_fd)
{
    static struct sock_filter code[] = {
        BPF_STMT(BPF_LD | BPF_B | BPF_ABS, 13),
        BPF_STMT(BPF_ALU | BPF_AND | BPF_K, 0x12),       /* SYN and ACK */
        BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, 0x02, 0, 1), /* SYN alone: a new handshake */
        BPF_STMT(BPF_RET | BPF_K, 0),
        BPF_STMT(BPF_RET | BPF_K, 0xffffffff),
    };
    static const struct sock_fprog program = {sizeof(code) / sizeof(code[0]), code};
    /* Where a kernel refuses it, the stop is as good as everybody else's. */
    (void)setsockopt(listen_fd, SOL_SOCKET, SO_ATTACH_FILTER, &program, sizeof(program));
}

static bool is_readable(int fd)
{
    struct pollfd p = {.fd = fd, .events = POLLIN};
    return poll(&p, 1, 0) > 0;
}

static bool time_is_left(const struct loop *l)
{
    return clock_mono_ms() < atomic_load(&l->stop_until_mono_ms);
}

static void close_listener(struct loop *l)
{
    int64_t quiet_from = clock_mono_ms() + handshake_ms;
    refuse_handshakes(l->listen_fd);
    while (time_is_left(l) && (clock_mono_ms() < quiet_from || is_readable(l->listen_fd)))
        turn(l, 10);
    close(MHD_quiesce_daemon(l->daemon));
    l->listen_fd = -1;
}

/* A silent client may have a request under way that we do not see yet. */
static bool is_silent(const struct connection *c, int64_t now_mono_ms)
{
    return !c->has_request_line && now_mono_ms - c->deadline.since_mono_ms >= silence_ms &&
           !connection_has_unread(c);
}

static void cut_silent(struct deadline_fifo *fifo)
{
    int64_t now = clock_mono_ms();
    for (struct deadline *d = fifo->oldest, *next; d != NULL; d = next) {
        next = d->next;
        if (is_silent(connection_of_deadline(d), now))
            connection_cut(connection_of_deadline(d));
    }
}

static size_t connections(const struct loop *l)
{
    size_t len = 0;
    for (unsigned i = 0; i < FIFOS; i++)
        len += l->fifos[i].len;
    return len;
}

static void finish_requests(struct loop *l)
{
    while (time_is_left(l) && (connections(l) > 0 || l->lingering.fifo.len > 0)) {
        cut_silent(&l->fifos[PHASE_IDLE]);
        cut_silent(&l->fifos[PHASE_HEADER]);
        turn(l, next_turn_ms(l) < 10 ? next_turn_ms(l) : 10);
    }
}

/* Whoever waits for the sink is answered 503; all others are cut. libmicrohttpd aborts the process
 * if a connection is suspended when it stops. */
static void cut_rest(struct loop *l)
{
    struct deadline *d;
    while ((d = l->fifos[PHASE_PUBLISHING].oldest) != NULL) {
        request_expire(connection_of_deadline(d));
        turn(l, 0); /* where the report was first, it is in the mailbox in a moment */
    }
    int64_t until = clock_mono_ms() + farewell_ms;
    while (l->fifos[PHASE_ANSWERING].len > 0 && clock_mono_ms() < until)
        turn(l, 1);
    for (unsigned i = 0; i < FIFOS; i++) {
        while (i != PHASE_PUBLISHING && l->fifos[i].oldest != NULL) {
            struct connection *c = connection_of_deadline(l->fifos[i].oldest);
            l->cut += c->request.started_mono_us != 0 || c->has_request_line;
            connection_cut(c);
        }
    }
    turn(l, 0);
}

static void *run(void *ctx)
{
    struct loop *l = ctx;
    while (!atomic_load(&l->stopping))
        turn(l, next_turn_ms(l));
    close_listener(l);
    finish_requests(l);
    cut_rest(l);
    MHD_stop_daemon(l->daemon);
    l->daemon = NULL;
    return NULL;
}

/* --- from outside ---------------------------------------------------------------------------- */

static struct MHD_Daemon *start_daemon(struct loop *l)
{
    struct shared *s = l->shared;
    unsigned flags = MHD_USE_EPOLL | MHD_ALLOW_SUSPEND_RESUME | MHD_USE_ERROR_LOG;
    struct MHD_OptionItem tls_options[] = {
        {MHD_OPTION_HTTPS_PRIORITIES, 0, (void *)tls_priorities},
        {MHD_OPTION_HTTPS_CERT_CALLBACK, 0, tls_retrieve()},
        {MHD_OPTION_END, 0, NULL},
    };
    struct MHD_OptionItem *more = s->tls == NULL ? &tls_options[2] : tls_options;
    /* MHD_USE_TURBO leaves the sending side open until the end is told (daemon.c, connection.c), so
     * that it can be answered; with TLS the session is gone by then, and its closing alert is worth
     * more. The logger is the first option, so that it hears of the others. A timeout of
     * libmicrohttpd's own would be one of inactivity, which a byte a second keeps alive. */
    return MHD_start_daemon(
        flags | (s->tls == NULL ? MHD_USE_TURBO : MHD_USE_TLS), 0, NULL, NULL, on_request, l,
        MHD_OPTION_EXTERNAL_LOGGER, on_log, l, MHD_OPTION_LISTEN_SOCKET, l->listen_fd,
        MHD_OPTION_CONNECTION_LIMIT, (unsigned)(s->opt.connections_max + spare_connections),
        MHD_OPTION_CONNECTION_MEMORY_LIMIT, (size_t)16384, MHD_OPTION_STRICT_FOR_CLIENT, 1,
        MHD_OPTION_SIGPIPE_HANDLED_BY_APP, 1, MHD_OPTION_NOTIFY_CONNECTION, on_connection, l,
        MHD_OPTION_NOTIFY_COMPLETED, on_completed, l, MHD_OPTION_URI_LOG_CALLBACK, on_request_line,
        l, MHD_OPTION_UNESCAPE_CALLBACK, leave_escaped, NULL, MHD_OPTION_ARRAY, more,
        MHD_OPTION_END);
}

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
    l->fifos[PHASE_PUBLISHING].duration_ms = opt->deadline_ms;
    l->fifos[PHASE_DECIDED].duration_ms = opt->header_timeout_ms;
    l->fifos[PHASE_ANSWERING].duration_ms = opt->header_timeout_ms;
}

static enum status start(struct loop *l, struct diag *diag)
{
    l->hangups_fd = epoll_create1(EPOLL_CLOEXEC);
    if (l->hangups_fd < 0 || lingering_init(&l->lingering) != STATUS_OK ||
        mailbox_new(&l->mailbox) != STATUS_OK || answers_new(&l->answers) != STATUS_OK)
        return STATUS_NOMEM;
    l->daemon = start_daemon(l);
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
