#include "bridge/kafka/lane.h"

#include <assert.h>

static void list_init(struct lane_entry *list)
{
    list->previous = list->next = list;
}

static bool list_is_empty(const struct lane_entry *list)
{
    return list->next == list;
}

static void list_insert_after(struct lane_entry *where, struct lane_entry *entry)
{
    entry->previous = where;
    entry->next = where->next;
    where->next->previous = entry;
    where->next = entry;
}

/* Appends all of `from` to `to`. */
static void list_move_all(struct lane_entry *to, struct lane_entry *from)
{
    if (list_is_empty(from))
        return;
    from->next->previous = to->previous;
    to->previous->next = from->next;
    from->previous->next = to;
    to->previous = from->previous;
    list_init(from);
}

void lane_init(struct lane *lane, const char *topic, size_t topic_index, int32_t partition)
{
    *lane = (struct lane){
        .topic = topic, .topic_index = topic_index, .partition = partition, .leader = -1};
    pthread_mutex_init(&lane->lock, NULL);
    list_init(&lane->sent);
    list_init(&lane->stragglers);
    list_init(&lane->held);
}

void lane_done(struct lane *lane)
{
    pthread_mutex_destroy(&lane->lock);
}

/* Whether a record that must be alone in its batch is out. */
static bool is_reserved(const struct lane *lane)
{
    return !list_is_empty(&lane->sent) && lane->sent.previous->is_alone;
}

enum lane_gate lane_gate(const struct lane *lane, int64_t now_mono_ms)
{
    bool is_free = list_is_empty(&lane->held) && !is_reserved(lane);
    switch (lane->state) {
    case LANE_PAUSED:
        return now_mono_ms < lane->refuses_at_mono_ms ? LANE_GATE_HOLD : LANE_GATE_REFUSE;
    case LANE_FLOWING:
        return is_free ? LANE_GATE_SEND : LANE_GATE_HOLD;
    case LANE_TRIAL:
        if (is_free && lane->trial_room > 0)
            return LANE_GATE_SEND;
        return lane->is_fruitless ? LANE_GATE_REFUSE : LANE_GATE_HOLD;
    }
    return LANE_GATE_REFUSE;
}

void lane_enter(struct lane *lane, struct lane_entry *entry, int64_t now_mono_ms)
{
    entry->sequence = lane->next_sequence++;
    entry->accepted_at_mono_ms = now_mono_ms;
}

void lane_send(struct lane *lane, struct lane_entry *entry, int64_t now_mono_ms)
{
    entry->leader = lane->leader;
    entry->trial = 0;
    list_insert_after(lane->sent.previous, entry);
    if (lane->state != LANE_TRIAL)
        return;
    assert(lane->trial_room > 0);
    entry->trial = lane->trials;
    lane->trial_room--;
    if (lane->trial_at_mono_ms == 0)
        lane->trial_at_mono_ms = now_mono_ms;
}

void lane_hold(struct lane *lane, struct lane_entry *entry)
{
    struct lane_entry *before = lane->held.previous;
    while (before != &lane->held && before->sequence > entry->sequence)
        before = before->previous;
    list_insert_after(before, entry);
}

void lane_remove(struct lane_entry *entry)
{
    entry->previous->next = entry->next;
    entry->next->previous = entry->previous;
    entry->previous = entry->next = NULL;
}

void lane_unsend(struct lane *lane, struct lane_entry *entry)
{
    lane_remove(entry);
    if (lane->state != LANE_TRIAL || entry->trial != lane->trials)
        return;
    lane->trial_room++;
    if (lane->trial_room == LANE_TRIAL_WINDOW)
        lane->trial_at_mono_ms = 0;
}

struct lane_entry *lane_first_held(const struct lane *lane)
{
    return list_is_empty(&lane->held) ? NULL : lane->held.next;
}

struct lane_entry *lane_next_to_send(const struct lane *lane)
{
    bool open = lane->state == LANE_FLOWING || (lane->state == LANE_TRIAL && lane->trial_room > 0);
    struct lane_entry *first = lane_first_held(lane);
    if (!open || first == NULL || is_reserved(lane))
        return NULL;
    return first->is_alone && !list_is_empty(&lane->sent) ? NULL : first;
}

bool lane_acknowledge(struct lane *lane)
{
    if (lane->state == LANE_FLOWING)
        return false;
    lane->state = LANE_FLOWING;
    lane->is_fruitless = false;
    list_move_all(&lane->stragglers, &lane->sent);
    return true;
}

int64_t lane_wait_ms(const struct lane *lane, int64_t now_mono_ms)
{
    /* The first is the oldest, but for a record that was sent again behind younger ones: it is
     * older than the first then, and its wait is met a little later. */
    return list_is_empty(&lane->sent) ? 0 : now_mono_ms - lane->sent.next->accepted_at_mono_ms;
}

bool lane_is_stalled(const struct lane *lane, int64_t stall_ms, int64_t now_mono_ms)
{
    switch (lane->state) {
    case LANE_FLOWING:
        return lane_wait_ms(lane, now_mono_ms) > stall_ms;
    case LANE_TRIAL:
        return lane->trial_at_mono_ms != 0 && now_mono_ms - lane->trial_at_mono_ms > stall_ms;
    case LANE_PAUSED:
        return false;
    }
    return false;
}

void lane_pause(struct lane *lane, int64_t grace_ms, int64_t now_mono_ms)
{
    lane->is_fruitless = lane->state == LANE_TRIAL;
    lane->refuses_at_mono_ms = now_mono_ms + (lane->is_fruitless ? 0 : grace_ms);
    lane->state = LANE_PAUSED;
    lane->paused_at_mono_ms = now_mono_ms;
}

void lane_try(struct lane *lane)
{
    assert(lane->state != LANE_FLOWING);
    lane->state = LANE_TRIAL;
    lane->trials++;
    lane->trial_room = LANE_TRIAL_WINDOW;
    lane->trial_at_mono_ms = 0;
}

int32_t lane_awaited_leader(const struct lane *lane)
{
    return list_is_empty(&lane->sent) ? -1 : lane->sent.next->leader;
}

bool lane_has_moved(const struct lane *lane)
{
    int32_t awaited = lane_awaited_leader(lane);
    return lane->leader >= 0 && awaited >= 0 && awaited != lane->leader;
}

bool lane_is_empty(const struct lane *lane)
{
    return list_is_empty(&lane->sent) && list_is_empty(&lane->stragglers) &&
           list_is_empty(&lane->held);
}

bool lane_is_idle(const struct lane *lane)
{
    bool is_on_trial = lane->state == LANE_TRIAL && lane->trial_at_mono_ms != 0;
    return lane->state != LANE_PAUSED && !is_on_trial && lane->in_doubt_since_mono_ms == 0 &&
           lane_is_empty(lane);
}

bool lane_is_stuck(const struct lane *lane, int64_t suspect_ms, int64_t now_mono_ms)
{
    return lane->state == LANE_TRIAL && lane->is_fruitless && lane->trial_at_mono_ms != 0 &&
           now_mono_ms - lane->trial_at_mono_ms > suspect_ms;
}

void lane_check(const struct lane *lane)
{
    for (const struct lane_entry *e = lane->held.next; e != &lane->held; e = e->next)
        assert(e->next == &lane->held || e->sequence < e->next->sequence);
    assert(lane->trial_room <= LANE_TRIAL_WINDOW);
    assert(lane->state != LANE_PAUSED || lane->paused_at_mono_ms > 0);
}
