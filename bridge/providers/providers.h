/* Every provider there is: the only place that lists them. */
#pragma once

#include "bridge/domain/provider.h"

/* A NULL ends the list. */
extern const struct provider *const providers_all[];

/* The provider of this name, or NULL. Static. */
const struct provider *providers_find(const char *name);
