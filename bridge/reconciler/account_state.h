/* What is held of one account: what the registry says, and what only this process remembers.
 *
 * The registry's part is filled by whoever reads the partition, before the first pass, and then by
 * the passes themselves, after each commit. The rest is lost with the process, and may be: it saves
 * calls, no decision about what exists rests on it. What was refused for good is in the record,
 * too: refusals.h.
 */
#pragma once

#include "bridge/base/diag.h"
#include "bridge/registry/account_record.h"
#include "bridge/registry/route_record.h"

struct held_route {
    struct route_record *record;
    bool is_unsent; /* pending, and its POST surely did nothing: the intent may still be used */
};

/* Something went wrong with a specification: when it is worth another try. */
struct setback {
    struct specification specification;
    unsigned failures; /* in a row */
    int64_t not_before_unix_ms;
    bool is_refused; /* not before the configuration or the key changes */
    struct diag reason;
};

struct account_state {
    struct account_record *record; /* NULL: none */
    struct held_route *routes;
    size_t routes_len;
    size_t routes_capacity;

    /* Was made, and is not surely committed: nobody else knows its secret. NULL: none. No call is
     * made before it is, so there is never another one. */
    struct route_record *unsaved;

    struct setback *setbacks;
    size_t setbacks_len;
    char configuration[ACCOUNT_FINGERPRINT_SIZE]; /* that the setbacks are about */
    int64_t revoked_at_unix_ms;                   /* the newest TOKEN/REVOKED record; 0: none */
    int64_t blocked_call_unix_ms; /* the last call that was made although blocked; 0: none */
    int64_t generation_unix_ms;   /* the newest that was ever seen here */
};

void account_state_init(struct account_state *s);
void account_state_done(struct account_state *s);

/* Makes room for so many more routes: as many account_state_take_route() then succeed. Errors:
 * STATUS_NOMEM. */
enum status account_state_reserve(struct account_state *s, size_t more) MUST_CHECK;

/* Takes the record in the place of what had its key. Errors: STATUS_NOMEM, the state is as it was,
 * and the record is freed. */
enum status account_state_take_route(struct account_state *s, struct route_record *r) MUST_CHECK;
/* r may be NULL: there is none any more. */
void account_state_take_account(struct account_state *s, struct account_record *r);

/* Forgets the record of this key, if there is one. */
void account_state_remove_route(struct account_state *s, const struct callback_url *u);

/* NULL: none. Borrowed until the state changes. */
struct held_route *account_state_find(const struct account_state *s, const struct callback_url *u);

/* NULL: none. Borrowed until the setbacks change. */
const struct setback *account_state_setback(const struct account_state *s,
                                            const struct specification *spec);

/* One more failure: the next try is after first_ms, doubled with each failure in a row up to
 * SETBACK_MAX_MS. Errors: STATUS_NOMEM. */
enum status account_state_fail(struct account_state *s, const struct specification *spec,
                               int64_t now_unix_ms, int64_t first_ms, bool is_refused,
                               const struct diag *reason) MUST_CHECK;
void account_state_succeed(struct account_state *s, const struct specification *spec);
void account_state_forget_setbacks(struct account_state *s);
