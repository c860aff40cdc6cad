/* The books of a `dev` run: which events were sent, how they were answered, and which arrived. */
#pragma once

#include "bridge/base/bytes.h"
#include "bridge/base/status.h"

struct ledger;

/* An event's ce_id: 32 hex digits. Source: README, the contract for subscribers. */
#define LEDGER_ID_SIZE 16

struct ledger_id {
    uint8_t bytes[LEDGER_ID_SIZE];
};

/* One callback's place in the books, between its sending and its answer. */
struct ledger_entry {
    uint64_t first; /* its first event */
    size_t events;
    bool forged;
};

struct ledger_totals {
    uint64_t sent;               /* callbacks, the forged ones too */
    uint64_t answered_200;       /* callbacks */
    uint64_t answered_otherwise; /* callbacks that deserved a 200 */
    uint64_t unanswered;         /* callbacks whose connection broke */
    uint64_t forged;             /* callbacks with a wrong signature */
    uint64_t forged_refused;     /* of these, answered 401 */
    uint64_t
        forged_accepted; /* of these, answered 2xx; the rest met a 503 or a broken connection */
    uint64_t received;   /* records that answer to an event of ours, each once */
    uint64_t duplicates; /* such records, seen again */
    uint64_t forged_received; /* records that must not exist */
    uint64_t by_others;       /* records of callbacks that somebody else sent */
    uint64_t missing; /* events answered 200 that have not been received; at the end: lost */
};

/* Whether the promise was kept, at the end of a run: nothing answered 200 is missing, nothing that
 * was forged came through, and at least something was accepted, unless nothing was sent. */
static inline bool ledger_is_balanced(const struct ledger_totals *t)
{
    return t->missing == 0 && t->forged_received == 0 && t->forged_accepted == 0 &&
           (t->answered_200 > 0 || t->sent == t->forged);
}

/* Remembers the last 65536 events; older ones are settled: received or missing for good.
 * Owns:   the caller frees *ret with ledger_free().
 * Errors: STATUS_NOMEM.
 */
enum status ledger_new(struct ledger **ret) MUST_CHECK;
void ledger_free(struct ledger *l);

/* Before a callback is sent: its events may be received before its answer comes. Thread: any. */
struct ledger_entry ledger_send(struct ledger *l, const struct ledger_id ids[], size_t ids_len,
                                bool forged);

/* Its answer: an HTTP status code, or 0 when none came. Thread: any. */
void ledger_answer(struct ledger *l, const struct ledger_entry *entry, int code);

/* A record with this ce_id was received; data == NULL: it has none. Thread: any. */
void ledger_receive(struct ledger *l, struct bytes ce_id);

/* As of now. Thread: any. */
struct ledger_totals ledger_totals(struct ledger *l);
