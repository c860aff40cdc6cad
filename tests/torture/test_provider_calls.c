/* Calls to a provider over HTTP, from a request's making to its answer's reading: whatever fails,
 * each call is told of once, what was said to be unsent never left, nothing that changes something
 * is sent twice, and what is told to have worked is what the provider answered. */
#include <poll.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdatomic.h>
#include <stddef.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#include "bridge/app/reconciler_calls.h"
#include "bridge/base/clock.h"
#include "bridge/base/crypto.h"
#include "tests/integration/fake_provider.h"
#include "tests/torture/torture.h"

#define URL "https://hooks.example.com/in/maesn/acme-42/invoice/all/1795293215356-token"
#define DATES "\"createdDate\":\"2026-01-01T00:00:00Z\",\"expiresDate\":\"2027-01-01T00:00:00Z\""
#define PAGE(n, id)                                                                                \
    "{\"data\":[{\"id\":\"" id "\",\"callbackUrl\":\"https://x.example/" id "\"," DATES            \
    "}],\"meta\":{\"pagination\":{\"total\":2,\"perPage\":1,\"currentPage\":" n                    \
    ",\"totalPages\":2}}}"
#define CREATED                                                                                    \
    "{\"data\":{\"id\":\"7\",\"callbackUrl\":\"" URL "\"," DATES ",\"secret\":\"s3cr3t\"}}"

static const int64_t patience_ms = 30000;

/* What was told of a call. */
struct heard {
    atomic_int times;
    enum provider_verdict verdict;
    bool is_unsent;
    bool is_whole_list, is_trusted;
    bool is_right_secret;
};

struct stage {
    struct fake_provider *provider;
    char base_url[64];
    struct task_loop *loop;
    struct http_client *client;
    struct reconciler_calls *calls;
    struct wanted wanted;
    struct provider_call call;
    enum status status; /* of its start */
    struct heard heard;
};

/* --- the provider ----------------------------------------------------------------------------- */

static const struct fake_reply *choose(const struct fake_call *call)
{
    static _Thread_local char text[1024];
    static _Thread_local struct fake_reply reply;
    const char *body = strncmp(call->text, "POST ", 5) == 0     ? CREATED
                       : strncmp(call->text, "DELETE ", 7) == 0 ? "{\"data\":{}}"
                       : strstr(call->text, "page=2") != NULL   ? PAGE("2", "b")
                                                                : PAGE("1", "a");
    int len = snprintf(text, sizeof(text),
                       "HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nConnection: close\r\n"
                       "Content-Length: %zu\r\n\r\n%s",
                       strlen(body), body);
    assert_in_range(len, 1, sizeof(text) - 1);
    reply = (struct fake_reply){.bytes = text, .end = FAKE_CLOSES};
    return &reply;
}

/* --- a call ----------------------------------------------------------------------------------- */

static bool is_right_secret(const struct created *created)
{
    return created != NULL && created->secret != NULL && strcmp(created->entry.id, "7") == 0 &&
           bytes_equal(secret_bytes(created->secret), BYTES_LITERAL("s3cr3t"));
}

static void on_done(void *ctx, const struct call_result *result)
{
    struct heard *h = ctx;
    h->verdict = result->outcome.verdict;
    h->is_unsent = result->is_unsent;
    h->is_trusted = result->listing != NULL && result->listing->trusted;
    h->is_whole_list = h->is_trusted && result->listing->len == 2;
    h->is_right_secret = is_right_secret(result->created);
    atomic_fetch_add(&h->times, 1);
}

static void start_in_loop(void *ctx)
{
    struct stage *s = ctx;
    const struct provider_calls *port = reconciler_calls_port(s->calls);
    struct diag diag = {0};
    s->status = port->start(port->ctx, &s->call, on_done, &s->heard, &diag);
}

static void await_heard(struct stage *s)
{
    int64_t until_mono_ms = clock_mono_ms() + patience_ms;
    while (atomic_load(&s->heard.times) == 0) {
        assert_true(clock_mono_ms() < until_mono_ms);
        poll(NULL, 0, 1);
    }
}

static void check_changes(const struct stage *s, size_t made)
{
    const struct heard *h = &s->heard;
    assert_true(made <= 1);
    if (h->is_unsent)
        assert_int_equal(made, 0);
    if (h->verdict == VERDICT_OK) {
        assert_int_equal(made, 1);
        assert_true(s->call.kind == CALL_DELETE || h->is_right_secret);
    }
}

/* Returns whether it worked. */
static bool call(struct stage *s)
{
    size_t before = fake_provider_calls(s->provider);
    s->heard = (struct heard){.verdict = VERDICT_UNTRUSTED};
    task_loop_call(s->loop, start_in_loop, s);
    if (s->status == STATUS_OK)
        await_heard(s);
    size_t made = fake_provider_calls(s->provider) - before;
    if (s->status != STATUS_OK) {
        assert_int_equal(atomic_load(&s->heard.times), 0);
        assert_int_equal(made, 0);
        return false;
    }
    if (s->call.kind != CALL_LIST)
        check_changes(s, made);
    else if (s->heard.verdict == VERDICT_OK)
        assert_true(s->heard.is_whole_list);
    else
        assert_false(s->heard.is_trusted);
    return s->heard.verdict == VERDICT_OK;
}

/* --- the whole -------------------------------------------------------------------------------- */

static enum status submit(void *ctx, const struct http_request *request, http_done_fn *told,
                          void *done_ctx, struct diag *diag)
{
    return http_client_submit(ctx, request, told, done_ctx, diag);
}

static void cancel(void *ctx, uint64_t owner)
{
    http_client_cancel(ctx, owner);
}

static enum status open_client(struct stage *s)
{
    struct diag diag = {0};
    const struct http_base base = {.url = s->base_url};
    const struct http_client_options options = {
        .bases = &base,
        .bases_len = 1,
        .concurrency = 4,
        .calls_max = 10,
        .connect_timeout_ms = 5000,
        .timeout_ms = 10000,
        .response_max_bytes = 1 << 20,
        .user_agent = "torture",
    };
    return http_client_new(&options, &s->client, &diag);
}

static enum status open_calls(struct stage *s)
{
    const struct reconciler_calls_options options = {
        .loop = s->loop,
        .http = {.ctx = s->client, .submit = submit, .cancel = cancel},
        .bases = {{"maesn", s->base_url, patience_ms}},
        .bases_len = 1,
    };
    struct secret *api_key = NULL;
    enum status status = secret_new(BYTES_LITERAL("the-api-key"), &api_key, NULL);
    if (status == STATUS_OK)
        status = reconciler_calls_new(&options, &s->calls);
    if (status == STATUS_OK)
        reconciler_calls_set_api_key(s->calls, "maesn", api_key);
    secret_unref(api_key);
    return status;
}

static enum status open_all(struct stage *s)
{
    enum status status = task_loop_new(&s->loop);
    if (status == STATUS_OK)
        status = open_client(s);
    return status == STATUS_OK ? open_calls(s) : status;
}

static void close_all(struct stage *s)
{
    http_client_free(s->client);
    if (s->loop != NULL)
        task_loop_stop(s->loop);
    reconciler_calls_free(s->calls);
    task_loop_free(s->loop);
}

static void stage_init(struct stage *s, enum call_kind kind)
{
    *s = (struct stage){.call = {
                            .kind = kind,
                            .account = "acme-42",
                            .provider = "maesn",
                            .account_key = "the-account-key",
                            .wanted = &s->wanted,
                            .callback_url = URL,
                            .id = "7",
                        }};
    assert_true(
        specification_set(&s->wanted.specification, "maesn", "acme-42", "INVOICE", "CREATED"));
    s->provider = fake_provider_new_choosing(choose);
    snprintf(s->base_url, sizeof(s->base_url), "http://127.0.0.1:%u",
             fake_provider_port(s->provider));
}

/* Until something has failed and one worked after it, or nothing is left to fail. */
static void call_until_it_works(struct stage *s)
{
    bool had_failed, works;
    do {
        had_failed = torture_has_failed();
        works = call(s);
        assert_true(works || torture_has_failed());
    } while (!had_failed && torture_has_failed());
    assert_true(works);
}

static void live(void *ctx)
{
    static struct stage s; /* also for the threads of a test that has failed */
    stage_init(&s, *(const enum call_kind *)ctx);
    torture_begin();
    enum status status = open_all(&s);
    assert_true(status == STATUS_OK || torture_has_failed());
    if (status == STATUS_OK)
        call_until_it_works(&s);
    close_all(&s);
    torture_pause();
    fake_provider_free(s.provider);
}

#define LIVE(test_name, kind)                                                                      \
    static void test_name(void **state)                                                            \
    {                                                                                              \
        (void)state;                                                                               \
        torture(live, &(enum call_kind){kind}, 80);                                                \
    }

LIVE(a_list_of_two_pages, CALL_LIST)
LIVE(a_create, CALL_CREATE)
LIVE(a_delete, CALL_DELETE)

static int prepare(void **state)
{
    (void)state;
    torture_log();
    return crypto_start() == STATUS_OK && http_client_prepare() == STATUS_OK ? 0 : -1;
}

int main(void)
{
#define T(name) cmocka_unit_test_teardown(name, torture_teardown)
    const struct CMUnitTest tests[] = {
        T(a_list_of_two_pages),
        T(a_create),
        T(a_delete),
    };
    return cmocka_run_group_tests(tests, prepare, NULL);
}
