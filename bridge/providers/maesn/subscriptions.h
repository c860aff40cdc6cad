/* What an account behind Maesn stands for: one subscription for each resource and event type that
 * its system wants named. */
#pragma once

#include "bridge/domain/provider_api.h"

/* provider_api.expand */
enum status subscriptions_expand(const struct account *account,
                                 const struct integration_overrides *overrides, struct arena *a,
                                 struct expansion *ret) MUST_CHECK;
