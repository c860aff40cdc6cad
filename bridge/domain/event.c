#include "bridge/domain/event.h"

const char *dead_letter_reason_name(enum dead_letter_reason reason)
{
    switch (reason) {
    case DEAD_LETTER_NONE:
        return "none";
    case DEAD_LETTER_NOT_JSON:
        return "not-json";
    case DEAD_LETTER_NOT_AN_OBJECT:
        return "not-an-object";
    case DEAD_LETTER_DUPLICATE_KEYS:
        return "duplicate-keys";
    case DEAD_LETTER_TOO_DEEP:
        return "too-deep";
    case DEAD_LETTER_NO_RESOURCE:
        return "no-resource";
    case DEAD_LETTER_EMPTY:
        return "empty";
    case DEAD_LETTER_REFUSED_BY_BROKER:
        return "refused-by-broker";
    }
    return "unknown";
}
