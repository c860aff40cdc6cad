#include "bridge/httpclient/transfer.h"

#include <ctype.h>
#include <stdio.h>
#include <stdlib.h>
#include <strings.h>

#include "bridge/base/buf.h"
#include "bridge/base/clock.h"
#include "bridge/base/crypto.h"
#include "bridge/base/scoped.h"
#include "bridge/httpclient/retry_after.h"

/* All header lines of an answer together. A busy site sends some 2 KiB; libcurl 7.88 has no bound
 * of its own (CVE-2023-38039). */
#define HEAD_MAX 65536

/* Neither name nor trust is looked up in a connection for longer than this: a provider that moves
 * its service is followed, and a ca_file that was replaced is read again. */
#define CONNECTION_LIFETIME_S 300
#define CA_CACHE_S 60L

struct transfer {
    CURLM *multi;
    CURL *easy;
    const struct http_client_options *opt;
    const struct call *call;
    int64_t started_mono_ms, started_mono_us;
    int64_t tls_began_us; /* since the start; 0: there was no connection to secure */
    struct buf body;
    size_t head_len;
    char retry_after[64]; /* "" unless sent */
    char date[64];
    unsigned arrivals;
    bool is_refused; /* may_send() said no */
    char error[CURL_ERROR_SIZE];
};

DEFINE_CLEANUP(struct transfer *, transfer_free)

/* --- what libcurl calls -------------------------------------------------------------------------
 */

/* The connection stands, nothing of the request has left yet.
 * Source: MSTATE_DO in lib/multi.c 7.88.1; also before libcurl sends a request again. */
static int before_request(void *ctx, char *remote_ip, char *local_ip, int remote_port,
                          int local_port)
{
    struct transfer *t = ctx;
    (void)remote_ip, (void)local_ip, (void)remote_port, (void)local_port;
    if (t->call->method != HTTP_GET && t->arrivals > 0)
        return CURL_PREREQFUNC_ABORT;
    t->is_refused = t->opt->may_send != NULL && !t->opt->may_send(t->opt->ctx, t->call->owner);
    if (t->is_refused)
        return CURL_PREREQFUNC_ABORT;
    t->arrivals++;
    return CURL_PREREQFUNC_OK;
}

/* libcurl has no time of a connection whose TLS handshake fails. A context for it is made once the
 * connection stands. Source: Curl_updateconninfo, lib/connect.c, and ossl_connect_step1,
 * lib/vtls/openssl.c 7.88.1, where it was measured. */
static CURLcode before_handshake(CURL *easy, void *ssl_context, void *ctx)
{
    struct transfer *t = ctx;
    (void)easy, (void)ssl_context;
    t->tls_began_us = clock_mono_us() - t->started_mono_us;
    return CURLE_OK;
}

/* Keeps the line's value if it is the named header's and fits. */
static void keep_value(struct bytes line, const char *name, char *value, size_t value_size)
{
    size_t name_len = strlen(name);
    if (line.len <= name_len || line.data[name_len] != ':' ||
        strncasecmp((const char *)line.data, name, name_len) != 0)
        return;
    size_t from = name_len + 1, to = line.len;
    while (from < to && isspace(line.data[from]))
        from++;
    while (from < to && isspace(line.data[to - 1]))
        to--;
    size_t len = to - from < value_size ? to - from : 0;
    memcpy(value, line.data + from, len);
    value[len] = '\0';
}

/* Gets each header line whole, status lines too. Source: CURLOPT_HEADERFUNCTION. */
static size_t on_header(char *data, size_t size, size_t count, void *ctx)
{
    struct transfer *t = ctx;
    struct bytes line = bytes_of(data, size * count);
    t->head_len += line.len;
    if (t->head_len > HEAD_MAX)
        return 0;
    if (line.len > 5 && memcmp(line.data, "HTTP/", 5) == 0) { /* what was before was a 1xx */
        t->retry_after[0] = '\0';
        t->date[0] = '\0';
    }
    keep_value(line, "Retry-After", t->retry_after, sizeof(t->retry_after));
    keep_value(line, "Date", t->date, sizeof(t->date));
    return line.len;
}

static size_t on_body(char *data, size_t size, size_t count, void *ctx)
{
    struct transfer *t = ctx;
    buf_append(&t->body, data, size * count);
    return t->body.status == STATUS_OK ? size * count : 0;
}

/* --- asking -------------------------------------------------------------------------------------
 */

/* The first failure stays; a long option's value must be a long. */
#define SET(option, value) (code = code != CURLE_OK ? code : curl_easy_setopt(e, option, value))

/* Where the call goes, and nowhere else: no redirects, no proxy of the environment, no other
 * protocol, no stored credentials. HTTP/1.1, since the end of a connection then leaves one call
 * unanswered, not all that share it. */
static CURLcode set_destination(CURL *e, const struct http_client_options *opt,
                                const struct call *call)
{
    bool is_tls = strncmp(call->url, "https:", 6) == 0;
    CURLcode code = CURLE_OK;
    SET(CURLOPT_URL, call->url);
    SET(CURLOPT_PROTOCOLS_STR, is_tls ? "https" : "http");
    SET(CURLOPT_FOLLOWLOCATION, 0L);
    SET(CURLOPT_PROXY, "");
    SET(CURLOPT_NETRC, (long)CURL_NETRC_IGNORED);
    SET(CURLOPT_HTTP_VERSION, (long)CURL_HTTP_VERSION_1_1);
    SET(CURLOPT_PATH_AS_IS, 1L);
    SET(CURLOPT_SSLVERSION, (long)CURL_SSLVERSION_TLSv1_2);
    SET(CURLOPT_SSL_VERIFYPEER, 1L);
    SET(CURLOPT_SSL_VERIFYHOST, 2L);
    SET(CURLOPT_CA_CACHE_TIMEOUT, CA_CACHE_S);
    if (opt->ca_file != NULL && opt->ca_file[0] != '\0') {
        SET(CURLOPT_CAINFO, opt->ca_file);
        SET(CURLOPT_CAPATH, NULL);
    }
    return code;
}

/* QUICK_EXIT: an attempt that ends while a name is looked up does not wait for the resolver.
 * Source: Curl_resolver_kill, lib/asyn-thread.c 7.88.1. */
static CURLcode set_limits(CURL *e, const struct http_client_options *opt, const struct call *call)
{
    CURLcode code = CURLE_OK;
    SET(CURLOPT_NOSIGNAL, 1L);
    SET(CURLOPT_CONNECTTIMEOUT_MS, (long)opt->connect_timeout_ms);
    SET(CURLOPT_TIMEOUT_MS, (long)opt->timeout_ms);
    SET(CURLOPT_QUICK_EXIT, 1L);
    SET(CURLOPT_MAXFILESIZE_LARGE, (curl_off_t)opt->response_max_bytes);
    SET(CURLOPT_MAXLIFETIME_CONN, (long)CONNECTION_LIFETIME_S);
    SET(CURLOPT_FRESH_CONNECT, call->method == HTTP_GET ? 0L : 1L);
    return code;
}

static CURLcode set_request(CURL *e, const struct http_client_options *opt, const struct call *call)
{
    CURLcode code = CURLE_OK;
    switch (call->method) {
    case HTTP_GET:
        SET(CURLOPT_HTTPGET, 1L);
        break;
    case HTTP_POST:
        SET(CURLOPT_POST, 1L);
        break;
    case HTTP_PATCH:
        SET(CURLOPT_POST, 1L);
        SET(CURLOPT_CUSTOMREQUEST, "PATCH");
        break;
    case HTTP_DELETE:
        SET(CURLOPT_CUSTOMREQUEST, "DELETE");
        break;
    }
    if (call->method == HTTP_POST || call->method == HTTP_PATCH) {
        SET(CURLOPT_POSTFIELDSIZE_LARGE, (curl_off_t)call->body.len);
        SET(CURLOPT_POSTFIELDS, call->body.data == NULL ? "" : (const char *)call->body.data);
    }
    SET(CURLOPT_HTTPHEADER, call->headers);
    SET(CURLOPT_USERAGENT, opt->user_agent);
    return code;
}

static CURLcode set_callbacks(CURL *e, struct transfer *t)
{
    CURLcode code = CURLE_OK;
    SET(CURLOPT_PRIVATE, t);
    SET(CURLOPT_ERRORBUFFER, t->error);
    SET(CURLOPT_PREREQFUNCTION, before_request);
    SET(CURLOPT_PREREQDATA, t);
    /* Not every TLS library's libcurl has it; only a time is missing then. */
    (void)curl_easy_setopt(e, CURLOPT_SSL_CTX_FUNCTION, before_handshake);
    (void)curl_easy_setopt(e, CURLOPT_SSL_CTX_DATA, t);
    SET(CURLOPT_HEADERFUNCTION, on_header);
    SET(CURLOPT_HEADERDATA, t);
    SET(CURLOPT_WRITEFUNCTION, on_body);
    SET(CURLOPT_WRITEDATA, t);
    return code;
}

static enum status set_all(CURL *e, struct transfer *t)
{
    CURLcode code = set_destination(e, t->opt, t->call);
    if (code == CURLE_OK)
        code = set_limits(e, t->opt, t->call);
    if (code == CURLE_OK)
        code = set_request(e, t->opt, t->call);
    if (code == CURLE_OK)
        code = set_callbacks(e, t);
    if (code == CURLE_OK)
        return STATUS_OK;
    return code == CURLE_OUT_OF_MEMORY ? STATUS_NOMEM : STATUS_INTERNAL;
}

enum status transfer_new(CURLM *multi, const struct http_client_options *opt,
                         const struct call *call, struct transfer **ret)
{
    CLEANUP(transfer_free_scoped) struct transfer *t = calloc(1, sizeof(*t));
    if (t == NULL)
        return STATUS_NOMEM;
    t->opt = opt;
    t->call = call;
    t->started_mono_ms = clock_mono_ms();
    t->started_mono_us = clock_mono_us();
    buf_init(&t->body, opt->response_max_bytes);
    t->easy = curl_easy_init();
    if (t->easy == NULL)
        return STATUS_NOMEM;
    enum status status = set_all(t->easy, t);
    if (status != STATUS_OK)
        return status;
    if (curl_multi_add_handle(multi, t->easy) != CURLM_OK)
        return STATUS_NOMEM;
    t->multi = multi;
    *ret = TAKE(t);
    return STATUS_OK;
}

/* --- answering ----------------------------------------------------------------------------------
 */

struct transfer *transfer_of(CURL *easy)
{
    char *t = NULL;
    curl_easy_getinfo(easy, CURLINFO_PRIVATE, &t);
    return (struct transfer *)(void *)t;
}

const struct call *transfer_call(const struct transfer *t)
{
    return t->call;
}

/* libcurl's own sentence quotes what the server sent: names in certificates, malformed lines. It is
 * good enough for a person only as long as the server has seen no secret of ours. */
static const char *describe(struct transfer *t, CURLcode code)
{
    if (t->is_refused)
        return "not sent: the account may have another owner by now";
    if (t->body.status == STATUS_INVALID || code == CURLE_FILESIZE_EXCEEDED)
        return "the answer is longer than response_max_bytes";
    if (t->body.status == STATUS_NOMEM || code == CURLE_OUT_OF_MEMORY)
        return "out of memory";
    if (t->head_len > HEAD_MAX)
        return "the answer's headers are too long";
    if (t->arrivals > 0 || t->error[0] == '\0')
        return curl_easy_strerror(code);
    for (char *c = t->error; *c != '\0'; c++)
        if (*c < ' ' || *c > '~')
            *c = '?';
    return t->error;
}

static int64_t read_retry_after(const struct transfer *t)
{
    if (t->retry_after[0] == '\0')
        return -1;
    int64_t made_at = retry_after_date(bytes_of_text(t->date));
    return retry_after_parse(bytes_of_text(t->retry_after),
                             made_at < 0 ? clock_unix_ms() : made_at);
}

/* Whether waiting changes nothing: the certificate, its trust, an answer too long. */
static bool is_lasting(const struct transfer *t, CURLcode code)
{
    return code == CURLE_PEER_FAILED_VERIFICATION || code == CURLE_SSL_CACERT_BADFILE ||
           code == CURLE_FILESIZE_EXCEEDED || t->body.status == STATUS_INVALID ||
           t->head_len > HEAD_MAX;
}

/* libcurl's time of a step; it is 0 for one that was not come to, or was done on a connection that
 * was kept, else at least 1. Source: Curl_pgrsTime, lib/progress.c 7.88.1. */
static int64_t time_of(const struct transfer *t, CURLINFO step, bool is_done)
{
    curl_off_t us = 0;
    curl_easy_getinfo(t->easy, step, &us);
    return us == 0 && is_done ? 1 : us;
}

static struct http_times times_of(const struct transfer *t, bool is_answered)
{
    bool is_tls = strncmp(t->call->url, "https:", 6) == 0, stood = t->arrivals > 0;
    struct http_times times = {
        .resolved_us = time_of(t, CURLINFO_NAMELOOKUP_TIME_T, stood),
        .connected_us = time_of(t, CURLINFO_CONNECT_TIME_T, stood),
        .secured_us = time_of(t, CURLINFO_APPCONNECT_TIME_T, stood),
        .answered_us = is_answered ? time_of(t, CURLINFO_TOTAL_TIME_T, true) : 0,
    };
    if (times.connected_us == 0)
        times.connected_us = t->tls_began_us;
    if (!is_tls)
        times.secured_us = times.connected_us;
    return times;
}

static void answer(struct transfer *t, struct transfer_end *ret)
{
    long code = 0;
    curl_easy_getinfo(t->easy, CURLINFO_RESPONSE_CODE, &code);
    ret->answer.outcome = HTTP_ANSWERED;
    ret->answer.code = (unsigned)code;
    ret->answer.body = t->body.data == NULL ? BYTES_LITERAL("") : buf_bytes(&t->body);
    ret->is_throttled = code == 429;
    ret->failed = code == 429 || code >= 500;
    /* On other answers the header means something else. Source: RFC 9110 section 10.2.3. */
    if (ret->failed)
        ret->retry_after_ms = read_retry_after(t);
}

void transfer_end(struct transfer *t, CURLcode code, struct transfer_end *ret)
{
    *ret = (struct transfer_end){.retry_after_ms = -1,
                                 .arrivals = t->arrivals,
                                 .duration_ms = clock_mono_ms() - t->started_mono_ms};
    ret->answer.error = "";
    ret->answer.times = times_of(t, code == CURLE_OK);
    if (code == CURLE_OK) {
        answer(t, ret);
        return;
    }
    ret->answer.outcome = t->arrivals == 0 ? HTTP_NOT_SENT : HTTP_UNANSWERED;
    ret->answer.error = describe(t, code);
    ret->failed = !t->is_refused;
    ret->is_lasting = is_lasting(t, code);
}

void transfer_end_cancelled(struct transfer *t, struct transfer_end *ret)
{
    *ret = (struct transfer_end){.retry_after_ms = -1,
                                 .arrivals = t->arrivals,
                                 .duration_ms = clock_mono_ms() - t->started_mono_ms};
    ret->answer.outcome = t->arrivals == 0 ? HTTP_NOT_SENT : HTTP_UNANSWERED;
    ret->answer.times = times_of(t, false);
    ret->answer.error = "cancelled";
}

void transfer_free(struct transfer *t)
{
    if (t == NULL)
        return;
    if (t->multi != NULL)
        curl_multi_remove_handle(t->multi, t->easy);
    curl_easy_cleanup(t->easy);
    if (t->body.data != NULL)
        crypto_wipe(t->body.data, t->body.capacity); /* a create's answer holds the new secret */
    buf_done(&t->body);
    free(t);
}
