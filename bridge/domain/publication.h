/* The records of one callback on their way to durability, held together by the request and by the
 * sink. */
#pragma once

#include <stdatomic.h>

#include "bridge/base/arena.h"
#include "bridge/base/status.h"
#include "bridge/domain/record.h"

struct publication {
    struct record *records; /* in the arena */
    size_t records_len;
    struct arena *arena;

    /* Called once, in any thread, maybe before event_sink_publish() returns: every record's fate is
     * known. STATUS_OK: all are durable. STATUS_UNAVAILABLE: at least one is not, or not surely.
     */
    void (*on_done)(struct publication *pub, enum status status);
    void *owner; /* on_done's */

    /* Called when the last reference is dropped, in any thread; frees pub and its arena. */
    void (*on_release)(struct publication *pub);

    atomic_uint refs;
    atomic_bool abandoned; /* its callback was answered without it: what was not sent must not be
                              sent any more */
};

/* An empty publication with one reference, held by the caller, who fills in the other members
 * afterwards. */
void publication_init(struct publication *pub);

/* Thread: any. */
struct publication *publication_ref(struct publication *pub);
void publication_unref(struct publication *pub);

/* Says that the callback was answered: what is still waiting to be sent is dropped instead of sent
 * late. */
void publication_abandon(struct publication *pub);
bool publication_is_abandoned(const struct publication *pub);
