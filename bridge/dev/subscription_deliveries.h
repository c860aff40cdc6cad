/* Callbacks of the subscriptions that were made at the simulated providers: each live one gets its
 * turn, its events are of what it is for, and its own secret signs them. One that answers badly is
 * told so once: nothing is sent again.
 */
#pragma once

#include "bridge/dev/delivery.h"

/* Composing fails with STATUS_BUSY where nothing is to be sent: there is no live subscription, or
 * it is for the TOKEN resource, which only a customer who leaves sets off. The world is borrowed.
 */
struct delivery_source subscription_deliveries_source(struct provider_world *w);
