#include "provider_bench.h"

#include <pthread.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#include "bridge/base/clock.h"
#include "bridge/base/secret.h"

#define COUNT(array) (sizeof(array) / sizeof((array)[0]))

static const struct {
    const char *system, *key;
} maesn_accounts[] = {
    {"businesscentral", "key-of-businesscentral"},
    {"exact-nl", "key-of-exact-nl"},
    {"freshbooks", "key-of-freshbooks"},
    {"lexware-office", "key-of-lexware-office"},
    {"moneybird", "key-of-moneybird"},
    {"qonto", "key-of-qonto"},
    {"quickbooks", "key-of-quickbooks"},
    {"weclapp", "key-of-weclapp"},
    {"xero", "key-of-xero"},
};

static int64_t now_unix_ms(void *owner)
{
    const struct provider_bench *b = owner;
    return clock_unix_ms() + b->later_ms;
}

static struct secret *secret_of(const char *text)
{
    struct secret *secret = NULL;
    assert_int_equal(secret_new(bytes_of_text(text), &secret, NULL), STATUS_OK);
    return secret;
}

static void start_world(struct provider_bench *b)
{
    struct world_account accounts[COUNT(maesn_accounts) + 1];
    for (size_t i = 0; i < COUNT(maesn_accounts); i++)
        accounts[i] = (struct world_account){
            .key = maesn_accounts[i].key, .system = tenant_system_find(maesn_accounts[i].system)};
    accounts[COUNT(maesn_accounts)] = (struct world_account){
        .provider = WORLD_MONEYBIRD, .key = "token-of-123", .administration = "123"};
    const struct world_options opt = {.api_key = BENCH_API_KEY,
                                      .accounts = accounts,
                                      .accounts_len = COUNT(accounts),
                                      .lifetime_ms = BENCH_LIFETIME_MS,
                                      .subscriptions_max = 100,
                                      .moneybird_calls_max = b->moneybird_calls_max,
                                      .now_unix_ms = now_unix_ms,
                                      .now_owner = b};
    assert_int_equal(world_new(&opt, &b->world), STATUS_OK);
}

void provider_bench_start(struct provider_bench *b)
{
    struct diag diag = {{0}};
    start_world(b);
    assert_int_equal(faults_new(&b->faults), STATUS_OK);
    const struct provider_server_options server = {.world = b->world, .faults = b->faults};
    if (provider_server_new(&server, &b->server, &diag) != STATUS_OK)
        fail_msg("%s", diag.text);
    unsigned port = provider_server_port(b->server);
    snprintf(b->base_url, sizeof(b->base_url), "http://127.0.0.1:%u", port);
    snprintf(b->moneybird_url, sizeof(b->moneybird_url), "%s/api/v2", b->base_url);
    const struct http_base base = {.url = b->base_url};
    const struct http_client_options client = {.bases = &base,
                                               .bases_len = 1,
                                               .concurrency = 16,
                                               .calls_max = 100,
                                               .connect_timeout_ms = 10000,
                                               .timeout_ms = 30000,
                                               .response_max_bytes = 1 << 20,
                                               .user_agent = "maesn-bridge/test"};
    if (http_client_new(&client, &b->http, &diag) != STATUS_OK)
        fail_msg("%s", diag.text);
    b->arena = arena_new(LISTING_ARENA_MAX);
    assert_non_null(b->arena);
    b->api_key = secret_of(BENCH_API_KEY);
}

void provider_bench_stop(struct provider_bench *b)
{
    http_client_free(b->http);
    provider_server_free(b->server);
    faults_free(b->faults);
    world_free(b->world);
    arena_free(b->arena);
    secret_unref(b->api_key);
}

struct provider_credentials provider_bench_maesn(const struct provider_bench *b, const char *system,
                                                 const char *company_id)
{
    char key[64];
    snprintf(key, sizeof(key), "key-of-%s", system);
    return (struct provider_credentials){.provider = "maesn",
                                         .base_url = b->base_url,
                                         .api_key = b->api_key,
                                         .account_key = secret_of(key),
                                         .company_id = company_id};
}

struct provider_credentials provider_bench_moneybird(const struct provider_bench *b,
                                                     const char *administration)
{
    return (struct provider_credentials){.provider = "moneybird",
                                         .base_url = b->moneybird_url,
                                         .account_key = secret_of("token-of-123"),
                                         .company_id = administration};
}

/* --- calls ------------------------------------------------------------------------------------ */

/* An answer under way. */
struct waiting {
    struct provider_bench *bench;
    pthread_mutex_t lock;
    pthread_cond_t changed;
    bool done;
    struct provider_answer answer;
};

static void take_answer(void *ctx, const struct http_answer *answer)
{
    static const enum provider_reach reaches[] = {[HTTP_UNANSWERED] = PROVIDER_UNANSWERED,
                                                  [HTTP_NOT_SENT] = PROVIDER_UNSENT,
                                                  [HTTP_ANSWERED] = PROVIDER_ANSWERED};
    struct waiting *w = ctx;
    pthread_mutex_lock(&w->lock);
    const char *body = arena_dup(w->bench->arena, answer->body);
    w->answer = (struct provider_answer){reaches[answer->outcome], (int)answer->code,
                                         bytes_of(body, answer->body.len)};
    w->bench->retry_in_ms =
        answer->retry_at_mono_ms == 0 ? 0 : answer->retry_at_mono_ms - clock_mono_ms();
    w->done = true;
    pthread_cond_signal(&w->changed);
    pthread_mutex_unlock(&w->lock);
}

static struct bytes join(struct arena *a, const struct provider_header *h)
{
    struct bytes secret = h->secret == NULL ? bytes_of("", 0) : secret_bytes(h->secret);
    const char *text =
        arena_printf(a, "%s%.*s", h->text, (int)secret.len, (const char *)secret.data);
    return bytes_of_text(text);
}

struct provider_answer provider_bench_call(struct provider_bench *b,
                                           const struct provider_request *request)
{
    static const enum http_method methods[] = {[PROVIDER_GET] = HTTP_GET,
                                               [PROVIDER_POST] = HTTP_POST,
                                               [PROVIDER_PATCH] = HTTP_PATCH,
                                               [PROVIDER_DELETE] = HTTP_DELETE};
    struct waiting w = {.bench = b};
    struct http_header headers[PROVIDER_HEADERS_MAX];
    for (size_t i = 0; i < request->headers_len; i++)
        headers[i] =
            (struct http_header){request->headers[i].name, join(b->arena, &request->headers[i])};
    const struct http_request call = {.method = methods[request->method],
                                      .url = request->url,
                                      .headers = headers,
                                      .headers_len = request->headers_len,
                                      .body = request->body,
                                      .key = arena_printf(b->arena, "call-%u", b->calls++),
                                      .start_within_ms = 10000};
    struct diag diag = {{0}};
    pthread_mutex_init(&w.lock, NULL);
    pthread_cond_init(&w.changed, NULL);
    if (http_client_submit(b->http, &call, take_answer, &w, &diag) != STATUS_OK)
        fail_msg("%s", diag.text);
    pthread_mutex_lock(&w.lock);
    while (!w.done)
        pthread_cond_wait(&w.changed, &w.lock);
    pthread_mutex_unlock(&w.lock);
    pthread_cond_destroy(&w.changed);
    pthread_mutex_destroy(&w.lock);
    return w.answer;
}

struct provider_answer provider_bench_plain(struct provider_bench *b, enum provider_method method,
                                            const char *path, const char *body)
{
    const struct provider_request request = {.method = method,
                                             .url =
                                                 arena_printf(b->arena, "%s%s", b->base_url, path),
                                             .body = bytes_of_text(body)};
    return provider_bench_call(b, &request);
}

struct created provider_bench_create(struct provider_bench *b, const struct provider *provider,
                                     const struct provider_credentials *c,
                                     const struct wanted *wanted, const char *callback_url)
{
    struct provider_request request;
    struct created created = {.secret = NULL};
    struct diag diag = {{0}};
    if (provider->api->create(c, wanted, callback_url, b->arena, &request, &diag) != STATUS_OK)
        fail_msg("%s", diag.text);
    struct provider_answer answer = provider_bench_call(b, &request);
    assert_int_equal(provider->api->read_create(c, &answer, callback_url, b->arena, &created),
                     STATUS_OK);
    return created;
}

struct listing provider_bench_list(struct provider_bench *b, const struct provider *provider,
                                   const struct provider_credentials *c)
{
    struct provider_request request;
    struct listing listing = {.trusted = false};
    do {
        unsigned page = listing.next_page == 0 ? 1 : listing.next_page;
        assert_int_equal(provider->api->list(c, page, b->arena, &request, NULL), STATUS_OK);
        struct provider_answer answer = provider_bench_call(b, &request);
        assert_int_equal(provider->api->read_list(c, &answer, b->arena, &listing), STATUS_OK);
    } while (listing.next_page != 0);
    return listing;
}

enum provider_verdict provider_bench_delete(struct provider_bench *b,
                                            const struct provider *provider,
                                            const struct provider_credentials *c, const char *id)
{
    struct provider_request request;
    struct provider_outcome outcome = {.verdict = VERDICT_AMBIGUOUS};
    assert_int_equal(provider->api->delete (c, id, b->arena, &request, NULL), STATUS_OK);
    struct provider_answer answer = provider_bench_call(b, &request);
    provider->api->read_change(c, &answer, &outcome);
    return outcome.verdict;
}

enum provider_verdict provider_bench_activate(struct provider_bench *b,
                                              const struct provider *provider,
                                              const struct provider_credentials *c, const char *id)
{
    struct provider_request request;
    struct provider_outcome outcome = {.verdict = VERDICT_AMBIGUOUS};
    assert_int_equal(provider->api->activate(c, id, b->arena, &request, NULL), STATUS_OK);
    struct provider_answer answer = provider_bench_call(b, &request);
    provider->api->read_change(c, &answer, &outcome);
    return outcome.verdict;
}

void provider_bench_fault(struct provider_bench *b, const char *rules)
{
    struct diag diag = {{0}};
    if (faults_add(b->faults, bytes_of_text(rules), &diag) != STATUS_OK)
        fail_msg("%s", diag.text);
}
