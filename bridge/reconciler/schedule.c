#include "bridge/reconciler/schedule.h"

#include <assert.h>
#include <stdbool.h>
#include <stdlib.h>

#include "bridge/domain/murmur2.h"

void schedule_init(struct schedule *s, int64_t interval_ms)
{
    assert(interval_ms > 0);
    *s = (struct schedule){.interval_ms = interval_ms};
}

void schedule_done(struct schedule *s)
{
    free(s->heap);
    *s = (struct schedule){0};
}

static void place(struct schedule *s, struct schedule_slot *slot, size_t position)
{
    s->heap[position] = slot;
    slot->position = position;
}

static void rise(struct schedule *s, struct schedule_slot *slot)
{
    size_t at = slot->position;
    for (; at > 1 && s->heap[at / 2]->due_mono_ms > slot->due_mono_ms; at /= 2)
        place(s, s->heap[at / 2], at);
    place(s, slot, at);
}

static void sink(struct schedule *s, struct schedule_slot *slot)
{
    size_t at = slot->position;
    while (2 * at <= s->len) {
        size_t child = 2 * at;
        if (child < s->len && s->heap[child + 1]->due_mono_ms < s->heap[child]->due_mono_ms)
            child++;
        if (slot->due_mono_ms <= s->heap[child]->due_mono_ms)
            break;
        place(s, s->heap[child], at);
        at = child;
    }
    place(s, slot, at);
}

/* There is room: every slot has been in the heap once. */
static void push(struct schedule *s, struct schedule_slot *slot)
{
    place(s, slot, ++s->len);
    rise(s, slot);
}

static void pull(struct schedule *s, struct schedule_slot *slot)
{
    size_t at = slot->position;
    struct schedule_slot *last = s->heap[s->len--];
    slot->position = 0;
    if (last == slot)
        return;
    place(s, last, at);
    rise(s, last);
    sink(s, last);
}

enum status schedule_add(struct schedule *s, struct schedule_slot *slot, const char *account,
                         int64_t now_mono_ms)
{
    /* Room for those in the heap, and for those whose pass is under way: none is ever given up. */
    if (s->scheduled + 1 >= s->capacity) {
        size_t capacity = s->capacity == 0 ? 64 : 2 * s->capacity;
        struct schedule_slot **heap = reallocarray(s->heap, capacity, sizeof(*heap));
        if (heap == NULL)
            return STATUS_NOMEM;
        s->heap = heap;
        s->capacity = capacity;
    }
    *slot = (struct schedule_slot){
        .due_mono_ms = now_mono_ms,
        .phase_ms = murmur2(bytes_of_text(account)) % s->interval_ms,
        .is_scheduled = true,
    };
    s->scheduled++;
    push(s, slot);
    return STATUS_OK;
}

void schedule_remove(struct schedule *s, struct schedule_slot *slot)
{
    if (!slot->is_scheduled)
        return;
    if (slot->position != 0)
        pull(s, slot);
    slot->is_scheduled = false;
    s->scheduled--;
}

struct schedule_slot *schedule_take(struct schedule *s, int64_t now_mono_ms)
{
    if (s->len == 0 || s->heap[1]->due_mono_ms > now_mono_ms)
        return NULL;
    struct schedule_slot *slot = s->heap[1];
    pull(s, slot);
    slot->is_nudged = false;
    return slot;
}

int64_t schedule_next_mono_ms(const struct schedule *s)
{
    return s->len == 0 ? INT64_MAX : s->heap[1]->due_mono_ms;
}

void schedule_put_back(struct schedule *s, struct schedule_slot *slot, int64_t now_mono_ms,
                       int64_t again_at_mono_ms)
{
    assert(slot->is_scheduled && slot->position == 0);
    int64_t past_ms =
        ((now_mono_ms - slot->phase_ms) % s->interval_ms + s->interval_ms) % s->interval_ms;
    int64_t turn_mono_ms = now_mono_ms + s->interval_ms - past_ms;
    slot->due_mono_ms =
        again_at_mono_ms != 0 && again_at_mono_ms < turn_mono_ms ? again_at_mono_ms : turn_mono_ms;
    if (slot->is_nudged)
        slot->due_mono_ms = now_mono_ms;
    push(s, slot);
}

void schedule_nudge(struct schedule *s, struct schedule_slot *slot, int64_t now_mono_ms)
{
    assert(slot->is_scheduled);
    if (slot->position == 0) {
        slot->is_nudged = true;
    } else if (slot->due_mono_ms > now_mono_ms) {
        slot->due_mono_ms = now_mono_ms;
        rise(s, slot);
    }
}
