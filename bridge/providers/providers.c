#include "bridge/providers/providers.h"

#include <string.h>

#include "bridge/providers/maesn/maesn.h"
#include "bridge/providers/moneybird/moneybird.h"

const struct provider *const providers_all[] = {&maesn, &moneybird, NULL};

const struct provider *providers_find(const char *name)
{
    for (const struct provider *const *p = providers_all; *p != NULL; p++)
        if (strcmp((*p)->name, name) == 0)
            return *p;
    return NULL;
}
