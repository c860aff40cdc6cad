/* Every route the ingress serves: those of the files first, then those of the registry. */
#pragma once

#include "bridge/domain/registry.h"

struct route_index;
struct routes;

/* Both are borrowed; index NULL: there is no registry, and what no file declares is unknown.
 * Owns:   on STATUS_OK the caller frees *ret with routes_free().
 * Errors: STATUS_NOMEM.
 */
enum status routes_new(struct registry *declared, struct route_index *index, struct routes **ret)
    MUST_CHECK;
void routes_free(struct routes *r);

/* The port; borrowed until routes_free(). Who changes the index tells it, registry_changed(). */
struct registry *routes_registry(struct routes *r);
