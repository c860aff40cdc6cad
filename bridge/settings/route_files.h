/* routes_dir: the routes of webhooks that somebody registered by hand. */
#pragma once

#include "bridge/settings/field.h"

/* Of one route; ends with a row without a name. */
extern const struct field route_fields_table[];

/* Fills settings->routes. */
void route_files_read(struct load *l);
