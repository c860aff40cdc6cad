/* The ingress's table of registry routes: as small as its texts, made a struct route when a
 * callback comes. */
#pragma once

#include "bridge/base/keyring.h"
#include "bridge/domain/registry.h"
#include "bridge/registry/route_record.h"

struct provider;
struct route_index;

/* A generation younger than this is not yet known here, rather than no longer known. */
#define ROUTE_INDEX_YOUNG_MS (15 * 60 * 1000)
/* The clocks of reconciler and ingress may differ by this. */
#define ROUTE_INDEX_AHEAD_MS (60 * 1000)

/* Starts empty, and not caught up.
 * Owns:   on STATUS_OK the caller frees *ret with route_index_free(). Takes its own reference of
 *         route_keys; providers (a NULL ends them) must outlive it.
 * Errors: STATUS_NOMEM.
 */
enum status route_index_new(const struct provider *const providers[],
                            const struct keyring *route_keys, struct route_index **ret) MUST_CHECK;
void route_index_free(struct route_index *x);

/* Thread: all of the following, any number at once. Errors of the first two: STATUS_NOMEM, the
 * route then stays as it was. */

/* Puts the record in the place of what its route was. */
enum status route_index_apply(struct route_index *x, const struct route_record *r) MUST_CHECK;

/* The route's record cannot be read: its callbacks are put off until one comes that can. */
enum status route_index_disable(struct route_index *x, const struct callback_url *u) MUST_CHECK;

/* Forgets the route. */
void route_index_remove(struct route_index *x, const struct callback_url *u);

/* Other route keys, after their file has changed. */
void route_index_set_keys(struct route_index *x, const struct keyring *route_keys);

/* Until it has caught up, what it does not know for sure is looked up in this one, which is what
 * was known before the start: routes that are there are found, all others are not yet known. Then
 * this one is freed, and nothing of it counts any more. Owns: takes it. */
void route_index_set_former_take(struct route_index *x, struct route_index *former);

/* The end of every partition was met once: from now on what is not there is unknown. */
void route_index_set_caught_up(struct route_index *x);

struct route_index_counts {
    size_t routes;   /* with those disabled */
    size_t disabled; /* whose record cannot be read */
    bool caught_up;
};
struct route_index_counts route_index_count(struct route_index *x);

/* Looks a decoded path up at this instant.
 *
 * ROUTE_FOUND    *ret is the route, one reference held. A pending one has no secret yet.
 * ROUTE_NOT_YET  our knowledge may be behind: the index has not caught up, the route is disabled,
 * the path's generation is young, or memory is short. *ret is a pending route without secret, one
 * reference held, if the path's token is ours and its generation young, so that a registration
 * probe can be told; NULL otherwise. ROUTE_UNKNOWN  there is no such route; *ret is NULL.
 */
enum route_lookup route_index_find(struct route_index *x, const char *path, int64_t now_unix_ms,
                                   struct route **ret);
