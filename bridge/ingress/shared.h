/* What the loops of one ingress have in common. */
#pragma once

#include "bridge/ingress/budget.h"
#include "bridge/ingress/ingress.h"
#include "bridge/ingress/replays.h"
#include "bridge/ingress/tally.h"
#include "bridge/ingress/tls.h"

struct shared {
    struct ingress_options opt; /* constant */
    struct budget *budget;
    struct limit *limits[LIMITS];
    struct replays *replays;
    size_t delayed_max; /* connections of a loop whose refusal is late */
    struct tally *tally;
    struct tls *tls;           /* NULL: plain HTTP */
    atomic_bool draining;      /* every answer closes its connection */
    atomic_size_t connections; /* of all loops */
};
