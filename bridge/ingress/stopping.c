/* The stop of a loop, in its own thread:
 *
 *   CLOSING ───► FINISHING ───► CUTTING
 *
 *   CLOSING    close_listener()   the socket takes no new handshake, what is established is
 *                                 accepted; then it is closed
 *   FINISHING  finish_requests()  requests come to their end, silent connections are closed
 *   CUTTING    cut_rest()         the last instant has come, or nothing is left
 */
#include "bridge/ingress/stopping.h"

#include <assert.h>
#include <linux/filter.h>
#include <microhttpd.h>
#include <poll.h>
#include <sys/socket.h>
#include <unistd.h>

#include "bridge/base/clock.h"
#include "bridge/ingress/loop.h"

/* Handshakes that are answered but not complete when the stop begins: a round trip of the
 * internet. */
static const int64_t handshake_ms = 250;

/* What a client that has just been told nothing may still have under way on a silent connection. */
static const int64_t silence_ms = 1000;

/* For the last answers, at the hard stop, to leave. */
static const int64_t farewell_ms = 200;

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
        loop_turn(l, 10);
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
        int64_t wait = loop_wait_ms(l);
        loop_turn(l, wait < 10 ? wait : 10);
    }
}

/* Also the ones that send: nothing new begins. */
static void cut_all(struct loop *l, struct deadline_fifo *fifo)
{
    while (fifo->oldest != NULL) {
        struct connection *c = connection_of_deadline(fifo->oldest);
        l->cut += c->request.started_mono_us != 0 || c->has_request_line;
        connection_cut(c);
    }
}

static void expire_all(struct loop *l, const struct deadline_fifo *fifo)
{
    while (fifo->oldest != NULL)
        if (!request_expire(connection_of_deadline(fifo->oldest)))
            loop_turn(l, 0); /* the report was first: it is in the mailbox in a moment */
}

static void expire_suspended(struct loop *l)
{
    expire_all(l, &l->fifos[PHASE_HELD]);
    expire_all(l, &l->fifos[PHASE_PUBLISHING]);
    expire_all(l, &l->fifos[PHASE_DELAYED]);
}

/* Whoever waits for the sink, or for a secret, is answered 503, whoever has not sent all is cut,
 * answers get a moment to leave. libmicrohttpd aborts the process if a connection is suspended when
 * it stops: every answer closes its connection by now, so none comes back from there. */
static void cut_rest(struct loop *l)
{
    int64_t until = clock_mono_ms() + farewell_ms;
    do {
        cut_all(l, &l->fifos[PHASE_IDLE]);
        cut_all(l, &l->fifos[PHASE_HEADER]);
        cut_all(l, &l->fifos[PHASE_BODY]);
        cut_all(l, &l->fifos[FIFO_READ_OUT]);
        expire_suspended(l);
        loop_turn(l, 1);
    } while (connections(l) > 0 && clock_mono_ms() < until);
    expire_suspended(l);
    loop_turn(l, 0);
    cut_all(l, &l->fifos[PHASE_ANSWERING]);
    assert(l->fifos[PHASE_HELD].len == 0 && l->fifos[PHASE_PUBLISHING].len == 0 &&
           l->fifos[PHASE_DELAYED].len == 0);
}

void stopping_run(struct loop *l)
{
    close_listener(l);
    finish_requests(l);
    cut_rest(l);
}
