/* What the registry says of one route: one generation of one subscription. */
#pragma once

#include "bridge/base/buf.h"
#include "bridge/base/diag.h"
#include "bridge/domain/callback_url.h"
#include "bridge/domain/route.h"

enum route_origin {
    ROUTE_ORIGIN_CREATED = 0, /* the reconciler's own POST */
    ROUTE_ORIGIN_ADOPTED,     /* taken over from a person, who knew the secret */
};

/* A plain value whose texts are borrowed, or, from route_record_copy() and route_record_read(), one
 * block with its texts. A text that is NULL, or an instant that is 0, is not known or does not
 * apply. Every instant is absolute: a setting that changes moves none that was decided.
 */
struct route_record {
    struct callback_url url; /* specification and generation: they make the record's key */
    enum route_state state;
    enum route_origin origin;
    const char *system;               /* "xero"; "moneybird" for a native account */
    const char *company_id;           /* it was created with, and so is listed and deleted with */
    const char *environment_name;     /* likewise */
    const char *public_base_url;      /* it was created with */
    const char *provider_id;          /* the subscription's id there; text, for it exceeds 2^53 */
    const char *secret;               /* signs its callbacks; none while pending */
    const char *token;                /* Moneybird's webhook_token */
    int64_t created_at_unix_ms;       /* when the POST was answered, by our clock */
    int64_t subscribed_since_unix_ms; /* created_at of the first generation in the line of those
                                         that this one replaced; 0: it is the first */
    int64_t expires_at_unix_ms;       /* the provider's expiresDate; 0: none that parses */
    int64_t delete_after_unix_ms; /* retiring: when the overlap ends and the DELETE may go out */
    int64_t gone_after_unix_ms;   /* pending, retired: when the tombstone may follow */
    int64_t undesired_since_unix_ms;
    int64_t missing_since_unix_ms; /* the first trusted list that lacked it, or, while pending, the
                                      first after an ambiguous POST */
};

/* A copy with all its texts. NULL when memory is short.
 * Owns: the caller frees it with route_record_free(), which wipes it; its texts may be replaced by
 * borrowed ones meanwhile.
 */
struct route_record *route_record_copy(const struct route_record *r);
void route_record_free(struct route_record *r);

/* Whether both say the same, so that there is nothing to write. */
bool route_record_equal(const struct route_record *a, const struct route_record *b);

/* Whether an active subscription was not heard for so long: no event came, of which the last one
 * was at last_event_unix_ms (0: none is known), and it was there all the time. */
bool route_record_is_silent(const struct route_record *r, int64_t last_event_unix_ms,
                            int64_t silent_after_ms, int64_t now_unix_ms);

/* "pending", "active", ... Static. */
const char *route_record_state_name(enum route_state state);

/* Appends the record as JSON, schema version 1, always in the same order.
 * Errors: STATUS_NOMEM; STATUS_INVALID it is longer than ret's maximum.
 */
enum status route_record_write(const struct route_record *r, struct buf *ret) MUST_CHECK;

/* Reads route_record_write()'s JSON. Members it does not know are left out; they are for a reader
 * to come, and a record that must not be misread has another version.
 * Owns:   as route_record_copy().
 * Errors: STATUS_INVALID it is no record of schema version 1; diag says why, without its values.
 *         STATUS_NOMEM.
 */
enum status route_record_read(struct bytes json, struct route_record **ret, struct diag *diag)
    MUST_CHECK;
