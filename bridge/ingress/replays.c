#include "bridge/ingress/replays.h"

#include <stdatomic.h>
#include <stdlib.h>

#include "bridge/base/hash64.h"

/* A megabyte, touched as it fills: 400 callbacks a second for the default window of five minutes.
 */
#define SETS 32768
#define WAYS 4

/* A word is 40 bits of the id's hash and the second it was noted in, which comes again after half a
 * year. 0: free. */
#define SECOND_BITS 24
#define SECOND_MASK ((UINT64_C(1) << SECOND_BITS) - 1)

struct replays {
    atomic_uint window_s;
    _Atomic uint64_t words[SETS][WAYS];
};

enum status replays_new(struct replays **ret)
{
    struct replays *r = calloc(1, sizeof(*r));
    if (r == NULL)
        return STATUS_NOMEM;
    *ret = r;
    return STATUS_OK;
}

void replays_free(struct replays *r)
{
    free(r);
}

void replays_set_window(struct replays *r, uint32_t window_s)
{
    atomic_store(&r->window_s, window_s);
}

static uint64_t age_s(uint64_t word, uint64_t second)
{
    return word == 0 ? UINT64_MAX : (second - word) & SECOND_MASK;
}

bool replays_note(struct replays *r, struct bytes ce_id, int64_t now_mono_ms)
{
    uint64_t window = atomic_load_explicit(&r->window_s, memory_order_relaxed);
    if (window == 0)
        return false;
    uint64_t hash = hash64_mix(hash64(HASH64_START, ce_id));
    uint64_t second = (uint64_t)now_mono_ms / 1000 & SECOND_MASK;
    uint64_t word = (hash & ~SECOND_MASK) | second;
    _Atomic uint64_t *set = r->words[hash % SETS], *oldest = &set[0];
    uint64_t oldest_age = 0;
    for (size_t i = 0; i < WAYS; i++) {
        uint64_t noted = atomic_load_explicit(&set[i], memory_order_relaxed);
        uint64_t age = age_s(noted, second);
        if ((noted ^ word) >> SECOND_BITS == 0 && noted != 0) {
            atomic_store_explicit(&set[i], word, memory_order_relaxed);
            return age <= window;
        }
        if (age >= oldest_age) {
            oldest_age = age;
            oldest = &set[i];
        }
    }
    atomic_store_explicit(oldest, word, memory_order_relaxed);
    return false;
}
