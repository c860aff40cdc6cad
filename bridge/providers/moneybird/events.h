/* What a Moneybird event means in unified words. */
#pragma once

#include "bridge/base/arena.h"
#include "bridge/base/status.h"

struct moneybird_meaning {
    const char *resource;   /* upper case; static, or in the arena */
    const char *event_type; /* static; NULL: unknown */
};

/* Of an event, "contact_created", listed or not: a new name has the resource of its longest group
 * and a type by its verb, else everything before its last "_" is its resource. Errors:
 * STATUS_NOMEM.
 */
enum status events_meaning(const char *action, struct arena *a, struct moneybird_meaning *ret)
    MUST_CHECK;

/* Of a push from before there were events, which has only a class: "SalesInvoice". Errors:
 * STATUS_NOMEM. */
enum status events_meaning_of_class(const char *entity_type, struct arena *a,
                                    struct moneybird_meaning *ret) MUST_CHECK;

/* How many there are, sorted by name; the n-th name, and what it means. */
size_t events_len(void);
const char *events_name(size_t n);
struct moneybird_meaning events_nth_meaning(size_t n);

bool events_is_listed(const char *action);

/* Whether it is the name of a group, which stands for all events that begin with it. */
bool events_is_group(const char *name);
