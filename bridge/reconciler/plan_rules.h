/* The rules of the plan, one a thing that the present specification may have: each adds the steps
 * that the thing asks for. Private to the plan. */
#pragma once

#include "bridge/reconciler/plan_view.h"

/* A route of the registry. */
void plan_route(struct plan_view *v, const struct held_route *held);

/* A subscription at the provider, where it is not a route's own. After the routes. */
void plan_sighting(struct plan_view *v, const struct sighting *seen);

/* What is wanted, and is not there or not as it should be. */
void plan_create(struct plan_view *v);
