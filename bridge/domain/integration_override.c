#include "bridge/domain/integration_override.h"

#include <string.h>

const struct integration_override *
integration_overrides_find(const struct integration_overrides *overrides, const char *system)
{
    for (size_t i = 0; i < overrides->len; i++)
        if (strcmp(overrides->items[i].system, system) == 0)
            return &overrides->items[i];
    return NULL;
}
