/* The port that hears of each callback whose events became durable: so a subscription that has gone
 * silent can be seen. */
#pragma once

#include "bridge/domain/route.h"

struct activity {
    /* Never waits, cannot fail. Thread: any number at once. */
    void (*note)(struct activity *activity, const struct route *route, int64_t received_at_unix_ms);
};

static inline void activity_note(struct activity *activity, const struct route *route,
                                 int64_t received_at_unix_ms)
{
    activity->note(activity, route, received_at_unix_ms);
}
