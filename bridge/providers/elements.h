/* A callback's body taken apart into its elements, which a provider then makes events of. */
#pragma once

#include "bridge/base/arena.h"
#include "bridge/base/status.h"
#include "bridge/domain/event.h"

/* One event for each element of an array, one for an object, none for []. A good one has its
 * reason, index and value set (the element's own bytes, an object, without duplicate keys); what
 * cannot be understood is a dead letter already. When the body as a whole is no JSON, or has more
 * than EVENTS_MAX elements, it is one dead letter. Owns:   the list lives in the arena, the values
 * in the body. Errors: STATUS_NOMEM.
 */
enum status elements_split(struct bytes body, struct arena *a, struct event_list *ret) MUST_CHECK;

/* Makes a dead letter of an event; its value stays. detail is not copied. */
void elements_refuse(struct event *ev, enum dead_letter_reason reason, const char *detail);

/* A member's text, NULL in *ret where it is no text or empty. Owns: in the arena. Errors:
 * STATUS_NOMEM.
 */
enum status elements_text(struct bytes value, struct arena *a, const char **ret) MUST_CHECK;

/* Likewise, but a number counts too, by its digits as they came. */
enum status elements_id(struct bytes value, struct arena *a, const char **ret) MUST_CHECK;
