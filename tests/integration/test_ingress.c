/* The ingress over loopback: every judgement, and how requests may arrive. */
#include "tests/integration/ingress_fixture.h"

#include <poll.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

#include <cmocka.h>

#include "bridge/base/clock.h"

#define BODY "{\"resource\":\"INVOICE\"}"
#define HEAD "POST " ACTIVE_PATH " HTTP/1.1\r\nHost: bridge\r\n"
#define SIGNED HEAD SIGNATURE_LINE

static int start(void **state)
{
    static struct ingress_fixture f;
    ingress_fixture_init(&f);
    ingress_fixture_start(&f);
    *state = &f;
    return 0;
}

/* With one loop, what a client did before another one was answered has been seen. */
static int start_one_loop(void **state)
{
    static struct ingress_fixture f;
    ingress_fixture_init(&f);
    f.opt.threads = 1;
    ingress_fixture_start(&f);
    *state = &f;
    return 0;
}

static int start_one_impatient_loop(void **state)
{
    static struct ingress_fixture f;
    ingress_fixture_init(&f);
    f.opt.threads = 1;
    f.opt.deadline_ms = 300;
    ingress_fixture_start(&f);
    *state = &f;
    return 0;
}

static int stop(void **state)
{
    ingress_fixture_done(*state);
    return 0;
}

static void a_signed_callback_is_answered_200_once_the_sink_has_reported(void **state)
{
    struct ingress_fixture *f = *state;
    f->sink.holds = true;
    int fd = client_connect(f->port);
    assert_true(client_send_text(fd, SIGNED "Content-Length: 22\r\n\r\n" BODY));
    fake_sink_await(&f->sink, 1);
    char byte;
    assert_int_equal(recv(fd, &byte, 1, MSG_DONTWAIT), -1);
    assert_int_equal(fake_sink_report(&f->sink, STATUS_OK), 1);
    struct reply reply = client_read(fd);
    assert_int_equal(reply.code, 200);
    assert_string_equal(reply.body, "");
    assert_string_equal(f->sink.last_value, BODY);
    close(fd);
}

/* A request, what it is answered, and what the answer's head must hold. */
struct row {
    const char *request;
    unsigned code;
    const char *header;
};

static const struct row refusals[] = {
    /* framing comes first, even before the path */
    {SIGNED "Content-Length: 22\r\nContent-Length: 22\r\n\r\n" BODY, 400, NULL},
    {SIGNED "Content-Length: 22\r\nContent-Length: 5\r\n\r\n" BODY, 400, NULL},
    {SIGNED "Content-Length: 22, 22\r\n\r\n" BODY, 400, NULL},
    {SIGNED "Content-Length: +22\r\n\r\n" BODY, 400, NULL},
    {SIGNED "Content-Length: -1\r\n\r\n" BODY, 400, NULL},
    {SIGNED "Content-Length: 0x16\r\n\r\n" BODY, 400, NULL},
    {SIGNED "Content-Length: 22\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n", 400, NULL},
    {SIGNED "Transfer-Encoding: chunked\r\nContent-Length: 5\r\n\r\n0\r\n\r\n", 400, NULL},
    {SIGNED "Transfer-Encoding: gzip, chunked\r\n\r\n0\r\n\r\n", 400, NULL},
    {SIGNED "Transfer-Encoding: identity\r\n\r\n" BODY, 400, NULL},
    {SIGNED "Transfer-Encoding: chunked\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n", 400, NULL},
    {SIGNED "Transfer-Encoding: chunked\r\n\r\nzz\r\n", 400, NULL},
    {SIGNED SIGNATURE_LINE "Content-Length: 22\r\n\r\n" BODY, 400, NULL},
    {SIGNED "x-fake-SIGNATURE: bad\r\nContent-Length: 22\r\n\r\n" BODY, 400, NULL},
    {SIGNED "Host: another\r\nContent-Length: 22\r\n\r\n" BODY, 400, NULL},
    {"POST " ACTIVE_PATH " HTTP/1.1\r\nContent-Length: 0\r\n\r\n", 400, NULL},
    {"POST /nowhere HTTP/1.1\r\nHost: b\r\nContent-Length: 1\r\nContent-Length: 1\r\n\r\nx", 400,
     NULL},
    {SIGNED "Content-Length : 22\r\n\r\n" BODY, 400, NULL},
    {SIGNED "Expect: a-miracle\r\nContent-Length: 22\r\n\r\n" BODY, 417, NULL},
    /* not HTTP at all */
    {"hello\r\n\r\n", 400, NULL},
    {"\x16\x03\x01 is how TLS greets\r\n\r\n", 400, NULL},
    /* the path, before the method and the size */
    {"GET / HTTP/1.1\r\nHost: b\r\n\r\n", 404, "Connection: close"},
    {"POST /metrics HTTP/1.1\r\nHost: b\r\nContent-Length: 0\r\n\r\n", 404, NULL},
    {"DELETE /in/nobody HTTP/1.1\r\nHost: b\r\n\r\n", 404, NULL},
    {"POST /in/nobody HTTP/1.1\r\nHost: b\r\nContent-Length: 999999\r\n\r\n", 404, NULL},
    {"POST " ACTIVE_PATH "/ HTTP/1.1\r\nHost: b\r\nContent-Length: 0\r\n\r\n", 404, NULL},
    {"POST " ACTIVE_PATH "%00 HTTP/1.1\r\nHost: b\r\nContent-Length: 0\r\n\r\n", 404, NULL},
    {"POST " ACTIVE_PATH "%zz HTTP/1.1\r\nHost: b\r\nContent-Length: 0\r\n\r\n", 404, NULL},
    {"POST /" ACTIVE_PATH " HTTP/1.1\r\nHost: b\r\nContent-Length: 0\r\n\r\n", 404, NULL},
    {"POST " NOT_YET_PATH " HTTP/1.1\r\nHost: b\r\nContent-Length: 0\r\n\r\n", 503,
     "Retry-After: 1\r\n"},
    /* the method, before the size */
    {"GET " ACTIVE_PATH " HTTP/1.1\r\nHost: b\r\n\r\n", 405, "Allow: POST\r\n"},
    {"HEAD " ACTIVE_PATH " HTTP/1.1\r\nHost: b\r\n\r\n", 405, "Allow: POST\r\n"},
    {"PUT " ACTIVE_PATH " HTTP/1.1\r\nHost: b\r\nContent-Length: 999999\r\n\r\n", 405, NULL},
    {"BREW " ACTIVE_PATH " HTTP/1.1\r\nHost: b\r\nContent-Length: 0\r\n\r\n", 405, NULL},
    {"post " ACTIVE_PATH " HTTP/1.1\r\nHost: b\r\nContent-Length: 0\r\n\r\n", 405, NULL},
    /* the size, before the signature */
    {HEAD "Content-Length: 65537\r\n\r\n", 413, "Connection: close"},
    {HEAD "Content-Length: 9999999999999\r\n\r\n", 413, NULL},
    {HEAD "Content-Length: 99999999999999999999999999\r\n\r\n", 413, NULL},
    {HEAD "Transfer-Encoding: chunked\r\n\r\nfffffffffffffffffff\r\n", 413, NULL},
    /* the signature, before the meaning */
    {HEAD "Content-Length: 22\r\n\r\n" BODY, 401, NULL},
    {HEAD "X-Fake-Signature: wrong\r\nContent-Length: 22\r\n\r\n" BODY, 401, NULL},
    {HEAD "X-Fake-Signature: stale\r\nContent-Length: 22\r\n\r\n" BODY, 401, NULL},
    {HEAD "X-Fake-Signature:\r\nContent-Length: 5\r\n\r\nnomem", 401, NULL},
    /* our own trouble is never a 4xx */
    {SIGNED "Content-Length: 5\r\n\r\nnomem", 503, "Retry-After: 1\r\n"},
    /* a route without a secret */
    {"POST " WAITING_PATH " HTTP/1.1\r\nHost: b\r\n" SIGNATURE_LINE "Content-Length: 2\r\n\r\n{}",
     503, "Retry-After: 1\r\n"},
    {"POST " WAITING_PATH " HTTP/1.1\r\nHost: b\r\nContent-Length: 2\r\n\r\n{}", 401, NULL},
    {"GET " WAITING_PATH " HTTP/1.1\r\nHost: b\r\n\r\n", 405, NULL},
    {"POST " PENDING_PATH
     " HTTP/1.1\r\nHost: b\r\nProbing-Signature: t=1\r\nContent-Length: 2\r\n\r\n{}",
     503, "Retry-After: 1\r\n"},
    {"PUT " PENDING_PATH " HTTP/1.1\r\nHost: b\r\nContent-Length: 0\r\n\r\n", 405, NULL},
    /* a route that other replicas may know already */
    {"POST " YOUNG_PATH " HTTP/1.1\r\nHost: b\r\n" SIGNATURE_LINE "Content-Length: 2\r\n\r\n{}",
     503, "Retry-After: 1\r\n"},
    {"POST " YOUNG_PATH " HTTP/1.1\r\nHost: b\r\nContent-Length: 2\r\n\r\n{}", 401, NULL},
    {"GET " YOUNG_PATH " HTTP/1.1\r\nHost: b\r\n\r\n", 405, NULL},
    {"POST " PROBED_PATH
     " HTTP/1.1\r\nHost: b\r\nProbing-Signature: t=1\r\nContent-Length: 2\r\n\r\n{}",
     503, "Retry-After: 1\r\n"},
    {"POST " AWAITED_PATH " HTTP/1.1\r\nHost: b\r\nContent-Length: 2\r\n\r\n{}", 401, NULL},
};

static void every_refusal_has_its_code_and_produces_nothing(void **state)
{
    struct ingress_fixture *f = *state;
    for (size_t i = 0; i < sizeof(refusals) / sizeof(refusals[0]); i++) {
        const struct row *row = &refusals[i];
        struct reply reply = client_exchange(f->port, row->request, strlen(row->request));
        if (reply.code != row->code ||
            (row->header != NULL && strstr(reply.head, row->header) == NULL))
            fail_msg("expected %u (%s) for:\n%s\ngot %u:\n%s", row->code,
                     row->header == NULL ? "" : row->header, row->request, reply.code, reply.head);
        assert_null(strcasestr(reply.head, "\r\nServer:"));
    }
    assert_int_equal(f->sink.taken, 0);
}

static const struct row acceptances[] = {
    {SIGNED "Content-Length: 22\r\n\r\n" BODY, 200, NULL},
    /* the header's name in any case, the query ignored, the path decoded */
    {HEAD "x-fake-signature: good\r\nContent-Length: 22\r\n\r\n" BODY, 200, NULL},
    /* white space around a value */
    {HEAD "X-Fake-Signature: \t good \t \r\nContent-Length: 22\r\n\r\n" BODY, 200, NULL},
    {"POST " ACTIVE_PATH "?a=b&c HTTP/1.1\r\nHost: b\r\n" SIGNATURE_LINE
     "Content-Length: 22\r\n\r\n" BODY,
     200, NULL},
    {"POST /in%2Ffake/acme%2d42/by-hand HTTP/1.1\r\nHost: b\r\n" SIGNATURE_LINE
     "Content-Length: 22\r\n\r\n" BODY,
     200, NULL},
    {"POST " ACTIVE_PATH " HTTP/1.0\r\n" SIGNATURE_LINE "Content-Length: 22\r\n\r\n" BODY, 200,
     NULL},
    {SIGNED "Transfer-Encoding: chunked\r\n\r\n16\r\n" BODY "\r\n0\r\n\r\n", 200, NULL},
    {SIGNED "Transfer-Encoding: CHUNKED\r\n\r\n16\r\n" BODY "\r\n0\r\n\r\n", 200, NULL},
    {SIGNED "Transfer-Encoding: chunked\r\n\r\n2\r\n{\"\r\n14\r\nresource\":\"INVOICE\"}\r\n0\r\n"
            "X-Trailer: 1\r\n\r\n",
     200, NULL},
    {SIGNED "Content-Encoding: gzip\r\nContent-Length: 22\r\n\r\n" BODY, 200, NULL},
};

static void every_form_of_a_right_request_is_accepted(void **state)
{
    struct ingress_fixture *f = *state;
    for (size_t i = 0; i < sizeof(acceptances) / sizeof(acceptances[0]); i++) {
        const struct row *row = &acceptances[i];
        struct reply reply = client_exchange(f->port, row->request, strlen(row->request));
        if (reply.code != row->code)
            fail_msg("expected %u for:\n%s\ngot:\n%s", row->code, row->request, reply.head);
        assert_string_equal(f->sink.last_value, BODY);
        assert_int_equal(f->sink.taken, i + 1);
    }
}

static void a_body_of_no_events_is_answered_200_and_produces_nothing(void **state)
{
    struct ingress_fixture *f = *state;
    assert_int_equal(client_post(f->port, ACTIVE_PATH, "[]").code, 200);
    assert_int_equal(f->sink.taken, 0);
}

static void an_empty_body_is_a_callback_as_any_other(void **state)
{
    struct ingress_fixture *f = *state;
    const char *requests[] = {SIGNED "Content-Length: 0\r\n\r\n", SIGNED "\r\n",
                              SIGNED "Transfer-Encoding: chunked\r\n\r\n0\r\n\r\n"};
    for (size_t i = 0; i < 3; i++) {
        assert_int_equal(client_exchange(f->port, requests[i], strlen(requests[i])).code, 200);
        assert_int_equal(f->sink.taken, i + 1);
        assert_int_equal(f->sink.last_value_len, 0);
    }
}

static void
an_unsigned_probe_of_a_pending_route_is_answered_200_by_any_of_three_methods(void **state)
{
    struct ingress_fixture *f = *state;
    const char *requests[] = {
        "GET " PENDING_PATH " HTTP/1.1\r\nHost: b\r\n\r\n",
        "HEAD " PENDING_PATH " HTTP/1.1\r\nHost: b\r\n\r\n",
        "POST " PENDING_PATH " HTTP/1.1\r\nHost: b\r\nContent-Length: 2\r\n\r\n{}",
    };
    for (size_t i = 0; i < 3; i++)
        assert_int_equal(client_exchange(f->port, requests[i], strlen(requests[i])).code, 200);
    assert_int_equal(f->sink.taken, 0);
}

static void a_header_block_of_seven_kibibytes_is_read(void **state)
{
    struct ingress_fixture *f = *state;
    static char request[16384];
    int len = snprintf(request, sizeof(request),
                       SIGNED "Content-Length: 22\r\nX-Filler: %07168d\r\n\r\n" BODY, 0);
    assert_int_equal(client_exchange(f->port, request, (size_t)len).code, 200);
}

static void a_header_block_too_large_is_answered_431(void **state)
{
    struct ingress_fixture *f = *state;
    static char request[65536];
    int len = snprintf(request, sizeof(request),
                       SIGNED "Content-Length: 22\r\nX-Filler: %060000d\r\n\r\n" BODY, 0);
    assert_int_equal(client_exchange(f->port, request, (size_t)len).code, 431);
}

static void a_chunked_body_over_the_cap_is_answered_413_before_it_ends(void **state)
{
    struct ingress_fixture *f = *state;
    static char chunk[8192 + 16];
    int len = snprintf(chunk, sizeof(chunk), "2000\r\n%08192d\r\n", 0);
    int fd = client_connect(f->port);
    assert_true(client_send_text(fd, SIGNED "Transfer-Encoding: chunked\r\n\r\n"));
    for (int i = 0; i < 9; i++)
        (void)client_send(fd, chunk, (size_t)len);
    struct reply reply = client_read(fd); /* the last chunk never comes */
    assert_int_equal(reply.code, 413);
    assert_non_null(strstr(reply.head, "Connection: close"));
    assert_true(client_sees_end(fd));
    close(fd);
    assert_int_equal(f->sink.taken, 0);
}

static void an_early_refusal_reaches_a_client_that_goes_on_sending(void **state)
{
    struct ingress_fixture *f = *state;
    static char megabyte[1 << 20];
    memset(megabyte, 'x', sizeof(megabyte));
    int fd = client_connect(f->port);
    assert_true(client_send_text(fd, SIGNED "Content-Length: 2097152\r\n\r\n"));
    assert_true(client_send(fd, megabyte, sizeof(megabyte)));
    assert_true(client_send(fd, megabyte, sizeof(megabyte)));
    struct reply reply = client_read(fd);
    assert_int_equal(reply.code, 413);
    assert_false(reply.reset);
    close(fd);
}

static void a_client_that_expects_100_continue_gets_it(void **state)
{
    struct ingress_fixture *f = *state;
    int fd = client_connect(f->port);
    assert_true(client_send_text(fd, SIGNED "Expect: 100-continue\r\nContent-Length: 22\r\n\r\n"));
    assert_int_equal(client_read(fd).code, 100);
    assert_true(client_send_text(fd, BODY));
    assert_int_equal(client_read(fd).code, 200);
    close(fd);
    /* and a refusal instead of it, where the header tells enough */
    fd = client_connect(f->port);
    assert_true(
        client_send_text(fd, SIGNED "Expect: 100-continue\r\nContent-Length: 99999\r\n\r\n"));
    assert_int_equal(client_read(fd).code, 413);
    close(fd);
}

static void pipelined_requests_are_answered_in_order(void **state)
{
    struct ingress_fixture *f = *state;
    int fd = client_connect(f->port);
    assert_true(client_send_text(
        fd, SIGNED "Content-Length: 1\r\n\r\n1" SIGNED "Content-Length: 1\r\n\r\n2" HEAD
                   "Content-Length: 1\r\n\r\n3" SIGNED "Content-Length: 1\r\n\r\n4"));
    const unsigned codes[] = {200, 200, 401, 200};
    for (size_t i = 0; i < 4; i++)
        assert_int_equal(client_read(fd).code, codes[i]);
    close(fd);
    assert_int_equal(f->sink.taken, 3);
    assert_string_equal(f->sink.last_value, "4");
}

/* libmicrohttpd 0.9.75 takes a field without a name for the end of the header (measured): what
 * stood behind it must not be read as a second request. */
static void what_follows_a_post_without_a_length_is_not_read(void **state)
{
    struct ingress_fixture *f = *state;
    static const char *const unframed[] = {HEAD "\r\n", HEAD ": v\r\n"};
    for (size_t i = 0; i < sizeof(unframed) / sizeof(unframed[0]); i++) {
        int fd = client_connect(f->port);
        assert_true(client_send_text(fd, unframed[i]));
        assert_true(client_send_text(fd, SIGNED "Content-Length: 1\r\n\r\n1"));
        assert_in_range(client_read(fd).code, 400, 401);
        assert_int_equal(client_read(fd).code, 0);
        close(fd);
    }
    assert_int_equal(f->sink.taken, 0);
}

static void a_half_closed_client_is_answered(void **state)
{
    struct ingress_fixture *f = *state;
    f->sink.holds = true;
    int fd = client_connect(f->port);
    assert_true(client_send_text(fd, SIGNED "Content-Length: 22\r\n\r\n" BODY));
    assert_int_equal(shutdown(fd, SHUT_WR), 0);
    fake_sink_await(&f->sink, 1);
    fake_sink_report(&f->sink, STATUS_OK);
    assert_int_equal(client_read(fd).code, 200);
    close(fd);
}

static void a_half_closed_client_with_half_a_request_is_answered_400_and_counted(void **state)
{
    struct ingress_fixture *f = *state;
    const struct {
        const char *text;
        unsigned code;
    } rows[] = {
        {SIGNED "Content-Length: 22\r\n\r\n{\"res", 400},
        {SIGNED "Content-Length: 22\r\n\r\n", 400},
        {SIGNED "Transfer-Encoding: chunked\r\n\r\n5\r\nhel", 400},
        {SIGNED, 400},
        {"POST /in", 400},
        {"", 0}, /* no request has begun */
    };
    /* Whether the end comes with the rest or alone is the network's to say. */
    for (size_t i = 0; i < 20 * sizeof(rows) / sizeof(rows[0]); i++) {
        size_t row = i % (sizeof(rows) / sizeof(rows[0]));
        int fd = client_connect(f->port);
        assert_true(client_send_text(fd, rows[row].text));
        assert_int_equal(shutdown(fd, SHUT_WR), 0);
        struct reply reply = client_read(fd);
        if (reply.code != rows[row].code || reply.reset)
            fail_msg("%s: %u: %s", rows[row].text, reply.code, reply.head);
        assert_true(client_sees_end(fd));
        close(fd);
    }
    assert_int_equal(f->sink.taken, 0);
    static char text[65536];
    ingress_metrics(f, text, sizeof(text));
    const char *lines[] = {
        "maesn_bridge_http_requests_total{provider=\"fake\",code=\"400\"} 60\n",
        "maesn_bridge_http_requests_total{provider=\"none\",code=\"400\"} 40\n",
    };
    for (size_t i = 0; i < sizeof(lines) / sizeof(lines[0]); i++)
        if (strstr(text, lines[i]) == NULL)
            fail_msg("%s is not in\n%s", lines[i], text);
}

/* What the sink says, and what is answered. */
static void what_the_sink_refuses_or_fails_is_503_and_never_200(void **state)
{
    struct ingress_fixture *f = *state;
    const struct {
        enum status refuses, reports;
        const char *header;
    } rows[] = {
        {STATUS_BUSY, STATUS_OK, "Retry-After: 1\r\n"},
        {STATUS_NOMEM, STATUS_OK, "Retry-After: 1\r\n"},
        {STATUS_UNAVAILABLE, STATUS_OK, "Retry-After: 5\r\n"},
        {STATUS_OK, STATUS_UNAVAILABLE, "Retry-After: 5\r\n"},
        {STATUS_OK, STATUS_NOMEM, "Retry-After: 5\r\n"},
    };
    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        f->sink.refuses = rows[i].refuses;
        f->sink.reports = rows[i].reports;
        struct reply reply = client_post(f->port, ACTIVE_PATH, BODY);
        assert_int_equal(reply.code, 503);
        assert_non_null(strstr(reply.head, rows[i].header));
    }
}

static void client_reset(int fd)
{
    struct linger reset = {.l_onoff = 1, .l_linger = 0};
    setsockopt(fd, SOL_SOCKET, SO_LINGER, &reset, sizeof(reset));
    close(fd);
}

static void a_client_that_leaves_while_it_waits_disturbs_nobody(void **state)
{
    struct ingress_fixture *f = *state;
    f->sink.holds = true;
    int fd = client_connect(f->port);
    assert_true(client_send_text(fd, SIGNED "Content-Length: 22\r\n\r\n" BODY));
    fake_sink_await(&f->sink, 1);
    client_reset(fd);
    fake_sink_report(&f->sink, STATUS_OK);
    f->sink.holds = false;
    assert_int_equal(client_post(f->port, ACTIVE_PATH, BODY).code, 200);
}

static void await_metric(struct ingress_fixture *f, const char *line)
{
    static char text[65536];
    for (int i = 0; i < 1000; i++) {
        ingress_metrics(f, text, sizeof(text));
        if (strstr(text, line) != NULL)
            return;
        poll(NULL, 0, 10);
    }
    fail_msg("%s is not in:\n%s", line, text);
}

/* Sends a second callback that the sink holds back, and leaves; returns once the ingress has seen
 * it. */
static void leave(struct ingress_fixture *f)
{
    int fd = client_connect(f->port);
    for (size_t n = 1; n <= 2; n++) {
        assert_true(client_send_text(fd, SIGNED "Content-Length: 22\r\n\r\n" BODY));
        fake_sink_await(&f->sink, n);
        if (n == 1)
            assert_int_equal(client_read(fd).code, 200);
        f->sink.holds = true;
    }
    client_reset(fd);
    assert_int_equal(client_exchange(f->port, "GET /in/nobody HTTP/1.0\r\n\r\n", 27).code, 404);
}

static void the_callback_of_a_client_that_left_is_counted_by_its_report(void **state)
{
    struct ingress_fixture *f = *state;
    leave(f);
    await_metric(f, "maesn_bridge_in_flight_requests 1\n");
    assert_int_equal(fake_sink_report(&f->sink, STATUS_OK), 1);
    await_metric(f, "maesn_bridge_in_flight_requests 0\n");
    await_metric(f, "maesn_bridge_http_requests_total{provider=\"fake\",code=\"200\"} 2\n");
}

static void the_callback_of_a_client_that_left_has_its_deadline_too(void **state)
{
    struct ingress_fixture *f = *state;
    leave(f);
    await_metric(f, "maesn_bridge_in_flight_requests 0\n");
    await_metric(f, "maesn_bridge_http_requests_total{provider=\"fake\",code=\"503\"} 1\n");
    assert_int_equal(fake_sink_report(&f->sink, STATUS_OK), 1);
    assert_int_equal(f->sink.abandoned, 1);
}

/* Longer than a connection stands by before libmicrohttpd suspends it. */
static void a_report_that_comes_late_is_answered_as_one_that_comes_soon(void **state)
{
    struct ingress_fixture *f = *state;
    f->sink.holds = true;
    int fd = client_connect(f->port);
    for (size_t n = 1; n <= 3; n++) {
        assert_true(client_send_text(fd, SIGNED "Content-Length: 22\r\n\r\n" BODY));
        fake_sink_await(&f->sink, n);
        for (int i = 0; i < 20; i++)
            (void)client_exchange(f->port, "GET /in/nobody HTTP/1.0\r\n\r\n", 27);
        assert_int_equal(fake_sink_report(&f->sink, STATUS_OK), 1);
        assert_int_equal(client_read(fd).code, 200);
    }
    close(fd);
}

static time_t date_of(const struct reply *reply)
{
    const char *date = strstr(reply->head, "\r\nDate: ");
    struct tm utc = {0};
    assert_non_null(date);
    assert_null(strstr(date + 2, "\r\nDate: "));
    assert_ptr_equal(strptime(date + 8, "%a, %d %b %Y %H:%M:%S GMT", &utc), date + 8 + 29);
    return timegm(&utc);
}

static void an_answer_tells_when_it_was_given(void **state)
{
    struct ingress_fixture *f = *state;
    time_t first = 0, latest = 0;
    for (int i = 0; i < 1000 && latest <= first; i++) {
        int64_t before = clock_unix_ms() / 1000; /* time() may be a tick behind */
        struct reply reply = client_post(f->port, ACTIVE_PATH, BODY);
        latest = date_of(&reply);
        first = first == 0 ? latest : first;
        assert_in_range(latest, before, clock_unix_ms() / 1000);
        poll(NULL, 0, 10);
    }
    assert_true(latest > first);
}

static void refusals_are_counted_and_kept(void **state)
{
    struct ingress_fixture *f = *state;
    const char *requests[] = {HEAD "Content-Length: 2\r\n\r\n{}",
                              HEAD "X-Fake-Signature: wrong\r\nContent-Length: 2\r\n\r\n{}",
                              "GET /in/nobody HTTP/1.1\r\nHost: b\r\n\r\n",
                              "GET /in/nobody HTTP/1.1\r\n\r\n"};
    for (size_t i = 0; i < 4; i++)
        (void)client_exchange(f->port, requests[i], strlen(requests[i]));
    assert_int_equal(client_post(f->port, ACTIVE_PATH, BODY).code, 200);
    const char *lines[] = {
        "maesn_bridge_http_requests_total{provider=\"fake\",code=\"401\"} 2\n",
        "maesn_bridge_http_requests_total{provider=\"none\",code=\"404\"} 1\n",
        "maesn_bridge_http_requests_total{provider=\"none\",code=\"400\"} 1\n",
        "maesn_bridge_http_requests_total{provider=\"fake\",code=\"200\"} 1\n",
        "maesn_bridge_signature_verifications_total{provider=\"fake\",result=\"missing\"} 1\n",
        "maesn_bridge_signature_verifications_total{provider=\"fake\",result=\"bad\"} 1\n",
        "maesn_bridge_signature_verifications_total{provider=\"fake\",result=\"current\"} 1\n",
    };
    /* What libmicrohttpd answers by itself is counted once it is out. */
    for (size_t i = 0; i < sizeof(lines) / sizeof(lines[0]); i++)
        await_metric(f, lines[i]);
    struct buf kept;
    buf_init(&kept, 1 << 20);
    rejections_print(f->rejections, &kept);
    assert_non_null(strstr(buf_text(&kept), "signature-missing"));
    assert_non_null(strstr(buf_text(&kept), "signature-bad"));
    assert_non_null(strstr(buf_text(&kept), "\"/in/nobody\""));
    buf_done(&kept);
}

#define T(test) cmocka_unit_test_setup_teardown(test, start, stop)
#define T1(test) cmocka_unit_test_setup_teardown(test, start_one_loop, stop)

int main(void)
{
    const struct CMUnitTest tests[] = {
        T(a_signed_callback_is_answered_200_once_the_sink_has_reported),
        T(every_refusal_has_its_code_and_produces_nothing),
        T(every_form_of_a_right_request_is_accepted),
        T(a_body_of_no_events_is_answered_200_and_produces_nothing),
        T(an_empty_body_is_a_callback_as_any_other),
        T(an_unsigned_probe_of_a_pending_route_is_answered_200_by_any_of_three_methods),
        T(a_header_block_of_seven_kibibytes_is_read),
        T(a_header_block_too_large_is_answered_431),
        T(a_chunked_body_over_the_cap_is_answered_413_before_it_ends),
        T(an_early_refusal_reaches_a_client_that_goes_on_sending),
        T(a_client_that_expects_100_continue_gets_it),
        T(pipelined_requests_are_answered_in_order),
        T(what_follows_a_post_without_a_length_is_not_read),
        T(a_half_closed_client_is_answered),
        T(a_half_closed_client_with_half_a_request_is_answered_400_and_counted),
        T(what_the_sink_refuses_or_fails_is_503_and_never_200),
        T(a_client_that_leaves_while_it_waits_disturbs_nobody),
        T1(the_callback_of_a_client_that_left_is_counted_by_its_report),
        cmocka_unit_test_setup_teardown(the_callback_of_a_client_that_left_has_its_deadline_too,
                                        start_one_impatient_loop, stop),
        T1(a_report_that_comes_late_is_answered_as_one_that_comes_soon),
        T1(an_answer_tells_when_it_was_given),
        T(refusals_are_counted_and_kept),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
