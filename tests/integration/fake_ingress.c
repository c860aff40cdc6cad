#include "fake_ingress.h"

#include <assert.h>
#include <fcntl.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <strings.h>
#include <sys/socket.h>
#include <unistd.h>

#include "bridge/base/address.h"

#define REQUESTS_KEPT 256
#define CONNECTIONS_MAX 64

struct fake_ingress {
    const struct fake_answer *answers;
    size_t answers_len;
    int listener;
    uint16_t port;
    pthread_t accepter;

    pthread_mutex_t lock; /* guards what follows */
    pthread_cond_t changed;
    struct fake_request requests[REQUESTS_KEPT];
    size_t requests_len; /* begun */
    size_t answered;
    size_t closed; /* connections, by the server */
    pthread_t clients[CONNECTIONS_MAX];
    size_t clients_len;
};

struct client {
    struct fake_ingress *server;
    int fd;
};

/* Reads exactly one request. Returns false when the client has gone. */
static bool read_request(int fd, struct fake_request *r)
{
    size_t len = 0;
    memset(r, 0, sizeof(*r));
    while (strstr(r->head, "\r\n\r\n") == NULL) {
        assert(len + 1 < sizeof(r->head));
        if (recv(fd, r->head + len, 1, 0) != 1)
            return false;
        len++;
    }
    const char *length = strstr(r->head, "Content-Length: ");
    size_t body_len;
    assert(length != NULL && sscanf(length, "Content-Length: %zu", &body_len) == 1);
    assert(body_len < sizeof(r->body));
    return recv(fd, r->body, body_len, MSG_WAITALL) == (ssize_t)body_len;
}

static void write_answer(int fd, const struct fake_answer *a)
{
    size_t len = strlen(a->bytes), step = a->dribble ? 1 : len;
    for (size_t at = 0; at < len; at += step)
        assert(send(fd, a->bytes + at, step, MSG_NOSIGNAL) == (ssize_t)step);
}

static const struct fake_answer *enter_request(struct fake_ingress *f, const struct fake_request *r)
{
    pthread_mutex_lock(&f->lock);
    size_t n = f->requests_len++;
    if (n < REQUESTS_KEPT)
        f->requests[n] = *r;
    pthread_mutex_unlock(&f->lock);
    return &f->answers[n < f->answers_len ? n : f->answers_len - 1];
}

static void count(struct fake_ingress *f, size_t *counter)
{
    pthread_mutex_lock(&f->lock);
    (*counter)++;
    pthread_cond_broadcast(&f->changed);
    pthread_mutex_unlock(&f->lock);
}

static void *serve(void *arg)
{
    struct client c = *(struct client *)arg;
    free(arg);
    struct fake_request r;
    bool closing = false;
    while (!closing && read_request(c.fd, &r)) {
        const struct fake_answer *a = enter_request(c.server, &r);
        if (a->bytes != NULL)
            write_answer(c.fd, a);
        closing = a->close || a->bytes == NULL;
        count(c.server, &c.server->answered);
    }
    close(c.fd);
    count(c.server, &c.server->closed);
    return NULL;
}

static void *accept_all(void *arg)
{
    struct fake_ingress *f = arg;
    for (;;) {
        int fd = accept(f->listener, NULL, NULL);
        if (fd < 0)
            return NULL; /* fake_ingress_free() has shut the listener down */
        struct client *c = malloc(sizeof(*c));
        assert(c != NULL && f->clients_len < CONNECTIONS_MAX);
        *c = (struct client){.server = f, .fd = fd};
        pthread_mutex_lock(&f->lock);
        int error = pthread_create(&f->clients[f->clients_len++], NULL, serve, c);
        pthread_mutex_unlock(&f->lock);
        assert(error == 0);
    }
}

static int listen_on_loopback(uint16_t *ret_port)
{
    const struct address any = {.host = "127.0.0.1", .port = 0};
    struct diag diag = {{0}};
    int fd = -1;
    assert(address_listen(&any, false, &fd, ret_port, &diag) == STATUS_OK);
    assert(fcntl(fd, F_SETFL, fcntl(fd, F_GETFL) & ~O_NONBLOCK) == 0);
    return fd;
}

struct fake_ingress *fake_ingress_new(const struct fake_answer answers[], size_t answers_len)
{
    struct fake_ingress *f = calloc(1, sizeof(*f));
    assert(f != NULL);
    f->answers = answers;
    f->answers_len = answers_len;
    pthread_mutex_init(&f->lock, NULL);
    pthread_cond_init(&f->changed, NULL);
    f->listener = listen_on_loopback(&f->port);
    assert(pthread_create(&f->accepter, NULL, accept_all, f) == 0);
    return f;
}

uint16_t fake_ingress_port(const struct fake_ingress *f)
{
    return f->port;
}

static void await(struct fake_ingress *f, const size_t *counter, size_t at_least)
{
    pthread_mutex_lock(&f->lock);
    while (*counter < at_least)
        pthread_cond_wait(&f->changed, &f->lock);
    pthread_mutex_unlock(&f->lock);
}

void fake_ingress_await(struct fake_ingress *f, size_t requests)
{
    await(f, &f->answered, requests);
}

void fake_ingress_await_closed(struct fake_ingress *f, size_t connections)
{
    await(f, &f->closed, connections);
}

static size_t read_counter(struct fake_ingress *f, const size_t *counter)
{
    pthread_mutex_lock(&f->lock);
    size_t value = *counter;
    pthread_mutex_unlock(&f->lock);
    return value;
}

size_t fake_ingress_requests(struct fake_ingress *f)
{
    return read_counter(f, &f->requests_len);
}

size_t fake_ingress_connections(struct fake_ingress *f)
{
    return read_counter(f, &f->clients_len);
}

const struct fake_request *fake_ingress_request(struct fake_ingress *f, size_t n)
{
    assert(n < REQUESTS_KEPT && n < fake_ingress_requests(f));
    return &f->requests[n];
}

void fake_ingress_free(struct fake_ingress *f)
{
    shutdown(f->listener, SHUT_RDWR);
    pthread_join(f->accepter, NULL);
    for (size_t i = 0; i < f->clients_len; i++)
        pthread_join(f->clients[i], NULL);
    close(f->listener);
    pthread_cond_destroy(&f->changed);
    pthread_mutex_destroy(&f->lock);
    free(f);
}
