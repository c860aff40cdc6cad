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
    const struct publication *origin; /* whose records these are: abandoned when that is; NULL: they
                                         are its own */
    int64_t due_mono_ms; /* when its callback is answered, with it or without; 0: nobody said */

    /* Called once, in any thread, maybe before event_sink_publish() returns: every record's fate is
     * known. STATUS_OK: all are durable. STATUS_UNAVAILABLE: at least one is not, or not surely.
     * STATUS_REFUSED: as that, and somebody has to mend what they were refused for.
     * Returns whether it was waited for: after false, which is for good, the callback was answered
     * without it, as if they were not durable.
     */
    bool (*on_done)(struct publication *pub, enum status status);
    void *owner; /* on_done's */

    /* Called when the last reference is dropped, in any thread; frees pub and its arena. */
    void (*on_release)(struct publication *pub);

    atomic_size_t maybe_durable; /* by on_done: records that are durable or may be, whatever it says
                                    of all: sent again, they are duplicates */

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
