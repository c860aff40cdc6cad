#include "fake_provider.h"

#include <assert.h>
#include <fcntl.h>
#include <poll.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "bridge/base/address.h"
#include "bridge/base/clock.h"

#define CALLS_KEPT 256
#define CONNECTIONS_MAX 256

struct connection {
    struct fake_provider *provider;
    pthread_t thread;
    size_t number;
    int fd;
};

struct fake_provider {
    const struct fake_reply *replies;
    size_t replies_len;
    fake_choose_fn *choose; /* NULL: the replies follow each other */
    int listener;
    uint16_t port;
    pthread_t accepter;

    pthread_mutex_t lock; /* guards what follows */
    pthread_cond_t changed;
    struct fake_call calls[CALLS_KEPT];
    size_t calls_len;
    size_t under_way, at_once;
    struct connection connections[CONNECTIONS_MAX];
    size_t connections_len;
    size_t closed;
};

/* Reads exactly one request. Returns false when the client has gone. */
static bool read_call(int fd, struct fake_call *call)
{
    size_t len = 0, body_len = 0;
    memset(call, 0, sizeof(*call));
    while (strstr(call->text, "\r\n\r\n") == NULL) {
        assert(len + 1 < sizeof(call->text));
        if (recv(fd, call->text + len, 1, 0) != 1)
            return false;
        len++;
    }
    const char *length = strstr(call->text, "Content-Length: ");
    assert(length == NULL || sscanf(length, "Content-Length: %zu", &body_len) == 1);
    assert(len + body_len < sizeof(call->text));
    return body_len == 0 || recv(fd, call->text + len, body_len, MSG_WAITALL) == (ssize_t)body_len;
}

static const struct fake_reply *enter(struct fake_provider *f, struct fake_call *call)
{
    pthread_mutex_lock(&f->lock);
    size_t n = f->calls_len;
    assert(n < CALLS_KEPT);
    call->at_mono_us = clock_mono_us();
    f->calls[n] = *call;
    f->calls_len++;
    f->under_way++;
    if (f->at_once < f->under_way)
        f->at_once = f->under_way;
    pthread_cond_broadcast(&f->changed);
    pthread_mutex_unlock(&f->lock);
    if (f->choose != NULL)
        return f->choose(call);
    return &f->replies[n < f->replies_len ? n : f->replies_len - 1];
}

static void leave(struct fake_provider *f)
{
    pthread_mutex_lock(&f->lock);
    f->under_way--;
    pthread_mutex_unlock(&f->lock);
}

static bool send_all(int fd, const char *data, size_t len)
{
    return send(fd, data, len, MSG_NOSIGNAL) == (ssize_t)len;
}

static void send_until_the_client_goes(int fd, size_t step, int pause_ms)
{
    static const char filler[4096] = {'x'};
    while (send_all(fd, filler, step))
        (void)poll(NULL, 0, pause_ms);
}

/* Returns whether another request may come. */
static bool write_reply(int fd, const struct fake_reply *r)
{
    const struct linger abort_on_close = {.l_onoff = 1, .l_linger = 0};
    size_t len = strlen(r->bytes);
    char byte;
    if (!send_all(fd, r->bytes, len))
        return false;
    switch (r->end) {
    case FAKE_KEEPS:
        return true;
    case FAKE_CLOSES:
        return false;
    case FAKE_RESETS:
        setsockopt(fd, SOL_SOCKET, SO_LINGER, &abort_on_close, sizeof(abort_on_close));
        return false;
    case FAKE_HANGS:
        while (recv(fd, &byte, 1, 0) == 1)
            ;
        return false;
    case FAKE_FLOODS:
        send_until_the_client_goes(fd, 4096, 0);
        return false;
    case FAKE_DAWDLES:
        send_until_the_client_goes(fd, 1, 20);
        return false;
    }
    return false;
}

static void *serve(void *arg)
{
    struct connection *c = arg;
    struct fake_provider *f = c->provider;
    struct fake_call call;
    bool goes_on = true;
    while (goes_on && read_call(c->fd, &call)) {
        call.connection = c->number;
        const struct fake_reply *r = enter(f, &call);
        (void)poll(NULL, 0, r->pause_ms);
        leave(f); /* before the client can know */
        goes_on = write_reply(c->fd, r);
    }
    pthread_mutex_lock(&f->lock);
    close(c->fd);
    c->fd = -1;
    f->closed++;
    pthread_cond_broadcast(&f->changed);
    pthread_mutex_unlock(&f->lock);
    return NULL;
}

static void *accept_all(void *arg)
{
    struct fake_provider *f = arg;
    for (;;) {
        int fd = accept(f->listener, NULL, NULL);
        if (fd < 0)
            return NULL; /* fake_provider_free() has shut the listener down */
        pthread_mutex_lock(&f->lock);
        assert(f->connections_len < CONNECTIONS_MAX);
        struct connection *c = &f->connections[f->connections_len];
        *c = (struct connection){.provider = f, .fd = fd, .number = f->connections_len};
        f->connections_len++;
        int error = pthread_create(&c->thread, NULL, serve, c);
        pthread_mutex_unlock(&f->lock);
        assert(error == 0);
    }
}

static struct fake_provider *start(const struct fake_reply replies[], size_t replies_len,
                                   fake_choose_fn *choose)
{
    const struct address any = {.host = "127.0.0.1", .port = 0};
    struct fake_provider *f = calloc(1, sizeof(*f));
    struct diag diag = {{0}};
    assert(f != NULL);
    f->replies = replies;
    f->replies_len = replies_len;
    f->choose = choose;
    pthread_mutex_init(&f->lock, NULL);
    pthread_cond_init(&f->changed, NULL);
    assert(address_listen(&any, false, &f->listener, &f->port, &diag) == STATUS_OK);
    assert(fcntl(f->listener, F_SETFL, fcntl(f->listener, F_GETFL) & ~O_NONBLOCK) == 0);
    assert(pthread_create(&f->accepter, NULL, accept_all, f) == 0);
    return f;
}

struct fake_provider *fake_provider_new(const struct fake_reply replies[], size_t replies_len)
{
    return start(replies, replies_len, NULL);
}

struct fake_provider *fake_provider_new_choosing(fake_choose_fn *choose)
{
    return start(NULL, 0, choose);
}

void fake_provider_free(struct fake_provider *f)
{
    shutdown(f->listener, SHUT_RDWR);
    pthread_join(f->accepter, NULL);
    pthread_mutex_lock(&f->lock);
    for (size_t i = 0; i < f->connections_len; i++)
        if (f->connections[i].fd >= 0)
            shutdown(f->connections[i].fd, SHUT_RDWR);
    pthread_mutex_unlock(&f->lock);
    for (size_t i = 0; i < f->connections_len; i++)
        pthread_join(f->connections[i].thread, NULL);
    close(f->listener);
    pthread_cond_destroy(&f->changed);
    pthread_mutex_destroy(&f->lock);
    free(f);
}

uint16_t fake_provider_port(const struct fake_provider *f)
{
    return f->port;
}

static void await(struct fake_provider *f, const size_t *counter, size_t at_least)
{
    pthread_mutex_lock(&f->lock);
    while (*counter < at_least)
        pthread_cond_wait(&f->changed, &f->lock);
    pthread_mutex_unlock(&f->lock);
}

void fake_provider_await_calls(struct fake_provider *f, size_t calls)
{
    await(f, &f->calls_len, calls);
}

void fake_provider_await_closed(struct fake_provider *f, size_t connections)
{
    await(f, &f->closed, connections);
}

static size_t read_counter(struct fake_provider *f, const size_t *counter)
{
    pthread_mutex_lock(&f->lock);
    size_t value = *counter;
    pthread_mutex_unlock(&f->lock);
    return value;
}

size_t fake_provider_calls(struct fake_provider *f)
{
    return read_counter(f, &f->calls_len);
}

size_t fake_provider_connections(struct fake_provider *f)
{
    return read_counter(f, &f->connections_len);
}

size_t fake_provider_at_once(struct fake_provider *f)
{
    return read_counter(f, &f->at_once);
}

const struct fake_call *fake_provider_call(struct fake_provider *f, size_t n)
{
    assert(n < fake_provider_calls(f));
    return &f->calls[n];
}
