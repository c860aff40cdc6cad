#include "bridge/base/address.h"

#include <errno.h>
#include <netdb.h>
#include <netinet/in.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "bridge/base/scoped.h"

/* Connections that wait to be accepted; the kernel cuts it to net.core.somaxconn. */
static const int listen_backlog = 4096;

DEFINE_CLEANUP(struct addrinfo *, freeaddrinfo)

static bool parse_port(const char *text, uint16_t *ret)
{
    uint32_t port = 0;
    size_t len = strlen(text);
    if (len == 0 || len > 5)
        return false;
    for (; *text != '\0'; text++) {
        if (*text < '0' || *text > '9')
            return false;
        port = port * 10 + (uint32_t)(*text - '0');
    }
    if (port > 65535)
        return false;
    *ret = (uint16_t)port;
    return true;
}

enum status address_parse(const char *text, struct address *ret, struct diag *diag)
{
    const char *colon = strrchr(text, ':');
    uint16_t port;
    if (colon == NULL || !parse_port(colon + 1, &port))
        return diag_set(diag, STATUS_INVALID, "%s, expected host:port with a port of 0..65535",
                        text);

    const char *host = text;
    size_t host_len = (size_t)(colon - text);
    bool bracketed = host_len >= 2 && host[0] == '[' && host[host_len - 1] == ']';
    if (!bracketed && memchr(host, ':', host_len) != NULL)
        return diag_set(diag, STATUS_INVALID, "%s, expected an IPv6 address in [brackets]", text);
    if (bracketed) {
        host++;
        host_len -= 2;
    }
    if (host_len >= sizeof(ret->host))
        return diag_set(diag, STATUS_INVALID, "the host is longer than %zu characters",
                        sizeof(ret->host) - 1);
    memcpy(ret->host, host, host_len);
    ret->host[host_len] = '\0';
    ret->port = port;
    return STATUS_OK;
}

static int open_listener(const struct addrinfo *info, bool shared)
{
    int fd = socket(info->ai_family, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
    if (fd < 0)
        return -1;
    int yes = 1;
    if (setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &yes, sizeof(yes)) == 0 &&
        (!shared || setsockopt(fd, SOL_SOCKET, SO_REUSEPORT, &yes, sizeof(yes)) == 0) &&
        bind(fd, info->ai_addr, info->ai_addrlen) == 0 && listen(fd, listen_backlog) == 0)
        return fd;
    int error = errno;
    close(fd);
    errno = error;
    return -1;
}

static uint16_t bound_port(int fd)
{
    struct sockaddr_storage bound;
    socklen_t len = sizeof(bound);
    if (getsockname(fd, (struct sockaddr *)&bound, &len) != 0)
        return 0;
    if (bound.ss_family == AF_INET6)
        return ntohs(((struct sockaddr_in6 *)&bound)->sin6_port);
    return ntohs(((struct sockaddr_in *)&bound)->sin_port);
}

enum status address_listen(const struct address *address, bool shared, int *ret_fd,
                           uint16_t *ret_port, struct diag *diag)
{
    const struct addrinfo hints = {
        .ai_family = AF_UNSPEC, .ai_socktype = SOCK_STREAM, .ai_flags = AI_PASSIVE};
    char port[6];
    snprintf(port, sizeof(port), "%u", address->port);
    CLEANUP(freeaddrinfo_scoped) struct addrinfo *found = NULL;
    int error = getaddrinfo(address->host[0] == '\0' ? NULL : address->host, port, &hints, &found);
    if (error != 0)
        return diag_set(diag, STATUS_INVALID, "%s: %s", address->host, gai_strerror(error));

    for (struct addrinfo *info = found; info != NULL; info = info->ai_next) {
        int fd = open_listener(info, shared);
        if (fd < 0)
            continue;
        *ret_fd = fd;
        *ret_port = bound_port(fd);
        return STATUS_OK;
    }
    return diag_set(diag, STATUS_UNAVAILABLE, "cannot listen on %s:%u: %s", address->host,
                    address->port, strerror(errno));
}
