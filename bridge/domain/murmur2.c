#include "bridge/domain/murmur2.h"

#include <assert.h>

static const uint32_t seed = 0x9747b28c, m = 0x5bd1e995;

uint32_t murmur2(struct bytes key)
{
    uint32_t hash = seed ^ (uint32_t)key.len;
    const uint8_t *at = key.data;
    size_t left = key.len;
    for (; left >= 4; left -= 4, at += 4) {
        uint32_t k =
            (uint32_t)at[0] | (uint32_t)at[1] << 8 | (uint32_t)at[2] << 16 | (uint32_t)at[3] << 24;
        k *= m;
        k ^= k >> 24;
        hash = hash * m ^ k * m;
    }
    for (size_t i = left; i > 0; i--)
        hash ^= (uint32_t)at[i - 1] << (8 * (i - 1));
    if (left > 0)
        hash *= m;
    hash ^= hash >> 13;
    hash *= m;
    return hash ^ hash >> 15;
}

int32_t murmur2_partition(struct bytes key, int32_t partitions)
{
    assert(partitions >= 1);
    return (int32_t)((murmur2(key) & 0x7fffffff) % (uint32_t)partitions);
}
