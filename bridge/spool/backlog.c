#include "bridge/spool/backlog.h"

#include <assert.h>

#include "bridge/domain/log_events.h"

/* How long new callbacks wait for the backlog to come to its end: several commits and round trips
 * to Kafka; and how soon after it did not, it is tried again. */
#define CLOSING_MS 200
#define CLOSING_PAUSE_MS 1000

static void check(const struct backlog *b)
{
    assert(!b->is_closing || b->waiting > 0 || b->has_stored);
    assert(b->holds.next == &b->holds || b->has_stored);
}

/* The lock is held, as below. */
static bool is_empty(const struct backlog *b)
{
    return b->waiting == 0 && !b->has_stored;
}

static void engage(struct backlog *b, int64_t now_mono_ms)
{
    b->engaged_at_mono_ms = now_mono_ms;
    b->engaged_records = 0;
}

static void disengage(struct backlog *b, int64_t now_mono_ms)
{
    b->is_closing = false;
    b->closes_at_mono_ms = 0;
    if (b->engaged_records > 0)
        LOG(SPOOL_DRAINED, log_number("records", (int64_t)b->engaged_records),
            log_number("after_ms", now_mono_ms - b->engaged_at_mono_ms));
}

void backlog_init(struct backlog *b, bool has_stored, int64_t now_mono_ms)
{
    *b = (struct backlog){.has_stored = has_stored, .engaged_at_mono_ms = now_mono_ms};
    b->holds.previous = b->holds.next = &b->holds;
    pthread_mutex_init(&b->lock, NULL);
}

void backlog_done(struct backlog *b)
{
    assert(b->waiting == 0 && b->holds.next == &b->holds);
    pthread_mutex_destroy(&b->lock);
}

enum backlog_way backlog_way(struct backlog *b, int64_t now_mono_ms)
{
    pthread_mutex_lock(&b->lock);
    if (b->is_closing && now_mono_ms >= b->closing_until_mono_ms) {
        b->is_closing = false;
        b->closes_at_mono_ms = now_mono_ms + CLOSING_PAUSE_MS;
    }
    enum backlog_way way = is_empty(b) ? WAY_DIRECT : b->is_closing ? WAY_WAIT : WAY_SPOOL;
    check(b);
    pthread_mutex_unlock(&b->lock);
    return way;
}

void backlog_enter(struct backlog *b, int64_t now_mono_ms)
{
    pthread_mutex_lock(&b->lock);
    if (is_empty(b))
        engage(b, now_mono_ms);
    b->waiting++;
    b->version++;
    pthread_mutex_unlock(&b->lock);
}

void backlog_leave(struct backlog *b, int64_t now_mono_ms)
{
    pthread_mutex_lock(&b->lock);
    assert(b->waiting > 0);
    b->waiting--;
    if (is_empty(b))
        disengage(b, now_mono_ms);
    pthread_mutex_unlock(&b->lock);
}

bool backlog_settle(struct backlog *b, int64_t last_sequence, size_t records,
                    struct backlog_hold *hold)
{
    pthread_mutex_lock(&b->lock);
    assert(b->waiting > 0);
    b->waiting--;
    b->version++;
    bool is_first = b->engaged_records == 0 && records > 0;
    b->has_stored = true;
    b->engaged_records += records;
    if (b->settled < last_sequence)
        b->settled = last_sequence;
    if (hold != NULL) {
        struct backlog_hold *after = b->holds.previous;
        while (after != &b->holds && after->first_sequence > hold->first_sequence)
            after = after->previous;
        hold->previous = after;
        hold->next = after->next;
        after->next->previous = hold;
        after->next = hold;
    }
    check(b);
    pthread_mutex_unlock(&b->lock);
    return is_first;
}

void backlog_release(struct backlog *b, struct backlog_hold *hold)
{
    pthread_mutex_lock(&b->lock);
    hold->previous->next = hold->next;
    hold->next->previous = hold->previous;
    hold->previous = hold->next = NULL;
    pthread_mutex_unlock(&b->lock);
}

static int64_t limit(const struct backlog *b)
{
    if (b->holds.next != &b->holds)
        return b->holds.next->first_sequence - 1;
    return b->waiting == 0 ? INT64_MAX : b->settled;
}

struct backlog_view backlog_view(struct backlog *b)
{
    pthread_mutex_lock(&b->lock);
    struct backlog_view view = {.limit = limit(b), .version = b->version};
    pthread_mutex_unlock(&b->lock);
    return view;
}

int64_t backlog_bound(struct backlog *b, const struct backlog_view *view)
{
    pthread_mutex_lock(&b->lock);
    int64_t bound = view->limit;
    if (b->version != view->version) {
        /* What was committed while it was read is not settled for that, or is held. */
        int64_t now = b->holds.next == &b->holds ? b->settled : limit(b);
        bound = now < bound ? now : bound;
    }
    pthread_mutex_unlock(&b->lock);
    return bound;
}

void backlog_found(struct backlog *b, int64_t now_mono_ms)
{
    pthread_mutex_lock(&b->lock);
    if (is_empty(b))
        engage(b, now_mono_ms);
    b->has_stored = true;
    pthread_mutex_unlock(&b->lock);
}

void backlog_close(struct backlog *b, int64_t now_mono_ms)
{
    pthread_mutex_lock(&b->lock);
    if (!is_empty(b) && !b->is_closing && now_mono_ms >= b->closes_at_mono_ms) {
        b->is_closing = true;
        b->closing_until_mono_ms = now_mono_ms + CLOSING_MS;
    }
    pthread_mutex_unlock(&b->lock);
}

bool backlog_clear(struct backlog *b, const struct backlog_view *view, int64_t now_mono_ms)
{
    pthread_mutex_lock(&b->lock);
    /* What it was not shown may have been released since. */
    bool saw_all = view->limit == INT64_MAX;
    bool clears = b->has_stored && saw_all && b->version == view->version;
    if (clears) {
        b->has_stored = false;
        disengage(b, now_mono_ms);
    }
    check(b);
    pthread_mutex_unlock(&b->lock);
    return clears;
}

bool backlog_is_empty(struct backlog *b)
{
    pthread_mutex_lock(&b->lock);
    bool empty = is_empty(b);
    pthread_mutex_unlock(&b->lock);
    return empty;
}
