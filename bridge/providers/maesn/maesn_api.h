/* Maesn's own API: a subscription for each resource and event, in an envelope of its own. */
#pragma once

#include "bridge/domain/provider_api.h"

extern const struct provider_api maesn_api;
