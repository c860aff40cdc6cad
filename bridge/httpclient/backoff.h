/* How long to pause after a failure: exponential, with jitter. */
#pragma once

#include <stdint.h>

/* Source: the retry defaults of Maesn's own SDK (maesndev/sdk-typescript, 2026-05-05): 500 ms,
 * factor 1.5, at most 60 s. */
#define BACKOFF_FIRST_MS 500
#define BACKOFF_MAX_MS 60000

/* The pause after this many failures in a row (from 1): half of it fixed, half by chance, so that
 * many callers that failed together do not come back together.
 * Units:  chance is uniform over its whole range. */
int64_t backoff_ms(unsigned failures, uint32_t chance);
