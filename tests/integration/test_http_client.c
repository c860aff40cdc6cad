/* The client against a provider on loopback that behaves well, badly, or not at all. */
#include "bridge/httpclient/http_client.h"

#include <dlfcn.h>
#include <fcntl.h>
#include <netdb.h>
#include <poll.h>
#include <pthread.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <unistd.h>

#include <cmocka.h>

#include "bridge/base/address.h"
#include "bridge/base/clock.h"
#include "fake_provider.h"

#define COUNT(array) (sizeof(array) / sizeof((array)[0]))
#define OK_REPLY "HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\n{}"

/* What arrives in on_done. */
struct got {
    struct http_answer answer; /* without body and error */
    char body[256];
    size_t body_len;
    char error[256];
    int64_t at_mono_ms;
    size_t order;
    bool is_done;
    struct client *of;
};

struct client {
    struct http_client *http;
    struct fake_provider *provider;
    char base[64];
    struct http_base bases[1];
    struct http_client_options options;

    pthread_mutex_t lock; /* guards the members of its gots, and what follows */
    pthread_cond_t changed;
    size_t dones;
};

static void on_done(void *ctx, const struct http_answer *answer)
{
    struct got *g = ctx;
    struct client *c = g->of;
    pthread_mutex_lock(&c->lock);
    assert_false(g->is_done);
    g->answer = *answer;
    g->body_len = answer->body.len;
    if (answer->body.len > 0)
        memcpy(g->body, answer->body.data,
               answer->body.len < sizeof(g->body) ? answer->body.len : sizeof(g->body) - 1);
    snprintf(g->error, sizeof(g->error), "%s", answer->error);
    g->at_mono_ms = clock_mono_ms();
    g->order = c->dones++;
    g->is_done = true;
    pthread_cond_broadcast(&c->changed);
    pthread_mutex_unlock(&c->lock);
}

/* A client for this provider, with short limits; start() makes it. */
static void prepare(struct client *c, const struct fake_reply *replies, size_t replies_len)
{
    *c = (struct client){.provider = fake_provider_new(replies, replies_len)};
    snprintf(c->base, sizeof(c->base), "http://127.0.0.1:%u", fake_provider_port(c->provider));
    c->bases[0] = (struct http_base){.url = c->base};
    c->options = (struct http_client_options){.bases = c->bases,
                                              .bases_len = 1,
                                              .concurrency = 16,
                                              .calls_max = 100,
                                              .connect_timeout_ms = 5000,
                                              .timeout_ms = 5000,
                                              .response_max_bytes = 100000,
                                              .user_agent = "maesn-bridge/test"};
    pthread_mutex_init(&c->lock, NULL);
    pthread_cond_init(&c->changed, NULL);
}

static void start(struct client *c)
{
    struct diag diag = {{0}};
    if (http_client_new(&c->options, &c->http, &diag) != STATUS_OK)
        fail_msg("%s", diag.text);
}

static void setup(struct client *c, const struct fake_reply *replies, size_t replies_len)
{
    prepare(c, replies, replies_len);
    start(c);
}

static void teardown(struct client *c)
{
    http_client_free(c->http);
    fake_provider_free(c->provider);
    pthread_cond_destroy(&c->changed);
    pthread_mutex_destroy(&c->lock);
}

static void await(struct client *c, struct got *g)
{
    pthread_mutex_lock(&c->lock);
    while (!g->is_done)
        pthread_cond_wait(&c->changed, &c->lock);
    pthread_mutex_unlock(&c->lock);
}

/* The members of request that are not set are filled in. */
static enum status submit(struct client *c, struct http_request request, struct got *g)
{
    char url[128];
    snprintf(url, sizeof(url), "%s%s", c->base, request.url == NULL ? "/x" : request.url);
    request.url = url;
    if (request.key == NULL)
        request.key = "acme";
    *g = (struct got){.of = c};
    return http_client_submit(c->http, &request, on_done, g, NULL);
}

static void ask(struct client *c, struct http_request request, struct got *g)
{
    assert_int_equal(submit(c, request, g), STATUS_OK);
    await(c, g);
}

/* --- requests and answers -----------------------------------------------------------------------
 */

static void each_method_sends_what_it_was_given_and_nothing_else(void **state)
{
    static const struct fake_reply reply = {.bytes = OK_REPLY};
    static const struct http_header headers[] = {
        {"X-API-KEY", {(const uint8_t *)"k1", 2}},
        {"Content-Type", {(const uint8_t *)"application/json", 16}},
    };
    static const struct {
        struct http_request request;
        const char *text; /* but for Host */
    } rows[] = {
        {{.method = HTTP_GET, .url = "/webhooks?companyId=1", .headers = headers, .headers_len = 1},
         "GET /webhooks?companyId=1 HTTP/1.1\r\n%s\r\nUser-Agent: maesn-bridge/test\r\n"
         "Accept: */*\r\nX-API-KEY: k1\r\n\r\n"},
        {{.method = HTTP_POST,
          .url = "/webhooks",
          .headers = headers,
          .headers_len = 2,
          .body = {(const uint8_t *)"{\"a\":1}", 7}},
         "POST /webhooks HTTP/1.1\r\n%s\r\nUser-Agent: maesn-bridge/test\r\nAccept: */*\r\n"
         "X-API-KEY: k1\r\nContent-Type: application/json\r\nContent-Length: 7\r\n\r\n{\"a\":1}"},
        {{.method = HTTP_PATCH, .url = "/webhooks/1/activate.json"}, /* without a body */
         "PATCH /webhooks/1/activate.json HTTP/1.1\r\n%s\r\nUser-Agent: maesn-bridge/test\r\n"
         "Accept: */*\r\nContent-Length: 0\r\n\r\n"},
        {{.method = HTTP_DELETE, .url = "/webhooks/1"},
         "DELETE /webhooks/1 HTTP/1.1\r\n%s\r\nUser-Agent: maesn-bridge/test\r\n"
         "Accept: */*\r\n\r\n"},
    };
    struct client c;
    struct got g;
    (void)state;
    setup(&c, &reply, 1);
    for (size_t i = 0; i < COUNT(rows); i++) {
        char host[64], expected[1024];
        ask(&c, rows[i].request, &g);
        snprintf(host, sizeof(host), "Host: %s", c.base + strlen("http://"));
#pragma GCC diagnostic push
#pragma GCC diagnostic ignored "-Wformat-nonliteral" /* the table's own texts */
        snprintf(expected, sizeof(expected), rows[i].text, host);
#pragma GCC diagnostic pop
        assert_string_equal(g.error, "");
        assert_string_equal(fake_provider_call(c.provider, i)->text, expected);
        assert_int_equal(g.answer.outcome, HTTP_ANSWERED);
        assert_int_equal(g.answer.code, 200);
        assert_int_equal(g.answer.attempts, 1);
        assert_int_equal(g.answer.retry_at_mono_ms, 0);
        assert_string_equal(g.body, "{}");
        assert_string_equal(g.error, "");
    }
    teardown(&c);
}

static void a_whole_answer_is_handed_over_whatever_it_says(void **state)
{
    static const struct {
        struct fake_reply reply;
        unsigned code;
        const char *body;
    } rows[] = {
        {{.bytes = "HTTP/1.1 204 No Content\r\n\r\n"}, 204, ""},
        {{.bytes = "HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n"}, 200, ""},
        {{.bytes =
              "HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 201 Created\r\nContent-Length: 2\r\n\r\n[]"},
         201,
         "[]"},
        {{.bytes = "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n2\r\n{}\r\n0\r\n\r\n"},
         200,
         "{}"},
        {{.bytes = "HTTP/1.0 200 OK\r\n\r\nuntil the end", .end = FAKE_CLOSES},
         200,
         "until the end"},
        {{.bytes = "HTTP/1.1 200 OK\r\nContent-Type: text/html\r\nContent-Length: 13\r\n\r\n"
                   "<html></html>"},
         200,
         "<html></html>"},
        {{.bytes = "HTTP/1.1 401 Unauthorized\r\nWWW-Authenticate: Basic realm=x\r\n"
                   "Content-Length: 2\r\n\r\nno"},
         401,
         "no"},
        {{.bytes = "HTTP/1.1 404 Not Found\r\nContent-Length: 0\r\n\r\n"}, 404, ""},
        {{.bytes = "HTTP/1.1 500 Oops\r\nContent-Length: 4\r\n\r\noops"}, 500, "oops"},
    };
    (void)state;
    for (size_t i = 0; i < COUNT(rows); i++)
        for (enum http_method method = HTTP_GET; method <= HTTP_DELETE; method++) {
            struct client c;
            struct got g;
            setup(&c, &rows[i].reply, 1);
            ask(&c, (struct http_request){.method = method}, &g);
            assert_int_equal(g.answer.outcome, HTTP_ANSWERED);
            assert_int_equal(g.answer.code, rows[i].code);
            assert_string_equal(g.body, rows[i].body);
            assert_non_null(g.answer.body.data);
            assert_int_equal(fake_provider_calls(c.provider), 1);
            teardown(&c);
        }
}

static void what_is_not_a_whole_answer_is_none_and_names_no_secret(void **state)
{
    static const struct {
        struct fake_reply reply;
        const char *error;
    } rows[] = {
        {{.bytes = "", .end = FAKE_CLOSES}, "Server returned nothing (no headers, no data)"},
        {{.bytes = "", .end = FAKE_RESETS}, NULL}, /* nothing, or a failure to receive */
        {{.bytes = "", .end = FAKE_HANGS}, "Timeout was reached"},
        {{.bytes = "HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\n{\"da", .end = FAKE_CLOSES},
         "Transferred a partial file"},
        {{.bytes = "HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\n{\"da", .end = FAKE_HANGS},
         "Timeout was reached"},
        {{.bytes = "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n2\r\n{}\r\n",
          .end = FAKE_CLOSES},
         NULL}, /* partial, or a failure to receive */
        {{.bytes = "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\nk3y-secret\r\n",
          .end = FAKE_CLOSES},
         NULL},
        {{.bytes = "k3y-secret is no HTTP\r\n\r\n", .end = FAKE_CLOSES}, "Unsupported protocol"},
        {{.bytes = "HTTP/9.9 k3y-secret\r\n\r\n", .end = FAKE_CLOSES}, "Unsupported protocol"},
        {{.bytes = "HTTP/1.1 200 OK\r\nContent-Length: k3y-secret\r\n\r\n", .end = FAKE_CLOSES},
         NULL},
        {{.bytes =
              "HTTP/1.1 200 OK\r\nContent-Encoding: k3y-secret\r\nContent-Length: 100001\r\n\r\n",
          .end = FAKE_HANGS},
         "the answer is longer than response_max_bytes"}, /* refused before the body */
        {{.bytes = "HTTP/1.1 200 OK\r\n\r\n", .end = FAKE_FLOODS},
         "the answer is longer than response_max_bytes"},
        {{.bytes = "HTTP/1.1 200 OK\r\nX: ", .end = FAKE_FLOODS}, NULL}, /* one endless header */
        {{.bytes = "HTTP/1.1 200 OK\r\n\r\n", .end = FAKE_DAWDLES}, "Timeout was reached"},
    };
    static const struct http_header header = {"X-API-KEY", {(const uint8_t *)"k3y-secret", 10}};
    (void)state;
    for (size_t i = 0; i < COUNT(rows); i++)
        for (enum http_method method = HTTP_GET; method <= HTTP_POST; method++) {
            struct client c;
            struct got g;
            prepare(&c, &rows[i].reply, 1);
            c.options.timeout_ms = 300;
            start(&c);
            int64_t begin = clock_mono_ms();
            ask(&c, (struct http_request){.method = method, .headers = &header, .headers_len = 1},
                &g);
            if (g.answer.outcome != HTTP_UNANSWERED || g.answer.code != 0 ||
                g.answer.body.data != NULL)
                fail_msg("row %zu: outcome %d, code %u", i, (int)g.answer.outcome, g.answer.code);
            if (rows[i].error != NULL)
                assert_string_equal(g.error, rows[i].error);
            assert_true(g.error[0] != '\0');
            assert_null(strstr(g.error, "k3y"));
            assert_int_equal(g.answer.attempts, 1);
            assert_int_equal(fake_provider_calls(c.provider), 1);
            assert_in_range(g.at_mono_ms - begin, 0, 2000);
            teardown(&c);
        }
}

static void nothing_is_written_to_stderr(void **state)
{
    static const struct fake_reply replies[] = {
        {.bytes = OK_REPLY},
        {.bytes = "HTTP/1.1 200 OK\r\nContent-Length: k3y-secret\r\n\r\n", .end = FAKE_CLOSES},
    };
    static const struct http_header header = {"X-API-KEY", {(const uint8_t *)"k3y-secret", 10}};
    char text[16];
    int ends[2], saved = dup(STDERR_FILENO);
    struct client c;
    struct got g;
    (void)state;
    assert_int_equal(pipe2(ends, O_NONBLOCK), 0);
    dup2(ends[1], STDERR_FILENO);
    setup(&c, replies, COUNT(replies));
    for (int i = 0; i < 2; i++)
        ask(&c, (struct http_request){.headers = &header, .headers_len = 1}, &g);
    teardown(&c);
    dup2(saved, STDERR_FILENO);
    assert_int_equal(g.answer.outcome, HTTP_UNANSWERED);
    assert_int_equal(read(ends[0], text, sizeof(text)), -1); /* empty */
    close(saved);
    close(ends[0]);
    close(ends[1]);
}

static void many_headers_are_no_answer(void **state)
{
    static char bytes[80000] = "HTTP/1.1 200 OK\r\n";
    static const struct fake_reply reply = {.bytes = bytes, .end = FAKE_HANGS};
    struct client c;
    struct got g;
    (void)state;
    for (size_t len = strlen(bytes); len < 70000; len += 100)
        snprintf(bytes + len, sizeof(bytes) - len, "X-%.96d\r\n:", 0);
    for (char *colon = bytes; (colon = strstr(colon, "\r\n:")) != NULL; colon += 2)
        colon[2] = 'X';
    setup(&c, &reply, 1);
    ask(&c, (struct http_request){.method = HTTP_POST}, &g);
    assert_int_equal(g.answer.outcome, HTTP_UNANSWERED);
    teardown(&c);
}

static void an_answer_as_long_as_allowed_is_whole(void **state)
{
    static char bytes[110000];
    static const struct fake_reply reply = {.bytes = bytes};
    struct client c;
    struct got g;
    (void)state;
    int head = snprintf(bytes, sizeof(bytes), "HTTP/1.1 200 OK\r\nContent-Length: 100000\r\n\r\n");
    memset(bytes + head, 'x', 100000);
    setup(&c, &reply, 1);
    ask(&c, (struct http_request){0}, &g);
    assert_int_equal(g.answer.outcome, HTTP_ANSWERED);
    assert_int_equal(g.body_len, 100000);
    teardown(&c);
}

/* --- nowhere else -------------------------------------------------------------------------------
 */

static void a_redirect_is_an_answer_and_is_not_followed(void **state)
{
    static const int codes[] = {301, 302, 303, 307, 308};
    static const struct fake_reply elsewhere_reply = {.bytes = OK_REPLY};
    (void)state;
    for (size_t i = 0; i < COUNT(codes); i++) {
        struct fake_provider *elsewhere = fake_provider_new(&elsewhere_reply, 1);
        char bytes[256];
        const struct fake_reply reply = {.bytes = bytes};
        struct client c;
        struct got g;
        snprintf(bytes, sizeof(bytes),
                 "HTTP/1.1 %d Moved\r\nLocation: http://127.0.0.1:%u/y\r\n"
                 "Refresh: 0; url=http://127.0.0.1:%u/\r\nContent-Length: 0\r\n\r\n",
                 codes[i], fake_provider_port(elsewhere), fake_provider_port(elsewhere));
        setup(&c, &reply, 1);
        ask(&c, (struct http_request){0}, &g);
        assert_int_equal(g.answer.outcome, HTTP_ANSWERED);
        assert_int_equal(g.answer.code, codes[i]);
        assert_int_equal(fake_provider_calls(c.provider), 1);
        assert_int_equal(fake_provider_connections(elsewhere), 0);
        teardown(&c);
        fake_provider_free(elsewhere);
    }
}

static void the_environment_s_proxy_is_not_used(void **state)
{
    static const struct fake_reply reply = {.bytes = OK_REPLY};
    static const char *const names[] = {"http_proxy", "all_proxy", "ALL_PROXY"};
    struct fake_provider *proxy = fake_provider_new(&reply, 1);
    char url[64];
    struct client c;
    struct got g;
    (void)state;
    snprintf(url, sizeof(url), "http://127.0.0.1:%u", fake_provider_port(proxy));
    for (size_t i = 0; i < COUNT(names); i++)
        setenv(names[i], url, 1);
    setup(&c, &reply, 1);
    ask(&c, (struct http_request){0}, &g);
    for (size_t i = 0; i < COUNT(names); i++)
        unsetenv(names[i]);
    assert_int_equal(g.answer.code, 200);
    assert_int_equal(fake_provider_connections(proxy), 0);
    teardown(&c);
    fake_provider_free(proxy);
}

static void a_url_outside_the_bases_is_refused(void **state)
{
    static const struct fake_reply reply = {.bytes = OK_REPLY};
    static const char *const rests[] = {"1/x", "@127.0.0.1:1/x", "/../x", ".example/x", "/x\r\ny"};
    struct client c;
    struct got g;
    (void)state;
    setup(&c, &reply, 1);
    for (size_t i = 0; i < COUNT(rests); i++)
        assert_int_equal(submit(&c, (struct http_request){.url = rests[i]}, &g), STATUS_INVALID);
    teardown(&c);
}

/* --- repeating ----------------------------------------------------------------------------------
 */

static void a_get_is_sent_again_until_it_is_answered(void **state)
{
    static const struct fake_reply replies[] = {
        {.bytes = "HTTP/1.1 500 Oops\r\nConnection: close\r\nContent-Length: 0\r\n\r\n",
         .end = FAKE_CLOSES},
        {.bytes = "", .end = FAKE_RESETS},
        {.bytes = "nonsense\r\n\r\n", .end = FAKE_CLOSES},
        {.bytes = OK_REPLY},
    };
    struct client c;
    struct got g;
    (void)state;
    setup(&c, replies, COUNT(replies));
    ask(&c, (struct http_request){.start_within_ms = 60000}, &g);
    assert_int_equal(g.answer.outcome, HTTP_ANSWERED);
    assert_int_equal(g.answer.code, 200);
    assert_int_equal(g.answer.attempts, 4);
    assert_int_equal(fake_provider_calls(c.provider), 4);
    /* Half of the pauses without the part left to chance: on a busy machine the provider's thread
     * may see the first call late. */
    assert_true(fake_provider_call(c.provider, 3)->at_mono_us -
                    fake_provider_call(c.provider, 0)->at_mono_us >=
                (250 + 375 + 562) / 2 * 1000);
    teardown(&c);
}

static void a_get_gives_up_with_its_last_answer_when_no_attempt_can_begin_in_time(void **state)
{
    static const struct fake_reply reply = {
        .bytes = "HTTP/1.1 503 Busy\r\nContent-Length: 4\r\n\r\nbusy"};
    struct client c;
    struct got g;
    (void)state;
    setup(&c, &reply, 1);
    ask(&c, (struct http_request){.start_within_ms = 600}, &g);
    assert_int_equal(g.answer.outcome, HTTP_ANSWERED);
    assert_int_equal(g.answer.code, 503);
    assert_string_equal(g.body, "busy");
    assert_in_range(g.answer.attempts, 2, 3);
    assert_true(g.answer.retry_at_mono_ms > g.at_mono_ms);
    teardown(&c);
}

static void only_a_get_is_ever_sent_again(void **state)
{
    static const struct fake_reply replies[] = {
        {.bytes = "HTTP/1.1 500 Oops\r\nContent-Length: 0\r\n\r\n"},
        {.bytes = "HTTP/1.1 429 Slow\r\nRetry-After: 0\r\nContent-Length: 0\r\n\r\n"},
        {.bytes = "HTTP/1.1 417 Expectation Failed\r\nContent-Length: 0\r\n\r\n"},
        {.bytes = "HTTP/1.1 408 Timeout\r\nConnection: close\r\nContent-Length: 0\r\n\r\n",
         .end = FAKE_CLOSES},
        {.bytes = "", .end = FAKE_CLOSES},
        {.bytes = "", .end = FAKE_RESETS},
        {.bytes = "HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\n{", .end = FAKE_CLOSES},
    };
    (void)state;
    for (size_t i = 0; i < COUNT(replies); i++)
        for (enum http_method method = HTTP_POST; method <= HTTP_DELETE; method++) {
            struct client c;
            struct got g;
            setup(&c, &replies[i], 1);
            ask(&c, (struct http_request){.method = method, .start_within_ms = 60000}, &g);
            assert_int_equal(g.answer.attempts, 1);
            assert_int_equal(fake_provider_calls(c.provider), 1);
            teardown(&c);
        }
}

/* libcurl repeats a request by itself when a kept connection turns out to be closed. */
static void a_post_is_sent_once_even_if_its_connection_dies(void **state)
{
    static const struct fake_reply replies[] = {
        {.bytes = OK_REPLY},
        {.bytes = "", .end = FAKE_CLOSES}, /* the GET: read, then gone without an answer */
        {.bytes = OK_REPLY},
        {.bytes = "", .end = FAKE_CLOSES}, /* the POST: the same */
        {.bytes = OK_REPLY},
    };
    struct client c;
    struct got g;
    (void)state;
    setup(&c, replies, COUNT(replies));
    ask(&c, (struct http_request){0}, &g);
    ask(&c, (struct http_request){0}, &g); /* shows that libcurl does so */
    assert_int_equal(g.answer.code, 200);
    assert_int_equal(g.answer.attempts, 2);
    assert_int_equal(fake_provider_call(c.provider, 1)->connection, 0);
    assert_int_equal(fake_provider_call(c.provider, 2)->connection, 1);

    ask(&c, (struct http_request){.method = HTTP_POST}, &g);
    assert_int_equal(g.answer.outcome, HTTP_UNANSWERED);
    assert_int_equal(g.answer.attempts, 1);
    assert_int_equal(fake_provider_calls(c.provider), 4);
    assert_int_equal(fake_provider_call(c.provider, 3)->connection, 2);
    teardown(&c);
}

static void a_connection_is_used_again_by_gets(void **state)
{
    static const struct fake_reply reply = {.bytes = OK_REPLY};
    struct client c;
    struct got g;
    (void)state;
    setup(&c, &reply, 1);
    for (int i = 0; i < 10; i++)
        ask(&c, (struct http_request){0}, &g);
    assert_int_equal(fake_provider_connections(c.provider), 1);
    assert_int_equal(fake_provider_calls(c.provider), 10);
    teardown(&c);
}

/* --- limits -------------------------------------------------------------------------------------
 */

static void each_form_of_retry_after_is_waited_for(void **state)
{
    /* The Date is long past: instants are read by the server's clock. */
    static const struct fake_reply rows[] = {
        {.bytes = "HTTP/1.1 429 Slow\r\nRetry-After: 1\r\nContent-Length: 0\r\n\r\n"},
        {.bytes = "HTTP/1.1 429 Slow\r\nDate: Fri, 02 Jan 2026 03:04:05 GMT\r\n"
                  "retry-after: Fri, 02 Jan 2026 03:04:06 GMT\r\nContent-Length: 0\r\n\r\n"},
        {.bytes = "HTTP/1.1 429 Slow\r\nDate: Fri, 02 Jan 2026 03:04:05 GMT\r\n"
                  "Retry-After: 1767323046\r\nContent-Length: 13\r\n\r\n\"Retry later\""},
        {.bytes = "HTTP/1.1 503 Slow\r\nRetry-After: 1\r\nContent-Length: 0\r\n\r\n"},
    };
    (void)state;
    for (size_t i = 0; i < COUNT(rows); i++) {
        const struct fake_reply replies[] = {rows[i], {.bytes = OK_REPLY}};
        struct client c;
        struct got g;
        setup(&c, replies, 2);
        ask(&c, (struct http_request){.start_within_ms = 60000}, &g);
        assert_int_equal(g.answer.code, 200);
        assert_int_equal(g.answer.attempts, 2);
        assert_in_range(fake_provider_call(c.provider, 1)->at_mono_us -
                            fake_provider_call(c.provider, 0)->at_mono_us,
                        990000, 3000000);
        teardown(&c);
    }
}

static void an_hour_is_reported_at_once_and_holds_later_calls(void **state)
{
    static const struct fake_reply replies[] = {
        {.bytes = "HTTP/1.1 429 Slow\r\nRetry-After: 86400\r\nContent-Length: 0\r\n\r\n"},
        {.bytes = OK_REPLY},
    };
    for (int is_held_whole = 0; is_held_whole <= 1; is_held_whole++) {
        struct client c;
        struct got throttled, same, other;
        (void)state;
        prepare(&c, replies, COUNT(replies));
        c.bases[0].is_held_whole = is_held_whole;
        start(&c);
        ask(&c, (struct http_request){.start_within_ms = 10000}, &throttled);
        assert_int_equal(throttled.answer.code, 429);
        assert_in_range(throttled.answer.retry_at_mono_ms - throttled.at_mono_ms, 3590000, 3600000);
        ask(&c, (struct http_request){.method = HTTP_POST}, &same);
        assert_int_equal(same.answer.outcome, HTTP_NOT_SENT);
        assert_int_equal(same.answer.attempts, 0);
        assert_int_equal(same.answer.retry_at_mono_ms, throttled.answer.retry_at_mono_ms);
        assert_string_equal(same.error, "the limits let it not begin in time");
        ask(&c, (struct http_request){.key = "other"}, &other);
        assert_int_equal(other.answer.outcome, is_held_whole ? HTTP_NOT_SENT : HTTP_ANSWERED);
        teardown(&c);
    }
}

static void calls_are_bounded_for_each_key_and_in_all(void **state)
{
    static const struct fake_reply reply = {.bytes = OK_REPLY, .pause_ms = 30};
    static const struct {
        unsigned concurrency, keys, at_once;
    } rows[] = {
        {16, 1, 1}, /* one key: one after another */
        {3, 8, 3},  /* many keys: as many as there are places */
    };
    (void)state;
    for (size_t i = 0; i < COUNT(rows); i++) {
        struct client c;
        struct got gots[16];
        prepare(&c, &reply, 1);
        c.options.concurrency = rows[i].concurrency;
        start(&c);
        for (size_t j = 0; j < COUNT(gots); j++) {
            char key[8];
            snprintf(key, sizeof(key), "k%zu", j % rows[i].keys);
            assert_int_equal(
                submit(&c, (struct http_request){.key = key, .start_within_ms = 60000}, &gots[j]),
                STATUS_OK);
        }
        for (size_t j = 0; j < COUNT(gots); j++) {
            await(&c, &gots[j]);
            assert_int_equal(gots[j].answer.code, 200);
        }
        assert_int_equal(fake_provider_at_once(c.provider), rows[i].at_once);
        teardown(&c);
    }
}

static void writes_overtake_waiting_reads(void **state)
{
    static const struct fake_reply replies[] = {{.bytes = "", .end = FAKE_HANGS},
                                                {.bytes = OK_REPLY}};
    struct client c;
    struct got first, get, post;
    (void)state;
    prepare(&c, replies, COUNT(replies));
    c.options.concurrency = 1;
    start(&c);
    assert_int_equal(submit(&c, (struct http_request){.owner = 1}, &first), STATUS_OK);
    fake_provider_await_calls(c.provider, 1);
    assert_int_equal(submit(&c, (struct http_request){.key = "b", .start_within_ms = 60000}, &get),
                     STATUS_OK);
    assert_int_equal(
        submit(&c, (struct http_request){.method = HTTP_POST, .key = "c", .start_within_ms = 60000},
               &post),
        STATUS_OK);
    http_client_cancel(c.http, 1);
    await(&c, &get);
    await(&c, &post);
    assert_true(post.order < get.order);
    teardown(&c);
}

static void no_window_holds_more_requests_than_its_maximum(void **state)
{
    static const struct fake_reply reply = {.bytes = OK_REPLY};
    enum { MAX = 4, WINDOW_MS = 200, CALLS = 14 };
    struct client c;
    struct got gots[CALLS];
    (void)state;
    prepare(&c, &reply, 1);
    c.bases[0].requests_max = MAX;
    c.bases[0].window_ms = WINDOW_MS;
    start(&c);
    for (size_t i = 0; i < CALLS; i++) {
        char key[8];
        snprintf(key, sizeof(key), "k%zu", i);
        assert_int_equal(
            submit(&c, (struct http_request){.key = key, .start_within_ms = 60000}, &gots[i]),
            STATUS_OK);
    }
    for (size_t i = 0; i < CALLS; i++)
        await(&c, &gots[i]);
    for (size_t i = MAX; i < CALLS; i++)
        assert_true(fake_provider_call(c.provider, i)->at_mono_us -
                        fake_provider_call(c.provider, i - MAX)->at_mono_us >=
                    WINDOW_MS * 1000);
    teardown(&c);
}

static void more_calls_than_allowed_are_refused_until_one_is_done(void **state)
{
    static const struct fake_reply replies[] = {{.bytes = "", .end = FAKE_HANGS},
                                                {.bytes = OK_REPLY}};
    struct client c;
    struct got gots[3];
    (void)state;
    prepare(&c, replies, COUNT(replies));
    c.options.calls_max = 2;
    start(&c);
    struct http_request request = {.owner = 1, .start_within_ms = 60000};
    assert_int_equal(submit(&c, request, &gots[0]), STATUS_OK);
    assert_int_equal(submit(&c, request, &gots[1]), STATUS_OK);
    assert_int_equal(submit(&c, request, &gots[2]), STATUS_BUSY);
    http_client_cancel(c.http, 1);
    ask(&c, request, &gots[2]);
    teardown(&c);
}

/* --- ends ---------------------------------------------------------------------------------------
 */

static void cancelling_ends_what_the_owner_has_and_nothing_else(void **state)
{
    static const struct fake_reply reply = {.bytes = "", .end = FAKE_HANGS};
    struct client c;
    struct got mine[6], waiting, other;
    (void)state;
    setup(&c, &reply, 1);
    for (size_t i = 0; i < COUNT(mine); i++) {
        char key[8];
        snprintf(key, sizeof(key), "k%zu", i);
        struct http_request request = {
            .method = (enum http_method)(i % 4), .key = key, .owner = 1, .start_within_ms = 60000};
        assert_int_equal(submit(&c, request, &mine[i]), STATUS_OK);
    }
    assert_int_equal(submit(&c, (struct http_request){.key = "other", .owner = 2}, &other),
                     STATUS_OK);
    fake_provider_await_calls(c.provider, COUNT(mine) + 1);
    struct http_request behind = {.key = "k0", .owner = 1, .start_within_ms = 60000};
    assert_int_equal(submit(&c, behind, &waiting), STATUS_OK);

    int64_t begin = clock_mono_ms();
    http_client_cancel(c.http, 1);
    assert_in_range(clock_mono_ms() - begin, 0, 1000);
    for (size_t i = 0; i < COUNT(mine); i++) {
        assert_true(mine[i].is_done);
        assert_int_equal(mine[i].answer.outcome, HTTP_UNANSWERED);
        assert_string_equal(mine[i].error, "cancelled");
    }
    assert_true(waiting.is_done);
    assert_int_equal(waiting.answer.outcome, HTTP_NOT_SENT);
    fake_provider_await_closed(c.provider, COUNT(mine));
    assert_int_equal(fake_provider_calls(c.provider), COUNT(mine) + 1);
    http_client_cancel(c.http, 3); /* who has nothing */
    teardown(&c);
    assert_true(other.is_done); /* when the client was freed */
    assert_int_equal(other.answer.outcome, HTTP_UNANSWERED);
}

static void draining_ends_what_waits_and_lets_go_on_what_is_under_way(void **state)
{
    static const struct fake_reply replies[] = {
        {.bytes = "HTTP/1.1 503 Busy\r\nContent-Length: 0\r\n\r\n"},
        {.bytes = OK_REPLY, .pause_ms = 300},
    };
    struct client c;
    struct got repeated, under_way, behind, late;
    (void)state;
    prepare(&c, replies, COUNT(replies));
    start(&c);
    const struct http_request get = {.key = "a", .start_within_ms = 60000};
    const struct http_request post = {.method = HTTP_POST, .key = "b", .start_within_ms = 60000};
    assert_int_equal(submit(&c, get, &repeated), STATUS_OK);
    fake_provider_await_calls(c.provider, 1);
    assert_int_equal(submit(&c, post, &under_way), STATUS_OK);
    fake_provider_await_calls(c.provider, 2);
    assert_int_equal(submit(&c, post, &behind), STATUS_OK); /* one call of a key at a time */

    http_client_drain(c.http);
    await(&c, &repeated);
    assert_int_equal(repeated.answer.outcome, HTTP_UNANSWERED); /* an attempt was made */
    await(&c, &behind);
    assert_int_equal(behind.answer.outcome, HTTP_NOT_SENT);
    await(&c, &under_way);
    assert_int_equal(under_way.answer.code, 200);
    assert_true(behind.order < under_way.order);
    assert_int_equal(submit(&c, (struct http_request){.key = "c"}, &late), STATUS_OK);
    await(&c, &late); /* nothing stands in its way */
    assert_int_equal(late.answer.code, 200);
    assert_int_equal(fake_provider_calls(c.provider), 3);
    teardown(&c);
}

struct again {
    struct client *client;
    enum status status;
};

static void submit_again(void *ctx, const struct http_answer *answer)
{
    struct again *again = ctx;
    static struct got g;
    (void)answer;
    again->status = submit(again->client, (struct http_request){.owner = 1}, &g);
}

static void nothing_new_begins_while_an_owner_is_cancelled(void **state)
{
    static const struct fake_reply reply = {.bytes = "", .end = FAKE_HANGS};
    struct client c;
    struct again again = {.client = &c};
    (void)state;
    setup(&c, &reply, 1);
    const struct http_request request = {.url = c.base, .key = "a", .owner = 1};
    assert_int_equal(http_client_submit(c.http, &request, submit_again, &again, NULL), STATUS_OK);
    fake_provider_await_calls(c.provider, 1);
    http_client_cancel(c.http, 1);
    assert_int_equal(again.status, STATUS_BUSY);
    assert_int_equal(fake_provider_calls(c.provider), 1);
    teardown(&c);
}

struct owners {
    uint64_t allowed;
    unsigned asked;
};

static bool may_send(void *ctx, uint64_t owner)
{
    struct owners *owners = ctx;
    owners->asked++;
    return owner == owners->allowed;
}

static void who_may_not_send_any_more_sends_no_byte(void **state)
{
    static const struct fake_reply reply = {.bytes = OK_REPLY};
    struct owners owners = {.allowed = 2};
    struct client c;
    struct got g;
    (void)state;
    prepare(&c, &reply, 1);
    c.options.may_send = may_send;
    c.options.ctx = &owners;
    start(&c);
    for (enum http_method method = HTTP_GET; method <= HTTP_DELETE; method++) {
        ask(&c, (struct http_request){.method = method, .owner = 1}, &g);
        assert_int_equal(g.answer.outcome, HTTP_NOT_SENT);
        assert_int_equal(g.answer.attempts, 0);
        assert_int_equal(g.answer.retry_at_mono_ms, 0);
        assert_string_equal(g.error, "not sent: the account may have another owner by now");
    }
    assert_int_equal(fake_provider_calls(c.provider), 0);
    assert_int_equal(owners.asked, 4);
    ask(&c, (struct http_request){.method = HTTP_POST, .owner = 2}, &g);
    assert_int_equal(g.answer.code, 200);
    ask(&c, (struct http_request){.method = HTTP_GET, .owner = 2}, &g);
    assert_int_equal(g.answer.code, 200);
    assert_int_equal(owners.asked, 6);
    teardown(&c);
}

/* Whether fewer attempts than that were asked about. */
static bool may_send_so_often(void *ctx, uint64_t times)
{
    return (*(unsigned *)ctx)++ < times;
}

static void what_would_be_sent_again_is_not_where_it_may_not_be_any_more(void **state)
{
    static const struct fake_reply reply = {.bytes =
                                                "HTTP/1.1 503 Busy\r\nContent-Length: 0\r\n\r\n"};
    unsigned asked = 0;
    struct client c;
    struct got g;
    (void)state;
    prepare(&c, &reply, 1);
    c.options.may_send = may_send_so_often;
    c.options.ctx = &asked;
    start(&c);
    ask(&c, (struct http_request){.owner = 1, .start_within_ms = 60000}, &g);
    assert_int_equal(g.answer.outcome, HTTP_NOT_SENT);
    assert_int_equal(g.answer.attempts, 1);
    assert_string_equal(g.error, "not sent: the account may have another owner by now");
    assert_int_equal(fake_provider_calls(c.provider), 1);
    assert_int_equal(asked, 2);
    teardown(&c);
}

static void who_does_not_listen_gets_nothing(void **state)
{
    static const struct fake_reply reply = {.bytes = OK_REPLY};
    struct client c, gone;
    struct got g;
    (void)state;
    prepare(&gone, &reply, 1);
    prepare(&c, &reply, 1);
    c.bases[0].url = gone.base;
    memcpy(c.base, gone.base, sizeof(c.base));
    teardown(&gone);
    start(&c);
    ask(&c, (struct http_request){.method = HTTP_POST}, &g);
    assert_int_equal(g.answer.outcome, HTTP_NOT_SENT);
    assert_int_equal(g.answer.attempts, 0);
    assert_non_null(strstr(g.error, "Failed to connect to 127.0.0.1"));
    teardown(&c);
}

/* A listener whose queue is full leaves connection requests without an answer. */
static void a_connection_that_is_not_made_in_time_is_given_up(void **state)
{
    static const struct fake_reply reply = {.bytes = OK_REPLY};
    const struct address any = {.host = "127.0.0.1", .port = 0};
    struct client c;
    struct got g;
    struct sockaddr_storage address;
    socklen_t address_len = sizeof(address);
    struct diag diag = {{0}};
    int listener, fillers[4];
    uint16_t port;
    (void)state;
    assert_int_equal(address_listen(&any, false, &listener, &port, &diag), STATUS_OK);
    assert_int_equal(listen(listener, 0), 0);
    assert_int_equal(getsockname(listener, (struct sockaddr *)&address, &address_len), 0);
    for (size_t i = 0; i < COUNT(fillers); i++) {
        fillers[i] = socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK, 0);
        (void)connect(fillers[i], (struct sockaddr *)&address, address_len);
    }
    prepare(&c, &reply, 1);
    snprintf(c.base, sizeof(c.base), "http://127.0.0.1:%u", port);
    c.options.connect_timeout_ms = 200;
    start(&c);
    int64_t begin = clock_mono_ms();
    ask(&c, (struct http_request){.method = HTTP_POST}, &g);
    assert_int_equal(g.answer.outcome, HTTP_NOT_SENT);
    assert_in_range(g.at_mono_ms - begin, 190, 2000);
    teardown(&c);
    for (size_t i = 0; i < COUNT(fillers); i++)
        close(fillers[i]);
    close(listener);
}

static void an_answer_tells_how_far_its_attempt_came_and_when(void **state)
{
    static const struct fake_reply replies[] = {{.bytes = OK_REPLY, .pause_ms = 50},
                                                {.bytes = "", .end = FAKE_HANGS}};
    struct client c, gone;
    struct got g;
    const struct http_times *times = &g.answer.times;
    (void)state;
    prepare(&c, replies, COUNT(replies));
    c.options.timeout_ms = 2000;
    start(&c);
    ask(&c, (struct http_request){.method = HTTP_POST}, &g);
    assert_int_equal(g.answer.code, 200);
    assert_in_range(times->resolved_us, 1, times->connected_us);
    assert_int_equal(times->secured_us, times->connected_us); /* there is nothing to secure */
    assert_in_range(times->answered_us, times->secured_us + 50000, 2000000);
    ask(&c, (struct http_request){.method = HTTP_POST}, &g);
    assert_int_equal(g.answer.outcome, HTTP_UNANSWERED);
    assert_in_range(times->connected_us, 1, 2000000);
    assert_int_equal(times->answered_us, 0);
    teardown(&c);

    prepare(&gone, replies, COUNT(replies));
    prepare(&c, replies, COUNT(replies));
    memcpy(c.base, gone.base, sizeof(c.base));
    teardown(&gone);
    start(&c);
    ask(&c, (struct http_request){.method = HTTP_POST}, &g);
    assert_in_range(times->resolved_us, 1, 5000000);
    assert_int_equal(times->connected_us, 0);
    assert_int_equal(times->secured_us, 0);
    assert_int_equal(times->answered_us, 0);
    teardown(&c);
}

/* --- names --------------------------------------------------------------------------------------
 */

static pthread_mutex_t resolver_lock = PTHREAD_MUTEX_INITIALIZER;
static pthread_cond_t resolver_changed = PTHREAD_COND_INITIALIZER;
static bool resolver_is_asked, resolver_may_answer;

/* Stands before libc's: a name server that is down keeps one caller waiting. */
int getaddrinfo(const char *name, const char *service, const struct addrinfo *hints,
                struct addrinfo **ret)
{
    typedef int resolve_fn(const char *, const char *, const struct addrinfo *, struct addrinfo **);
    if (strcmp(name, "slow.invalid") != 0)
        return ((resolve_fn *)dlsym(RTLD_NEXT, "getaddrinfo"))(name, service, hints, ret);
    pthread_mutex_lock(&resolver_lock);
    resolver_is_asked = true;
    pthread_cond_broadcast(&resolver_changed);
    while (!resolver_may_answer)
        pthread_cond_wait(&resolver_changed, &resolver_lock);
    pthread_mutex_unlock(&resolver_lock);
    return EAI_FAIL;
}

static void cancelling_does_not_wait_for_a_name_server(void **state)
{
    static const struct fake_reply reply = {.bytes = OK_REPLY};
    struct client c;
    struct got g;
    (void)state;
    prepare(&c, &reply, 1);
    snprintf(c.base, sizeof(c.base), "http://slow.invalid");
    start(&c);
    assert_int_equal(submit(&c, (struct http_request){.owner = 1}, &g), STATUS_OK);
    pthread_mutex_lock(&resolver_lock);
    while (!resolver_is_asked)
        pthread_cond_wait(&resolver_changed, &resolver_lock);
    pthread_mutex_unlock(&resolver_lock);
    int64_t begin = clock_mono_ms();
    http_client_cancel(c.http, 1);
    teardown(&c);
    assert_in_range(clock_mono_ms() - begin, 0, 1000);
    assert_int_equal(g.answer.outcome, HTTP_NOT_SENT);
    assert_int_equal(g.answer.times.resolved_us, 0);
    pthread_mutex_lock(&resolver_lock);
    resolver_may_answer = true;
    pthread_cond_broadcast(&resolver_changed);
    pthread_mutex_unlock(&resolver_lock);
}

/* --- options ------------------------------------------------------------------------------------
 */

static void a_client_that_cannot_work_is_refused_with_the_reason(void **state)
{
    static const struct {
        const char *base, *ca_file, *text;
    } rows[] = {
        {"https://host/", "",
         "base_url: https://host/ is not an http or https URL without user, query, fragment and "
         "trailing slash"},
        {"https://host", "/nonexistent/ca.pem",
         "ca_file: /nonexistent/ca.pem cannot be read: No such file or directory"},
    };
    (void)state;
    for (size_t i = 0; i < COUNT(rows); i++) {
        const struct http_base base = {.url = rows[i].base};
        const struct http_client_options options = {.bases = &base,
                                                    .bases_len = 1,
                                                    .concurrency = 1,
                                                    .calls_max = 1,
                                                    .connect_timeout_ms = 1,
                                                    .timeout_ms = 1,
                                                    .ca_file = rows[i].ca_file,
                                                    .user_agent = "x"};
        struct http_client *http = NULL;
        struct diag diag = {{0}};
        assert_int_equal(http_client_new(&options, &http, &diag), STATUS_INVALID);
        assert_null(http);
        assert_string_equal(diag.text, rows[i].text);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(each_method_sends_what_it_was_given_and_nothing_else),
        cmocka_unit_test(a_whole_answer_is_handed_over_whatever_it_says),
        cmocka_unit_test(what_is_not_a_whole_answer_is_none_and_names_no_secret),
        cmocka_unit_test(nothing_is_written_to_stderr),
        cmocka_unit_test(many_headers_are_no_answer),
        cmocka_unit_test(an_answer_as_long_as_allowed_is_whole),
        cmocka_unit_test(a_redirect_is_an_answer_and_is_not_followed),
        cmocka_unit_test(the_environment_s_proxy_is_not_used),
        cmocka_unit_test(a_url_outside_the_bases_is_refused),
        cmocka_unit_test(a_get_is_sent_again_until_it_is_answered),
        cmocka_unit_test(a_get_gives_up_with_its_last_answer_when_no_attempt_can_begin_in_time),
        cmocka_unit_test(only_a_get_is_ever_sent_again),
        cmocka_unit_test(a_post_is_sent_once_even_if_its_connection_dies),
        cmocka_unit_test(a_connection_is_used_again_by_gets),
        cmocka_unit_test(each_form_of_retry_after_is_waited_for),
        cmocka_unit_test(an_hour_is_reported_at_once_and_holds_later_calls),
        cmocka_unit_test(calls_are_bounded_for_each_key_and_in_all),
        cmocka_unit_test(writes_overtake_waiting_reads),
        cmocka_unit_test(no_window_holds_more_requests_than_its_maximum),
        cmocka_unit_test(more_calls_than_allowed_are_refused_until_one_is_done),
        cmocka_unit_test(cancelling_ends_what_the_owner_has_and_nothing_else),
        cmocka_unit_test(draining_ends_what_waits_and_lets_go_on_what_is_under_way),
        cmocka_unit_test(nothing_new_begins_while_an_owner_is_cancelled),
        cmocka_unit_test(who_may_not_send_any_more_sends_no_byte),
        cmocka_unit_test(what_would_be_sent_again_is_not_where_it_may_not_be_any_more),
        cmocka_unit_test(who_does_not_listen_gets_nothing),
        cmocka_unit_test(a_connection_that_is_not_made_in_time_is_given_up),
        cmocka_unit_test(an_answer_tells_how_far_its_attempt_came_and_when),
        cmocka_unit_test(cancelling_does_not_wait_for_a_name_server),
        cmocka_unit_test(a_client_that_cannot_work_is_refused_with_the_reason),
    };
    return http_client_prepare() != STATUS_OK || cmocka_run_group_tests(tests, NULL, NULL);
}
