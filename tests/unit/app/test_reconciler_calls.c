#include "bridge/app/reconciler_calls.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>

#include <cmocka.h>

#include "bridge/base/clock.h"
#include "bridge/base/crypto.h"

#define URL "https://hooks.example.com/in/maesn/acme-42/invoice/all/1795293215356-token"

/* An HTTP client that takes what is submitted and answers when it is told to. */
struct fake_http {
    struct http_request last; /* without what is borrowed */
    char url[512];
    char body[512];
    char headers[512]; /* "name: value\n" each */
    http_done_fn *on_done;
    void *done_ctx;
    int submissions;
    uint64_t cancelled; /* the last owner */
    enum status refuses;
};

struct heard {
    int times;
    struct provider_outcome outcome;
    bool is_unsent;
    bool has_retry_at;
    size_t entries;
    bool trusted;
    char id[64];
    char secret[128];
};

struct bench {
    struct task_loop *loop;
    struct fake_http http;
    struct reconciler_calls *calls;
    struct heard heard;
    /* What the loop's thread is to do. */
    struct provider_call call;
    enum status status;
};

static enum status submit(void *ctx, const struct http_request *request, http_done_fn *on_done,
                          void *done_ctx, struct diag *diag)
{
    struct fake_http *http = ctx;
    (void)diag;
    http->submissions++;
    if (http->refuses != STATUS_OK)
        return http->refuses;
    http->last = *request;
    snprintf(http->url, sizeof(http->url), "%s", request->url);
    snprintf(http->body, sizeof(http->body), "%.*s", (int)request->body.len,
             request->body.len == 0 ? "" : (const char *)request->body.data);
    size_t at = 0;
    for (size_t i = 0; i < request->headers_len; i++)
        at += (size_t)snprintf(http->headers + at, sizeof(http->headers) - at, "%s: %.*s\n",
                               request->headers[i].name, (int)request->headers[i].value.len,
                               (const char *)request->headers[i].value.data);
    http->on_done = on_done;
    http->done_ctx = done_ctx;
    return STATUS_OK;
}

static void note_cancelled(void *ctx, uint64_t owner)
{
    struct fake_http *http = ctx;
    http->cancelled = owner;
}

static void on_done(void *ctx, const struct call_result *result)
{
    struct heard *h = ctx;
    h->times++;
    h->outcome = result->outcome;
    h->is_unsent = result->is_unsent;
    h->has_retry_at = result->retry_at_unix_ms > clock_unix_ms();
    if (result->listing != NULL) {
        h->entries = result->listing->len;
        h->trusted = result->listing->trusted;
    }
    if (result->created != NULL && result->created->secret != NULL) {
        struct bytes secret = secret_bytes(result->created->secret);
        snprintf(h->secret, sizeof(h->secret), "%.*s", (int)secret.len, (const char *)secret.data);
        snprintf(h->id, sizeof(h->id), "%s", result->created->entry.id);
    }
}

static int setup(void **state)
{
    static struct bench b;
    b = (struct bench){.loop = NULL};
    struct secret *api_key = NULL;
    assert_int_equal(task_loop_new(&b.loop), STATUS_OK);
    const struct reconciler_calls_options opt = {
        .loop = b.loop,
        .http = {.ctx = &b.http, .submit = submit, .cancel = note_cancelled},
        .bases = {{"maesn", "https://api.example.com", 5000},
                  {"moneybird", "https://moneybird.example.com/api/v2", 9000}},
        .bases_len = 2,
    };
    assert_int_equal(reconciler_calls_new(&opt, &b.calls), STATUS_OK);
    assert_int_equal(secret_new(BYTES_LITERAL("the-api-key"), &api_key, NULL), STATUS_OK);
    reconciler_calls_set_api_key(b.calls, "maesn", api_key);
    secret_unref(api_key);
    *state = &b;
    return 0;
}

static int teardown(void **state)
{
    struct bench *b = *state;
    task_loop_stop(b->loop);
    reconciler_calls_free(b->calls);
    task_loop_free(b->loop);
    return 0;
}

static void start_in_loop(void *ctx)
{
    struct bench *b = ctx;
    const struct provider_calls *port = reconciler_calls_port(b->calls);
    struct diag diag = {0};
    b->status = port->start(port->ctx, &b->call, on_done, &b->heard, &diag);
}

static void cancel_in_loop(void *ctx)
{
    struct bench *b = ctx;
    const struct provider_calls *port = reconciler_calls_port(b->calls);
    port->cancel(port->ctx, &b->heard);
}

static void do_nothing(void *ctx)
{
    (void)ctx;
}

static void start(struct bench *b, struct provider_call call)
{
    call.account = "acme-42";
    call.provider = call.provider == NULL ? "maesn" : call.provider;
    call.account_key = "the-account-key";
    b->call = call;
    task_loop_call(b->loop, start_in_loop, b);
}

/* The answer comes, from another thread than the loop's, and is taken. */
static void answer(struct bench *b, struct http_answer a)
{
    a.error = "";
    b->http.on_done(b->http.done_ctx, &a);
    task_loop_call(b->loop, do_nothing, NULL);
}

static void answer_body(struct bench *b, unsigned code, const char *body)
{
    answer(b, (struct http_answer){
                  .outcome = HTTP_ANSWERED, .code = code, .body = bytes_of_text(body)});
}

/* --- requests --- */

static void a_list_carries_both_keys_and_the_query_of_its_company(void **state)
{
    struct bench *b = *state;
    start(b, (struct provider_call){.kind = CALL_LIST, .company_id = "123"});
    assert_int_equal(b->status, STATUS_OK);
    assert_int_equal(b->http.last.method, HTTP_GET);
    assert_string_equal(b->http.url, "https://api.example.com/webhooks?companyId=123");
    assert_string_equal(b->http.headers, "X-API-KEY: the-api-key\n"
                                         "X-ACCOUNT-KEY: the-account-key\n"
                                         "Accept: application/json\n");
    assert_int_equal(b->http.last.start_within_ms, 5000);
    answer_body(b, 200, "{\"data\":[]}");
    assert_int_equal(b->heard.times, 1);
    assert_true(b->heard.trusted);
}

static void another_api_key_counts_from_the_next_call_on(void **state)
{
    struct bench *b = *state;
    struct secret *key = NULL;
    assert_int_equal(secret_new(BYTES_LITERAL("another"), &key, NULL), STATUS_OK);
    reconciler_calls_set_api_key(b->calls, "maesn", key);
    secret_unref(key);
    start(b, (struct provider_call){.kind = CALL_LIST});
    assert_non_null(strstr(b->http.headers, "X-API-KEY: another\n"));
    answer_body(b, 200, "{\"data\":[]}");
}

static void a_provider_that_cannot_be_called_is_no_request(void **state)
{
    struct bench *b = *state;
    start(b, (struct provider_call){.kind = CALL_LIST, .provider = "nobody"});
    assert_int_equal(b->status, STATUS_INVALID);
    assert_int_equal(b->http.submissions, 0);
}

static void a_client_without_room_is_told_at_once(void **state)
{
    struct bench *b = *state;
    b->http.refuses = STATUS_BUSY;
    start(b, (struct provider_call){.kind = CALL_LIST});
    assert_int_equal(b->status, STATUS_BUSY);
    assert_int_equal(b->heard.times, 0);
}

/* --- lists --- */

#define ENTRY(id)                                                                                  \
    "{\"id\":\"" id "\",\"callbackUrl\":\"https://x.example/" id "\","                             \
    "\"createdDate\":\"2026-01-01T00:00:00Z\",\"expiresDate\":\"2027-01-01T00:00:00Z\"}"
#define PAGE(n, entry)                                                                             \
    "{\"data\":[" entry "],\"meta\":{\"pagination\":{\"total\":2,\"perPage\":1,\"currentPage\":" n \
    ",\"totalPages\":2}}}"

static void every_page_is_asked_for_before_the_list_is_told(void **state)
{
    struct bench *b = *state;
    start(b, (struct provider_call){.kind = CALL_LIST});
    answer_body(b, 200, PAGE("1", ENTRY("a")));
    assert_int_equal(b->heard.times, 0);
    assert_string_equal(b->http.url, "https://api.example.com/webhooks?page=2");
    answer_body(b, 200, PAGE("2", ENTRY("b")));
    assert_int_equal(b->heard.times, 1);
    assert_int_equal(b->heard.outcome.verdict, VERDICT_OK);
    assert_true(b->heard.trusted);
    assert_int_equal(b->heard.entries, 2);
}

static void a_page_that_cannot_be_asked_for_makes_the_list_no_list(void **state)
{
    struct bench *b = *state;
    start(b, (struct provider_call){.kind = CALL_LIST});
    b->http.refuses = STATUS_BUSY;
    answer_body(b, 200, PAGE("1", ENTRY("a")));
    assert_int_equal(b->heard.times, 1);
    assert_int_equal(b->heard.outcome.verdict, VERDICT_RETRY_LATER);
    assert_false(b->heard.trusted);
}

static void a_list_that_cannot_be_trusted_says_so(void **state)
{
    static const char *const bodies[] = {
        "",                                  /* nothing */
        "<html>",                            /* a proxy's page */
        "{\"data\":[" ENTRY("a"),            /* cut off */
        "{\"data\":null,\"errors\":[\"x\"]}" /* an error in a 200 */
    };
    struct bench *b = *state;
    for (size_t i = 0; i < sizeof(bodies) / sizeof(bodies[0]); i++) {
        b->heard = (struct heard){.times = 0};
        start(b, (struct provider_call){.kind = CALL_LIST});
        answer_body(b, 200, bodies[i]);
        assert_int_equal(b->heard.times, 1);
        assert_int_equal(b->heard.outcome.verdict, VERDICT_UNTRUSTED);
        assert_false(b->heard.trusted);
    }
}

/* --- what changes something --- */

static struct provider_call create_call(struct wanted *wanted)
{
    assert_true(
        specification_set(&wanted->specification, "maesn", "acme-42", "INVOICE", "CREATED"));
    return (struct provider_call){.kind = CALL_CREATE, .wanted = wanted, .callback_url = URL};
}

static void a_creates_secret_is_told(void **state)
{
    struct bench *b = *state;
    struct wanted wanted = {.enabled_events = NULL};
    start(b, create_call(&wanted));
    assert_int_equal(b->http.last.method, HTTP_POST);
    assert_string_equal(b->http.body, "{\"callbackUrl\":\"" URL "\",\"eventType\":\"CREATED\","
                                      "\"resource\":\"INVOICE\"}");
    answer_body(b, 201,
                "{\"data\":{\"id\":\"7\",\"callbackUrl\":\"" URL
                "\",\"createdDate\":\"2026-01-01T00:00:00Z\",\"expiresDate\":"
                "\"2027-01-01T00:00:00Z\",\"secret\":\"s3cr3t\"}}");
    assert_int_equal(b->heard.outcome.verdict, VERDICT_OK);
    assert_string_equal(b->heard.id, "7");
    assert_string_equal(b->heard.secret, "s3cr3t");
}

static void what_is_known_of_a_create_follows_from_how_far_it_came(void **state)
{
    static const struct {
        struct http_answer answer;
        enum provider_verdict verdict;
        bool is_unsent;
    } rows[] = {
        /* no answer: it may have been made */
        {{.outcome = HTTP_UNANSWERED}, VERDICT_AMBIGUOUS, false},
        /* our own permission was missing */
        {{.outcome = HTTP_NOT_SENT}, VERDICT_RETRY_LATER, true},
        {{.outcome = HTTP_ANSWERED, .code = 500}, VERDICT_AMBIGUOUS, false},
        {{.outcome = HTTP_ANSWERED, .code = 400}, VERDICT_REFUSED, false},
        {{.outcome = HTTP_ANSWERED, .code = 401}, VERDICT_UNAUTHORIZED, false},
        {{.outcome = HTTP_ANSWERED, .code = 403}, VERDICT_FORBIDDEN, false},
        /* refused unread */
        {{.outcome = HTTP_ANSWERED, .code = 429}, VERDICT_RETRY_LATER, true},
    };
    struct bench *b = *state;
    struct wanted wanted = {.enabled_events = NULL};
    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        b->heard = (struct heard){.times = 0};
        start(b, create_call(&wanted));
        answer(b, rows[i].answer);
        assert_int_equal(b->heard.times, 1);
        assert_int_equal(b->heard.outcome.verdict, rows[i].verdict);
        assert_int_equal(b->heard.is_unsent, rows[i].is_unsent);
    }
}

static void a_retry_after_is_told_as_an_instant(void **state)
{
    struct bench *b = *state;
    start(b, (struct provider_call){.kind = CALL_DELETE, .id = "7"});
    assert_int_equal(b->http.last.method, HTTP_DELETE);
    assert_string_equal(b->http.url, "https://api.example.com/webhooks/7");
    answer(b, (struct http_answer){.outcome = HTTP_ANSWERED,
                                   .code = 429,
                                   .retry_at_mono_ms = clock_mono_ms() + 60000});
    assert_int_equal(b->heard.outcome.verdict, VERDICT_RETRY_LATER);
    assert_true(b->heard.has_retry_at);
}

static void a_cancelled_call_is_ended_and_told_to_nobody(void **state)
{
    struct bench *b = *state;
    struct wanted wanted = {.enabled_events = NULL};
    start(b, create_call(&wanted));
    task_loop_call(b->loop, cancel_in_loop, b);
    assert_int_equal(b->http.cancelled, b->http.last.owner);
    answer(b, (struct http_answer){.outcome = HTTP_UNANSWERED});
    assert_int_equal(b->heard.times, 0);
}

static void a_cancelled_list_asks_for_no_further_page(void **state)
{
    struct bench *b = *state;
    start(b, (struct provider_call){.kind = CALL_LIST});
    task_loop_call(b->loop, cancel_in_loop, b);
    answer_body(b, 200, PAGE("1", ENTRY("a")));
    assert_int_equal(b->http.submissions, 1);
    assert_int_equal(b->heard.times, 0);
}

#define TEST(f) cmocka_unit_test_setup_teardown(f, setup, teardown)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(a_list_carries_both_keys_and_the_query_of_its_company),
        TEST(another_api_key_counts_from_the_next_call_on),
        TEST(a_provider_that_cannot_be_called_is_no_request),
        TEST(a_client_without_room_is_told_at_once),
        TEST(every_page_is_asked_for_before_the_list_is_told),
        TEST(a_page_that_cannot_be_asked_for_makes_the_list_no_list),
        TEST(a_list_that_cannot_be_trusted_says_so),
        TEST(a_creates_secret_is_told),
        TEST(what_is_known_of_a_create_follows_from_how_far_it_came),
        TEST(a_retry_after_is_told_as_an_instant),
        TEST(a_cancelled_call_is_ended_and_told_to_nobody),
        TEST(a_cancelled_list_asks_for_no_further_page),
    };
    if (crypto_start() != STATUS_OK)
        return 1;
    return cmocka_run_group_tests(tests, NULL, NULL);
}
