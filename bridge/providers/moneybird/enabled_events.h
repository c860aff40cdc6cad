/* What a native Moneybird account stands for: one subscription, with the names of its events. */
#pragma once

#include "bridge/domain/provider_api.h"

/* provider_api.expand */
enum status enabled_events_expand(const struct account *account,
                                  const struct integration_overrides *overrides, struct arena *a,
                                  struct expansion *ret) MUST_CHECK;

/* Sorts the names and drops twins; returns how many are left. */
size_t enabled_events_normalize(const char **names, size_t len);
