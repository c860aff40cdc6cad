/* Maesn's unified webhooks: thin events of nine accounting systems. */
#pragma once

#include "bridge/domain/provider.h"

extern const struct provider maesn;
