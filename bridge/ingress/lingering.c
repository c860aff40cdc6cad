#include "bridge/ingress/lingering.h"

#include <fcntl.h>
#include <stdlib.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <unistd.h>

struct lingerer {
    struct deadline deadline; /* first: it is found again from it */
    int fd;
    size_t left; /* bytes that may still come */
};

/* nginx waits 5 s for the next bytes and 30 s in all; a sender of callbacks has long read the
 * answer. */
static const int64_t linger_ms = 2000;
static const size_t linger_max = 256; /* sockets of one loop */
static const size_t bytes_max = 4 * 1024 * 1024;

enum status lingering_init(struct lingering *l)
{
    *l =
        (struct lingering){.epoll_fd = epoll_create1(EPOLL_CLOEXEC), .fifo.duration_ms = linger_ms};
    return l->epoll_fd < 0 ? STATUS_NOMEM : STATUS_OK;
}

/* Closing alone does not end the watch: that is the socket's, which is open as long as the
 * original is, and would tell of a lingerer that is no more. Source: epoll(7), questions and
 * answers. */
static void lingerer_free(struct lingering *l, struct lingerer *it)
{
    deadline_move(&it->deadline, NULL, 0);
    (void)epoll_ctl(l->epoll_fd, EPOLL_CTL_DEL, it->fd, NULL);
    close(it->fd);
    free(it);
}

void lingering_done(struct lingering *l)
{
    while (l->fifo.oldest != NULL)
        lingerer_free(l, (struct lingerer *)l->fifo.oldest);
    if (l->epoll_fd >= 0)
        close(l->epoll_fd);
    l->epoll_fd = -1;
}

void lingering_add(struct lingering *l, int fd, int64_t now_mono_ms)
{
    struct lingerer *it = calloc(1, sizeof(*it));
    if (it == NULL)
        return;
    it->left = bytes_max;
    it->fd = fcntl(fd, F_DUPFD_CLOEXEC, 0);
    struct epoll_event event = {.events = EPOLLIN | EPOLLRDHUP, .data.ptr = it};
    if (it->fd < 0 || epoll_ctl(l->epoll_fd, EPOLL_CTL_ADD, it->fd, &event) != 0) {
        if (it->fd >= 0)
            close(it->fd);
        free(it);
        return;
    }
    shutdown(it->fd, SHUT_WR);
    deadline_move(&it->deadline, &l->fifo, now_mono_ms);
    if (l->fifo.len > linger_max)
        lingerer_free(l, (struct lingerer *)l->fifo.oldest);
}

/* Returns whether more may come. */
static bool lingerer_read(struct lingerer *it)
{
    uint8_t piece[16384];
    ssize_t len = recv(it->fd, piece, sizeof(piece), MSG_DONTWAIT);
    if (len <= 0 || (size_t)len > it->left)
        return false;
    it->left -= (size_t)len;
    return true;
}

void lingering_run(struct lingering *l, int64_t now_mono_ms)
{
    struct deadline *due;
    while ((due = deadline_due(&l->fifo, now_mono_ms)) != NULL)
        lingerer_free(l, (struct lingerer *)due);

    struct epoll_event events[64];
    int events_len = l->fifo.len == 0
                         ? 0
                         : epoll_wait(l->epoll_fd, events, sizeof(events) / sizeof(events[0]), 0);
    for (int i = 0; i < events_len; i++)
        if (!lingerer_read(events[i].data.ptr))
            lingerer_free(l, events[i].data.ptr);
}
