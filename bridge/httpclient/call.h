/* One call: the copy of what was asked, and its way through the client. */
#pragma once

#include <sys/queue.h>

#include <curl/curl.h>

#include "bridge/httpclient/http_client.h"
#include "bridge/httpclient/timers.h"

struct call_key;
struct transfer;

struct call {
    enum http_method method;
    size_t base; /* index of the base its URL is below */
    char *url;
    char *key;
    struct bytes body;
    struct curl_slist *headers;
    uint64_t owner;
    int64_t start_within_ms;
    http_done_fn *on_done;
    void *ctx;

    TAILQ_ENTRY(call) listed; /* in the client's inbox, then among all its calls */

    /* the call queue's */
    TAILQ_ENTRY(call) waiting;
    struct call_key *in;
    struct timer expiry;

    /* the client's */
    struct transfer *transfer; /* NULL: none under way */
    unsigned attempts;         /* that left this process */
    char error[256];           /* of the latest attempt */
};

TAILQ_HEAD(call_list, call);

/* Copies a request that may be sent.
 *
 * Owns:   on STATUS_OK the caller frees *ret with call_free(), which wipes headers and body.
 * Errors: as http_client_submit(); diag names no header's value.
 */
enum status call_new(const struct http_base bases[], size_t bases_len,
                     const struct http_request *request, struct call **ret, struct diag *diag)
    MUST_CHECK;
void call_free(struct call *call);
