/* The unified JSON object: a provider's own bytes with the bridge's members put in. */
#pragma once

#include "bridge/base/arena.h"
#include "bridge/base/status.h"
#include "bridge/domain/route.h"
#include "bridge/providers/elements.h"

/* What to do with an element. */
struct unified_change {
    const char *head;           /* members to put first: "\"resource\":\"INVOICE\""; "" for none */
    const char *const *dropped; /* keys of members to leave out; a NULL ends the list */
    const char *tail;           /* members to put last, as unified_tail() makes them */
};

/* The members account, system and provider. NULL when memory is short. */
const char *unified_tail(const struct route *r, struct arena *a);

/* The keys of unified_tail(), which an element may not bring itself; a NULL ends the list. */
extern const char *const unified_reserved[];

/* Changes the value of the element's event. Where nothing has to be left out or put first, the tail
 * is spliced in before the closing brace and every byte before it stays; otherwise the other
 * members' bytes stay, joined anew. Owns: the value lives in the arena. Errors: STATUS_NOMEM.
 */
enum status unified_value(const struct element *element, const struct unified_change *change)
    MUST_CHECK;
