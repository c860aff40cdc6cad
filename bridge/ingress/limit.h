/* How often something may happen, a key: a token bucket for each, in a table that never grows.
 *
 * A bucket is one instant, the one at which it is full again (the "generic cell rate algorithm"). A
 * key whose bucket is full needs no place; when all places that a key may have are taken, the
 * fullest bucket makes room. So a limit forgets, at worst, in favour of who is limited.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "bridge/base/status.h"

struct limit;

struct limit_rate {
    uint32_t per_s; /* 0: no limit */
    uint32_t burst; /* at once, after a while of less; 0 counts as 1 */
};

/* For about so many keys at once; without a limit until limit_set().
 * Owns: on STATUS_OK the caller frees *ret with limit_free(). Errors: STATUS_NOMEM.
 */
enum status limit_new(size_t keys, struct limit **ret) MUST_CHECK;
void limit_free(struct limit *l);

/* From now on; buckets keep what they hold, as far as it fits. Thread: any. */
void limit_set(struct limit *l, struct limit_rate rate);

/* Takes a token of the key's bucket if there is one. Thread: any; no lock without a limit. */
bool limit_take(struct limit *l, uint64_t key, int64_t now_mono_us);
