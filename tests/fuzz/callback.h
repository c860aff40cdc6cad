/* A callback and all that follows from it: verified, unified, sealed, and kept by the spool; and
 * what must be true of each step, whatever the provider. */
#pragma once

#include "bridge/domain/provider.h"

/* The route's secrets, as the files have them, and its token. */
#define CALLBACK_SECRET "whsec-5f70a1d3"
#define CALLBACK_PREVIOUS "whsec-before"
#define CALLBACK_TOKEN "tok-7c3a"

/* A route of the provider with both secrets and the token. The caller holds a reference. */
struct route *callback_route(const struct provider *provider, const char *system);

/* HMAC-SHA256 of the parts under this secret, in lower-case hex. */
void callback_mac(const char *secret, struct bytes first, struct bytes second, char ret[65]);

/* Unifies the verified callback, seals its events, and holds all of it against the body.
 * `dropped`: the keys that the unified value may lack; a NULL ends them. `renamed`: those that it
 * may have though the element has them not. */
void callback_check(const struct route *r, const struct callback *cb,
                    const struct provider_options *opt, const char *const dropped[],
                    const char *const renamed[]);
