/* The port through which passes call providers, over HTTP: requests are built and answers judged by
 * the provider's adapter, page after page. */
#pragma once

#include "bridge/app/task_loop.h"
#include "bridge/base/secret.h"
#include "bridge/httpclient/http_client.h"
#include "bridge/reconciler/provider_calls.h"

struct reconciler_calls;

/* What is asked of the HTTP client: http_client_submit() and http_client_cancel(). */
struct reconciler_calls_http {
    void *ctx;
    enum status (*submit)(void *ctx, const struct http_request *request, http_done_fn *on_done,
                          void *done_ctx, struct diag *diag);
    void (*cancel)(void *ctx, uint64_t owner);
};

/* Where a provider is. */
struct reconciler_base {
    const char *provider; /* "maesn" */
    const char *url;
    int64_t start_within_ms; /* a call that could not begin for so long is given up, unsent */
};

#define RECONCILER_BASES_MAX 8

/* Texts are borrowed until the end. */
struct reconciler_calls_options {
    struct task_loop *loop; /* the passes' */
    struct reconciler_calls_http http;
    struct reconciler_base bases[RECONCILER_BASES_MAX];
    size_t bases_len;
};

/* Owns:   on STATUS_OK the caller frees *ret with reconciler_calls_free(), once every call that was
 *         started has been told of. Errors: STATUS_NOMEM. */
enum status reconciler_calls_new(const struct reconciler_calls_options *opt,
                                 struct reconciler_calls **ret) MUST_CHECK;
void reconciler_calls_free(struct reconciler_calls *c);

/* The tenant's key at a provider, from the next call on; takes a reference. NULL: none.
 * Thread: the loop's, or before it has anything to do. */
void reconciler_calls_set_api_key(struct reconciler_calls *c, const char *provider,
                                  struct secret *api_key);

/* The port; borrowed until reconciler_calls_free(). Thread: the loop's. */
const struct provider_calls *reconciler_calls_port(struct reconciler_calls *c);
