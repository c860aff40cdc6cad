/* The port that a sender's adapter implements towards its API: pure functions that say which
 * subscriptions an account stands for, build the requests for them, and judge the answers; no I/O,
 * no clock.
 *
 * What may follow from an answer:
 *
 *   verdict        list                create              delete, activate
 *   -------------  ------------------  ------------------  --------------------------------------
 *   OK             it is the truth     the secret is here  done
 *   AMBIGUOUS      -                   list, then decide   list, then decide
 *   NO_SECRET      -                   delete that id      -
 *   NOT_FOUND      -                   -                   list: it is gone, or it never could be
 *   UNTRUSTED      change nothing      -                   -
 *   RETRY_LATER    nothing was done: the same call may be made again
 *   UNAUTHORIZED   the account key is refused: block the account
 *   FORBIDDEN      the account is, or the API key is (on every account)
 *   REFUSED        it will be refused again until the configuration or the key changes
 */
#pragma once

#include "bridge/base/arena.h"
#include "bridge/base/diag.h"
#include "bridge/domain/specification.h"

struct account;
struct integration_overrides;
struct secret;

/* --- requests ------------------------------------------------------------------------------- */

enum provider_method {
    PROVIDER_GET = 0,
    PROVIDER_POST,
    PROVIDER_PATCH,
    PROVIDER_DELETE,
};

/* "GET", ... Static. */
const char *provider_method_name(enum provider_method method);

/* The value is the text followed by the secret; the text alone may be shown. Neither holds a
 * character that would end the header. */
struct provider_header {
    const char *name;
    const char *text;            /* "Bearer "; maybe "" */
    const struct secret *secret; /* NULL: none. Borrowed from the credentials */
};

#define PROVIDER_HEADERS_MAX 4

struct provider_request {
    enum provider_method method;
    const char *url; /* absolute, below the base URL; holds no secret */
    struct provider_header headers[PROVIDER_HEADERS_MAX];
    size_t headers_len;
    struct bytes body; /* data == NULL: none */
};

/* What every call of one account carries. All is borrowed. */
struct provider_credentials {
    const char *provider;             /* whose they are, for what is said of its answers */
    const char *base_url;             /* without a trailing slash */
    const struct secret *api_key;     /* the tenant's; NULL where the provider has none */
    const struct secret *account_key; /* Maesn's X-ACCOUNT-KEY, Moneybird's bearer token */
    const char *company_id;           /* NULL: not sent; Moneybird: the administration */
    const char *environment_name;     /* NULL: not sent */
};

/* --- answers -------------------------------------------------------------------------------- */

/* How far a request came. */
enum provider_reach {
    PROVIDER_UNANSWERED = 0, /* it may have been acted on: timeout, reset, a body that is cut off or
                                too large */
    PROVIDER_UNSENT,         /* surely not acted on: no connection, no permission of ours to call */
    PROVIDER_ANSWERED,       /* a status, and the whole body */
};

struct provider_answer {
    enum provider_reach reach;
    int http_status;   /* 0 unless ANSWERED */
    struct bytes body; /* as received, without transfer and content codings; borrowed */
};

enum provider_verdict {
    VERDICT_AMBIGUOUS = 0,
    VERDICT_OK,
    VERDICT_NO_SECRET,
    VERDICT_NOT_FOUND,
    VERDICT_UNTRUSTED,
    VERDICT_RETRY_LATER,
    VERDICT_UNAUTHORIZED,
    VERDICT_FORBIDDEN,
    VERDICT_REFUSED,
};
#define PROVIDER_VERDICTS 9

/* "ambiguous", "ok", "no-secret", ... as in metric labels and tables. Static. */
const char *provider_verdict_name(enum provider_verdict verdict);

struct provider_outcome {
    enum provider_verdict verdict;
    struct diag reason; /* of what is not OK; holds no secret, and little of a stranger's text */
};

#define PROVIDER_TIME_UNKNOWN INT64_MIN

/* A subscription as its provider tells of it. */
struct listing_entry {
    const char *id; /* text, however it came: Moneybird's numbers have 18 digits */
    const char *callback_url;
    int64_t created_at_unix_ms;  /* PROVIDER_TIME_UNKNOWN: none, or none that parses */
    int64_t expires_at_unix_ms;  /* likewise */
    const char **enabled_events; /* sorted, without twins; Moneybird only */
    size_t enabled_events_len;
    int last_http_status;           /* what our ingress answered last; 0: unknown */
    bool is_deactivated;            /* the provider has stopped sending to it */
    int64_t deactivated_at_unix_ms; /* likewise */
};

/* Starts as a zero value, and is filled page by page. */
struct listing {
    struct provider_outcome outcome;
    bool trusted; /* all pages were read and are well-formed: what is not in it does not exist */
    unsigned next_page;            /* what to ask for next; 0: nothing more */
    struct listing_entry *entries; /* no id twice */
    size_t len;
    size_t capacity;
    unsigned pages; /* of all there are; 0 before the first answer */
};

/* Pages, and entries of all pages, beyond which a listing is not trusted. An account needs at most
 * 24 subscriptions and as many again while they are renewed. */
#define LISTING_PAGES_MAX 100
#define LISTING_ENTRIES_MAX 10000

/* A subscription that was just made. */
struct created {
    struct provider_outcome outcome;
    struct listing_entry entry; /* id is NULL unless OK or NO_SECRET */
    struct secret *secret;      /* a reference; NULL unless OK */
    struct secret *token;       /* likewise; NULL also where the provider has none */
};

/* Drops the references. */
void created_done(struct created *c);

/* --- what an account stands for -------------------------------------------------------------- */

/* A subscription that is to exist. */
struct wanted {
    struct specification specification;
    const char **enabled_events; /* sorted, without twins, never empty; Moneybird only */
    size_t enabled_events_len;
};

/* Bounds of the arenas that an expansion, and a listing with its answers, surely fit into, in
 * bytes; almost all use a few kilobytes. */
#define EXPANSION_ARENA_MAX (64U << 20)
#define LISTING_ARENA_MAX (64U << 20)

/* What of an account's declaration is wrong. */
enum expansion_field {
    EXPANSION_ACCOUNT = 0,
    EXPANSION_SYSTEM,
    EXPANSION_COMPANY_ID,
    EXPANSION_ENVIRONMENT_NAME,
    EXPANSION_SUBSCRIPTIONS,
    EXPANSION_RESOURCE, /* of a subscription */
    EXPANSION_EVENTS,   /* of a subscription */
    EXPANSION_EVENTS_RAW,
};

struct expansion_problem {
    bool is_warning;
    enum expansion_field field;
    size_t subscription; /* index, for RESOURCE and EVENTS */
    size_t item;         /* index in events or events_raw */
    const char *text;    /* "INVOICES, expected one of ..." */
};

/* Everything lives in the arena, or in the account. */
struct expansion {
    struct wanted *wanted; /* what is right, also beside errors; sorted, no specification twice */
    size_t wanted_len;
    struct expansion_problem *problems; /* in the order of the declaration */
    size_t problems_len;
    size_t errors;
    const char *company_id;       /* for the credentials: NULL where the system does not take it */
    const char *environment_name; /* likewise */
};

/* --- the table ------------------------------------------------------------------------------- */

/* Of all functions:
 *
 * Owns:   what they return lives in the arena, or is borrowed from the arguments.
 * Errors: STATUS_NOMEM, also when the arena's bound is met: *ret is undefined then. Requests:
 *         STATUS_INVALID something cannot be put into one, diag says what.
 * Thread: any number at once.
 */
struct provider_api {
    /* What the account wants, by the table of integrations as the operator has changed it. */
    enum status (*expand)(const struct account *account,
                          const struct integration_overrides *overrides, struct arena *a,
                          struct expansion *ret);

    /* page counts from 1. */
    enum status (*list)(const struct provider_credentials *c, unsigned page, struct arena *a,
                        struct provider_request *ret, struct diag *diag);
    enum status (*create)(const struct provider_credentials *c, const struct wanted *wanted,
                          const char *callback_url, struct arena *a, struct provider_request *ret,
                          struct diag *diag);
    enum status (*delete)(const struct provider_credentials *c, const char *id, struct arena *a,
                          struct provider_request *ret, struct diag *diag);
    /* NULL: a subscription of this provider is never deactivated. */
    enum status (*activate)(const struct provider_credentials *c, const char *id, struct arena *a,
                            struct provider_request *ret, struct diag *diag);

    /* Adds the answer to the request for listing->next_page, or the first page. */
    enum status (*read_list)(const struct provider_credentials *c,
                             const struct provider_answer *answer, struct arena *a,
                             struct listing *listing);
    /* Owns:   the caller ends *ret with created_done(). */
    enum status (*read_create)(const struct provider_credentials *c,
                               const struct provider_answer *answer, const char *callback_url,
                               struct arena *a, struct created *ret);
    /* Of a delete, and of an activate. */
    void (*read_change)(const struct provider_credentials *c, const struct provider_answer *answer,
                        struct provider_outcome *ret);
};
