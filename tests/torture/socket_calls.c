/* What a shared library asks of its sockets. */
#include <sys/socket.h>

#include "tests/torture/interposed.h"

int accept4(int fd, struct sockaddr *restrict address, socklen_t *restrict len, int flags)
{
    if (FAILS("accept4", {-1, EMFILE}, {-1, ECONNABORTED}, {-1, ENOBUFS}))
        return -1;
    return INTERPOSED(accept4)(fd, address, len, flags);
}

ssize_t recv(int fd, void *to, size_t len, int flags)
{
    if (FAILS("recv", {-1, ECONNRESET}, {-1, EINTR}, {-1, ENOMEM}))
        return -1;
    return INTERPOSED(recv)(fd, to, len, flags);
}

ssize_t send(int fd, const void *from, size_t len, int flags)
{
    if (FAILS("send", {-1, EPIPE}, {-1, EINTR}, {-1, ENOBUFS}))
        return -1;
    return INTERPOSED(send)(fd, from, len, flags);
}

ssize_t sendmsg(int fd, const struct msghdr *message, int flags)
{
    if (FAILS("sendmsg", {-1, EPIPE}, {-1, EINTR}, {-1, ENOBUFS}))
        return -1;
    return INTERPOSED(sendmsg)(fd, message, flags);
}
