/* A callback's body taken apart into its elements, which a provider then makes events of. */
#pragma once

#include "bridge/base/arena.h"
#include "bridge/base/status.h"
#include "bridge/domain/event.h"
#include "bridge/providers/json_scan.h"

/* A good element: an object without duplicate keys. */
struct element {
    struct event *event; /* its reason, index and value (the element's own bytes) are set */
    const struct json_named *members;
    size_t members_len;
    struct arena *arena;
};

/* Makes an event of a good element, or refuses it. Owns: element is borrowed for the call. Errors:
 * STATUS_NOMEM. */
typedef enum status elements_complete_fn(const struct element *element, void *ctx);

/* One event for each element of an array, one for an object, none for []. complete() is called for
 * each good one as it is found; what cannot be understood is a dead letter already. When the body
 * as a whole is no JSON, or has more than EVENTS_MAX elements, it is one dead letter. Owns:   the
 * list lives in the arena, the values in the body. Errors: STATUS_NOMEM; what complete() returned.
 */
enum status elements_split(struct bytes body, struct arena *a, elements_complete_fn *complete,
                           void *ctx, struct event_list *ret) MUST_CHECK;

/* The value of this name, or one with data == NULL. */
struct bytes elements_value(const struct element *element, const char *name);

/* Makes a dead letter of an event; its value stays. detail is not copied. */
void elements_refuse(struct event *ev, enum dead_letter_reason reason, const char *detail);

/* A member's text, NULL in *ret where it is no text or empty. Owns: in the arena. Errors:
 * STATUS_NOMEM.
 */
enum status elements_text(struct bytes value, struct arena *a, const char **ret) MUST_CHECK;

/* Likewise, but a number counts too, by its digits as they came. */
enum status elements_id(struct bytes value, struct arena *a, const char **ret) MUST_CHECK;
