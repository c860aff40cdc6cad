/* A callback, from the opening of the listener to its end: whatever fails on the way, 200 is
 * answered only for what the sink has reported durable, and the next callback is served. */
#include <poll.h>
#include <pthread.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdatomic.h>
#include <stdio.h>
#include <unistd.h>

#include <cmocka.h>

#include "bridge/base/clock.h"
#include "bridge/base/log.h"
#include "bridge/base/scoped.h"
#include "bridge/base/secret.h"
#include "bridge/providers/maesn/maesn.h"
#include "tests/integration/ingress_fixture.h"
#include "tests/support/callbacks.h"
#include "tests/torture/torture.h"

/* An answer that takes longer does not come: the longest deadline is 5 s. */
static const int64_t answer_max_ms = 9000;

/* What is asked, and what the answer is when nothing fails. */
struct ask {
    const char *path;
    bool is_unsigned;
    bool is_cut;   /* the body comes in two pieces */
    bool is_large; /* and is larger than is taken */
    bool holds;    /* the sink reports later, from another thread */
    enum status refuses, reports;
    unsigned code;
    size_t records; /* of it, which the sink is handed */
};

static const struct provider *const providers[] = {&maesn, NULL};

/* The ingress with Maesn, one route, and a callback as it was recorded. */
struct stage {
    struct ingress_fixture f;
    struct registry registry;
    struct callbacks callbacks;
    const struct route *route;
    char request[70000];
    size_t request_len, head_len;
    pthread_t reporter;
    atomic_bool ends;
};

static enum route_lookup find(struct registry *registry, const char *path, struct route **ret)
{
    struct stage *s = (struct stage *)((char *)registry - offsetof(struct stage, registry));
    if (strcmp(path, "/in/by-hand") != 0)
        return ROUTE_UNKNOWN;
    *ret = route_ref(s->route);
    return ROUTE_FOUND;
}

/* Reports what the sink holds. */
static void *report(void *ctx)
{
    struct stage *s = ctx;
    while (!atomic_load(&s->ends)) {
        pthread_mutex_lock(&s->f.sink.lock);
        enum status reports = s->f.sink.reports;
        pthread_mutex_unlock(&s->f.sink.lock);
        fake_sink_report(&s->f.sink, reports);
        poll(NULL, 0, 1);
    }
    return NULL;
}

static void write_request(struct stage *s, const struct ask *ask)
{
    const char *signature = vector_text(&s->callbacks, "maesn/array.signature");
    struct bytes body = vector_bytes(&s->callbacks, "maesn/array.body");
    size_t len = ask->is_large ? s->f.opt.body_max_bytes + 1 : body.len;
    int head_len = snprintf(
        s->request, sizeof(s->request),
        "POST %s HTTP/1.1\r\nHost: bridge\r\nContent-Length: %zu\r\n"
        "traceparent: 00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01\r\n"
        "%s%s\r\n\r\n",
        ask->path, len, ask->is_unsigned ? "X-Nothing: " : "X-MAESN-SIGNATURE: ", signature);
    assert_in_range(head_len, 1, 2000);
    assert_true(body.len < sizeof(s->request) - 2000);
    memcpy(s->request + head_len, body.data, body.len);
    s->head_len = (size_t)head_len;
    s->request_len = s->head_len + body.len;
}

static void stage_init(struct stage *s, const struct ask *ask)
{
    memset(s, 0, sizeof(*s));
    ingress_fixture_init(&s->f);
    log_set_level(LOG_DEBUG);
    callbacks_reset(&s->callbacks, 1 << 20);
    s->route = callbacks_route(&s->callbacks, &maesn, "xero",
                               vector_text(&s->callbacks, "maesn/secret"), NULL, NULL);
    s->registry.find = find;
    s->f.opt.providers = providers;
    s->f.opt.registry = &s->registry;
    s->f.sink.holds = ask->holds;
    s->f.sink.refuses = ask->refuses;
    s->f.sink.reports = ask->reports;
    write_request(s, ask);
    assert_int_equal(pthread_create(&s->reporter, NULL, report, s), 0);
}

static void stage_done(struct stage *s)
{
    atomic_store(&s->ends, true);
    pthread_join(s->reporter, NULL);
    ingress_fixture_done(&s->f);
    callbacks_done(&s->callbacks);
}

/* Asks once, on a connection of its own. Returns the answer; 0: the connection ended instead. */
static unsigned ask_once(struct stage *s, const struct ask *ask)
{
    size_t records = s->f.sink.records;
    int64_t asked_at_ms = clock_mono_ms();
    int fd = client_connect(s->f.port);
    assert_true(fd >= 0);
    size_t first = ask->is_cut ? s->head_len + 10 : s->request_len;
    if (client_send(fd, s->request, first)) {
        if (ask->is_cut)
            poll(NULL, 0, 5); /* so that they are two */
        (void)client_send(fd, s->request + first, s->request_len - first);
    }
    struct reply reply = client_read(fd);
    close(fd);
    assert_true(clock_mono_ms() - asked_at_ms < answer_max_ms);
    pthread_mutex_lock(&s->f.sink.lock);
    records = s->f.sink.records - records;
    pthread_mutex_unlock(&s->f.sink.lock);
    if (reply.code == 200) {
        assert_int_equal(ask->code, 200);
        assert_int_equal(records, ask->records);
    } else if (reply.code != 0) {
        assert_in_range(reply.code, 400, 599);
        assert_int_not_equal(reply.code, 410);
    }
    return reply.code;
}

/* Until something has failed and one was served after it, or nothing is left to fail. */
static void ask_until_served(struct stage *s, const struct ask *ask)
{
    bool had_failed;
    unsigned code;
    do {
        had_failed = torture_has_failed();
        code = ask_once(s, ask);
    } while (!had_failed && torture_has_failed());
    assert_int_equal(code, ask->code);
}

/* From the opening to the end. */
static void live(void *ctx)
{
    static struct stage s; /* also for the threads of a test that has failed */
    const struct ask *ask = ctx;
    struct diag diag = {0};
    stage_init(&s, ask);
    torture_begin();
    enum status status = ingress_new(&s.f.opt, &s.f.ingress, &diag);
    assert_true(status == STATUS_OK || torture_has_failed());
    if (status == STATUS_OK) {
        s.f.port = ingress_port(s.f.ingress);
        ask_until_served(&s, ask);
        assert_int_equal(ingress_stop(s.f.ingress, clock_mono_ms() + answer_max_ms), 0);
        ingress_free(TAKE(s.f.ingress));
    }
    torture_pause();
    stage_done(&s);
}

static const struct ask durable = {.path = "/in/by-hand", .code = 200, .records = 2};

static void whatever_fails_from_the_opening_to_the_end(void **state)
{
    (void)state;
    torture(live, (void *)&durable, 80);
}

struct visit {
    struct stage *stage;
    const struct ask *ask;
};

static void visit(void *ctx)
{
    const struct visit *v = ctx;
    torture_begin();
    ask_until_served(v->stage, v->ask);
    torture_pause();
}

/* One ingress for all the runs. */
static void visit_with(const struct ask *ask)
{
    static struct stage s;
    stage_init(&s, ask);
    ingress_fixture_start(&s.f);
    ask_once(&s, ask); /* what is made only once is there */
    torture(visit, &(struct visit){&s, ask}, 80);
    stage_done(&s);
}

#define VISIT(test_name, ...)                                                                      \
    static void test_name(void **state)                                                            \
    {                                                                                              \
        (void)state;                                                                               \
        visit_with(&(const struct ask){__VA_ARGS__});                                              \
    }

VISIT(a_callback_that_becomes_durable, .path = "/in/by-hand", .code = 200, .records = 2)
VISIT(a_callback_that_is_reported_later, .path = "/in/by-hand", .holds = true, .code = 200,
      .records = 2)
VISIT(a_callback_that_is_lost, .path = "/in/by-hand", .holds = true, .reports = STATUS_UNAVAILABLE,
      .code = 503)
VISIT(a_callback_that_the_sink_has_no_room_for, .path = "/in/by-hand", .refuses = STATUS_BUSY,
      .code = 503)
VISIT(a_callback_in_two_pieces, .path = "/in/by-hand", .is_cut = true, .code = 200, .records = 2)
VISIT(a_callback_without_a_signature, .path = "/in/by-hand", .is_unsigned = true, .code = 401)
VISIT(a_callback_to_nobody, .path = "/in/nobody", .code = 404)
VISIT(a_callback_that_is_too_large, .path = "/in/by-hand", .is_large = true, .code = 413)

static int start(void **state)
{
    (void)state;
    torture_log();
    return 0;
}

int main(void)
{
#define T(name) cmocka_unit_test_teardown(name, torture_teardown)
    const struct CMUnitTest tests[] = {
        T(whatever_fails_from_the_opening_to_the_end),
        T(a_callback_that_becomes_durable),
        T(a_callback_that_is_reported_later),
        T(a_callback_that_is_lost),
        T(a_callback_that_the_sink_has_no_room_for),
        T(a_callback_in_two_pieces),
        T(a_callback_without_a_signature),
        T(a_callback_to_nobody),
        T(a_callback_that_is_too_large),
    };
    return cmocka_run_group_tests(tests, start, NULL);
}
