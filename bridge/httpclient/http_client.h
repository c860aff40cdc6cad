/* Calls to the providers' APIs over HTTP: one thread, many calls at once, within every limit.
 *
 * Only URLs below the configured base URLs are called: redirects are answers like any other, and
 * neither proxies of the environment nor cookies nor stored credentials are used.
 *
 * A call waits until its key has no other one under way, until no Retry-After or backoff holds its
 * key or base, until its base's window has room, and for one of the `concurrency` places; what
 * writes goes before what reads. A GET that fails (no whole answer, 429 or 5xx) is sent again, with
 * growing pauses; nothing else is ever sent twice.
 */
#pragma once

#include "bridge/base/bytes.h"
#include "bridge/base/diag.h"

struct http_client;

enum http_method { HTTP_GET = 0, HTTP_POST, HTTP_PATCH, HTTP_DELETE };

struct http_header {
    const char *name;
    struct bytes value; /* often a secret; not empty, no control characters */
};

struct http_request {
    enum http_method method;
    const char *url; /* below one of the base URLs */
    const struct http_header *headers;
    size_t headers_len;
    struct bytes body;       /* data NULL: none */
    const char *key;         /* calls of one key go one after another: the account's id */
    uint64_t owner;          /* what http_client_cancel() names */
    int64_t start_within_ms; /* since the submission; no attempt begins later, neither the first
                                nor another one of a GET */
};

/* What is known of the request's effect. */
enum http_outcome {
    HTTP_UNANSWERED = 0, /* it left, and no whole answer came: what it did is unknown */
    HTTP_NOT_SENT,       /* nothing of it left this process: it did nothing; of a GET that was sent
                            before, nothing of the last attempt */
    HTTP_ANSWERED,
};

/* When the steps of an attempt were done, in microseconds since it began; 0: it did not come so
 * far. Those of a connection that was kept are 1. */
struct http_times {
    int64_t resolved_us;
    int64_t connected_us;
    int64_t secured_us;  /* the TLS handshake; of http as connected_us */
    int64_t answered_us; /* the answer was there whole */
};

struct http_answer {
    enum http_outcome outcome;
    unsigned code;            /* HTTP status code; 0 unless HTTP_ANSWERED */
    struct bytes body;        /* whole; data NULL unless HTTP_ANSWERED */
    unsigned attempts;        /* that left this process */
    int64_t retry_at_mono_ms; /* the key's next call begins no earlier (Retry-After or backoff);
                                 0: at once */
    struct http_times times;  /* of the last attempt */
    const char *error;        /* "" if HTTP_ANSWERED, else why not; holds nothing that a server
                                 sent after it had seen a secret */
};

/* Takes the answer of a call; it, and what it points to, is borrowed for the call.
 * Thread: the client's own; must not block, nor call http_client_cancel() or http_client_free(). */
typedef void http_done_fn(void *ctx, const struct http_answer *answer);

/* One attempt that has ended, for counters. */
struct http_attempt {
    size_t base; /* index in http_client_options.bases */
    enum http_method method;
    enum http_outcome outcome;
    unsigned code; /* 0 unless HTTP_ANSWERED */
    int64_t duration_ms;
};

/* A provider's API. */
struct http_base {
    const char *url;       /* http or https, no user, query, fragment or trailing slash */
    unsigned requests_max; /* requests in any window_ms; 0: no limit */
    int64_t window_ms;
    bool is_held_whole; /* a Retry-After holds every call to the base, not only those of the key */
};

struct http_client_options {
    const struct http_base *bases;
    size_t bases_len;
    unsigned concurrency;       /* calls under way at once, over all keys */
    size_t calls_max;           /* calls submitted and not yet done; beyond: STATUS_BUSY */
    int64_t connect_timeout_ms; /* name, connection and TLS together */
    int64_t timeout_ms;         /* one attempt, all in all */
    size_t response_max_bytes;  /* a longer body is no answer */
    const char *ca_file;        /* PEM certificates to trust; "" or NULL: the system's */
    const char *user_agent;

    /* Asked once the connection stands, before the first byte of each attempt leaves; false: the
     * attempt is HTTP_NOT_SENT, and no other one follows. NULL: always true.
     * Thread: the client's own. */
    bool (*may_send)(void *ctx, uint64_t owner);
    /* May be NULL. Thread: the client's own. */
    void (*on_attempt)(void *ctx, const struct http_attempt *attempt);
    void *ctx; /* for both */
};

/* Starts libcurl; call once, before threads start. Errors: STATUS_INTERNAL. */
enum status http_client_prepare(void) MUST_CHECK;

/* Starts the thread; connects when the first call comes. Everything in opt is copied.
 *
 * Owns:   on STATUS_OK the caller frees *ret with http_client_free().
 * Errors: STATUS_INVALID a base URL has another form, or ca_file cannot be read. STATUS_NOMEM, also
 *         when no thread can be made.
 */
enum status http_client_new(const struct http_client_options *opt, struct http_client **ret,
                            struct diag *diag) MUST_CHECK;

/* As http_client_cancel() for every owner, then stops the thread. http_client_free(NULL) is fine.
 * Thread: no other may use the client any more. */
void http_client_free(struct http_client *c);

/* Copies the request and takes it on: on STATUS_OK on_done(ctx) is called exactly once.
 * Errors: STATUS_INVALID its URL is below no base or not plain, or a header is malformed.
 *         STATUS_BUSY calls_max are waiting or under way. STATUS_NOMEM. on_done is then not called.
 * Thread: any, also from http_done_fn.
 */
enum status http_client_submit(struct http_client *c, const struct http_request *request,
                               http_done_fn *on_done, void *ctx, struct diag *diag) MUST_CHECK;

/* Ends what the owner has submitted: when this returns, nothing of it is under way and on_done was
 * called for each, as HTTP_NOT_SENT or HTTP_UNANSWERED. Takes milliseconds.
 * Thread: any but the client's own; holding no lock that a http_done_fn takes.
 */
void http_client_cancel(struct http_client *c, uint64_t owner);

/* From now on no call waits: what cannot begin at once ends, as HTTP_NOT_SENT or, after attempts,
 * HTTP_UNANSWERED. What is under way goes on. Thread: any. */
void http_client_drain(struct http_client *c);
