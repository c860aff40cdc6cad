#include "bridge/base/status.h"

const char *status_name(enum status status)
{
    switch (status) {
    case STATUS_OK:
        return "ok";
    case STATUS_NOMEM:
        return "nomem";
    case STATUS_INVALID:
        return "invalid";
    case STATUS_UNAUTHENTIC:
        return "unauthentic";
    case STATUS_BUSY:
        return "busy";
    case STATUS_UNAVAILABLE:
        return "unavailable";
    case STATUS_REFUSED:
        return "refused";
    case STATUS_INTERNAL:
        return "internal";
    }
    return "unknown";
}
