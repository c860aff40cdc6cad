/* An HTTP server that answers as the test says: what the sender of `dev` talks to in its tests. */
#pragma once

#include "bridge/base/bytes.h"

struct fake_ingress;

/* How a request is answered. */
struct fake_answer {
    const char *bytes; /* NULL: not at all */
    bool dribble;      /* a byte at a time */
    bool close;        /* afterwards */
};

struct fake_request {
    char head[2048];
    char body[2048];
};

/* Answers the n-th request with the n-th answer, those beyond with the last one. Fails the test on
 * any trouble. */
struct fake_ingress *fake_ingress_new(const struct fake_answer answers[], size_t answers_len);
uint16_t fake_ingress_port(const struct fake_ingress *f);

/* Blocks until so many requests were answered. */
void fake_ingress_await(struct fake_ingress *f, size_t requests);

/* Blocks until the server has closed the connection of so many requests. */
void fake_ingress_await_closed(struct fake_ingress *f, size_t connections);

size_t fake_ingress_requests(struct fake_ingress *f);
size_t fake_ingress_connections(struct fake_ingress *f);

/* The n-th request; the first 256 are kept. Borrowed until fake_ingress_free(). */
const struct fake_request *fake_ingress_request(struct fake_ingress *f, size_t n);

/* After all clients have gone. */
void fake_ingress_free(struct fake_ingress *f);
