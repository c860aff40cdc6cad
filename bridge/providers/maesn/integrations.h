/* The accounting systems behind Maesn, and what a subscription to each may say. */
#pragma once

#include <stdbool.h>

#include "bridge/base/arena.h"
#include "bridge/base/status.h"
#include "bridge/domain/integration_override.h"

/* A rule that is UNSET, which the table itself has none of: nothing is known, what is given is
 * sent. */
struct integration {
    const char *system; /* "exact-nl", as Maesn spells it */
    enum requirement environment;
    enum requirement company_id; /* OPTIONAL: needed unless the end user has chosen one */
    enum requirement resource;
    enum requirement event_type;
    const char *const *resources;   /* a NULL ends the list; empty: Maesn chooses */
    const char *const *event_types; /* likewise */
    bool sends_arrays;              /* several events in one callback */
};

/* A row without a system ends the table. */
extern const struct integration integrations[];

/* The row of this system, or NULL. Static. */
const struct integration *integration_of(const char *system);

/* The row of this system as the operator has changed it; one that the table lacks names what its
 * override lists, and nothing else. *ret is NULL when there is neither.
 *
 * Owns:   *ret is static, or lives in the arena and points into the override.
 * Errors: STATUS_NOMEM.
 */
enum status integration_resolve(const char *system, const struct integration_overrides *overrides,
                                struct arena *a, const struct integration **ret) MUST_CHECK;
