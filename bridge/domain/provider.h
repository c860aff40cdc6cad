/* The port that a sender's adapter implements: a table of pure functions, bytes in, values out; no
 * I/O, no clock. */
#pragma once

#include "bridge/base/arena.h"
#include "bridge/base/status.h"
#include "bridge/domain/event.h"
#include "bridge/domain/route.h"

struct provider_api;

/* A received callback. Everything is borrowed for the life of the request. */
struct callback {
    struct bytes body;        /* the raw bytes: what the signature covers */
    const char *signature;    /* value of the provider's signature_header; NULL: it did not come */
    const char *delivery_id;  /* value of the provider's delivery_id_header; NULL: none */
    const char *content_type; /* NULL: none */
    const char *traceparent;  /* NULL: none */
    const char *tracestate;   /* NULL: none */
    int64_t received_at_unix_ms;
};

/* How a callback's authenticity was judged; the names are metric labels. */
enum verification {
    VERIFICATION_BAD = 0, /* there is a signature and no candidate secret made it */
    VERIFICATION_MISSING, /* no signature, or one that has not its form */
    VERIFICATION_STALE,   /* a right signature over a timestamp outside the tolerance */
    VERIFICATION_CURRENT, /* from here on: authentic; which secret matched */
    VERIFICATION_PREVIOUS,
    VERIFICATION_TOKEN,
};
#define VERIFICATIONS 6

/* "bad", "missing", ... Static. */
const char *verification_name(enum verification verification);

static inline bool verification_is_authentic(enum verification v)
{
    return v >= VERIFICATION_CURRENT;
}

/* v if it is so, and otherwise VERIFICATION_BAD, which is 0: without a branch that would tell. */
static inline enum verification verification_if(bool is_so, enum verification v)
{
    return (enum verification)((unsigned)is_so * (unsigned)v);
}

/* Which of a route's secrets matched, in the same time whether one did and whichever. */
static inline enum verification verification_of_secrets(bool is_current, bool is_previous)
{
    return verification_if(is_current, VERIFICATION_CURRENT) |
           verification_if(is_previous & !is_current, VERIFICATION_PREVIOUS);
}

/* What an operator can set for all providers. */
struct provider_options {
    int64_t signature_tolerance_ms; /* Moneybird; 0: no check */
    bool pass_entity; /* Moneybird: let the full record, with personal data, through */
};

struct provider {
    const char *name;               /* "maesn" */
    const char *type_prefix;        /* of ce_type: "com.maesn" */
    const char *signature_header;   /* "X-MAESN-SIGNATURE" */
    const char *delivery_id_header; /* "Idempotency-Key"; NULL: the provider has none */
    bool probes_registration; /* sends an unsigned request when a webhook is created, which wants a
                                 200 */

    /* Whether a target system of this name can stand behind an account. */
    bool (*knows_system)(const char *system);

    /* Judges the raw bytes against every secret of the route, in a time that does not tell which
     * one matched. *ret is set on STATUS_OK. Errors: STATUS_NOMEM.
     */
    enum status (*verify)(const struct route *r, const struct callback *cb,
                          const struct provider_options *opt, enum verification *ret);

    /* Turns the body of a verified callback into events: one an element of an array, one for an
     * object, none for []. What cannot be understood becomes an event with a dead-letter reason;
     * nothing is dropped. Owns:   the list and all it points to live in the arena, or in cb->body.
     * Errors: STATUS_NOMEM, also when the arena's bound is met.
     */
    enum status (*unify)(const struct route *r, const struct callback *cb,
                         const struct provider_options *opt, struct arena *a,
                         struct event_list *ret);

    const struct provider_api *api; /* what is asked of the provider itself */
};
