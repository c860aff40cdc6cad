/* The registry of the routes that files declare: everything is known from the first moment. */
#pragma once

#include "bridge/domain/registry.h"

struct static_routes;

/* Starts without a route.
 * Owns:   on STATUS_OK the caller frees *ret with static_routes_free().
 * Errors: STATUS_NOMEM.
 */
enum status static_routes_new(struct static_routes **ret) MUST_CHECK;
void static_routes_free(struct static_routes *s);

/* Puts these routes in the place of the former ones, all at once; requests under way keep the ones
 * they have. Errors: as route_table_new(); the former routes then stay. Thread: any.
 */
enum status static_routes_replace(struct static_routes *s, struct route *const routes[],
                                  size_t routes_len, struct diag *diag) MUST_CHECK;

/* The port; borrowed until static_routes_free(). */
struct registry *static_routes_registry(struct static_routes *s);

size_t static_routes_len(struct static_routes *s);
