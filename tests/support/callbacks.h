/* Routes, callbacks and vectors for tests: everything lives until the fixture is done. */
#pragma once

#include "bridge/domain/provider.h"

struct callbacks {
    struct arena *arena;
    struct route *route;
};

/* The content of tests/vectors/<name>, without the newline at its end. Fails the test when it is
 * not there. */
struct bytes vector_bytes(struct callbacks *c, const char *name);
const char *vector_text(struct callbacks *c, const char *name);

/* A route of this provider for account acme-42; secrets and token may be NULL. Replaces the one
 * before. */
const struct route *callbacks_route(struct callbacks *c, const struct provider *provider,
                                    const char *system, const char *current, const char *previous,
                                    const char *token);

/* A fresh arena; the one before is gone with all that was in it. */
void callbacks_reset(struct callbacks *c, size_t arena_max);
void callbacks_done(struct callbacks *c);

/* "value" of an event, as a string. */
const char *bytes_text(struct callbacks *c, struct bytes bytes);
