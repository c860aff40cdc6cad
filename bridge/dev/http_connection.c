#include "bridge/dev/http_connection.h"

#include <errno.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <strings.h>
#include <sys/socket.h>
#include <unistd.h>

/* Far beyond the ingress's own deadline: whatever comes later is no answer. */
static const struct timeval io_timeout = {.tv_sec = 10};

void http_connection_init(struct http_connection *c, uint16_t port)
{
    *c = (struct http_connection){.port = port, .fd = -1};
}

void http_connection_done(struct http_connection *c)
{
    if (c->fd >= 0)
        close(c->fd);
    c->fd = -1;
}

/* The server may close a connection that was idle for long, or after an answer while it drains. */
static bool is_usable(const struct http_connection *c)
{
    struct pollfd waiting = {.fd = c->fd, .events = POLLIN};
    return c->fd >= 0 && poll(&waiting, 1, 0) == 0;
}

static enum status open_connection(struct http_connection *c)
{
    http_connection_done(c);
    c->fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    if (c->fd < 0)
        return STATUS_UNAVAILABLE;
    const struct sockaddr_in to = {.sin_family = AF_INET,
                                   .sin_port = htons(c->port),
                                   .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    int yes = 1;
    if (setsockopt(c->fd, SOL_SOCKET, SO_RCVTIMEO, &io_timeout, sizeof(io_timeout)) == 0 &&
        setsockopt(c->fd, SOL_SOCKET, SO_SNDTIMEO, &io_timeout, sizeof(io_timeout)) == 0 &&
        setsockopt(c->fd, IPPROTO_TCP, TCP_NODELAY, &yes, sizeof(yes)) == 0 &&
        connect(c->fd, (const struct sockaddr *)&to, sizeof(to)) == 0)
        return STATUS_OK;
    http_connection_done(c);
    return STATUS_UNAVAILABLE;
}

static enum status send_all(const struct http_connection *c, struct bytes bytes)
{
    for (size_t sent = 0; sent < bytes.len;) {
        ssize_t n = send(c->fd, bytes.data + sent, bytes.len - sent, MSG_NOSIGNAL);
        if (n < 0 && errno != EINTR)
            return STATUS_UNAVAILABLE;
        sent += n > 0 ? (size_t)n : 0;
    }
    return STATUS_OK;
}

static enum status send_request(const struct http_connection *c,
                                const struct http_connection_request *request)
{
    char head[HTTP_CONNECTION_HEAD_MAX];
    int len =
        snprintf(head, sizeof(head),
                 "POST %s HTTP/1.1\r\nHost: 127.0.0.1:%u\r\nContent-Type: application/json\r\n"
                 "Content-Length: %zu\r\n%s\r\n",
                 request->path, c->port, request->body.len, request->headers);
    if (len < 0 || (size_t)len >= sizeof(head))
        return STATUS_INVALID;
    enum status status = send_all(c, bytes_of(head, (size_t)len));
    return status == STATUS_OK ? send_all(c, request->body) : status;
}

/* What has been read of an answer; one byte is left for a NUL. */
struct answer {
    char text[HTTP_CONNECTION_HEAD_MAX + 1];
    size_t len;
};

static enum status read_some(const struct http_connection *c, struct answer *a)
{
    if (a->len == HTTP_CONNECTION_HEAD_MAX)
        return STATUS_UNAVAILABLE;
    ssize_t n = recv(c->fd, a->text + a->len, HTTP_CONNECTION_HEAD_MAX - a->len, 0);
    if (n == 0 || (n < 0 && errno != EINTR))
        return STATUS_UNAVAILABLE;
    a->len += n > 0 ? (size_t)n : 0;
    a->text[a->len] = '\0';
    return STATUS_OK;
}

/* The value of a header of the head, which ends with an empty line; NULL: it is not there. */
static const char *find_header(const char *head, const char *name)
{
    size_t name_len = strlen(name);
    for (const char *line = strstr(head, "\r\n"); line != NULL && strncmp(line, "\r\n\r\n", 4) != 0;
         line = strstr(line + 2, "\r\n"))
        if (strncasecmp(line + 2, name, name_len) == 0 && line[2 + name_len] == ':')
            return line + 3 + name_len;
    return NULL;
}

/* A decimal number after spaces, at most `max`; a larger one reads as max + 1. */
static size_t read_number(const char *text, size_t max)
{
    size_t number = 0;
    text += strspn(text, " \t");
    for (; *text >= '0' && *text <= '9' && number <= max; text++)
        number = number * 10 + (size_t)(*text - '0');
    return number;
}

/* The whole answer fits the buffer: the bridge's answers are a few words long. */
static enum status read_answer(struct http_connection *c, int *ret_code)
{
    struct answer a = {.len = 0};
    const char *end = NULL;
    for (enum status status; end == NULL; end = strstr(a.text, "\r\n\r\n"))
        if ((status = read_some(c, &a)) != STATUS_OK)
            return status;

    const char *length = find_header(a.text, "Content-Length");
    if (strncmp(a.text, "HTTP/1.1 ", 9) != 0 || length == NULL)
        return STATUS_UNAVAILABLE;
    size_t whole = (size_t)(end - a.text) + 4 + read_number(length, HTTP_CONNECTION_HEAD_MAX);
    for (enum status status; a.len < whole;)
        if ((status = read_some(c, &a)) != STATUS_OK)
            return status;

    const char *option = find_header(a.text, "Connection");
    if (option != NULL && strncasecmp(option + strspn(option, " "), "close", 5) == 0)
        http_connection_done(c);
    *ret_code = (int)read_number(a.text + 9, 999);
    return STATUS_OK;
}

enum status http_connection_post(struct http_connection *c,
                                 const struct http_connection_request *request, int *ret_code)
{
    enum status status = is_usable(c) ? STATUS_OK : open_connection(c);
    if (status == STATUS_OK)
        status = send_request(c, request);
    if (status == STATUS_OK)
        status = read_answer(c, ret_code);
    if (status != STATUS_OK)
        http_connection_done(c);
    return status;
}
