/* The port through which finished records become durable. Kafka implements it; tests have a fake.
 */
#pragma once

#include "bridge/domain/publication.h"

struct event_sink {
    /* Takes the publication up, with a reference of its own until on_done has returned.
     * STATUS_OK: pub->on_done will be, or was, called exactly once.
     * Otherwise nothing was sent and on_done is never called:
     * STATUS_BUSY        the queue is full.
     * STATUS_UNAVAILABLE a place these records must go to is known to be away.
     * STATUS_REFUSED     as that, until somebody mends it: their topic is missing.
     * STATUS_NOMEM
     * Thread: any number at once; never blocks.
     */
    enum status (*publish)(struct event_sink *sink, struct publication *pub);
};

static inline enum status event_sink_publish(struct event_sink *sink, struct publication *pub)
{
    return sink->publish(sink, pub);
}
