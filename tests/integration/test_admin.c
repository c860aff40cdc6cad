/* The admin listener over loopback. */
#include "bridge/ops/admin.h"

#include <arpa/inet.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <sys/socket.h>
#include <sys/time.h>
#include <unistd.h>

#include <cmocka.h>

#include "bridge/base/scoped.h"

struct fixture {
    struct metrics *metrics;
    struct health *health;
    struct rejections *rejections;
    struct admin *admin;
    bool kafka_up; /* what the one check says */
};

static bool kafka_is_up(void *ctx, struct diag *diag)
{
    const struct fixture *f = ctx;
    if (!f->kafka_up)
        (void)diag_set(diag, STATUS_UNAVAILABLE, "no broker is up");
    return f->kafka_up;
}

static void print_config(void *ctx, struct buf *ret)
{
    (void)ctx;
    buf_append_text(ret, "kafka:\n  brokers: kafka:9092\n");
}

/* Says what was asked for. */
static unsigned print_query(void *ctx, const struct admin_query *q, struct buf *ret)
{
    const char *text = admin_query_text(q, "text"), *other = admin_query_text(q, "other");
    (void)ctx;
    buf_printf(ret, "text=%s other=%s", text == NULL ? "none" : text,
               other == NULL ? "none" : other);
    return text != NULL && text[0] == '\0' ? 400 : 200;
}

static const struct admin_page other_pages[] = {
    {"/other", "text/html", "a page of somebody else", "default-src 'none'", print_query, NULL},
};

static int start(void **state)
{
    static struct fixture f;
    f = (struct fixture){.kafka_up = true};
    assert_int_equal(metrics_new(&f.metrics), STATUS_OK);
    assert_int_equal(health_new(&f.health), STATUS_OK);
    assert_int_equal(rejections_new(&f.rejections), STATUS_OK);
    health_add(f.health, "kafka", HEALTH_READY, kafka_is_up, &f);
    counter_add(metrics_counter(f.metrics, "a_total", "A.", NULL, 0), 5);
    const struct admin_options opt = {
        .listen = {.host = "127.0.0.1"},
        .metrics = f.metrics,
        .health = f.health,
        .rejections = f.rejections,
        .version_json = "{\"version\":\"1.2.3\"}\n",
        .print_config = print_config,
        .pages = other_pages,
        .pages_len = 1,
    };
    struct diag diag = {0};
    assert_int_equal(admin_new(&opt, &f.admin, &diag), STATUS_OK);
    *state = &f;
    return 0;
}

static int stop(void **state)
{
    struct fixture *f = *state;
    admin_free(f->admin);
    metrics_free(f->metrics);
    health_free(f->health);
    rejections_free(f->rejections);
    return 0;
}

static int client_open(const struct fixture *f)
{
    struct sockaddr_in address = {.sin_family = AF_INET,
                                  .sin_port = htons(admin_port(f->admin)),
                                  .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    const struct timeval patience = {.tv_sec = 20};
    int fd = socket(AF_INET, SOCK_STREAM, 0);
    assert_true(fd >= 0);
    assert_int_equal(setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &patience, sizeof(patience)), 0);
    assert_int_equal(connect(fd, (struct sockaddr *)&address, sizeof(address)), 0);
    return fd;
}

/* Sends a request that asks for the connection to be closed; returns all that came back. */
static const char *ask_host(const struct fixture *f, const char *host, const char *request_line,
                            const char *rest)
{
    static char answer[65536];
    char request[1024];
    snprintf(request, sizeof(request), "%s HTTP/1.1\r\nHost: %s\r\nConnection: close\r\n%s",
             request_line, host, rest);
    int fd = client_open(f);
    assert_int_equal(send(fd, request, strlen(request), MSG_NOSIGNAL), strlen(request));
    size_t len = 0;
    for (ssize_t got; len < sizeof(answer) - 1 &&
                      (got = recv(fd, answer + len, sizeof(answer) - 1 - len, 0)) != 0;) {
        assert_true(got > 0);
        len += (size_t)got;
    }
    answer[len] = '\0';
    close(fd);
    return answer;
}

static const char *ask(const struct fixture *f, const char *request_line, const char *rest)
{
    return ask_host(f, "localhost", request_line, rest);
}

static const char *body_of(const char *answer)
{
    const char *end = strstr(answer, "\r\n\r\n");
    assert_non_null(end);
    return end + 4;
}

static unsigned code_of(const char *answer)
{
    unsigned code;
    assert_int_equal(sscanf(answer, "HTTP/1.1 %u ", &code), 1);
    return code;
}

static void every_page_says_what_it_is_and_is_never_stored(void **state)
{
    static const struct {
        const char *path, *content_type, *body_start;
    } rows[] = {
        {"/", "text/plain; charset=utf-8", "/                 this index\n/livez"},
        {"/livez", "text/plain; charset=utf-8", "ok\n"},
        {"/readyz", "text/plain; charset=utf-8", "ok\n"},
        {"/readyz?verbose", "text/plain; charset=utf-8", "[+]kafka ok\nreadyz check passed\n"},
        {"/readyz?verbose=1", "text/plain; charset=utf-8", "[+]kafka ok\nreadyz check passed\n"},
        {"/livez?verbose", "text/plain; charset=utf-8", "[+]kafka ok\nlivez check passed\n"},
        {"/metrics", "text/plain; version=0.0.4; charset=utf-8",
         "# HELP a_total A.\n# TYPE a_total counter\na_total 5\n"},
        {"/version", "application/json", "{\"version\":\"1.2.3\"}\n"},
        {"/debug/config", "application/yaml", "kafka:\n  brokers: kafka:9092\n"},
        {"/rejections.json", "application/json", "{\"rejections\":[]}\n"},
        {"/other", "text/html", "text=none other=none"},
        {"/other?text=a%26b+c&other=%3Cd", "text/html", "text=a&b c other=<d"},
    };
    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        char line[64], content_type[128];
        snprintf(line, sizeof(line), "GET %s", rows[i].path);
        snprintf(content_type, sizeof(content_type), "\r\nContent-Type: %s\r\n",
                 rows[i].content_type);
        const char *answer = ask(*state, line, "\r\n");
        assert_int_equal(code_of(answer), 200);
        assert_non_null(strstr(answer, content_type));
        assert_non_null(strstr(answer, "\r\nCache-Control: no-store\r\n"));
        assert_non_null(strstr(answer, "\r\nX-Content-Type-Options: nosniff\r\n"));
        assert_non_null(strstr(answer, "\r\nReferrer-Policy: no-referrer\r\n"));
        assert_memory_equal(body_of(answer), rows[i].body_start, strlen(rows[i].body_start));
    }
}

static void a_page_of_somebody_else_has_its_code_its_policy_and_its_line_of_the_index(void **state)
{
    const char *answer = ask(*state, "GET /other?text", "\r\n");
    assert_int_equal(code_of(answer), 400);
    assert_non_null(strstr(answer, "\r\nContent-Security-Policy: default-src 'none'\r\n"));
    answer = ask(*state, "GET /", "\r\n");
    assert_null(strstr(answer, "Content-Security-Policy"));
    assert_non_null(strstr(answer, "\n/other            a page of somebody else\n"));
}

static void readiness_is_503_while_a_check_fails_and_says_why(void **state)
{
    struct fixture *f = *state;
    f->kafka_up = false;
    const char *answer = ask(f, "GET /readyz", "\r\n");
    assert_int_equal(code_of(answer), 503);
    assert_string_equal(body_of(answer), "[-]kafka failed: no broker is up\nreadyz check failed\n");
    assert_int_equal(code_of(ask(f, "GET /livez", "\r\n")), 200);
}

static void head_is_answered_as_get_without_a_body(void **state)
{
    const char *answer = ask(*state, "HEAD /version", "\r\n");
    assert_int_equal(code_of(answer), 200);
    assert_non_null(strstr(answer, "\r\nContent-Length: 20\r\n"));
    assert_string_equal(body_of(answer), "");
}

static void other_methods_are_405(void **state)
{
    static const struct {
        const char *method, *rest;
    } rows[] = {
        {"POST", "Content-Length: 2\r\n\r\n{}"},
        {"PUT", "Content-Length: 0\r\n\r\n"},
        {"DELETE", "\r\n"},
        {"OPTIONS", "\r\n"},
        {"get", "\r\n"}, /* methods are case-sensitive: RFC 9110 section 9.1 */
        {"BREW", "\r\n"},
    };
    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        char line[64];
        snprintf(line, sizeof(line), "%s /metrics", rows[i].method);
        const char *answer = ask(*state, line, rows[i].rest);
        assert_int_equal(code_of(answer), 405);
        assert_non_null(strstr(answer, "\r\nAllow: GET, HEAD\r\n"));
        assert_string_equal(body_of(answer), "only GET and HEAD\n");
    }
}

/* A page in a browser here could have its own name lead to this listener, and read the answer. */
static void a_name_that_a_stranger_can_have_is_421_on_every_page(void **state)
{
    static const char *const paths[] = {"/", "/metrics", "/debug/config", "/other?text=1"};
    for (size_t i = 0; i < sizeof(paths) / sizeof(paths[0]); i++) {
        char line[64];
        snprintf(line, sizeof(line), "GET %s", paths[i]);
        assert_int_equal(code_of(ask_host(*state, "evil.example:9090", line, "\r\n")), 421);
        assert_int_equal(code_of(ask_host(*state, "127.0.0.1:9090", line, "\r\n")), 200);
        assert_int_equal(code_of(ask_host(*state, "ingress:9090", line, "\r\n")), 200);
    }
}

static void anything_else_is_404(void **state)
{
    static const char *const rows[] = {
        "GET /nothing", "GET /livez/", "GET /../etc/passwd", "GET //metrics", "HEAD /in/maesn/x",
    };
    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++)
        assert_int_equal(code_of(ask(*state, rows[i], "\r\n")), 404);
}

static void a_get_with_a_body_is_answered(void **state)
{
    const char *answer = ask(*state, "GET /livez", "Content-Length: 5\r\n\r\nhello");
    assert_int_equal(code_of(answer), 200);
    assert_string_equal(body_of(answer), "ok\n");
}

static void a_connection_serves_one_request_after_the_other(void **state)
{
    static const char request[] = "GET /livez HTTP/1.1\r\nHost: x\r\n\r\n";
    int fd = client_open(*state);
    for (int i = 0; i < 3; i++) {
        char answer[1024];
        size_t len = 0;
        assert_int_equal(send(fd, request, sizeof(request) - 1, MSG_NOSIGNAL), sizeof(request) - 1);
        do {
            ssize_t got = recv(fd, answer + len, sizeof(answer) - 1 - len, 0);
            assert_true(got > 0);
            len += (size_t)got;
            answer[len] = '\0';
        } while (strstr(answer, "\r\n\r\nok\n") == NULL && len < sizeof(answer) - 1);
        assert_int_equal(code_of(answer), 200);
    }
    close(fd);
}

static void an_address_in_use_is_told(void **state)
{
    struct fixture *f = *state;
    const struct admin_options opt = {
        .listen = {.host = "127.0.0.1", .port = admin_port(f->admin)},
    };
    char expected[128];
    snprintf(expected, sizeof(expected), "cannot listen on 127.0.0.1:%u: Address already in use",
             admin_port(f->admin));
    struct admin *second = NULL;
    struct diag diag = {0};
    assert_int_equal(admin_new(&opt, &second, &diag), STATUS_UNAVAILABLE);
    assert_string_equal(diag.text, expected);
    assert_null(second);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, start, stop)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(every_page_says_what_it_is_and_is_never_stored),
        TEST(a_page_of_somebody_else_has_its_code_its_policy_and_its_line_of_the_index),
        TEST(readiness_is_503_while_a_check_fails_and_says_why),
        TEST(head_is_answered_as_get_without_a_body),
        TEST(other_methods_are_405),
        TEST(a_name_that_a_stranger_can_have_is_421_on_every_page),
        TEST(anything_else_is_404),
        TEST(a_get_with_a_body_is_answered),
        TEST(a_connection_serves_one_request_after_the_other),
        TEST(an_address_in_use_is_told),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
