#include "bridge/ingress/limit.h"

#include <pthread.h>
#include <stdatomic.h>
#include <stdlib.h>

#include "bridge/base/hash64.h"

/* A key may have any of so many places. */
#define WAYS 8

struct bucket {
    uint64_t key;
    int64_t full_at_mono_ns; /* 0: never used, and full */
};

struct limit {
    _Atomic(struct limit_rate) rate;
    pthread_mutex_t lock; /* guards the buckets */
    size_t mask;          /* of the sets */
    struct bucket buckets[][WAYS];
};

enum status limit_new(size_t keys, struct limit **ret)
{
    size_t sets = 1;
    while (sets * WAYS < keys)
        sets *= 2;
    struct limit *l = calloc(1, sizeof(*l) + sets * sizeof(l->buckets[0]));
    if (l == NULL)
        return STATUS_NOMEM;
    pthread_mutex_init(&l->lock, NULL); /* cannot fail with default attributes on Linux */
    l->mask = sets - 1;
    *ret = l;
    return STATUS_OK;
}

void limit_free(struct limit *l)
{
    if (l == NULL)
        return;
    pthread_mutex_destroy(&l->lock);
    free(l);
}

void limit_set(struct limit *l, struct limit_rate rate)
{
    rate.burst += rate.burst == 0;
    atomic_store(&l->rate, rate);
}

/* The key's bucket, or the fullest one that it may have, emptied of its key and filled. */
static struct bucket *find(struct limit *l, uint64_t key)
{
    struct bucket *set = l->buckets[hash64_mix(key) & l->mask];
    struct bucket *fullest = &set[0];
    for (size_t i = 0; i < WAYS; i++) {
        if (set[i].key == key)
            return &set[i];
        if (set[i].full_at_mono_ns < fullest->full_at_mono_ns)
            fullest = &set[i];
    }
    *fullest = (struct bucket){.key = key};
    return fullest;
}

static int64_t clamp(int64_t value, int64_t min, int64_t max)
{
    if (value < min)
        return min;
    return value > max ? max : value;
}

bool limit_take(struct limit *l, uint64_t key, int64_t now_mono_us)
{
    struct limit_rate rate = atomic_load(&l->rate);
    if (rate.per_s == 0)
        return true;
    int64_t now = now_mono_us * 1000;
    int64_t token = 1000000000 / rate.per_s;  /* the time that makes one */
    int64_t empty = now + token * rate.burst; /* when a bucket that is empty now is full again */
    pthread_mutex_lock(&l->lock);
    struct bucket *b = find(l, key);
    b->full_at_mono_ns = clamp(b->full_at_mono_ns, now, empty); /* the rate may be a new one */
    bool is_taken = b->full_at_mono_ns + token <= empty;
    if (is_taken)
        b->full_at_mono_ns += token;
    pthread_mutex_unlock(&l->lock);
    return is_taken;
}
