/* The ingress over loopback: callbacks that are there before their route's secret. */
#include "tests/integration/ingress_fixture.h"

#include <poll.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <unistd.h>

#include <cmocka.h>

#include "bridge/base/clock.h"

#define HEAD "POST " AWAITED_PATH " HTTP/1.1\r\nHost: b\r\n"
#define REST "Content-Length: 2\r\n\r\n{}"
#define CALLBACK HEAD SIGNATURE_LINE REST

/* As ingress/request.c has it. */
#define HELD_AT_ONCE 64

/* One loop, so that what it holds can be counted. */
static void start(struct ingress_fixture *f, int64_t deadline_ms)
{
    ingress_fixture_init(f);
    f->opt.threads = 1;
    f->opt.deadline_ms = deadline_ms;
    ingress_fixture_start(f);
}

static int send_callback(struct ingress_fixture *f, const char *request)
{
    int fd = client_connect(f->port);
    assert_true(fd >= 0);
    assert_true(client_send_text(fd, request));
    return fd;
}

/* Waits until /metrics has this line. */
static void await_metric(struct ingress_fixture *f, const char *line)
{
    static char text[1 << 16];
    int64_t until = clock_mono_ms() + 10000;
    do {
        ingress_metrics(f, text, sizeof(text));
        assert_true(clock_mono_ms() < until);
    } while (strstr(text, line) == NULL);
}

static bool is_silent(int fd)
{
    char byte;
    return recv(fd, &byte, 1, MSG_DONTWAIT) < 0;
}

static void await_in_flight(struct ingress_fixture *f, unsigned count)
{
    char line[64];
    snprintf(line, sizeof(line), "\nmaesn_bridge_in_flight_requests %u\n", count);
    await_metric(f, line);
}

static unsigned code_of(int fd)
{
    unsigned code = client_read(fd).code;
    close(fd);
    return code;
}

static void a_signed_callback_waits_for_its_secret_and_is_answered_200(void **state)
{
    (void)state;
    struct ingress_fixture f;
    start(&f, 10000);
    int fd = send_callback(&f, CALLBACK);
    await_in_flight(&f, 1);
    registry_changed(&f.registry); /* of another route: nothing for this one */
    assert_int_equal(client_post(f.port, ACTIVE_PATH, "{}").code, 200);
    assert_true(is_silent(fd));
    assert_int_equal(f.sink.taken, 1);

    ingress_fixture_turn(&f, ROUTE_FOUND);
    struct reply reply = client_read(fd);
    assert_int_equal(reply.code, 200);
    assert_int_equal(f.sink.taken, 2);
    assert_string_equal(f.sink.last_value, "{}");
    /* the connection goes on */
    assert_true(client_send_text(fd, CALLBACK));
    assert_int_equal(code_of(fd), 200);
    ingress_fixture_done(&f);
}

static void what_its_secret_did_not_sign_is_answered_401_when_it_comes(void **state)
{
    (void)state;
    struct ingress_fixture f;
    start(&f, 10000);
    int fd = send_callback(&f, HEAD "X-Fake-Signature: wrong\r\n" REST);
    await_in_flight(&f, 1);
    ingress_fixture_turn(&f, ROUTE_FOUND);
    assert_int_equal(code_of(fd), 401);
    assert_int_equal(f.sink.taken, 0);
    ingress_fixture_done(&f);
}

static void a_secret_that_does_not_come_is_503_at_the_deadline(void **state)
{
    (void)state;
    struct ingress_fixture f;
    start(&f, 300);
    int64_t from = clock_mono_ms();
    struct reply reply = client_exchange(f.port, CALLBACK, strlen(CALLBACK));
    assert_int_equal(reply.code, 503);
    assert_non_null(strstr(reply.head, "Retry-After: 1\r\n"));
    assert_in_range(clock_mono_ms() - from, 299, 2000);
    assert_int_equal(f.sink.taken, 0);
    ingress_fixture_done(&f);
}

static void waiting_for_the_secret_and_for_the_sink_share_one_deadline(void **state)
{
    (void)state;
    struct ingress_fixture f;
    start(&f, 1500);
    f.sink.holds = true;
    int64_t from = clock_mono_ms();
    int fd = send_callback(&f, CALLBACK);
    while (clock_mono_ms() - from < 1000) /* time that is gone */
        poll(NULL, 0, 10);
    ingress_fixture_turn(&f, ROUTE_FOUND);
    fake_sink_await(&f.sink, 1);
    assert_int_equal(code_of(fd), 503);
    assert_in_range(clock_mono_ms() - from, 1499, 2400);
    assert_in_range(f.sink.last_due_mono_ms - from, 1500, 2400); /* the sink knew */
    ingress_fixture_done(&f);
    assert_int_equal(f.sink.abandoned, 1);
}

struct turn {
    enum route_lookup lookup;
    unsigned code;
};

static void a_route_that_goes_instead_is_answered_at_once(void **state)
{
    (void)state;
    static const struct turn rows[] = {
        {ROUTE_NOT_YET, 503}, /* its record can no longer be read */
        {ROUTE_UNKNOWN, 404}, /* it was given up long ago */
    };
    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        struct ingress_fixture f;
        start(&f, 60000);
        int fd = send_callback(&f, CALLBACK);
        await_in_flight(&f, 1);
        ingress_fixture_turn(&f, rows[i].lookup);
        assert_int_equal(code_of(fd), rows[i].code);
        assert_int_equal(f.sink.taken, 0);
        ingress_fixture_done(&f);
    }
}

static void one_callback_more_than_64_is_answered_503_at_once(void **state)
{
    (void)state;
    struct ingress_fixture f;
    int fds[HELD_AT_ONCE + 1];
    unsigned counts[600] = {0};
    start(&f, 60000);
    for (size_t i = 0; i <= HELD_AT_ONCE; i++)
        fds[i] = send_callback(&f, CALLBACK);
    await_metric(&f, "{provider=\"fake\",code=\"503\"} 1\n");
    await_in_flight(&f, HELD_AT_ONCE);
    assert_int_equal(f.sink.taken, 0);
    ingress_fixture_turn(&f, ROUTE_FOUND);
    for (size_t i = 0; i <= HELD_AT_ONCE; i++)
        counts[code_of(fds[i]) % 600]++;
    assert_int_equal(counts[200], HELD_AT_ONCE);
    assert_int_equal(counts[503], 1);

    /* places are free again */
    ingress_fixture_turn(&f, ROUTE_AWAITED);
    int fd = send_callback(&f, CALLBACK);
    await_in_flight(&f, 1);
    ingress_fixture_turn(&f, ROUTE_FOUND);
    assert_int_equal(code_of(fd), 200);
    ingress_fixture_done(&f);
}

static void a_hard_stop_answers_503_to_who_waits_for_a_secret(void **state)
{
    (void)state;
    struct ingress_fixture f;
    start(&f, 60000);
    int fd = send_callback(&f, CALLBACK);
    await_in_flight(&f, 1);
    assert_int_equal(ingress_stop(f.ingress, clock_mono_ms() + 300), 0);
    assert_int_equal(code_of(fd), 503);
    ingress_fixture_done(&f);
}

static void a_probe_of_a_route_not_yet_known_is_answered_200_and_produces_nothing(void **state)
{
    (void)state;
    struct ingress_fixture f;
    start(&f, 5000);
    static const char *const requests[] = {
        "GET " PROBED_PATH " HTTP/1.1\r\nHost: b\r\n\r\n",
        "HEAD " PROBED_PATH " HTTP/1.1\r\nHost: b\r\n\r\n",
        "POST " PROBED_PATH " HTTP/1.1\r\nHost: b\r\n" REST,
    };
    for (size_t i = 0; i < sizeof(requests) / sizeof(requests[0]); i++)
        assert_int_equal(client_exchange(f.port, requests[i], strlen(requests[i])).code, 200);
    assert_int_equal(f.sink.taken, 0);
    assert_int_equal(atomic_load(&f.noted), 0);
    ingress_fixture_done(&f);
}

static void only_a_callback_that_is_durable_is_noted_as_activity(void **state)
{
    (void)state;
    struct ingress_fixture f;
    start(&f, 5000);
    assert_int_equal(client_post(f.port, ACTIVE_PATH, "{}").code, 200);
    assert_int_equal(atomic_load(&f.noted), 1);
    assert_int_equal(client_post(f.port, ACTIVE_PATH, "[]").code, 200);
    f.sink.reports = STATUS_UNAVAILABLE;
    assert_int_equal(client_post(f.port, ACTIVE_PATH, "{}").code, 503);
    assert_int_equal(atomic_load(&f.noted), 1);
    ingress_fixture_done(&f);
}

/* --- changes at any moment ------------------------------------------------------------------- */

#define ROUNDS 50
#define SENDERS 8

struct sender {
    pthread_t thread;
    struct ingress_fixture *fixture;
    pthread_barrier_t *round;
    unsigned accepted;
};

static void *send_rounds(void *ctx)
{
    struct sender *s = ctx;
    for (unsigned i = 0; i < ROUNDS; i++) {
        pthread_barrier_wait(s->round);
        struct reply reply = client_exchange(s->fixture->port, CALLBACK, strlen(CALLBACK));
        s->accepted += reply.code == 200;
        pthread_barrier_wait(s->round);
    }
    return NULL;
}

/* The secret comes while callbacks do: whichever is first, nobody misses it and waits in vain. */
static void a_secret_that_comes_at_any_moment_is_noticed(void **state)
{
    (void)state;
    struct ingress_fixture f;
    struct sender senders[SENDERS];
    pthread_barrier_t round;
    ingress_fixture_init(&f);
    f.opt.deadline_ms = 60000;
    ingress_fixture_start(&f);
    pthread_barrier_init(&round, NULL, SENDERS + 1);
    for (size_t i = 0; i < SENDERS; i++) {
        senders[i] = (struct sender){.fixture = &f, .round = &round};
        assert_int_equal(pthread_create(&senders[i].thread, NULL, send_rounds, &senders[i]), 0);
    }
    int64_t from = clock_mono_ms();
    for (unsigned i = 0; i < ROUNDS; i++) {
        ingress_fixture_turn(&f, ROUTE_AWAITED);
        pthread_barrier_wait(&round);
        poll(NULL, 0, (int)(i % 4)); /* any moment */
        ingress_fixture_turn(&f, ROUTE_FOUND);
        pthread_barrier_wait(&round);
    }
    for (size_t i = 0; i < SENDERS; i++) {
        pthread_join(senders[i].thread, NULL);
        assert_int_equal(senders[i].accepted, ROUNDS);
    }
    assert_true(clock_mono_ms() - from < 60000);
    pthread_barrier_destroy(&round);
    ingress_fixture_done(&f);
}

#define T(name) cmocka_unit_test(name)

int main(void)
{
    const struct CMUnitTest tests[] = {
        T(a_signed_callback_waits_for_its_secret_and_is_answered_200),
        T(what_its_secret_did_not_sign_is_answered_401_when_it_comes),
        T(a_secret_that_does_not_come_is_503_at_the_deadline),
        T(waiting_for_the_secret_and_for_the_sink_share_one_deadline),
        T(a_route_that_goes_instead_is_answered_at_once),
        T(one_callback_more_than_64_is_answered_503_at_once),
        T(a_hard_stop_answers_503_to_who_waits_for_a_secret),
        T(a_probe_of_a_route_not_yet_known_is_answered_200_and_produces_nothing),
        T(only_a_callback_that_is_durable_is_noted_as_activity),
        T(a_secret_that_comes_at_any_moment_is_noticed),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
