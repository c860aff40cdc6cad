/* The making of a plan's steps. Private to the plan. */
#pragma once

#include "bridge/reconciler/plan_view.h"

/* A step that leaves the registry as it is. The plan has room for it: one step a route, one a
 * sighting, one a wanted specification. Returns it, for what else it says. */
struct plan_step *plan_step_add(struct plan_view *v, enum plan_action action,
                                enum plan_reason reason, const struct route_record *after);

/* A step for a route of the registry: it writes where it leaves another record. */
struct plan_step *plan_step_add_for_route(struct plan_view *v, const struct route_record *r,
                                          enum plan_action action, enum plan_reason reason,
                                          const struct route_record *after);

/* The first step of the present specification that is about the URL; NULL: none is. */
struct plan_step *plan_step_find(const struct plan_view *v, const struct callback_url *url);
