/* When each subscription's callbacks last came, as the activity topic tells: by specification, so
 * that a renewal changes nothing. */
#pragma once

#include "bridge/base/status.h"
#include "bridge/domain/specification.h"

struct last_event;

/* Twenty to forty bytes for each subscription. Thread: one at a time. */
struct last_events {
    struct last_event *slots; /* by the hash of the specification's text; NULL: none yet */
    size_t slots_len;         /* a power of two, or 0 */
    size_t len;
};

/* A zero value knows of none. */
void last_events_done(struct last_events *e);

/* The newest word counts. key is specification_text(), of any length. Errors: STATUS_NOMEM. */
enum status last_events_note(struct last_events *e, struct bytes key, int64_t at_unix_ms)
    MUST_CHECK;

/* 0: none is known. */
int64_t last_events_of(const struct last_events *e, const struct specification *specification);
