/* Plays the providers: POSTs callbacks to the bridge, at a steady rate. */
#pragma once

#include "bridge/base/diag.h"
#include "bridge/dev/delivery.h"

struct sender;

/* The highest rate: what the ledger's memory is made for. */
#define SENDER_PER_SECOND_MAX 1000

struct sender_options {
    unsigned per_second;  /* callbacks, 1..SENDER_PER_SECOND_MAX */
    size_t lanes;         /* at high rates: callbacks n and n + lanes never overtake each other */
    unsigned forge_every; /* every so many callbacks one is wrongly signed; 0: none */
    struct delivery_source source;
    struct ledger *ledger; /* borrowed; every callback and its answer is entered */

    /* Told of every answer but a 200; code 0: none came. In a thread of the sender; may be NULL. */
    void (*on_refusal)(void *owner, const char *path, bool forged, int code);
    void *owner; /* on_refusal's */
};

/* Starts sending: one thread and one connection up to 20 callbacks a second, beyond that one for
 * each lane. A bridge that answers more slowly than that gets fewer.
 * Owns:   on STATUS_OK the caller stops and frees *ret with sender_free().
 * Errors: STATUS_UNAVAILABLE a thread cannot be started. STATUS_NOMEM.
 */
enum status sender_new(const struct sender_options *opt, struct sender **ret, struct diag *diag)
    MUST_CHECK;

/* Waits for the answers under way, at most 10 s; afterwards nothing is sent. */
void sender_stop(struct sender *s);

void sender_free(struct sender *s);
