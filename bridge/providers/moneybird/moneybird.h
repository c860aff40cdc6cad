/* Moneybird's own webhooks, without Maesn: full records, made thin. */
#pragma once

#include "bridge/domain/provider.h"

extern const struct provider moneybird;
