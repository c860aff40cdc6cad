/* What a provider's answer to a management call means: the words that its parsers, the plan and the
 * execution share. */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* What is known of a call, and so what may be done next. */
enum provider_verdict {
    /* Unknown whether it took effect: a time-out, a reset, 5xx, an answer that cannot be read. A
     * list must say before it is made again. */
    PROVIDER_AMBIGUOUS = 0,
    PROVIDER_OK,
    PROVIDER_NOT_SENT,     /* nothing of it left this process: it did nothing */
    PROVIDER_RETRY_LATER,  /* 429: it did nothing; retry_at says when again */
    PROVIDER_UNAUTHORIZED, /* 401: the account's key is refused */
    PROVIDER_FORBIDDEN,    /* 403: the account, or the API key, is refused */
    PROVIDER_NOT_FOUND,    /* 404: gone, or not offered for this system */
    PROVIDER_REFUSED,      /* any other 4xx: it did nothing and will do nothing if made again */
};
#define PROVIDER_VERDICTS 8

/* One subscription as the provider lists it. A text that is NULL did not come. */
struct listing_entry {
    const char *id;
    const char *callback_url;
    int64_t expires_at_unix_ms;        /* 0: none, or none that parses */
    const char *const *enabled_events; /* Moneybird; NULL: not listed */
    size_t enabled_events_len;
    bool is_deactivated;  /* Moneybird: deactivated_at is set */
    int last_http_status; /* Moneybird: what our endpoint answered last; 0: unknown */
};

/* The subscriptions of one account key, as far as one list call shows them. */
struct listing {
    /* Complete and well-formed: what it lacks is not there. Status 200, JSON, `data` an array,
     * `errors` null or empty, every page read. */
    bool is_trusted;
    const struct listing_entry *entries;
    size_t entries_len;
};

/* The answer to a create call. */
struct created {
    const char *id;             /* NULL: none came */
    const char *callback_url;   /* NULL: none came */
    const char *secret;         /* NULL: none came */
    const char *token;          /* Moneybird; NULL: none came */
    int64_t expires_at_unix_ms; /* 0: none, or none that parses */
};
