/* The ingress over loopback: deadlines, bounds, many connections, and its stop. */
#include "tests/integration/ingress_fixture.h"

#include <poll.h>
#include <pthread.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <unistd.h>

#include <cmocka.h>

#include "bridge/base/clock.h"

#define BODY "{\"resource\":\"INVOICE\"}"
#define HEAD "POST " ACTIVE_PATH " HTTP/1.1\r\nHost: bridge\r\n"
#define SIGNED HEAD SIGNATURE_LINE
#define REQUEST SIGNED "Content-Length: 22\r\n\r\n" BODY

static struct ingress_fixture f;

static int set_up(void **state)
{
    (void)state;
    ingress_fixture_init(&f);
    return 0;
}

static int tear_down(void **state)
{
    (void)state;
    ingress_fixture_done(&f);
    return 0;
}

/* --- deadlines ------------------------------------------------------------------------------- */

static void an_unreported_callback_is_answered_503_at_its_deadline_and_abandoned(void **state)
{
    (void)state;
    f.opt.deadline_ms = 100;
    f.sink.holds = true;
    ingress_fixture_start(&f);
    int fd = client_connect(f.port);
    for (size_t i = 1; i <= 3; i++) {
        assert_true(client_send_text(fd, REQUEST));
        struct reply reply = client_read(fd);
        assert_int_equal(reply.code, 503);
        assert_non_null(strstr(reply.head, "Retry-After: 5\r\n"));
    }
    /* The reports come late: nobody waits for them any more, nothing is told twice. */
    assert_int_equal(fake_sink_report(&f.sink, STATUS_OK), 3);
    assert_int_equal(f.sink.abandoned, 3);
    f.sink.holds = false;
    assert_true(client_send_text(fd, REQUEST));
    assert_int_equal(client_read(fd).code, 200);
    close(fd);
}

static void a_report_and_a_deadline_at_the_same_time_give_one_answer_each(void **state)
{
    (void)state;
    f.opt.deadline_ms = 5;
    f.sink.holds = true;
    ingress_fixture_start(&f);
    int fds[64];
    for (size_t round = 0; round < 20; round++) {
        for (size_t i = 0; i < 64; i++) {
            fds[i] = client_connect(f.port);
            assert_true(client_send_text(fds[i], REQUEST));
        }
        fake_sink_await(&f.sink, (round + 1) * 64);
        fake_sink_report(&f.sink, STATUS_OK);
        for (size_t i = 0; i < 64; i++) {
            struct reply reply = client_read(fds[i]);
            assert_true(reply.code == 200 || reply.code == 503);
            shutdown(fds[i], SHUT_WR);
            assert_true(client_sees_end(fds[i]));
            close(fds[i]);
        }
    }
}

/* Sends one byte at a time until the other side has had enough; returns what it said. */
static struct reply trickle(int fd, const char *text)
{
    struct pollfd p = {.fd = fd, .events = POLLIN};
    for (size_t i = 0;; i++) {
        (void)client_send(fd, &text[i % strlen(text)], 1);
        if (poll(&p, 1, 20) > 0)
            return client_read(fd);
    }
}

static void slow_clients_are_cut_however_they_are_slow(void **state)
{
    (void)state;
    f.opt.header_timeout_ms = 200;
    f.opt.body_timeout_ms = 200;
    f.opt.idle_timeout_ms = 300;
    ingress_fixture_start(&f);
    const struct {
        const char *first, *then; /* then: byte by byte, for ever; NULL: silence */
    } rows[] = {
        {"", NULL},
        {"POST /in", NULL},
        {"POST /in HTTP/1.1\r\nHost: b", NULL},
        {"POST /in HTTP/1.1\r\n", "X: y\r\n"},
        {"", "POST "},
        {SIGNED "Content-Length: 22\r\n\r\n", NULL},
        {SIGNED "Content-Length: 60000\r\n\r\n", "x"},
        {SIGNED "Transfer-Encoding: chunked\r\n\r\n", "1\r\nx\r\n"},
    };
    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        int64_t began = clock_mono_ms();
        int fd = client_connect(f.port);
        assert_true(client_send_text(fd, rows[i].first));
        struct reply reply = rows[i].then == NULL ? client_read(fd) : trickle(fd, rows[i].then);
        assert_true(reply.code == 0 || reply.code == 408);
        assert_true(client_sees_end(fd));
        assert_true(clock_mono_ms() - began < 5000);
        close(fd);
    }
    /* between two requests */
    int fd = client_connect(f.port);
    assert_true(client_send_text(fd, REQUEST));
    assert_int_equal(client_read(fd).code, 200);
    assert_true(client_sees_end(fd));
    close(fd);
    assert_int_equal(f.sink.taken, 1);
}

/* --- bounds ---------------------------------------------------------------------------------- */

static void one_callback_too_many_in_flight_is_503_at_once(void **state)
{
    (void)state;
    f.opt.in_flight_max = 8;
    f.sink.holds = true;
    ingress_fixture_start(&f);
    int fds[8];
    for (size_t i = 0; i < 8; i++) {
        fds[i] = client_connect(f.port);
        assert_true(client_send_text(fds[i], REQUEST));
    }
    fake_sink_await(&f.sink, 8);
    struct reply reply = client_post(f.port, ACTIVE_PATH, BODY);
    assert_int_equal(reply.code, 503);
    assert_non_null(strstr(reply.head, "Retry-After: 1\r\n"));
    /* What needs no room is judged as ever. */
    assert_int_equal(client_post(f.port, "/in/nobody", BODY).code, 404);
    fake_sink_report(&f.sink, STATUS_OK);
    for (size_t i = 0; i < 8; i++) {
        assert_int_equal(client_read(fds[i]).code, 200);
        close(fds[i]);
    }
    f.sink.holds = false;
    assert_int_equal(client_post(f.port, ACTIVE_PATH, BODY).code, 200);
}

/* Until so many callbacks were taken up and not answered; fails the test after 10 s. */
static void await_in_flight(unsigned requests)
{
    static char text[65536];
    char line[64];
    snprintf(line, sizeof(line), "\nmaesn_bridge_in_flight_requests %u\n", requests);
    int64_t until = clock_mono_ms() + 10000;
    do {
        assert_true(clock_mono_ms() < until);
        ingress_metrics(&f, text, sizeof(text));
    } while (strstr(text, line) == NULL);
}

static void bodies_take_no_more_bytes_than_the_budget_has(void **state)
{
    (void)state;
    f.opt.in_flight_max_bytes = 100000;
    f.opt.deadline_ms = 200;
    f.sink.holds = true;
    ingress_fixture_start(&f);
    static char chunk[60020];
    int len = snprintf(chunk, sizeof(chunk), "%x\r\n%060000d\r\n", 60000, 0);
    /* What was received whole gives way to nobody. */
    int first = client_connect(f.port);
    assert_true(client_send_text(first, SIGNED "Content-Length: 60000\r\n\r\n"));
    assert_true(client_send(first, chunk + 6, 60000));
    fake_sink_await(&f.sink, 1);
    /* announced: refused before the body is read */
    struct reply reply = client_exchange(f.port, SIGNED "Content-Length: 60000\r\n\r\n",
                                         sizeof(SIGNED "Content-Length: 60000\r\n\r\n") - 1);
    assert_int_equal(reply.code, 503);
    assert_non_null(strstr(reply.head, "Retry-After: 1\r\n"));
    /* chunked: refused where it grows beyond */
    int second = client_connect(f.port);
    assert_true(client_send_text(second, SIGNED "Transfer-Encoding: chunked\r\n\r\n"));
    (void)client_send(second, chunk, (size_t)len);
    assert_int_equal(client_read(second).code, 503);
    close(second);
    /* A body that the sink still holds counts, though its callback was answered. */
    assert_int_equal(client_read(first).code, 503);
    assert_int_equal(f.sink.taken, 1);
    close(first);
    assert_int_equal(client_exchange(f.port, SIGNED "Content-Length: 60000\r\n\r\n",
                                     sizeof(SIGNED "Content-Length: 60000\r\n\r\n") - 1)
                         .code,
                     503);
    fake_sink_report(&f.sink, STATUS_OK);
    f.sink.holds = false;
    int third = client_connect(f.port);
    assert_true(client_send_text(third, SIGNED "Content-Length: 60000\r\n\r\n"));
    assert_true(client_send(third, chunk + 6, 60000));
    assert_int_equal(client_read(third).code, 200);
    close(third);
}

static void silent_connections_make_room_for_newcomers(void **state)
{
    (void)state;
    f.opt.connections_max = 16;
    ingress_fixture_start(&f);
    int fds[64];
    for (size_t i = 0; i < 64; i++) {
        fds[i] = client_connect(f.port);
        assert_true(fds[i] >= 0);
    }
    assert_int_equal(client_post(f.port, ACTIVE_PATH, BODY).code, 200);
    for (size_t i = 0; i < 64; i++)
        close(fds[i]);
}

/* Opens so many, each of which begins a request. */
static void open_slow(int *fds, size_t count, const char *beginning)
{
    for (size_t i = 0; i < count; i++) {
        fds[i] = client_connect(f.port);
        assert_true(fds[i] >= 0);
        assert_true(client_send_text(fds[i], beginning));
    }
}

static void close_all(const int *fds, size_t count)
{
    for (size_t i = 0; i < count; i++)
        close(fds[i]);
}

/* More of them than libmicrohttpd would accept beside the limit. */
static void slow_senders_make_room_for_newcomers(void **state)
{
    (void)state;
    static const char *const beginnings[] = {HEAD "X-A: ", SIGNED "Content-Length: 22\r\n\r\n{",
                                             SIGNED "Transfer-Encoding: chunked\r\n\r\n1\r\n{"};
    f.opt.threads = 1;
    f.opt.connections_max = 16;
    ingress_fixture_start(&f);
    for (size_t i = 0; i < sizeof(beginnings) / sizeof(beginnings[0]); i++) {
        int fds[128];
        open_slow(fds, 128, beginnings[i]);
        int64_t began = clock_mono_ms();
        assert_int_equal(client_post(f.port, ACTIVE_PATH, BODY).code, 200);
        assert_true(clock_mono_ms() - began < f.opt.header_timeout_ms);
        close_all(fds, 128);
    }
}

static void slow_senders_make_room_before_who_was_served_and_is_idle(void **state)
{
    (void)state;
    f.opt.threads = 1;
    f.opt.connections_max = 16;
    ingress_fixture_start(&f);
    int served = client_connect(f.port), slow[15], newcomers[8];
    assert_true(client_send_text(served, REQUEST));
    assert_int_equal(client_read(served).code, 200);
    open_slow(slow, 15, HEAD "X-A: ");
    for (size_t i = 0; i < 5; i++) { /* until they are slow */
        (void)poll(NULL, 0, 100);
        for (size_t j = 0; j < 15; j++)
            assert_true(client_send_text(slow[j], "a"));
    }
    open_slow(newcomers, 8, HEAD);
    assert_int_equal(client_post(f.port, ACTIVE_PATH, BODY).code, 200);
    assert_true(client_sees_end(slow[0]));
    assert_true(client_send_text(served, REQUEST));
    assert_int_equal(client_read(served).code, 200);
    close_all(slow, 15);
    close_all(newcomers, 8);
    close(served);
}

/* Whether the other side has said something, or has closed. */
static bool has_news(int fd)
{
    struct pollfd p = {.fd = fd, .events = POLLIN};
    return poll(&p, 1, 0) > 0;
}

#define SLOW_BODY SIGNED "Content-Length: 262144\r\n\r\n{"

/* There is room for 256 of them; whoever is cut comes again at once. */
static void slow_bodies_make_room_for_newcomers(void **state)
{
    (void)state;
    enum { SLOW = 300, ROUNDS = 900 };
    f.opt.body_max_bytes = 262144;
    f.opt.body_timeout_ms = 60000;
    ingress_fixture_start(&f);
    int fds[SLOW];
    size_t cut = 0;
    for (size_t round = 0; round < ROUNDS; round++) {
        int *fd = &fds[round % SLOW];
        bool is_cut = round >= SLOW && has_news(*fd);
        if (is_cut) {
            unsigned code = client_read(*fd).code;
            assert_true(code == 408 || code == 503);
            close(*fd);
            cut++;
        }
        if (is_cut || round < SLOW)
            open_slow(fd, 1, SLOW_BODY);
        assert_int_equal(client_post(f.port, ACTIVE_PATH, BODY).code, 200);
    }
    assert_true(cut >= SLOW - 256);
    assert_int_equal(f.sink.taken, ROUNDS);
    close_all(fds, SLOW);
}

static void
a_slow_body_makes_room_before_somebody_needs_it_and_one_in_custody_does_not(void **state)
{
    (void)state;
    f.opt.in_flight_max_bytes = 60022;
    f.opt.body_timeout_ms = f.opt.deadline_ms = 60000;
    f.sink.holds = true;
    ingress_fixture_start(&f);
    int whole = client_connect(f.port), slow = client_connect(f.port);
    assert_true(client_send_text(whole, REQUEST));
    fake_sink_await(&f.sink, 1);
    assert_true(client_send_text(slow, SIGNED "Content-Length: 60000\r\n\r\n{"));
    assert_int_equal(client_read(slow).code, 408);
    close(slow);
    await_in_flight(1);
    fake_sink_report(&f.sink, STATUS_OK);
    assert_int_equal(client_read(whole).code, 200);
    close(whole);
}

static void nobody_gives_way_where_that_makes_too_little_room(void **state)
{
    (void)state;
    f.opt.threads = 1;
    f.opt.in_flight_max_bytes = 70000;
    f.opt.body_timeout_ms = f.opt.deadline_ms = 60000;
    f.sink.holds = true;
    ingress_fixture_start(&f);
    static char body[60000];
    memset(body, '1', sizeof(body));
    int whole = client_connect(f.port), slow;
    assert_true(client_send_text(whole, SIGNED "Content-Length: 60000\r\n\r\n"));
    assert_true(client_send(whole, body, sizeof(body)));
    fake_sink_await(&f.sink, 1);
    open_slow(&slow, 1, SIGNED "Content-Length: 1000\r\n\r\n1");
    await_in_flight(2);
    static const char large[] = SIGNED "Content-Length: 60000\r\n\r\n";
    for (int64_t until = clock_mono_ms() + 20; clock_mono_ms() < until;)
        assert_int_equal(client_exchange(f.port, large, sizeof(large) - 1).code, 503);
    assert_true(client_send(slow, body, 999));
    fake_sink_await(&f.sink, 2);
    fake_sink_report(&f.sink, STATUS_OK);
    assert_int_equal(client_read(slow).code, 200);
    close(slow);
    close(whole);
}

/* At 58 bytes a millisecond 800,000 of them are enough for 13 s. */
static void a_large_body_that_comes_fast_does_not_give_way_to_newcomers(void **state)
{
    (void)state;
    enum { SLOW = 80, LEN = 900000, AT_FIRST = 800000 };
    static char body[LEN];
    memset(body, '1', sizeof(body));
    f.opt.body_max_bytes = LEN;
    f.opt.body_timeout_ms = 60000;
    ingress_fixture_start(&f);
    int large = client_connect(f.port), slow[SLOW];
    assert_true(client_send_text(large, SIGNED "Content-Length: 900000\r\n\r\n"));
    assert_true(client_send(large, body, AT_FIRST));
    open_slow(slow, SLOW, SIGNED "Content-Length: 900000\r\n\r\n1");
    for (size_t i = 0; i < SLOW; i++)
        assert_int_equal(client_post(f.port, ACTIVE_PATH, BODY).code, 200);
    assert_true(client_send(large, body + AT_FIRST, LEN - AT_FIRST));
    assert_int_equal(client_read(large).code, 200);
    close_all(slow, SLOW);
    close(large);
}

/* --- many connections ------------------------------------------------------------------------ */

/* Every connection sends, then every one reads: what an event loop that waits for more stalls on.
 */
static void run_lock_step(size_t connections, size_t rounds)
{
    int *fds = calloc(connections, sizeof(*fds));
    assert_non_null(fds);
    for (size_t i = 0; i < connections; i++) {
        fds[i] = client_connect(f.port);
        assert_true(fds[i] >= 0);
    }
    for (size_t round = 0; round < rounds; round++) {
        for (size_t i = 0; i < connections; i++)
            assert_true(client_send_text(fds[i], REQUEST));
        for (size_t i = 0; i < connections; i++)
            assert_int_equal(client_read(fds[i]).code, 200);
    }
    for (size_t i = 0; i < connections; i++)
        close(fds[i]);
    free(fds);
}

static void lock_step_connections_never_stall(void **state)
{
    (void)state;
    f.opt.threads = 1;
    ingress_fixture_start(&f);
    const size_t connections[] = {127, 128, 129, 256, 384};
    int64_t began = clock_mono_ms();
    for (size_t i = 0; i < sizeof(connections) / sizeof(connections[0]); i++)
        run_lock_step(connections[i], 5);
    assert_true(clock_mono_ms() - began < 30000); /* one stall alone is longer */
    assert_int_equal(f.sink.taken, (127 + 128 + 129 + 256 + 384) * 5);
}

static void two_thousand_idle_connections_do_not_slow_genuine_traffic(void **state)
{
    (void)state;
    ingress_fixture_start(&f);
    static int fds[2000];
    for (size_t i = 0; i < 2000; i++) {
        fds[i] = client_connect(f.port);
        assert_true(fds[i] >= 0);
        /* half of them have been used once, a quarter has begun a request */
        if (i % 2 == 0)
            assert_true(client_send_text(fds[i], REQUEST));
        else if (i % 4 == 1)
            assert_true(client_send_text(fds[i], "POST /in/"));
    }
    for (size_t i = 0; i < 2000; i += 2)
        assert_int_equal(client_read(fds[i]).code, 200);
    int64_t began = clock_mono_ms();
    run_lock_step(8, 50);
    assert_true(clock_mono_ms() - began < 5000);
    for (size_t i = 0; i < 2000; i++)
        close(fds[i]);
}

/* --- the stop -------------------------------------------------------------------------------- */

struct sender {
    pthread_t thread;
    atomic_bool *draining;
    size_t answered;
    size_t unanswered; /* sent, and neither answered nor refused */
    size_t reset;
    bool stays; /* keeps its connection until it is told to close */
};

/* A polite sender: goes on until a connection is refused. */
static void *send_until_refused(void *ctx)
{
    struct sender *s = ctx;
    for (;;) {
        int fd = client_connect(f.port);
        if (fd < 0)
            return NULL;
        bool open = true;
        while (open) {
            bool sent = client_send_text(fd, REQUEST);
            struct reply reply = client_read(fd);
            s->answered += reply.code == 200;
            s->reset += reply.reset;
            s->unanswered += sent && reply.code == 0;
            open = s->stays && reply.code == 200 && strstr(reply.head, "Connection: close") == NULL;
        }
        close(fd);
        if (atomic_load(s->draining))
            return NULL;
    }
}

/* Reports in a thread of its own, as Kafka does. */
static void *report_for_ever(void *ctx)
{
    atomic_bool *stop = ctx;
    while (!atomic_load(stop)) {
        fake_sink_report(&f.sink, STATUS_OK);
        poll(NULL, 0, 1);
    }
    fake_sink_report(&f.sink, STATUS_OK);
    return NULL;
}

static void a_stop_under_load_resets_nothing_and_answers_everybody(void **state)
{
    (void)state;
    enum { SENDERS = 24 };
    f.sink.holds = true;
    ingress_fixture_start(&f);
    static struct sender senders[SENDERS];
    atomic_bool draining = false, stop_reporting = false;
    pthread_t reporter;
    assert_int_equal(pthread_create(&reporter, NULL, report_for_ever, &stop_reporting), 0);
    for (size_t i = 0; i < SENDERS; i++) {
        senders[i] = (struct sender){.stays = i % 2 == 0, .draining = &draining};
        assert_int_equal(pthread_create(&senders[i].thread, NULL, send_until_refused, &senders[i]),
                         0);
    }
    fake_sink_await(&f.sink, 500);
    ingress_drain(f.ingress);
    fake_sink_await(&f.sink, 1000);
    /* The load balancer has noticed: connections that are there end, no new one comes. */
    atomic_store(&draining, true);
    assert_int_equal(ingress_stop(f.ingress, clock_mono_ms() + 10000), 0);
    size_t answered = 0;
    for (size_t i = 0; i < SENDERS; i++) {
        pthread_join(senders[i].thread, NULL);
        assert_int_equal(senders[i].reset, 0);
        assert_int_equal(senders[i].unanswered, 0);
        answered += senders[i].answered;
    }
    atomic_store(&stop_reporting, true);
    pthread_join(reporter, NULL);
    assert_int_equal(answered, f.sink.taken);
    assert_true(ingress_is_alive(f.ingress, 0));
}

static void connections_that_wait_in_the_backlog_are_served_before_the_socket_closes(void **state)
{
    (void)state;
    ingress_fixture_start(&f);
    enum { CLIENTS = 200 };
    int fds[CLIENTS];
    for (size_t i = 0; i < CLIENTS; i++) {
        fds[i] = client_connect(f.port);
        assert_true(fds[i] >= 0);
        assert_true(client_send_text(fds[i], REQUEST));
    }
    assert_int_equal(ingress_stop(f.ingress, clock_mono_ms() + 10000), 0);
    for (size_t i = 0; i < CLIENTS; i++) {
        assert_int_equal(client_read(fds[i]).code, 200);
        assert_true(client_sees_end(fds[i]));
        close(fds[i]);
    }
    assert_int_equal(client_connect(f.port), -1);
}

static void while_draining_every_answer_closes_its_connection(void **state)
{
    (void)state;
    ingress_fixture_start(&f);
    ingress_drain(f.ingress);
    for (size_t i = 0; i < 2; i++) {
        int fd = client_connect(f.port);
        assert_true(client_send_text(fd, i == 0 ? REQUEST : HEAD "Content-Length: 0\r\n\r\n"));
        struct reply reply = client_read(fd);
        assert_int_equal(reply.code, i == 0 ? 200 : 401);
        assert_non_null(strstr(reply.head, "Connection: close"));
        assert_true(client_sees_end(fd));
        close(fd);
    }
}

static void a_hard_stop_answers_503_to_who_waits_and_cuts_who_has_not_sent_all(void **state)
{
    (void)state;
    f.sink.holds = true;
    ingress_fixture_start(&f);
    int waiting = client_connect(f.port), sending = client_connect(f.port);
    assert_true(client_send_text(waiting, REQUEST));
    assert_true(client_send_text(sending, SIGNED "Content-Length: 22\r\n\r\n{"));
    fake_sink_await(&f.sink, 1);
    assert_int_equal(ingress_stop(f.ingress, clock_mono_ms() + 300), 1);
    assert_int_equal(client_read(waiting).code, 503);
    assert_int_equal(client_read(sending).code, 0);
    close(waiting);
    close(sending);
    ingress_free(f.ingress);
    f.ingress = NULL;
    assert_int_equal(fake_sink_report(&f.sink, STATUS_OK), 1); /* after the ingress is gone */
}

/* Requests keep coming while the last instant is long over. */
static void a_hard_stop_under_load_ends_and_leaves_nobody_suspended(void **state)
{
    (void)state;
    enum { CLIENTS = 100 };
    int fds[CLIENTS];
    f.sink.holds = true;
    ingress_fixture_start(&f);
    for (size_t i = 0; i < CLIENTS; i++) {
        fds[i] = client_connect(f.port);
        for (size_t k = 0; k < 4; k++)
            assert_true(client_send_text(fds[i], REQUEST));
    }
    fake_sink_await(&f.sink, CLIENTS);
    (void)ingress_stop(f.ingress, clock_mono_ms());
    for (size_t i = 0; i < CLIENTS; i++) {
        assert_int_equal(client_read(fds[i]).code, 503);
        assert_true(client_sees_end(fds[i]));
        close(fds[i]);
    }
}

static void an_address_in_use_is_told_with_its_port(void **state)
{
    (void)state;
    int fd = socket(AF_INET, SOCK_STREAM, 0);
    uint16_t port;
    struct diag diag = {0};
    close(fd);
    assert_int_equal(
        address_listen(&(struct address){.host = "127.0.0.1"}, false, &fd, &port, &diag),
        STATUS_OK);
    f.opt.listen.port = port;
    assert_int_equal(ingress_new(&f.opt, &f.ingress, &diag), STATUS_UNAVAILABLE);
    assert_null(f.ingress);
    char number[16];
    snprintf(number, sizeof(number), ":%u", port);
    assert_non_null(strstr(diag.text, number));
    close(fd);
}

#define T(test) cmocka_unit_test_setup_teardown(test, set_up, tear_down)

int main(void)
{
    struct rlimit files;
    if (getrlimit(RLIMIT_NOFILE, &files) == 0) {
        files.rlim_cur = files.rlim_max;
        (void)setrlimit(RLIMIT_NOFILE, &files);
    }
    const struct CMUnitTest tests[] = {
        T(an_unreported_callback_is_answered_503_at_its_deadline_and_abandoned),
        T(a_report_and_a_deadline_at_the_same_time_give_one_answer_each),
        T(slow_clients_are_cut_however_they_are_slow),
        T(one_callback_too_many_in_flight_is_503_at_once),
        T(bodies_take_no_more_bytes_than_the_budget_has),
        T(silent_connections_make_room_for_newcomers),
        T(slow_senders_make_room_for_newcomers),
        T(slow_bodies_make_room_for_newcomers),
        T(a_slow_body_makes_room_before_somebody_needs_it_and_one_in_custody_does_not),
        T(nobody_gives_way_where_that_makes_too_little_room),
        T(a_large_body_that_comes_fast_does_not_give_way_to_newcomers),
        T(slow_senders_make_room_before_who_was_served_and_is_idle),
        T(lock_step_connections_never_stall),
        T(two_thousand_idle_connections_do_not_slow_genuine_traffic),
        T(a_stop_under_load_resets_nothing_and_answers_everybody),
        T(connections_that_wait_in_the_backlog_are_served_before_the_socket_closes),
        T(while_draining_every_answer_closes_its_connection),
        T(a_hard_stop_answers_503_to_who_waits_and_cuts_who_has_not_sent_all),
        T(a_hard_stop_under_load_ends_and_leaves_nobody_suspended),
        T(an_address_in_use_is_told_with_its_port),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
