#include "bridge/httpclient/backoff.h"

int64_t backoff_ms(unsigned failures, uint32_t chance)
{
    int64_t pause = BACKOFF_FIRST_MS;
    for (unsigned i = 1; i < failures && pause < BACKOFF_MAX_MS; i++)
        pause += pause / 2;
    if (pause > BACKOFF_MAX_MS)
        pause = BACKOFF_MAX_MS;
    return pause / 2 + (int64_t)((uint64_t)(pause - pause / 2) * chance / UINT32_MAX);
}
