/* One attempt of a call: libcurl's handle, and what came back.
 *
 * libcurl sends a request a second time by itself when a connection it had kept turns out to be
 * closed before an answer came (Curl_retry_request, lib/transfer.c 7.88.1), also a POST. A create
 * or delete must not be sent twice without a look in between, so whatever is not a GET gets a
 * connection of its own, and before_request() refuses a second sending whatever libcurl thinks.
 */
#pragma once

#include "bridge/httpclient/call.h"

struct transfer;

struct transfer_end {
    struct http_answer
        answer;             /* but for attempts and retry_at_mono_ms; borrowed from the transfer */
    unsigned arrivals;      /* times the request may have reached the server */
    bool failed;            /* the other side is in trouble, or far */
    bool is_lasting;        /* the next attempt would end the same way */
    bool is_throttled;      /* 429 */
    int64_t retry_after_ms; /* -1: not said */
    int64_t duration_ms;
};

/* Begins the attempt.
 * Owns:   on STATUS_OK the caller ends *ret with transfer_free(). opt and call outlive it.
 * Errors: STATUS_NOMEM. STATUS_INTERNAL this libcurl lacks an option that is needed.
 */
enum status transfer_new(CURLM *multi, const struct http_client_options *opt,
                         const struct call *call, struct transfer **ret) MUST_CHECK;

/* The transfer of a handle that curl_multi_info_read() reports. */
struct transfer *transfer_of(CURL *easy);
const struct call *transfer_call(const struct transfer *t);

/* What has become of it: by libcurl's word, or broken off now. */
void transfer_end(struct transfer *t, CURLcode code, struct transfer_end *ret);
void transfer_end_cancelled(struct transfer *t, struct transfer_end *ret);

/* Takes it off the multi handle, ending it if it is under way. transfer_free(NULL) is fine. */
void transfer_free(struct transfer *t);
