/* maesn.integrations: what a target system takes, over the provider's built-in table. */
#pragma once

#include "bridge/settings/field.h"
#include "bridge/settings/setting.h"

/* Of one system; ends with a row without a name. */
extern const struct field integration_fields[];

/* Reads a map of systems; only its shape is checked. */
void integrations_read(const char *key, const struct node *map, struct load *l,
                       struct integration_overrides *ret);

/* Appends a flow map. */
void integrations_print(const struct integration_overrides *i, struct buf *ret);
