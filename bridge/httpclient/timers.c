#include "bridge/httpclient/timers.h"

#include <assert.h>
#include <stdlib.h>

void timers_done(struct timers *t)
{
    free(t->heap);
    *t = (struct timers){0};
}

enum status timers_reserve(struct timers *t, size_t len)
{
    if (len <= t->capacity)
        return STATUS_OK;
    size_t capacity = len < 16 ? 16 : len + len / 2;
    struct timer **heap = realloc(t->heap, capacity * sizeof(heap[0]));
    if (heap == NULL)
        return STATUS_NOMEM;
    t->heap = heap;
    t->capacity = capacity;
    return STATUS_OK;
}

static struct timer *at(const struct timers *t, size_t place)
{
    return t->heap[place - 1];
}

static void put(struct timers *t, size_t place, struct timer *timer)
{
    t->heap[place - 1] = timer;
    timer->place = place;
}

/* Moves the timer from a free place to where it belongs. */
static void settle(struct timers *t, size_t place, struct timer *timer)
{
    while (place > 1 && at(t, place / 2)->at_mono_ms > timer->at_mono_ms) {
        put(t, place, at(t, place / 2));
        place /= 2;
    }
    for (size_t child = place * 2; child <= t->len; child = place * 2) {
        if (child < t->len && at(t, child + 1)->at_mono_ms < at(t, child)->at_mono_ms)
            child++;
        if (at(t, child)->at_mono_ms >= timer->at_mono_ms)
            break;
        put(t, place, at(t, child));
        place = child;
    }
    put(t, place, timer);
}

void timers_set(struct timers *t, struct timer *timer, int64_t at_mono_ms)
{
    timers_clear(t, timer);
    assert(t->len < t->capacity);
    timer->at_mono_ms = at_mono_ms;
    t->len++;
    settle(t, t->len, timer);
}

void timers_clear(struct timers *t, struct timer *timer)
{
    size_t place = timer->place;
    if (place == 0)
        return;
    timer->place = 0;
    struct timer *last = at(t, t->len);
    t->len--;
    if (last != timer)
        settle(t, place, last);
}

struct timer *timers_first(const struct timers *t)
{
    return t->len == 0 ? NULL : at(t, 1);
}
