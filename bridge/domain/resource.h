/* The vocabulary of unified events: the resources and event types that have topics of their own. */
#pragma once

#include <stdbool.h>
#include <stddef.h>

/* "ACCOUNT", ... as the providers write them; a NULL ends the list.
 * Source: docs.maesn.com, "Create webhook", 2026. New ones can appear: the wire has free strings.
 */
extern const char *const resources[];

/* The longest of them in kebab case: "journal-entry". */
#define RESOURCE_KEBAB_MAX 13

/* Without regard to case. */
bool resource_is_known(const char *resource);
bool resource_is_token(const char *resource);

/* The test event of `maesn-bridge probe`: its resource, which no provider has, and its event type.
 * It has a topic of its own only where a route is declared for it, see route_is_probe(). */
#define RESOURCE_PROBE "PROBE"
#define RESOURCE_PROBE_EVENT_TYPE "CREATED"
bool resource_is_probe(const char *resource);

/* "CREATED", "DELETED", "REVOKED", "UPDATED"; without regard to case. Source: as above. */
bool event_type_is_known(const char *event_type);
