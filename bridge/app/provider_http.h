/* The calls of passes to providers, over HTTP, as the settings want them: where each provider is,
 * at which rate, how many at once; each attempt is counted and timed. */
#pragma once

#include "bridge/app/reconciler_calls.h"
#include "bridge/ops/metrics.h"
#include "bridge/settings/settings.h"

struct provider_http;

/* Borrowed until the end. */
struct provider_http_options {
    const struct settings *settings; /* of the start */
    struct task_loop *loop;          /* the passes' */
    struct metrics *metrics;
    size_t calls_max;        /* at once and waiting */
    int64_t start_within_ms; /* a call that could not begin for so long is given up */
    void *ctx;
    bool (*may_send)(void *ctx, uint64_t owner); /* of http_client_options */
};

/* Starts the HTTP client's thread; there is no API key yet.
 * Owns:   on STATUS_OK the caller stops it with provider_http_stop() and frees *ret with
 *         provider_http_free(). Errors: as http_client_new(). */
enum status provider_http_new(const struct provider_http_options *opt, struct provider_http **ret,
                              struct diag *diag) MUST_CHECK;

/* The port; borrowed until provider_http_free(). Thread: the loop's. */
const struct provider_calls *provider_http_port(struct provider_http *h);

/* Calls Maesn with this key from now on; takes a reference. NULL: none. Thread: the loop's, or
 * before it has anything to do. */
void provider_http_set_maesn_key(struct provider_http *h, struct secret *api_key);

/* How many attempts were made to call a provider, and how many of them were answered at all.
 * Thread: any. */
void provider_http_count(const struct provider_http *h, uint64_t *ret_attempts,
                         uint64_t *ret_answered);

/* From now on a call that would have to wait, be it for hours, ends instead. Thread: any. */
void provider_http_drain(struct provider_http *h);

/* Cuts every call; that is told to the loop, which still runs. */
void provider_http_stop(struct provider_http *h);
/* After provider_http_stop(), and after the loop's stop. */
void provider_http_free(struct provider_http *h);
