/* The ingress over loopback: who asks too often is told 429, and nobody else notices. */
#include "tests/integration/ingress_fixture.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <sys/socket.h>
#include <unistd.h>

#include <cmocka.h>

#include "bridge/base/clock.h"

#define BODY "{\"resource\":\"INVOICE\"}"
#define TO(path) "POST " path " HTTP/1.1\r\nHost: bridge\r\nContent-Length: 22\r\n"
#define GOOD TO(ACTIVE_PATH) SIGNATURE_LINE "\r\n" BODY
#define BAD TO(ACTIVE_PATH) "X-Fake-Signature: bad\r\n\r\n" BODY
#define STALE TO(ACTIVE_PATH) "X-Fake-Signature: stale\r\n\r\n" BODY
#define MISSING TO(ACTIVE_PATH) "\r\n" BODY

static struct ingress_fixture f;

static int set_up(void **state)
{
    (void)state;
    ingress_fixture_init(&f);
    f.opt.limits.replay_window_s = 300;
    return 0;
}

static int tear_down(void **state)
{
    (void)state;
    ingress_fixture_done(&f);
    return 0;
}

static struct reply exchange(const char *request)
{
    return client_exchange(f.port, request, strlen(request));
}

static void assert_limited(struct reply reply, const char *retry_after)
{
    assert_int_equal(reply.code, 429);
    assert_non_null(strstr(reply.head, retry_after));
    assert_string_equal(reply.body, "too many requests\n");
}

static void assert_metric(const char *line)
{
    static char text[65536];
    ingress_metrics(&f, text, sizeof(text));
    if (strstr(text, line) == NULL)
        fail_msg("no %s in %s", line, text);
}

static void an_account_beyond_its_rate_is_429_and_comes_again(void **state)
{
    (void)state;
    f.opt.limits.callbacks = (struct limit_rate){10, 3};
    ingress_fixture_start(&f);
    int fd = client_connect(f.port);
    for (size_t i = 0; i < 3; i++) {
        assert_true(client_send_text(fd, GOOD));
        assert_int_equal(client_read(fd).code, 200);
    }
    assert_true(client_send_text(fd, GOOD));
    assert_limited(client_read(fd), "Retry-After: 1\r\n");
    /* The connection goes on, nothing was produced, and a little later it is taken. */
    assert_int_equal(f.sink.taken, 3);
    struct reply reply;
    int64_t until = clock_mono_ms() + 5000;
    do {
        assert_true(client_send_text(fd, GOOD));
        reply = client_read(fd);
    } while (reply.code == 429 && clock_mono_ms() < until);
    assert_int_equal(reply.code, 200);
    close(fd);
    assert_metric("\nmaesn_bridge_requests_limited_total{limit=\"callbacks\"} ");
    assert_metric("\nmaesn_bridge_http_requests_total{provider=\"fake\",code=\"429\"} ");
}

static void what_does_not_verify_takes_nothing_of_the_accounts_rate(void **state)
{
    (void)state;
    f.opt.limits.callbacks = (struct limit_rate){1, 3};
    ingress_fixture_start(&f);
    for (size_t i = 0; i < 20; i++)
        assert_int_equal(exchange(i % 2 == 0 ? BAD : MISSING).code, 401);
    for (size_t i = 0; i < 3; i++)
        assert_int_equal(exchange(GOOD).code, 200);
    assert_limited(exchange(GOOD), "Retry-After: 1\r\n");
}

static void wrong_signatures_beyond_the_limit_are_429_and_right_ones_200(void **state)
{
    (void)state;
    f.opt.limits.failed_signatures = (struct limit_rate){1, 3};
    ingress_fixture_start(&f);
    assert_int_equal(exchange(BAD).code, 401);
    assert_int_equal(exchange(MISSING).code, 401);
    assert_int_equal(exchange(STALE).code, 401);
    int64_t began = clock_mono_ms();
    assert_limited(exchange(BAD), "Retry-After: 5\r\n");
    assert_true(clock_mono_ms() - began >= 400); /* late, so that who tries at once tries slowly */
    for (size_t i = 0; i < 50; i++)
        assert_int_equal(exchange(GOOD).code, 200);
    assert_int_equal(f.sink.taken, 50);
    assert_metric("\nmaesn_bridge_requests_limited_total{limit=\"failed-signatures\"} 1\n");
    /* judged and counted all the same */
    assert_metric(
        "maesn_bridge_signature_verifications_total{provider=\"fake\",result=\"bad\"} 2\n");
}

static void unknown_paths_beyond_the_limit_are_429_and_known_ones_as_ever(void **state)
{
    (void)state;
    f.opt.limits.unknown_paths = (struct limit_rate){1, 3};
    ingress_fixture_start(&f);
    for (size_t i = 0; i < 3; i++)
        assert_int_equal(exchange(TO("/in/nobody") "\r\n" BODY).code, 404);
    assert_limited(exchange(TO("/in/nobody") "\r\n" BODY), "Retry-After: 5\r\n");
    assert_limited(exchange(TO("/somewhere/else") "\r\n" BODY), "Retry-After: 5\r\n");
    assert_int_equal(exchange(TO(NOT_YET_PATH) "\r\n" BODY).code, 503);
    assert_int_equal(exchange(GOOD).code, 200);
    assert_metric("\nmaesn_bridge_requests_limited_total{limit=\"unknown-paths\"} 2\n");
    assert_metric("\nmaesn_bridge_http_requests_total{provider=\"none\",code=\"429\"} 2\n");
}

/* The list of the last refusals is there for people: a flood would leave nothing else in it. */
static void what_is_limited_is_not_listed(void **state)
{
    (void)state;
    f.opt.limits.unknown_paths = (struct limit_rate){1, 2};
    ingress_fixture_start(&f);
    for (size_t i = 0; i < 5; i++)
        (void)exchange(TO("/in/nobody") "\r\n" BODY);
    struct buf text;
    buf_init(&text, 1 << 20);
    rejections_print(f.rejections, &text);
    size_t listed = 0;
    for (const char *at = buf_text(&text); (at = strstr(at, "\"reason\"")) != NULL; at++)
        listed++;
    assert_int_equal(listed, 2);
    buf_done(&text);
}

static void new_limits_are_in_force_at_once(void **state)
{
    (void)state;
    ingress_fixture_start(&f);
    for (size_t i = 0; i < 20; i++)
        assert_int_equal(exchange(GOOD).code, 200);
    const struct ingress_limits strict = {.callbacks = {1, 1}};
    ingress_set_limits(f.ingress, &strict);
    assert_int_equal(exchange(GOOD).code, 200);
    assert_int_equal(exchange(GOOD).code, 429);
    const struct ingress_limits none = {0};
    ingress_set_limits(f.ingress, &none);
    for (size_t i = 0; i < 20; i++)
        assert_int_equal(exchange(GOOD).code, 200);
}

/* A late refusal holds a connection and nothing else. */
static void refusals_that_wait_take_nothing_of_the_budget(void **state)
{
    (void)state;
    enum { CLIENTS = 40 };
    int fds[CLIENTS];
    f.opt.limits.failed_signatures = (struct limit_rate){1, 1};
    f.opt.in_flight_max = 2;
    ingress_fixture_start(&f);
    int64_t began = clock_mono_ms();
    for (size_t i = 0; i < CLIENTS; i++) {
        fds[i] = client_connect(f.port);
        assert_true(client_send_text(fds[i], BAD));
    }
    for (size_t i = 0; i < 20; i++)
        assert_int_equal(exchange(GOOD).code, 200);
    size_t limited = 0;
    for (size_t i = 0; i < CLIENTS; i++) {
        struct reply reply = client_read(fds[i]);
        assert_true(reply.code == 401 || reply.code == 429 || reply.code == 503);
        limited += reply.code == 429;
        close(fds[i]);
    }
    assert_true(limited > 0);
    assert_true(clock_mono_ms() - began < f.opt.deadline_ms);
    assert_metric("\nmaesn_bridge_in_flight_requests 0\n");
}

static void refusals_wait_on_half_of_the_connections_at_most(void **state)
{
    (void)state;
    enum { CLIENTS = 64 };
    int fds[CLIENTS];
    f.opt.threads = 1;
    f.opt.connections_max = 16;
    f.opt.limits.failed_signatures = (struct limit_rate){1, 1};
    ingress_fixture_start(&f);
    for (size_t i = 0; i < CLIENTS; i++)
        fds[i] = client_connect(f.port);
    for (size_t i = 0; i < CLIENTS; i++)
        (void)client_send_text(fds[i], BAD);
    for (size_t i = 0; i < 20; i++)
        assert_int_equal(exchange(GOOD).code, 200);
    for (size_t i = 0; i < CLIENTS; i++)
        close(fds[i]);
}

static void a_stop_ends_refusals_that_wait(void **state)
{
    (void)state;
    enum { CLIENTS = 100 };
    int fds[CLIENTS];
    f.opt.limits.failed_signatures = (struct limit_rate){1, 1};
    f.opt.deadline_ms = 20000;
    ingress_fixture_start(&f);
    for (size_t i = 0; i < CLIENTS; i++) {
        fds[i] = client_connect(f.port);
        for (size_t k = 0; k < 4; k++)
            assert_true(client_send_text(fds[i], BAD));
    }
    assert_int_equal(client_read(fds[0]).code / 100, 4); /* the flood has begun */
    (void)ingress_stop(f.ingress, clock_mono_ms()); /* at once: whoever is suspended is resumed */
    for (size_t i = 0; i < CLIENTS; i++) {
        assert_true(client_sees_end(fds[i]));
        close(fds[i]);
    }
}

static void a_callback_accepted_twice_is_counted_and_produced_twice(void **state)
{
    (void)state;
    ingress_fixture_start(&f);
    for (size_t i = 0; i < 3; i++)
        assert_int_equal(exchange(GOOD).code, 200);
    assert_int_equal(client_post(f.port, ACTIVE_PATH, "{\"resource\":\"OTHER\"}").code, 200);
    assert_int_equal(f.sink.taken, 4);
    assert_metric("\nmaesn_bridge_suspected_replays_total{provider=\"fake\"} 2\n");
    assert_metric("\nmaesn_bridge_suspected_replays_total{provider=\"probing\"} 0\n");
}

static void a_callback_sent_again_after_a_503_is_no_replay(void **state)
{
    (void)state;
    f.sink.reports = STATUS_UNAVAILABLE;
    ingress_fixture_start(&f);
    assert_int_equal(exchange(GOOD).code, 503);
    assert_int_equal(exchange(GOOD).code, 503);
    f.sink.reports = STATUS_OK;
    assert_int_equal(exchange(GOOD).code, 200);
    assert_metric("\nmaesn_bridge_suspected_replays_total{provider=\"fake\"} 0\n");
}

#define T(test) cmocka_unit_test_setup_teardown(test, set_up, tear_down)

int main(void)
{
    const struct CMUnitTest tests[] = {
        T(an_account_beyond_its_rate_is_429_and_comes_again),
        T(what_does_not_verify_takes_nothing_of_the_accounts_rate),
        T(wrong_signatures_beyond_the_limit_are_429_and_right_ones_200),
        T(unknown_paths_beyond_the_limit_are_429_and_known_ones_as_ever),
        T(what_is_limited_is_not_listed),
        T(new_limits_are_in_force_at_once),
        T(refusals_that_wait_take_nothing_of_the_budget),
        T(refusals_wait_on_half_of_the_connections_at_most),
        T(a_stop_ends_refusals_that_wait),
        T(a_callback_accepted_twice_is_counted_and_produced_twice),
        T(a_callback_sent_again_after_a_503_is_no_replay),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
