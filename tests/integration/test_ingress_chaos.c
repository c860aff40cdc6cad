/* Clients that pipeline, trickle, half-close, abort and reset, all at once, over a sink that
 * reports each callback by itself, sooner or later: an answer of 200 is that of a durable callback.
 */
#include "tests/integration/ingress_fixture.h"

#include <assert.h>
#include <poll.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <unistd.h>

#include <cmocka.h>

#include "bridge/base/clock.h"

#define CALLBACKS_MAX 200000
#define CLIENTS 12
#define PIPELINED_MAX 5
#define BODY_MAX 60000
#define REQUEST_MAX (2 * BODY_MAX)

static const int64_t duration_ms = 2000;

/* --- the sink -------------------------------------------------------------------------------- */

/* What becomes of a callback: its body says it, its number, and after how many ms. */
static const char fate_durable = 'D', fate_refused = 'R';
static const char fates[] = "DDDDDDDDLR"; /* 'L': lost */

struct waiting {
    struct publication *pub;
    int64_t due_mono_ms;
    unsigned number;
    char fate;
};

static struct {
    struct event_sink port; /* first */
    pthread_mutex_t lock;   /* guards the next two */
    struct waiting waiting[HELD_MAX];
    size_t len;
    atomic_bool ends;
    atomic_bool is_durable[CALLBACKS_MAX]; /* by number */
} sink;

static enum status take(struct event_sink *port, struct publication *pub)
{
    struct waiting w = {.pub = pub};
    struct bytes value = pub->records[0].value;
    unsigned delay_ms;
    char text[64];
    (void)port;
    snprintf(text, sizeof(text), "%.*s", (int)value.len, (const char *)value.data);
    if (sscanf(text, "%c %u %u;", &w.fate, &w.number, &delay_ms) != 3)
        abort();
    if (w.fate == fate_refused)
        return STATUS_UNAVAILABLE;
    w.due_mono_ms = clock_mono_ms() + delay_ms;
    pthread_mutex_lock(&sink.lock);
    if (sink.len == HELD_MAX)
        abort();
    publication_ref(pub);
    sink.waiting[sink.len++] = w;
    pthread_mutex_unlock(&sink.lock);
    return STATUS_OK;
}

/* Returns whether there was one; *ret_left is how many wait. */
static bool take_due(struct waiting *ret, size_t *ret_left)
{
    int64_t now = clock_mono_ms();
    size_t i = 0;
    pthread_mutex_lock(&sink.lock);
    while (i < sink.len && sink.waiting[i].due_mono_ms > now)
        i++;
    bool is_due = i < sink.len;
    if (is_due) {
        *ret = sink.waiting[i];
        sink.waiting[i] = sink.waiting[--sink.len];
    }
    *ret_left = sink.len;
    pthread_mutex_unlock(&sink.lock);
    return is_due;
}

static void *run_sink(void *ctx)
{
    (void)ctx;
    struct waiting w;
    for (size_t left = 1; left > 0 || !atomic_load(&sink.ends);) {
        if (!take_due(&w, &left)) {
            poll(NULL, 0, 1);
            continue;
        }
        bool is_durable = w.fate == fate_durable;
        atomic_store(&sink.is_durable[w.number], is_durable);
        w.pub->on_done(w.pub, is_durable ? STATUS_OK : STATUS_UNAVAILABLE);
        publication_unref(w.pub);
    }
    return NULL;
}

/* --- the clients ----------------------------------------------------------------------------- */

static atomic_uint numbers, right_200s, wrong_200s, unexpected;

struct client {
    uint16_t port;
    uint64_t seed;
    int64_t until_mono_ms;
    char text[PIPELINED_MAX * REQUEST_MAX]; /* what it sends */
    size_t len;
    unsigned sent[PIPELINED_MAX]; /* numbers of the requests in it */
    size_t sent_len;
};

/* Below n. Source: Marsaglia, "Xorshift RNGs", 2003. */
static unsigned random_below(struct client *c, size_t n)
{
    c->seed ^= c->seed << 13;
    c->seed ^= c->seed >> 7;
    c->seed ^= c->seed << 17;
    return (unsigned)((c->seed >> 11) % n);
}

static void pause_below(struct client *c, size_t ms)
{
    if (random_below(c, 2) == 0)
        poll(NULL, 0, (int)random_below(c, ms));
}

__attribute__((format(printf, 2, 3))) static void put(struct client *c, const char *format, ...)
{
    va_list args;
    va_start(args, format);
    c->len += (size_t)vsnprintf(c->text + c->len, sizeof(c->text) - c->len, format, args);
    va_end(args);
}

static void put_chunked(struct client *c, const char *body, size_t len)
{
    put(c, "Transfer-Encoding: chunked\r\n\r\n");
    for (size_t at = 0, piece; at < len; at += piece) {
        piece = 1 + random_below(c, 9000);
        piece = piece < len - at ? piece : len - at;
        put(c, "%zx\r\n%.*s\r\n", piece, (int)piece, body + at);
    }
    put(c, "0\r\n\r\n");
}

/* A request behind those that are there already. */
static void prepare(struct client *c, const char *version, const char *header)
{
    static const unsigned delays[] = {1, 1, 2, 4, 12, 60, 400};
    static _Thread_local char body[BODY_MAX];
    unsigned number = atomic_fetch_add(&numbers, 1);
    assert(number < CALLBACKS_MAX && c->sent_len < PIPELINED_MAX);
    int len = snprintf(body, sizeof(body), "%c %u %u;", fates[random_below(c, sizeof(fates) - 1)],
                       number, random_below(c, delays[random_below(c, 7)]));
    size_t padding = random_below(c, random_below(c, 20) == 0 ? BODY_MAX - 100 : 300);
    memset(body + len, 'x', padding);
    size_t body_len = (size_t)len + padding;
    put(c, "POST " ACTIVE_PATH " %s\r\nHost: bridge\r\n" SIGNATURE_LINE "%s", version, header);
    if (random_below(c, 4) == 0 && strcmp(version, "HTTP/1.1") == 0)
        put_chunked(c, body, body_len);
    else
        put(c, "Content-Length: %zu\r\n\r\n%.*s", body_len, (int)body_len, body);
    c->sent[c->sent_len++] = number;
}

static void prepare_anew(struct client *c, const char *version, const char *header)
{
    c->len = c->sent_len = 0;
    prepare(c, version, header);
}

static void send_all(struct client *c, int fd)
{
    (void)client_send(fd, c->text, c->len);
}

static void send_in_pieces(struct client *c, int fd, size_t len)
{
    for (size_t at = 0, piece; at < len; at += piece) {
        piece = 1 + random_below(c, len / (1 + random_below(c, 6)) + 1);
        piece = piece < len - at ? piece : len - at;
        if (!client_send(fd, c->text + at, piece))
            return;
        pause_below(c, 4);
    }
}

static void read_answer(int fd, unsigned number)
{
    struct reply reply = client_read(fd);
    if (reply.code == 100)
        reply = client_read(fd);
    if (reply.code == 200)
        atomic_fetch_add(atomic_load(&sink.is_durable[number]) ? &right_200s : &wrong_200s, 1);
    else if (reply.code != 503 && reply.code != 0)
        atomic_fetch_add(&unexpected, 1);
}

static void read_answers(struct client *c, int fd)
{
    for (size_t i = 0; i < c->sent_len; i++)
        read_answer(fd, c->sent[i]);
}

static void reset(int fd)
{
    struct linger linger = {.l_onoff = 1, .l_linger = 0};
    setsockopt(fd, SOL_SOCKET, SO_LINGER, &linger, sizeof(linger));
}

/* --- what they do on a connection, which is closed behind it --------------------------------- */

static void one_after_the_other(struct client *c, int fd)
{
    for (size_t n = 1 + random_below(c, PIPELINED_MAX); n > 0; n--) {
        prepare_anew(c, "HTTP/1.1", "");
        send_all(c, fd);
        read_answers(c, fd);
        pause_below(c, 5);
    }
}

static void pipelined(struct client *c, int fd)
{
    prepare_anew(c, "HTTP/1.1", "");
    while (random_below(c, 4) != 0 && c->sent_len < PIPELINED_MAX)
        prepare(c, "HTTP/1.1", "");
    send_in_pieces(c, fd, c->len);
    read_answers(c, fd);
}

static void pipelined_and_gone(struct client *c, int fd)
{
    prepare_anew(c, "HTTP/1.1", "");
    prepare(c, "HTTP/1.1", "");
    send_all(c, fd);
    if (random_below(c, 2) == 0)
        read_answer(fd, c->sent[0]);
    pause_below(c, 6);
    reset(fd);
}

/* libmicrohttpd watches a connection from its second request on. */
static void gone_while_it_waits(struct client *c, int fd)
{
    one_after_the_other(c, fd);
    prepare_anew(c, "HTTP/1.1", "");
    send_all(c, fd);
    pause_below(c, 8);
    if (random_below(c, 3) != 0)
        reset(fd);
}

/* libmicrohttpd takes urgent data for an error. */
static void urgent_while_it_waits(struct client *c, int fd)
{
    one_after_the_other(c, fd);
    prepare_anew(c, "HTTP/1.1", "");
    send_all(c, fd);
    pause_below(c, 3);
    (void)send(fd, "!", 1, MSG_OOB | MSG_NOSIGNAL);
    read_answers(c, fd);
}

static void half_closed(struct client *c, int fd)
{
    prepare_anew(c, random_below(c, 2) == 0 ? "HTTP/1.0" : "HTTP/1.1", "");
    send_in_pieces(c, fd, c->len);
    pause_below(c, 3);
    shutdown(fd, SHUT_WR);
    read_answers(c, fd);
}

static void half_a_request(struct client *c, int fd)
{
    prepare_anew(c, "HTTP/1.1", "");
    send_in_pieces(c, fd, random_below(c, c->len));
    pause_below(c, 3);
    if (random_below(c, 2) == 0)
        reset(fd);
}

static void expecting_a_word(struct client *c, int fd)
{
    prepare_anew(c, "HTTP/1.1", "Expect: 100-continue\r\n");
    size_t head_len = (size_t)(strstr(c->text, "\r\n\r\n") + 4 - c->text);
    (void)client_send(fd, c->text, head_len);
    pause_below(c, 4);
    (void)client_send(fd, c->text + head_len, c->len - head_len);
    read_answers(c, fd);
}

static void *run_client(void *ctx)
{
    static void (*const ways[])(struct client *, int) = {
        one_after_the_other,   pipelined,   pipelined_and_gone, gone_while_it_waits,
        urgent_while_it_waits, half_closed, half_a_request,     expecting_a_word,
    };
    struct client *c = ctx;
    while (clock_mono_ms() < c->until_mono_ms) {
        int fd = client_connect(c->port);
        ways[random_below(c, sizeof(ways) / sizeof(ways[0]))](c, fd);
        close(fd);
    }
    return NULL;
}

/* --- the test -------------------------------------------------------------------------------- */

static void run_clients(uint16_t port)
{
    static struct client clients[CLIENTS];
    pthread_t threads[CLIENTS];
    for (size_t i = 0; i < CLIENTS; i++) {
        clients[i].port = port;
        clients[i].seed = UINT64_C(0x9e3779b97f4a7c15) * (i + 1);
        clients[i].until_mono_ms = clock_mono_ms() + duration_ms;
        assert_int_equal(pthread_create(&threads[i], NULL, run_client, &clients[i]), 0);
    }
    for (size_t i = 0; i < CLIENTS; i++)
        pthread_join(threads[i], NULL);
}

static void an_answer_of_200_is_that_of_a_durable_callback(void **state)
{
    static struct ingress_fixture f;
    pthread_t thread;
    (void)state;
    ingress_fixture_init(&f);
    f.opt.deadline_ms = 250; /* some reports come later */
    f.opt.header_timeout_ms = f.opt.body_timeout_ms = 60000;
    f.opt.sink = &sink.port;
    sink.port.publish = take;
    pthread_mutex_init(&sink.lock, NULL);
    assert_int_equal(pthread_create(&thread, NULL, run_sink, NULL), 0);
    ingress_fixture_start(&f);
    run_clients(f.port);
    assert_int_equal(ingress_stop(f.ingress, clock_mono_ms() + 10000), 0);
    static char text[65536];
    ingress_metrics(&f, text, sizeof(text));
    assert_non_null(strstr(text, "maesn_bridge_in_flight_requests 0\n"));
    ingress_free(f.ingress);
    f.ingress = NULL;
    atomic_store(&sink.ends, true);
    pthread_join(thread, NULL);
    assert_int_equal(wrong_200s, 0);
    assert_int_equal(unexpected, 0);
    assert_true(right_200s > 0);
    ingress_fixture_done(&f);
    pthread_mutex_destroy(&sink.lock);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(an_answer_of_200_is_that_of_a_durable_callback),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
