#include "bridge/app/reconciler_calls.h"

#include <assert.h>
#include <stdlib.h>

#include "bridge/base/buf.h"
#include "bridge/base/clock.h"
#include "bridge/base/scoped.h"
#include "bridge/providers/providers.h"

/* A call's own texts beside its listing: a URL, a body of 256 KiB at most. */
static const size_t call_arena_max = (size_t)LISTING_ARENA_MAX + (1U << 20);

struct base {
    struct reconciler_base base;
    struct secret *api_key; /* a reference; NULL: none */
};

struct reconciler_calls {
    struct provider_calls port;
    struct task_loop *loop;
    struct reconciler_calls_http http;
    struct base bases[RECONCILER_BASES_MAX];
    size_t bases_len;
    uint64_t owners;   /* so many calls were started */
    struct call *open; /* those that were not told of yet */
};

/* Life of a call:
 *
 *     start() ──send()──► under way ──on_answer(), the client's thread──► answered
 * ──take_answer()─┐ ▲                                                                     │
 *                            └──────────────────── send(), another page
 * ───────────────────────────┤ told of, and freed ◄───────┘
 *
 * cancel() ends it at the HTTP client, which still hands in an answer; on_done is then NULL, and
 * nobody is told. */
struct call {
    struct task task; /* first: take_answer() finds its way back from it */
    struct reconciler_calls *calls;
    struct call *next;
    uint64_t owner;
    enum call_kind kind;
    const struct provider_api *api;
    struct provider_credentials credentials;
    int64_t start_within_ms;
    struct secret *api_key; /* references */
    struct secret *account_key;
    struct arena *arena;
    const char *account;
    const char *callback_url; /* CALL_CREATE */
    struct listing listing;   /* CALL_LIST */
    call_done_fn *on_done;
    void *done_ctx;

    /* Written by the client's thread, then handed over. */
    enum http_outcome outcome;
    unsigned code;
    uint8_t *body;
    size_t body_len;
    int64_t retry_at_mono_ms;
};

static void call_free(struct call *call)
{
    if (call == NULL)
        return;
    secret_unref(call->api_key);
    secret_unref(call->account_key);
    arena_free(call->arena);
    free(call->body);
    free(call);
}

DEFINE_CLEANUP(struct call *, call_free)

/* --- requests ---------------------------------------------------------------------------------
 */

static enum http_method method_of(enum provider_method method)
{
    switch (method) {
    case PROVIDER_GET:
        return HTTP_GET;
    case PROVIDER_POST:
        return HTTP_POST;
    case PROVIDER_PATCH:
        return HTTP_PATCH;
    case PROVIDER_DELETE:
        return HTTP_DELETE;
    }
    return HTTP_GET;
}

/* The text with its secret behind it, in *ret, which the caller ends. */
static enum status header_value(const struct provider_header *header, struct buf *ret)
{
    size_t len =
        strlen(header->text) + (header->secret == NULL ? 0 : secret_bytes(header->secret).len);
    buf_init(ret, len + 1);
    enum status status = buf_reserve(ret, len + 1); /* one block: growing leaves copies behind */
    if (status != STATUS_OK)
        return status;
    buf_append_text(ret, header->text);
    if (header->secret != NULL)
        buf_append_bytes(ret, secret_bytes(header->secret));
    return ret->status;
}

static void on_answer(void *ctx, const struct http_answer *answer);

static enum status send(struct call *call, const struct provider_request *request,
                        struct diag *diag)
{
    struct buf values[PROVIDER_HEADERS_MAX] = {0};
    struct http_header headers[PROVIDER_HEADERS_MAX];
    enum status status = STATUS_OK;
    for (size_t i = 0; i < request->headers_len && status == STATUS_OK; i++) {
        status = header_value(&request->headers[i], &values[i]);
        headers[i] = (struct http_header){request->headers[i].name, buf_bytes(&values[i])};
    }
    if (status == STATUS_OK) {
        const struct http_request http = {
            .method = method_of(request->method),
            .url = request->url,
            .headers = headers,
            .headers_len = request->headers_len,
            .body = request->body,
            .key = call->account,
            .owner = call->owner,
            .start_within_ms = call->start_within_ms,
        };
        const struct reconciler_calls_http *client = &call->calls->http;
        status = client->submit(client->ctx, &http, on_answer, call, diag);
    }
    for (size_t i = 0; i < request->headers_len; i++)
        buf_wipe_done(&values[i]);
    return status;
}

static enum status build(struct call *call, const struct provider_call *what,
                         struct provider_request *ret, struct diag *diag)
{
    const struct provider_credentials *c = &call->credentials;
    switch (call->kind) {
    case CALL_LIST:
        return call->api->list(c, 1, call->arena, ret, diag);
    case CALL_CREATE:
        return call->api->create(c, what->wanted, call->callback_url, call->arena, ret, diag);
    case CALL_DELETE:
        return call->api->delete (c, what->id, call->arena, ret, diag);
    case CALL_ACTIVATE:
        if (call->api->activate == NULL)
            return diag_set(diag, STATUS_INVALID, "%s knows no activation", what->provider);
        return call->api->activate(c, what->id, call->arena, ret, diag);
    }
    return STATUS_INTERNAL;
}

/* --- answers ----------------------------------------------------------------------------------
 */

static void take_answer(struct task *task);

/* In the client's thread. */
static void on_answer(void *ctx, const struct http_answer *answer)
{
    struct call *call = ctx;
    call->outcome = answer->outcome;
    call->code = answer->code;
    call->retry_at_mono_ms = answer->retry_at_mono_ms;
    call->body_len = answer->body.len;
    if (answer->outcome == HTTP_ANSWERED) {
        call->body = malloc(answer->body.len + 1);
        if (call->body == NULL)
            call->outcome = HTTP_UNANSWERED; /* an answer that nobody can read */
        else if (answer->body.len > 0)
            memcpy(call->body, answer->body.data, answer->body.len);
    }
    call->task.run = take_answer;
    task_loop_post(call->calls->loop, &call->task);
}

static struct provider_answer provider_answer_of(const struct call *call)
{
    switch (call->outcome) {
    case HTTP_UNANSWERED:
        return (struct provider_answer){.reach = PROVIDER_UNANSWERED};
    case HTTP_NOT_SENT:
        return (struct provider_answer){.reach = PROVIDER_UNSENT};
    case HTTP_ANSWERED:
        break;
    }
    return (struct provider_answer){
        .reach = PROVIDER_ANSWERED,
        .http_status = (int)call->code,
        .body = bytes_of(call->body, call->body_len),
    };
}

static int64_t retry_at_unix_ms(const struct call *call)
{
    if (call->retry_at_mono_ms == 0)
        return 0;
    int64_t left_ms = call->retry_at_mono_ms - clock_mono_ms();
    return clock_unix_ms() + (left_ms > 0 ? left_ms : 0);
}

/* Tells whoever waits, and ends the call. */
static void tell(struct call *call, struct call_result *result)
{
    struct call **at = &call->calls->open;
    while (*at != call)
        at = &(*at)->next;
    *at = call->next;
    result->is_unsent = call->outcome == HTTP_NOT_SENT;
    if (result->outcome.verdict == VERDICT_RETRY_LATER) {
        result->is_unsent = true;
        result->retry_at_unix_ms = retry_at_unix_ms(call);
    }
    if (call->on_done != NULL)
        call->on_done(call->done_ctx, result);
    call_free(call);
}

/* Memory was short for the answer: what the call did is unknown. */
static void tell_unread(struct call *call)
{
    struct call_result result = {.outcome.verdict = call->kind == CALL_LIST ? VERDICT_UNTRUSTED
                                                                            : VERDICT_AMBIGUOUS};
    diag_set(&result.outcome.reason, STATUS_NOMEM, "out of memory for the answer");
    tell(call, &result);
}

/* Asks for the next page. Returns whether it could. */
static bool send_next_page(struct call *call, struct diag *diag)
{
    struct provider_request request = {0};
    enum status status =
        call->api->list(&call->credentials, call->listing.next_page, call->arena, &request, diag);
    free(call->body);
    call->body = NULL;
    return status == STATUS_OK && send(call, &request, diag) == STATUS_OK;
}

static void take_list(struct call *call, const struct provider_answer *answer)
{
    if (call->api->read_list(&call->credentials, answer, call->arena, &call->listing) !=
        STATUS_OK) {
        tell_unread(call);
        return;
    }
    struct call_result result = {.outcome = call->listing.outcome, .listing = &call->listing};
    if (call->listing.next_page != 0 && call->on_done != NULL) {
        if (send_next_page(call, &result.outcome.reason))
            return;
        result.outcome.verdict = VERDICT_RETRY_LATER;
        result.listing = NULL;
    }
    tell(call, &result);
}

static void take_created(struct call *call, const struct provider_answer *answer)
{
    struct created created = {0};
    enum status status = call->api->read_create(&call->credentials, answer, call->callback_url,
                                                call->arena, &created);
    struct call_result result = {.outcome = created.outcome, .created = &created};
    if (status == STATUS_OK)
        tell(call, &result);
    else
        tell_unread(call);
    created_done(&created);
}

static void take_answer(struct task *task)
{
    struct call *call = (struct call *)task;
    const struct provider_answer answer = provider_answer_of(call);
    switch (call->kind) {
    case CALL_LIST:
        take_list(call, &answer);
        return;
    case CALL_CREATE:
        take_created(call, &answer);
        return;
    case CALL_DELETE:
    case CALL_ACTIVATE:
        break;
    }
    struct call_result result = {0};
    call->api->read_change(&call->credentials, &answer, &result.outcome);
    tell(call, &result);
}

/* --- the port ---------------------------------------------------------------------------------
 */

static struct base *find_base(struct reconciler_calls *c, const char *provider)
{
    for (size_t i = 0; i < c->bases_len; i++)
        if (strcmp(c->bases[i].base.provider, provider) == 0)
            return &c->bases[i];
    return NULL;
}

/* A copy in the arena; NULL of NULL. Errors are in *status. */
static const char *keep(struct call *call, const char *text, enum status *status)
{
    const char *copy = arena_dup(call->arena, bytes_of_text(text));
    if (text != NULL && copy == NULL)
        *status = STATUS_NOMEM;
    return copy;
}

static enum status fill(struct call *call, const struct base *base,
                        const struct provider_call *what, struct diag *diag)
{
    call->arena = arena_new(call_arena_max);
    if (call->arena == NULL)
        return STATUS_NOMEM;
    enum status status = STATUS_OK;
    if (what->account_key != NULL)
        status = secret_new(bytes_of_text(what->account_key), &call->account_key, diag);
    if (base->api_key != NULL)
        call->api_key = secret_ref(base->api_key);
    call->account = keep(call, what->account, &status);
    call->callback_url = keep(call, what->callback_url, &status);
    call->credentials = (struct provider_credentials){
        .provider = base->base.provider,
        .base_url = base->base.url,
        .api_key = call->api_key,
        .account_key = call->account_key,
        .company_id = keep(call, what->company_id, &status),
        .environment_name = keep(call, what->environment_name, &status),
    };
    return status;
}

static enum status start(void *ctx, const struct provider_call *what, call_done_fn *on_done,
                         void *done_ctx, struct diag *diag)
{
    struct reconciler_calls *c = ctx;
    const struct provider *provider = providers_find(what->provider);
    const struct base *base = find_base(c, what->provider);
    if (provider == NULL || base == NULL)
        return diag_set(diag, STATUS_INVALID, "provider: %s, expected one that can be called",
                        what->provider);
    CLEANUP(call_free_scoped) struct call *call = calloc(1, sizeof(*call));
    if (call == NULL)
        return STATUS_NOMEM;
    call->calls = c;
    call->owner = ++c->owners;
    call->kind = what->kind;
    call->api = provider->api;
    call->start_within_ms = base->base.start_within_ms;
    call->on_done = on_done;
    call->done_ctx = done_ctx;
    struct provider_request request = {0};
    enum status status = fill(call, base, what, diag);
    if (status == STATUS_OK)
        status = build(call, what, &request, diag);
    if (status != STATUS_OK)
        return status;
    call->next = c->open;
    c->open = call;
    status = send(call, &request, diag);
    if (status == STATUS_OK)
        (void)TAKE(call);
    else
        c->open = call->next;
    return status;
}

static void cancel(void *ctx, void *done_ctx)
{
    struct reconciler_calls *c = ctx;
    for (struct call *call = c->open; call != NULL; call = call->next) {
        if (call->on_done == NULL || call->done_ctx != done_ctx)
            continue;
        call->on_done = NULL;
        c->http.cancel(c->http.ctx, call->owner);
    }
}

const struct provider_calls *reconciler_calls_port(struct reconciler_calls *c)
{
    return &c->port;
}

void reconciler_calls_set_api_key(struct reconciler_calls *c, const char *provider,
                                  struct secret *api_key)
{
    struct base *base = find_base(c, provider);
    assert(base != NULL);
    secret_unref(base->api_key);
    base->api_key = api_key == NULL ? NULL : secret_ref(api_key);
}

enum status reconciler_calls_new(const struct reconciler_calls_options *opt,
                                 struct reconciler_calls **ret)
{
    assert(opt->bases_len <= RECONCILER_BASES_MAX);
    struct reconciler_calls *c = calloc(1, sizeof(*c));
    if (c == NULL)
        return STATUS_NOMEM;
    c->port = (struct provider_calls){.ctx = c, .start = start, .cancel = cancel};
    c->loop = opt->loop;
    c->http = opt->http;
    c->bases_len = opt->bases_len;
    for (size_t i = 0; i < opt->bases_len; i++)
        c->bases[i].base = opt->bases[i];
    *ret = c;
    return STATUS_OK;
}

void reconciler_calls_free(struct reconciler_calls *c)
{
    if (c == NULL)
        return;
    assert(c->open == NULL);
    for (size_t i = 0; i < c->bases_len; i++)
        secret_unref(c->bases[i].api_key);
    free(c);
}
