/* Moneybird's own API: one subscription an administration, with a list of events, and no envelope.
 */
#pragma once

#include "bridge/domain/provider_api.h"

extern const struct provider_api moneybird_api;
