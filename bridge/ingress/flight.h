/* What of a callback outlives its request: the body, and the records made of it, on their way to
 * durability.
 *
 *   WAITING ──report──► REPORTED      the sink knew first: the loop answers what it says
 *      └─────expire───► EXPIRED       the loop answered without it: the report comes too late
 *
 * One compare-and-swap decides; the loser only drops its reference.
 */
#pragma once

#include "bridge/base/buf.h"
#include "bridge/domain/publication.h"
#include "bridge/ingress/budget.h"
#include "bridge/ingress/mailbox.h"

enum flight_state {
    FLIGHT_WAITING = 0,
    FLIGHT_REPORTED,
    FLIGHT_EXPIRED,
};

struct flight {
    struct mailbox_node node; /* first: a flight is found again from it */
    struct publication pub;   /* counts the references of the whole; its arena holds the records */
    struct buf body;          /* the records' values may point into it */
    atomic_int state;
    enum status report;      /* the sink's; to be read once the state is REPORTED */
    void *waiter;            /* whom the loop tells of the report. Thread: the loop's */
    struct mailbox *mailbox; /* the loop's */
    struct budget *budget;
    size_t budgeted; /* bytes taken from it; given back with the last reference */
};

/* For a body of at most body_max bytes, of which expected are announced.
 * Owns:   on STATUS_OK the caller holds one reference of *ret.
 * Errors: STATUS_BUSY the budget has not that many bytes left. STATUS_NOMEM.
 */
enum status flight_new(struct mailbox *mailbox, struct budget *budget, size_t body_max,
                       size_t expected, struct flight **ret) MUST_CHECK;

/* Drops the caller's reference; NULL is fine. Thread: any. */
void flight_unref(struct flight *f);

/* Errors: STATUS_INVALID the body grows beyond its maximum. STATUS_BUSY, STATUS_NOMEM as
 * flight_new().
 */
enum status flight_append(struct flight *f, struct bytes piece) MUST_CHECK;

/* Decides that the report is not waited for any longer, and says so to the sink. Returns false when
 * the report was first: then it is, or will be in a moment, in the mailbox. Thread: the loop's.
 */
bool flight_expire(struct flight *f);

static inline struct flight *flight_of_node(struct mailbox_node *node)
{
    return (struct flight *)node;
}
