#include "bridge/domain/provider.h"

const char *verification_name(enum verification verification)
{
    switch (verification) {
    case VERIFICATION_BAD:
        return "bad";
    case VERIFICATION_MISSING:
        return "missing";
    case VERIFICATION_STALE:
        return "stale";
    case VERIFICATION_CURRENT:
        return "current";
    case VERIFICATION_PREVIOUS:
        return "previous";
    case VERIFICATION_TOKEN:
        return "token";
    }
    return "unknown";
}
