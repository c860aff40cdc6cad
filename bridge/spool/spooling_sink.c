#include "bridge/spool/spooling_sink.h"

#include <assert.h>
#include <stdlib.h>

#include "bridge/base/clock.h"
#include "bridge/domain/log_events.h"

/* A callback that waits for the backlog to close goes its way after this at the latest: a little
 * more than the backlog gives it. */
#define WAIT_MS 250

enum attempt_state {
    ATTEMPT_NONE = 0,
    ATTEMPT_OUT,
    ATTEMPT_ACKED,
    ATTEMPT_FAILED,
};

enum storing_state {
    STORING_NOT = 0,
    STORING_OUT,
    STORING_STORED,
    STORING_FAILED,
};

struct passage_list {
    struct passage *first, *last;
};

/* Its attempt's references are its own. */
struct passage {
    struct publication attempt;
    struct spool_entry entry;
    struct backlog_hold hold;
    struct spooling_sink *sink;
    struct publication *outer; /* a reference */
    int64_t due_mono_ms;

    /* Guarded by the sink's lock. */
    enum attempt_state attempt_state;
    enum storing_state storing_state;
    enum status failure; /* of the attempt */
    bool is_reported;
    bool is_held;
    struct passage_list *list; /* NULL: in none */
    struct passage *previous, *next;
    int64_t at_mono_ms; /* when the list has something to do with it */
};

struct spooling_sink {
    struct event_sink sink; /* first: a sink is its spooling sink */
    struct spooling_sink_options options;
    struct counter *duplicates;

    pthread_mutex_t lock; /* guards what follows; taken before the backlog's */
    struct passage_list waiting;
    struct passage_list soft;
    struct passage_list due;
    int64_t turns_at_mono_ms; /* what spooling_sink_turn() said last */
};

/* --- lists: in the order of their instants ------------------------------------------------------
 */

static void list_remove(struct passage *p)
{
    struct passage_list *list = p->list;
    if (list == NULL)
        return;
    *(p->previous == NULL ? &list->first : &p->previous->next) = p->next;
    *(p->next == NULL ? &list->last : &p->next->previous) = p->previous;
    p->list = NULL;
    p->previous = p->next = NULL;
}

/* Nearly always at the end. */
static void list_insert(struct passage_list *list, struct passage *p, int64_t at_mono_ms)
{
    list_remove(p);
    struct passage *before = list->last;
    while (before != NULL && before->at_mono_ms > at_mono_ms)
        before = before->previous;
    p->list = list;
    p->at_mono_ms = at_mono_ms;
    p->previous = before;
    p->next = before == NULL ? list->first : before->next;
    *(before == NULL ? &list->first : &before->next) = p;
    *(p->next == NULL ? &list->last : &p->next->previous) = p;
}

static struct passage *list_due(const struct passage_list *list, int64_t now_mono_ms)
{
    return list->first != NULL && list->first->at_mono_ms <= now_mono_ms ? list->first : NULL;
}

/* --- passages -----------------------------------------------------------------------------------
 */

static void passage_check(const struct passage *p)
{
    const struct spooling_sink *s = p->sink;
    assert(p->list != &s->waiting ||
           (p->attempt_state == ATTEMPT_NONE && p->storing_state == STORING_NOT));
    assert(p->list != &s->soft ||
           (p->attempt_state == ATTEMPT_OUT && p->storing_state == STORING_NOT));
    assert((p->list == &s->due) == (p->storing_state == STORING_OUT));
    assert(!p->is_held || (p->attempt_state == ATTEMPT_OUT && p->storing_state == STORING_STORED));
}

static void passage_ref(struct passage *p)
{
    (void)publication_ref(&p->attempt);
}

static void passage_unref(struct passage *p)
{
    publication_unref(&p->attempt);
}

static void on_release(struct publication *attempt)
{
    struct passage *p = attempt->owner;
    assert(p->list == NULL && !p->is_held);
    publication_unref(p->outer);
    free(p);
}

static bool on_attempt_done(struct publication *attempt, enum status status);
static void on_stored(struct spool_entry *entry, enum spool_outcome outcome);

static struct passage *passage_new(struct spooling_sink *s, struct publication *outer,
                                   int64_t now_mono_ms)
{
    struct passage *p = calloc(1, sizeof(*p));
    if (p == NULL)
        return NULL;
    publication_init(&p->attempt);
    p->attempt.records = outer->records;
    p->attempt.records_len = outer->records_len;
    p->attempt.arena = outer->arena;
    p->attempt.origin = outer;
    p->attempt.on_done = on_attempt_done;
    p->attempt.on_release = on_release;
    p->attempt.owner = p;
    p->entry.pub = outer;
    p->entry.owner = p;
    p->entry.on_end = on_stored;
    p->sink = s;
    p->outer = publication_ref(outer);
    p->due_mono_ms =
        outer->due_mono_ms == 0 ? now_mono_ms + s->options.deadline_ms : outer->due_mono_ms;
    return p;
}

/* Returns whether the callback is answered with it; not twice. The lock is not held. */
static bool report(struct passage *p, enum status status)
{
    return p->outer->on_done(p->outer, status);
}

/* Its rows go: their records are in Kafka, or are not to get there. */
static void delete_rows(struct passage *p)
{
    int64_t sequences[64];
    size_t len = 0, records = p->outer->records_len;
    for (size_t i = 0; i < records; i++) {
        sequences[len++] = p->entry.first_sequence + (int64_t)i;
        if (len < sizeof(sequences) / sizeof(sequences[0]) && i + 1 < records)
            continue;
        /* Short of memory: they are delivered once more. */
        if (spool_delete(p->sink->options.spool, sequences, len) != STATUS_OK)
            counter_add(p->sink->duplicates, len);
        len = 0;
    }
}

/* When no way is left: the lock is held. Returns whether it is to be reported as *ret. */
static bool is_lost(struct passage *p, enum status *ret)
{
    bool failed = p->storing_state == STORING_FAILED &&
                  (p->attempt_state == ATTEMPT_FAILED || p->attempt_state == ATTEMPT_NONE);
    if (!failed || p->is_reported)
        return false;
    p->is_reported = true;
    *ret = p->failure == STATUS_REFUSED ? STATUS_REFUSED : STATUS_UNAVAILABLE;
    return true;
}

/* --- into the spool -----------------------------------------------------------------------------
 */

/* Whether the turn must come earlier than it said. The lock is held. */
static bool is_sooner(struct spooling_sink *s, int64_t at_mono_ms)
{
    if (at_mono_ms >= s->turns_at_mono_ms)
        return false;
    s->turns_at_mono_ms = at_mono_ms;
    return true;
}

static void tell_sooner(struct spooling_sink *s, bool is)
{
    if (is && s->options.on_sooner != NULL)
        s->options.on_sooner(s->options.ctx);
}

/* The caller has a reference. Errors: as spool_put(); the storing FAILED. */
static enum status store(struct passage *p, int64_t now_mono_ms)
{
    struct spooling_sink *s = p->sink;
    pthread_mutex_lock(&s->lock);
    if (p->storing_state != STORING_NOT || p->is_reported) {
        pthread_mutex_unlock(&s->lock); /* the soft limit and the attempt's end at once */
        return STATUS_OK;
    }
    p->storing_state = STORING_OUT;
    list_insert(&s->due, p, p->due_mono_ms);
    bool sooner = is_sooner(s, p->due_mono_ms);
    pthread_mutex_unlock(&s->lock);
    tell_sooner(s, sooner);

    backlog_enter(s->options.backlog, now_mono_ms);
    passage_ref(p);
    enum status status = spool_put(s->options.spool, &p->entry);
    if (status == STATUS_OK)
        return STATUS_OK;
    backlog_leave(s->options.backlog, now_mono_ms);
    pthread_mutex_lock(&s->lock);
    p->storing_state = STORING_FAILED;
    list_remove(p);
    passage_check(p);
    pthread_mutex_unlock(&s->lock);
    passage_unref(p);
    return status;
}

static void conclude_if_lost(struct passage *p)
{
    struct spooling_sink *s = p->sink;
    enum status status;
    pthread_mutex_lock(&s->lock);
    bool lost = is_lost(p, &status);
    pthread_mutex_unlock(&s->lock);
    if (lost)
        (void)report(p, status);
}

/* The rows are durable. Returns whether they are kept. */
static bool answer_stored(struct passage *p)
{
    struct spooling_sink *s = p->sink;
    pthread_mutex_lock(&s->lock);
    bool is_first = !p->is_reported;
    p->is_reported = true;
    pthread_mutex_unlock(&s->lock);
    /* It was reported before only because the attempt was acknowledged. */
    if (!is_first || !report(p, STATUS_OK))
        return false;
    publication_abandon(&p->attempt);
    return true;
}

/* Kept: decided under the lock together with what the attempt has come to in the meantime. */
static bool keeps(struct passage *p, int64_t last_sequence, bool is_answered, bool *ret_is_first)
{
    struct spooling_sink *s = p->sink;
    pthread_mutex_lock(&s->lock);
    p->storing_state = STORING_STORED;
    list_remove(p);
    bool is_kept = is_answered && p->attempt_state != ATTEMPT_ACKED;
    if (is_kept) {
        p->is_held = p->attempt_state == ATTEMPT_OUT;
        p->hold.first_sequence = p->entry.first_sequence;
        *ret_is_first = backlog_settle(s->options.backlog, last_sequence, p->outer->records_len,
                                       p->is_held ? &p->hold : NULL);
    }
    passage_check(p);
    bool may_be_twice = is_kept && p->attempt_state == ATTEMPT_FAILED;
    pthread_mutex_unlock(&s->lock);
    if (may_be_twice)
        counter_add(s->duplicates, atomic_load(&p->attempt.maybe_durable));
    return is_kept;
}

static void settle(struct passage *p, bool is_answered)
{
    struct spooling_sink *s = p->sink;
    int64_t last = p->entry.first_sequence + (int64_t)p->outer->records_len - 1;
    bool is_first = false;
    if (!keeps(p, last, is_answered, &is_first)) {
        delete_rows(p);
        (void)backlog_settle(s->options.backlog, last, 0, NULL);
    } else if (is_first) {
        LOG(SPOOL_ENGAGED, log_number("records", (int64_t)p->outer->records_len));
    }
}

/* The writer's thread. */
static void on_stored(struct spool_entry *entry, enum spool_outcome outcome)
{
    struct passage *p = entry->owner;
    struct spooling_sink *s = p->sink;
    if (outcome == SPOOL_STORED) {
        settle(p, answer_stored(p));
    } else {
        pthread_mutex_lock(&s->lock);
        p->storing_state = STORING_FAILED;
        list_remove(p);
        pthread_mutex_unlock(&s->lock);
        backlog_leave(s->options.backlog, clock_mono_ms());
        conclude_if_lost(p);
    }
    if (s->options.on_stored != NULL)
        s->options.on_stored(s->options.ctx);
    passage_unref(p);
}

/* --- to Kafka -----------------------------------------------------------------------------------
 */

/* Its rows are the drain's from now on, or go. */
static void release(struct passage *p, bool is_durable)
{
    struct spooling_sink *s = p->sink;
    if (is_durable)
        delete_rows(p);
    else
        counter_add(s->duplicates, atomic_load(&p->attempt.maybe_durable));
    backlog_release(s->options.backlog, &p->hold);
    if (s->options.on_stored != NULL)
        s->options.on_stored(s->options.ctx);
}

/* The inner sink's thread, maybe from within its publish(). */
static bool on_attempt_done(struct publication *attempt, enum status status)
{
    struct passage *p = attempt->owner;
    struct spooling_sink *s = p->sink;
    bool is_durable = status == STATUS_OK;
    pthread_mutex_lock(&s->lock);
    p->attempt_state = is_durable ? ATTEMPT_ACKED : ATTEMPT_FAILED;
    p->failure = status;
    if (p->storing_state == STORING_NOT)
        list_remove(p);
    bool was_held = p->is_held;
    p->is_held = false;
    bool is_untold = p->storing_state == STORING_NOT &&
                     (status == STATUS_REFUSED || publication_is_abandoned(p->outer));
    bool is_answered = !p->is_reported && (is_durable || is_untold);
    p->is_reported |= is_answered;
    bool is_storing = p->storing_state == STORING_OUT;
    bool is_to_store = !is_durable && !is_answered && p->storing_state == STORING_NOT;
    passage_check(p);
    pthread_mutex_unlock(&s->lock);

    if (is_durable && is_storing)
        spool_withdraw(&p->entry);
    /* Who was answered with the rows was told; who was answered without anything is abandoned. */
    bool is_told = is_answered ? report(p, status) : !publication_is_abandoned(p->outer);
    if (was_held)
        release(p, is_durable);
    if (is_to_store)
        (void)store(p, clock_mono_ms());
    conclude_if_lost(p);
    return is_told;
}

static int64_t soft_mono_ms(const struct passage *p, int64_t now_mono_ms)
{
    int64_t left = p->due_mono_ms > now_mono_ms ? p->due_mono_ms - now_mono_ms : 0;
    return now_mono_ms + left * SPOOLING_SOFT_PERCENT / 100;
}

/* Errors: as event_sink's publish(): nothing of it is under way. */
static enum status pass_directly(struct passage *p, int64_t now_mono_ms)
{
    struct spooling_sink *s = p->sink;
    pthread_mutex_lock(&s->lock);
    p->attempt_state = ATTEMPT_OUT;
    pthread_mutex_unlock(&s->lock);
    enum status status = event_sink_publish(s->options.inner, &p->attempt);

    bool sooner = false;
    pthread_mutex_lock(&s->lock);
    if (status != STATUS_OK) {
        p->attempt_state = ATTEMPT_NONE;
    } else if (p->attempt_state == ATTEMPT_OUT) { /* nobody stores it before it is in the list */
        list_insert(&s->soft, p, soft_mono_ms(p, now_mono_ms));
        sooner = is_sooner(s, p->at_mono_ms);
    }
    passage_check(p);
    pthread_mutex_unlock(&s->lock);
    tell_sooner(s, sooner);
    if (status != STATUS_UNAVAILABLE && status != STATUS_BUSY)
        return status;
    return store(p, now_mono_ms) == STATUS_OK ? STATUS_OK : STATUS_UNAVAILABLE;
}

/* Errors: as pass_directly(). */
static enum status pass_behind(struct passage *p, int64_t now_mono_ms)
{
    const struct spooling_sink_options *opt = &p->sink->options;
    for (size_t i = 0; opt->is_refused != NULL && i < p->outer->records_len; i++)
        if (opt->is_refused(opt->ctx, p->outer->records[i].topic))
            return STATUS_REFUSED;
    return store(p, now_mono_ms) == STATUS_OK ? STATUS_OK : STATUS_UNAVAILABLE;
}

/* What waited goes on; it was taken out of the list, with the list's reference. */
static void proceed_take(struct passage *p, int64_t now_mono_ms)
{
    enum status status = STATUS_UNAVAILABLE;
    if (publication_is_abandoned(p->outer))
        ; /* answered already */
    else if (backlog_way(p->sink->options.backlog, now_mono_ms) == WAY_DIRECT)
        status = pass_directly(p, now_mono_ms);
    else
        status = pass_behind(p, now_mono_ms);
    if (status != STATUS_OK) {
        pthread_mutex_lock(&p->sink->lock);
        p->is_reported = true;
        pthread_mutex_unlock(&p->sink->lock);
        (void)report(p, status);
    }
    passage_unref(p);
}

/* Which way, and if it is to wait, it does so already. */
static enum backlog_way choose_way(struct passage *p, int64_t now_mono_ms)
{
    struct spooling_sink *s = p->sink;
    bool sooner = false;
    /* Under the lock: who empties the backlog looks at the list afterwards. */
    pthread_mutex_lock(&s->lock);
    enum backlog_way way = backlog_way(s->options.backlog, now_mono_ms);
    if (way == WAY_WAIT) {
        passage_ref(p);
        list_insert(&s->waiting, p, now_mono_ms + WAIT_MS);
        sooner = is_sooner(s, p->at_mono_ms);
    }
    pthread_mutex_unlock(&s->lock);
    tell_sooner(s, sooner);
    return way;
}

static enum status publish(struct event_sink *sink, struct publication *pub)
{
    struct spooling_sink *s = (struct spooling_sink *)sink;
    int64_t now = clock_mono_ms();
    struct passage *p = passage_new(s, pub, now);
    if (p == NULL)
        return STATUS_NOMEM;
    enum status status = STATUS_OK;
    switch (choose_way(p, now)) {
    case WAY_DIRECT:
        status = pass_directly(p, now);
        break;
    case WAY_SPOOL:
        status = pass_behind(p, now);
        break;
    case WAY_WAIT:
        break;
    }
    passage_unref(p);
    return status;
}

/* --- the turn -----------------------------------------------------------------------------------
 */

/* Takes the first that is due out of the list, with a reference. */
static struct passage *take_due(struct spooling_sink *s, struct passage_list *list,
                                int64_t now_mono_ms)
{
    pthread_mutex_lock(&s->lock);
    struct passage *p = list_due(list, now_mono_ms);
    if (p != NULL) {
        if (list != &s->waiting) /* which has one of its own */
            passage_ref(p);
        list_remove(p);
    }
    pthread_mutex_unlock(&s->lock);
    return p;
}

/* Nobody waits for them any more: what is not being written yet need not be. */
static void withdraw_due(struct spooling_sink *s, int64_t now_mono_ms)
{
    struct passage *p;
    pthread_mutex_lock(&s->lock);
    while ((p = list_due(&s->due, now_mono_ms)) != NULL) {
        spool_withdraw(&p->entry);
        list_insert(&s->due, p, INT64_MAX);
    }
    pthread_mutex_unlock(&s->lock);
}

static int64_t next_turn(struct spooling_sink *s)
{
    const struct passage_list *const lists[] = {&s->waiting, &s->soft, &s->due};
    int64_t next = INT64_MAX;
    pthread_mutex_lock(&s->lock);
    for (size_t i = 0; i < sizeof(lists) / sizeof(lists[0]); i++)
        if (lists[i]->first != NULL && lists[i]->first->at_mono_ms < next)
            next = lists[i]->first->at_mono_ms;
    s->turns_at_mono_ms = next;
    pthread_mutex_unlock(&s->lock);
    return next;
}

int64_t spooling_sink_turn(struct spooling_sink *s, int64_t now_mono_ms)
{
    struct passage *p;
    while ((p = take_due(s, &s->waiting, now_mono_ms)) != NULL)
        proceed_take(p, now_mono_ms);
    while ((p = take_due(s, &s->soft, now_mono_ms)) != NULL) {
        if (!publication_is_abandoned(p->outer) && store(p, now_mono_ms) != STATUS_OK)
            conclude_if_lost(p);
        passage_unref(p);
    }
    withdraw_due(s, now_mono_ms);
    return next_turn(s);
}

void spooling_sink_open(struct spooling_sink *s, int64_t now_mono_ms)
{
    struct passage *p;
    while ((p = take_due(s, &s->waiting, INT64_MAX)) != NULL)
        proceed_take(p, now_mono_ms);
}

/* --- life ---------------------------------------------------------------------------------------
 */

enum status spooling_sink_new(const struct spooling_sink_options *opt, struct spooling_sink **ret)
{
    struct spooling_sink *s = calloc(1, sizeof(*s));
    if (s == NULL)
        return STATUS_NOMEM;
    s->sink.publish = publish;
    s->options = *opt;
    s->turns_at_mono_ms = INT64_MAX;
    s->duplicates = metrics_counter(
        opt->metrics, "maesn_bridge_spool_duplicates_possible_total",
        "Records delivered from the spool that Kafka may have already, with the same ce_id.", NULL,
        0);
    pthread_mutex_init(&s->lock, NULL);
    *ret = s;
    return STATUS_OK;
}

void spooling_sink_free(struct spooling_sink *s)
{
    if (s == NULL)
        return;
    assert(s->waiting.first == NULL && s->soft.first == NULL && s->due.first == NULL);
    pthread_mutex_destroy(&s->lock);
    free(s);
}

struct event_sink *spooling_sink_port(struct spooling_sink *s)
{
    return &s->sink;
}
