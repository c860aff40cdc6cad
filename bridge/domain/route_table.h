/* All routes of one moment, found by path. Immutable: a reload makes a new one. */
#pragma once

#include "bridge/domain/route.h"

struct route_table;

/* Takes its own reference of every route.
 * Owns:   on STATUS_OK the caller frees *ret with route_table_free().
 * Errors: STATUS_INVALID two routes have the same path, diag names it. STATUS_NOMEM.
 */
enum status route_table_new(struct route *const routes[], size_t routes_len,
                            struct route_table **ret, struct diag *diag) MUST_CHECK;
void route_table_free(struct route_table *t);

/* The route of exactly this path, borrowed until route_table_free(); NULL if there is none.
 * Thread: any number at once.
 */
struct route *route_table_find(const struct route_table *t, const char *path);

size_t route_table_len(const struct route_table *t);
