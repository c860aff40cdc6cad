#include "bridge/app/provider_http.h"

#include <stdio.h>
#include <stdlib.h>

#include "bridge/app/version.h"
#include "bridge/base/scoped.h"

/* Source: developer.moneybird.com, "Throttling", 2026: 150 requests every 5 minutes. */
static const int64_t moneybird_window_ms = 300000;

enum base { BASE_MAESN = 0, BASE_MONEYBIRD, BASES };
static const char *const base_providers[BASES] = {
    [BASE_MAESN] = "maesn",
    [BASE_MONEYBIRD] = "moneybird",
};

/* HTTP codes of a class have one series, but those that decide something. */
#define CODE_NONE 0
#define CODES 8
static const char *const codes[CODES] = {"none", "2xx", "3xx", "401", "403", "429", "4xx", "5xx"};

#define METHODS 4
static const char *const operations[METHODS] = {
    [HTTP_GET] = "list",
    [HTTP_POST] = "create",
    [HTTP_PATCH] = "activate",
    [HTTP_DELETE] = "delete",
};

struct provider_http {
    void *ctx; /* of may_send */
    bool (*may_send)(void *ctx, uint64_t owner);
    struct http_client *client; /* NULL once stopped */
    struct reconciler_calls *calls;
    struct counter *requests[BASES][METHODS][CODES];
    struct histogram *durations[BASES];
};

/* --- metrics ------------------------------------------------------------------------------- */

static size_t code_index(const struct http_attempt *a)
{
    if (a->outcome != HTTP_ANSWERED)
        return CODE_NONE;
    switch (a->code) {
    case 401:
        return 3;
    case 403:
        return 4;
    case 429:
        return 5;
    default:
        return a->code < 300 ? 1 : a->code < 400 ? 2 : a->code < 500 ? 6 : 7;
    }
}

static void make_metrics(struct provider_http *h, struct metrics *m)
{
    for (int base = 0; base < BASES; base++) {
        for (int method = 0; method < METHODS; method++) {
            for (int code = 0; code < CODES; code++) {
                const struct metric_label labels[] = {
                    {"provider", base_providers[base]},
                    {"operation", operations[method]},
                    {"code", codes[code]},
                };
                h->requests[base][method][code] =
                    metrics_counter(m, "maesn_bridge_provider_api_requests_total",
                                    "Requests to providers, each attempt counted.", labels, 3);
            }
        }
        const struct metric_label label = {"provider", base_providers[base]};
        h->durations[base] =
            metrics_histogram(m, "maesn_bridge_provider_api_request_duration_seconds",
                              "How long requests to providers took.", &label, 1);
    }
}

static void on_attempt(void *ctx, const struct http_attempt *attempt)
{
    struct provider_http *h = ctx;
    counter_add(h->requests[attempt->base][attempt->method][code_index(attempt)], 1);
    histogram_observe(h->durations[attempt->base], (double)attempt->duration_ms / 1000);
}

/* --- the client and the port --------------------------------------------------------------- */

static bool may_send(void *ctx, uint64_t owner)
{
    struct provider_http *h = ctx;
    return h->may_send(h->ctx, owner);
}

static enum status start_client(struct provider_http *h, const struct provider_http_options *opt,
                                struct diag *diag)
{
    const struct settings *s = opt->settings;
    const struct http_base bases[BASES] = {
        [BASE_MAESN] = {.url = s->maesn_base_url},
        [BASE_MONEYBIRD] = {.url = s->moneybird_base_url,
                            .requests_max = s->moneybird_requests_per_5_min,
                            .window_ms = moneybird_window_ms,
                            .is_held_whole = true},
    };
    char user_agent[64];
    snprintf(user_agent, sizeof(user_agent), "maesn-bridge/%s", version_text());
    const struct http_client_options client = {
        .bases = bases,
        .bases_len = BASES,
        .concurrency = s->reconciler_concurrency,
        .calls_max = opt->calls_max,
        .connect_timeout_ms = s->http_connect_timeout_ms,
        .timeout_ms = s->http_timeout_ms,
        .response_max_bytes = s->http_response_max_bytes,
        .ca_file = s->http_ca_file,
        .user_agent = user_agent,
        .may_send = may_send,
        .on_attempt = on_attempt,
        .ctx = h,
    };
    enum status status = http_client_prepare();
    return status == STATUS_OK ? http_client_new(&client, &h->client, diag) : status;
}

static enum status submit(void *ctx, const struct http_request *request, http_done_fn *on_done,
                          void *done_ctx, struct diag *diag)
{
    return http_client_submit(ctx, request, on_done, done_ctx, diag);
}

static void cancel(void *ctx, uint64_t owner)
{
    http_client_cancel(ctx, owner);
}

static enum status make_calls(struct provider_http *h, const struct provider_http_options *opt)
{
    const struct settings *s = opt->settings;
    const struct reconciler_calls_options calls = {
        .loop = opt->loop,
        .http = {.ctx = h->client, .submit = submit, .cancel = cancel},
        .bases =
            {
                {base_providers[BASE_MAESN], s->maesn_base_url, opt->start_within_ms},
                {base_providers[BASE_MONEYBIRD], s->moneybird_base_url,
                 moneybird_window_ms + opt->start_within_ms},
            },
        .bases_len = BASES,
    };
    return reconciler_calls_new(&calls, &h->calls);
}

enum status provider_http_new(const struct provider_http_options *opt, struct provider_http **ret,
                              struct diag *diag)
{
    struct provider_http *h = calloc(1, sizeof(*h));
    if (h == NULL)
        return STATUS_NOMEM;
    h->ctx = opt->ctx;
    h->may_send = opt->may_send;
    make_metrics(h, opt->metrics);
    enum status status = start_client(h, opt, diag);
    if (status == STATUS_OK)
        status = make_calls(h, opt);
    if (status != STATUS_OK) {
        provider_http_stop(h);
        provider_http_free(h);
        return status;
    }
    *ret = h;
    return STATUS_OK;
}

const struct provider_calls *provider_http_port(struct provider_http *h)
{
    return reconciler_calls_port(h->calls);
}

void provider_http_set_maesn_key(struct provider_http *h, struct secret *api_key)
{
    reconciler_calls_set_api_key(h->calls, base_providers[BASE_MAESN], api_key);
}

void provider_http_count(const struct provider_http *h, uint64_t *ret_attempts,
                         uint64_t *ret_answered)
{
    *ret_attempts = *ret_answered = 0;
    for (int base = 0; base < BASES; base++) {
        for (int method = 0; method < METHODS; method++) {
            for (int code = 0; code < CODES; code++) {
                uint64_t attempts = counter_value(h->requests[base][method][code]);
                *ret_attempts += attempts;
                *ret_answered += code == CODE_NONE ? 0 : attempts;
            }
        }
    }
}

void provider_http_drain(struct provider_http *h)
{
    http_client_drain(h->client);
}

void provider_http_stop(struct provider_http *h)
{
    http_client_free(TAKE(h->client)); /* what it still tells goes to the loop */
}

void provider_http_free(struct provider_http *h)
{
    if (h == NULL)
        return;
    reconciler_calls_free(h->calls);
    free(h);
}
