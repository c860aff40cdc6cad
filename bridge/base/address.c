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

static bool set_option(int fd, int level, int option, int value)
{
    return setsockopt(fd, level, option, &value, sizeof(value)) == 0;
}

/* Returns -1 and errno when this address is none to listen on. */
static int open_listener(const struct addrinfo *info, bool shared, bool both_families)
{
    int fd = socket(info->ai_family, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
    if (fd < 0)
        return -1;
    bool v6 = info->ai_family == AF_INET6;
    if (set_option(fd, SOL_SOCKET, SO_REUSEADDR, 1) &&
        (!shared || set_option(fd, SOL_SOCKET, SO_REUSEPORT, 1)) &&
        (!v6 || set_option(fd, IPPROTO_IPV6, IPV6_V6ONLY, !both_families)) &&
        bind(fd, info->ai_addr, info->ai_addrlen) == 0 && listen(fd, listen_backlog) == 0)
        return fd;
    int error = errno;
    close(fd);
    errno = error;
    return -1;
}

static uint16_t bound_port(int fd)
{
    union {
        struct sockaddr any;
        struct sockaddr_in v4;
        struct sockaddr_in6 v6;
    } bound = {0};
    socklen_t len = sizeof(bound);
    if (getsockname(fd, &bound.any, &len) != 0)
        return 0;
    return ntohs(bound.any.sa_family == AF_INET6 ? bound.v6.sin6_port : bound.v4.sin_port);
}

static enum status resolve_status(int gai_error)
{
    switch (gai_error) {
    case EAI_MEMORY:
        return STATUS_NOMEM;
    case EAI_AGAIN:
    case EAI_SYSTEM:
        return STATUS_UNAVAILABLE;
    default:
        return STATUS_INVALID;
    }
}

/* Listens on the first address of the family that lets itself be bound. */
static enum status listen_in(const struct address *address, int family, bool shared, int *ret_fd,
                             uint16_t *ret_port, struct diag *diag)
{
    const struct addrinfo hints = {
        .ai_family = family, .ai_socktype = SOCK_STREAM, .ai_flags = AI_PASSIVE};
    bool any = address->host[0] == '\0';
    char port[6];
    snprintf(port, sizeof(port), "%u", address->port);
    CLEANUP(freeaddrinfo_scoped) struct addrinfo *found = NULL;
    int error = getaddrinfo(any ? NULL : address->host, port, &hints, &found);
    if (error != 0)
        return diag_set(diag, resolve_status(error), "%s: %s", address->host, gai_strerror(error));

    for (struct addrinfo *info = found; info != NULL; info = info->ai_next) {
        int fd = open_listener(info, shared, any);
        if (fd < 0)
            continue;
        *ret_fd = fd;
        *ret_port = bound_port(fd);
        return STATUS_OK;
    }
    return diag_set(diag, STATUS_UNAVAILABLE, "cannot listen on %s:%u: %s", address->host,
                    address->port, strerror(errno));
}

enum status address_listen(const struct address *address, bool shared, int *ret_fd,
                           uint16_t *ret_port, struct diag *diag)
{
    if (address->host[0] != '\0')
        return listen_in(address, AF_UNSPEC, shared, ret_fd, ret_port, diag);
    /* getaddrinfo() puts 0.0.0.0 first, and the clients that come over IPv6 would be refused. */
    if (listen_in(address, AF_INET6, shared, ret_fd, ret_port, NULL) == STATUS_OK)
        return STATUS_OK;
    return listen_in(address, AF_INET, shared, ret_fd, ret_port, diag);
}
