#include "bridge/base/distance.h"

#include <stddef.h>
#include <stdio.h>

void distance_text(int64_t unix_ms, int64_t now_unix_ms, char ret[DISTANCE_TEXT_SIZE])
{
    static const struct {
        int64_t ms;
        const char *name;
    } units[] = {{86400000, "d"}, {3600000, "h"}, {60000, "min"}, {1000, "s"}};
    int64_t distance = unix_ms - now_unix_ms;
    int64_t length = distance < 0 ? -distance : distance;
    snprintf(ret, DISTANCE_TEXT_SIZE, "now");
    for (size_t i = 0; i < sizeof(units) / sizeof(units[0]); i++) {
        /* Two of a unit are told in it: 90 minutes, not 1 hour. */
        if (length < 2 * units[i].ms)
            continue;
        snprintf(ret, DISTANCE_TEXT_SIZE, "%s%lld %s%s", distance > 0 ? "in " : "",
                 (long long)(length / units[i].ms), units[i].name, distance > 0 ? "" : " ago");
        return;
    }
}
