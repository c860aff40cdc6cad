/* A keep-alive HTTP connection on loopback, as a provider's client holds one to the bridge. */
#pragma once

#include "bridge/base/bytes.h"
#include "bridge/base/status.h"

/* Opened when the first request needs it, and again after the server has closed it. */
struct http_connection {
    uint16_t port;
    int fd; /* -1: closed */
};

struct http_connection_request {
    const char *path;
    const char *headers; /* more of them: whole lines, each with its CR LF; "" for none */
    struct bytes body;
};

/* The longest head of a request that is sent, and of an answer that is read, in bytes. */
#define HTTP_CONNECTION_HEAD_MAX 2048

void http_connection_init(struct http_connection *c, uint16_t port);
void http_connection_done(struct http_connection *c);

/* POSTs the request and reads the whole answer. A request is sent once: when the connection breaks
 * after a part of it went out, nobody knows whether it was taken, and it is not sent again.
 * Errors: STATUS_UNAVAILABLE no answer within 10 s, or none that is HTTP/1.1 with a Content-Length;
 *         the connection is closed. STATUS_INVALID the head is longer than
 * HTTP_CONNECTION_HEAD_MAX. Thread: one at a time.
 */
enum status http_connection_post(struct http_connection *c,
                                 const struct http_connection_request *request, int *ret_code)
    MUST_CHECK;
