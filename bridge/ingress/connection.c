#include "bridge/ingress/connection.h"

#include <linux/tcp.h>
#include <microhttpd.h>
#include <netinet/in.h>
#include <stdlib.h>
#include <sys/epoll.h>
#include <sys/ioctl.h>
#include <sys/socket.h>

#include "bridge/base/clock.h"
#include "bridge/ingress/loop.h"

/* Suspending a connection and taking it up again costs two changes of libmicrohttpd's epoll set and
 * a read of nothing (0.9.75, daemon.c, internal_suspend_connection_()): as much as so many calls of
 * a handler that has nothing to do. A report comes within fewer turns while Kafka is well. */
static const unsigned idle_calls_max = 64;

struct connection *connection_new(struct loop *l, struct MHD_Connection *mhd)
{
    const union MHD_ConnectionInfo *info =
        MHD_get_connection_info(mhd, MHD_CONNECTION_INFO_CONNECTION_FD);
    struct connection *c = calloc(1, sizeof(*c));
    if (c == NULL || info == NULL) {
        free(c);
        return NULL;
    }
    c->loop = l;
    c->mhd = mhd;
    c->fd = info->connect_fd;
    struct epoll_event event = {.events = EPOLLRDHUP | EPOLLET, .data.ptr = c};
    /* Without it, half a body costs its whole deadline. */
    (void)epoll_ctl(l->hangups_fd, EPOLL_CTL_ADD, c->fd, &event);
    connection_enter(c, PHASE_HEADER);
    return c;
}

void connection_free(struct connection *c)
{
    if (c == NULL)
        return;
    request_done(c);
    (void)epoll_ctl(c->loop->hangups_fd, EPOLL_CTL_DEL, c->fd, NULL);
    if (c->phase != PHASE_CUT && (c->leaves_unread || connection_has_unread(c)))
        lingering_add(&c->loop->lingering, c->fd, clock_mono_ms());
    deadline_move(&c->deadline, NULL, 0);
    free(c);
}

struct connection *connection_of(struct MHD_Connection *mhd)
{
    const union MHD_ConnectionInfo *info =
        MHD_get_connection_info(mhd, MHD_CONNECTION_INFO_SOCKET_CONTEXT);
    return info == NULL ? NULL : info->socket_context;
}

/* Since when a refusal is delayed. Those that came together go out one after the other, within as
 * much time again as the delay is: what their clients send next is not in others' way all at once.
 */
static int64_t delayed_since(struct loop *l)
{
    int64_t now = clock_mono_ms(), delay_ms = l->fifos[PHASE_DELAYED].duration_ms;
    size_t a_ms = l->shared->delayed_max / (size_t)(delay_ms + 1) + 1;
    if (now > l->delayed_at_mono_ms) {
        l->delayed_at_mono_ms = now;
        l->delayed_at_once = 0;
    } else if (l->delayed_at_once == a_ms) {
        l->delayed_at_mono_ms++;
        l->delayed_at_once = 0;
    }
    l->delayed_at_once++;
    return l->delayed_at_mono_ms;
}

void connection_enter(struct connection *c, enum phase phase)
{
    bool was_held = c->phase == PHASE_HELD;
    c->loop->held += phase == PHASE_HELD;
    c->loop->held -= was_held;
    c->phase = phase;
    if (phase != PHASE_HEADER)
        c->has_request_line = false;
    if (was_held && phase == PHASE_PUBLISHING)
        return; /* where it is, its deadline still runs from the arrival of the request */
    struct deadline_fifo *fifo = &c->loop->fifos[phase];
    if (c->half_closed && phase <= PHASE_BODY)
        fifo = &c->loop->fifos[FIFO_READ_OUT];
    int64_t since = phase == PHASE_DELAYED ? delayed_since(c->loop) : clock_mono_ms();
    deadline_move(&c->deadline, phase == PHASE_CUT ? NULL : fifo, since);
}

void connection_suspend(struct connection *c)
{
    c->is_suspended = true;
    MHD_suspend_connection(c->mhd);
}

void connection_resume(struct connection *c)
{
    c->loop->has_answers = true;
    if (!c->is_suspended)
        return;
    c->is_suspended = false;
    c->loop->has_resumed = true;
    MHD_resume_connection(c->mhd);
}

void connection_stand_by(struct connection *c)
{
    if (c->is_suspended || ++c->idle_calls == idle_calls_max)
        connection_suspend(c);
}

void connection_orphan(struct connection *c)
{
    (void)epoll_ctl(c->loop->hangups_fd, EPOLL_CTL_DEL, c->fd, NULL);
    c->mhd = NULL;
    c->fd = -1;
}

void connection_half_closed(struct connection *c)
{
    c->half_closed = true;
    if (c->phase <= PHASE_BODY)
        deadline_move(&c->deadline, &c->loop->fifos[FIFO_READ_OUT], clock_mono_ms());
}

void connection_cut(struct connection *c)
{
    connection_enter(c, PHASE_CUT);
    shutdown(c->fd, SHUT_RDWR);
}

void connection_refuse(struct connection *c, enum answer answer)
{
    char text[512];
    size_t len = answer_print(answer, text, sizeof(text));
    /* The socket's buffer is empty: nothing but "100 Continue" was ever sent for this request. */
    if (c->loop->shared->tls != NULL)
        tls_send(c->mhd, text, len);
    else
        (void)!send(c->fd, text, len, MSG_DONTWAIT | MSG_NOSIGNAL);
    lingering_add(&c->loop->lingering, c->fd, clock_mono_ms());
    connection_enter(c, PHASE_CUT);
}

void connection_traffic(const struct connection *c, uint64_t *ret_received, uint64_t *ret_sent)
{
    struct tcp_info info = {0};
    socklen_t len = sizeof(info);
    if (getsockopt(c->fd, IPPROTO_TCP, TCP_INFO, &info, &len) != 0)
        info = (struct tcp_info){0};
    *ret_sent = info.tcpi_bytes_sent;
    *ret_received = info.tcpi_bytes_received;
}

bool connection_has_unread(const struct connection *c)
{
    int unread = 0;
    return ioctl(c->fd, FIONREAD, &unread) == 0 && unread > 0;
}
