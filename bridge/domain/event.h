/* What a provider made of a callback: one event for each element, or the reason why there is none.
 */
#pragma once

#include "bridge/base/bytes.h"

/* Why verified bytes went to the dead-letter topic. The names are a closed list that subscribers
 * see. */
enum dead_letter_reason {
    DEAD_LETTER_NONE = 0, /* it is an event */
    DEAD_LETTER_NOT_JSON,
    DEAD_LETTER_NOT_AN_OBJECT,
    DEAD_LETTER_DUPLICATE_KEYS,
    DEAD_LETTER_TOO_DEEP,
    DEAD_LETTER_NO_RESOURCE,
    DEAD_LETTER_EMPTY,
    DEAD_LETTER_REFUSED_BY_BROKER,
};
#define DEAD_LETTER_REASONS 8

/* "not-json", ... as in the header dead-letter-reason; "none" for DEAD_LETTER_NONE. Static. */
const char *dead_letter_reason_name(enum dead_letter_reason reason);

/* One element of a callback's body. Everything it points to lives in the callback's arena or its
 * body. */
struct event {
    enum dead_letter_reason
        reason; /* not NONE: value is the element's own bytes, the rest but detail is unset */
    const char *detail; /* a sentence for dead-letter-detail; NULL for an event */
    size_t index;       /* of the element in an array, 0 for an object: a part of ce_id */
    bool is_element;    /* of an array; false: the body is one value, or none that is understood */
    struct bytes value; /* the unified JSON object; or the dead letter's raw bytes, maybe empty */
    const char *resource;        /* as received, any case: "INVOICE" */
    const char *event_type;      /* as received: "CREATED"; NULL where none came */
    const char *resource_id;     /* text or a number's digits; NULL where none came */
    int64_t occurred_at_unix_ms; /* from filterDate; EVENT_TIME_UNKNOWN where it does not parse */
};

#define EVENT_TIME_UNKNOWN INT64_MIN

/* Most events of one callback. A body of the largest size (900000 bytes) holds 9375 of the smallest
 * real event (96 bytes), so a longer array is none of a provider's: it goes to the dead letters as
 * one, for an endless 503 would lose it.
 */
#define EVENTS_MAX 10000

/* The events of one callback, in the order of its body. */
struct event_list {
    struct event *items; /* in the arena */
    size_t len;
};
