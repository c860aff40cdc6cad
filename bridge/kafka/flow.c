#include "bridge/kafka/flow.h"

#include <assert.h>
#include <pthread.h>
#include <stdlib.h>

#include "bridge/base/clock.h"
#include "bridge/base/scoped.h"
#include "bridge/domain/log_events.h"
#include "bridge/kafka/custody.h"
#include "bridge/kafka/errors.h"
#include "bridge/kafka/topic_map.h"

/* A lane pauses when its oldest record has waited this part of the deadline in the client: late
 * enough for a new leader to be elected and learnt, early enough to take back what was not sent
 * before its callback is answered 503. */
#define STALL_PERCENT 80

/* A lane whose oldest record has waited this long has its metadata refreshed: an acknowledgement
 * takes a few milliseconds, an election a second. */
#define SUSPECT_MS 300

/* The lanes are looked after this often, however many reports come. */
#define TURN_INTERVAL_MS 20

/* Missing topics are asked for again this often. */
#define MISSING_INTERVAL_MS 1000

/* Partition counts and leaders are asked for at least this often. */
#define REFRESH_INTERVAL_MS 30000

/* After a purge the reports are there already; more polls than this see reports of newer records.
 */
#define DRAIN_POLLS_MAX 100

/* Records in custody, held ones too: the bound of what waits when Kafka is slow. The client itself
 * takes queue.buffering.max.messages. */
#define OUTSTANDING_MAX 40000

struct flow {
    struct flow_options options;
    struct scout *scout;
    struct counter *dead_letters[DEAD_LETTER_REASONS];
    struct histogram *duration;
    struct gauge *paused;
    atomic_size_t outstanding; /* records in custody */
    atomic_uint keyless;       /* records without a key, for their turn */
    atomic_size_t paused_len;
    atomic_size_t missing_len;
    atomic_size_t given_up;
    atomic_bool all_brokers_down; /* since the last turn */
    atomic_bool is_stopping;
    atomic_llong stop_at_mono_ms;

    pthread_rwlock_t
        lock; /* guards what follows; the delivery thread alone changes the instances */
    struct topic_map map;
    uint64_t metadata_round;  /* counts the cluster's answers */
    struct instance *current; /* NULL before the first */
    struct instance *retiring;

    pthread_mutex_t hand_over_lock; /* guards what follows */
    struct lane *newly_active;
    struct instance *incoming;

    /* The delivery thread's own. */
    struct lane *active;
    int64_t turned_at_mono_ms;
    int64_t missing_asked_at_mono_ms;
    int64_t refresh_asked_at_mono_ms;
    int64_t retiring_since_mono_ms;
    bool has_given_up; /* nothing is sent any more */
};

static struct message *message_of(struct lane_entry *entry)
{
    return (struct message *)entry;
}

/* --- the end of a record -----------------------------------------------------------------------
 */

static void conclude(struct flow *f, struct message *m, bool is_durable)
{
    enum topic_result result = is_durable     ? TOPIC_ACKED
                               : m->ambiguous ? TOPIC_AMBIGUOUS
                                              : TOPIC_FAILED;
    counter_add(m->topic->results[result], 1);
    if (is_durable) {
        histogram_observe(f->duration, (double)(clock_mono_us() - m->accepted_at_mono_us) / 1e6);
        if (m->record->reason != DEAD_LETTER_NONE)
            counter_add(f->dead_letters[m->record->reason], 1);
    }
    atomic_fetch_sub(&f->outstanding, 1);
    custody_finish(m, is_durable);
}

static void log_failed(const struct message *m, const char *error)
{
    LOG(KAFKA_RECORD_FAILED, log_text("topic", m->topic->name),
        log_number("partition", m->lane->partition), log_text("error", error),
        log_bytes("ce_id", record_header(m->record, "ce_id")));
}

/* Whether nobody waits for the record any more. */
static bool is_over(const struct flow *f, const struct message *m, int64_t now)
{
    return publication_is_abandoned(m->custody->pub) ||
           now - m->entry.accepted_at_mono_ms >= f->options.deadline_ms;
}

/* --- into the client ---------------------------------------------------------------------------
 */

/* The lane's lock is held. The delivery thread looks at the lane from now on. */
static void activate(struct flow *f, struct lane *lane)
{
    if (lane->active)
        return;
    lane->active = true;
    pthread_mutex_lock(&f->hand_over_lock);
    lane->next_active = f->newly_active;
    f->newly_active = lane;
    pthread_mutex_unlock(&f->hand_over_lock);
}

/* The lane's lock and f->lock are held. On an error the entry is in no list. */
static rd_kafka_resp_err_t put(struct flow *f, struct message *m, int64_t now)
{
    lane_send(m->lane, &m->entry, now);
    rd_kafka_resp_err_t err =
        instance_produce(f->current, m->topic->index, m->lane->partition, m->record, m);
    if (err != 0)
        lane_remove(&m->entry);
    return err;
}

/* Chooses the record's partition. f->lock is held. Errors: STATUS_UNAVAILABLE the topic is missing
 * or not known yet. */
static enum status choose_lane(struct flow *f, struct message *m)
{
    m->topic = topic_map_find(&f->map, m->record->topic);
    if (m->topic == NULL || m->topic->partitions_len == 0)
        return STATUS_UNAVAILABLE;
    int32_t partitions = m->topic->partitions_len;
    /* As with Java clients a record without a key has no partition of its own. */
    int32_t partition = m->record->key.data == NULL
                            ? (int32_t)(atomic_fetch_add(&f->keyless, 1) % (unsigned)partitions)
                            : instance_partition(m->record->key, partitions);
    m->lane = m->topic->lanes[partition];
    return STATUS_OK;
}

/* Makes the record its own dead letter. f->lock is held. Returns false when that cannot be. */
static bool become_dead_letter(struct flow *f, struct message *m, const char *why)
{
    bool is_event = m->record->reason == DEAD_LETTER_NONE && m->record->account != NULL;
    if (!is_event || f->options.envelope == NULL)
        return false;
    /* Its value is the refused record's own bytes; the arena holds headers and a sentence. */
    m->dead_letter_arena = arena_new(m->record->value.len + 65536);
    struct record *letter =
        m->dead_letter_arena == NULL ? NULL : arena_alloc(m->dead_letter_arena, sizeof *letter);
    if (letter == NULL)
        return false;
    *letter = (struct record){0};
    if (envelope_dead_letter(f->options.envelope, m->record, why, m->dead_letter_arena, letter) !=
        STATUS_OK)
        return false;
    LOG(KAFKA_RECORD_REFUSED, log_text("topic", m->topic->name), log_text("error", why),
        log_bytes("ce_id", record_header(m->record, "ce_id")));
    struct topic *meant = m->topic;
    struct lane *meant_lane = m->lane;
    m->record = letter;
    m->entry.is_alone = false;
    if (choose_lane(f, m) == STATUS_OK)
        return true;
    m->topic = meant;
    m->lane = meant_lane;
    return false;
}

/* Sends the record or holds it. f->lock is held. Returns STATUS_OK when it is in custody; otherwise
 * its fate is the caller's, and *ret_err says what librdkafka said, 0 if it was not asked. */
static enum status place(struct flow *f, struct message *m, int64_t now,
                         rd_kafka_resp_err_t *ret_err)
{
    *ret_err = RD_KAFKA_RESP_ERR_NO_ERROR;
    pthread_mutex_lock(&m->lane->lock);
    enum lane_gate gate = lane_gate(m->lane, now);
    if (gate != LANE_GATE_REFUSE) {
        lane_enter(m->lane, &m->entry, now);
        activate(f, m->lane);
    }
    rd_kafka_resp_err_t err = gate == LANE_GATE_SEND ? put(f, m, now) : RD_KAFKA_RESP_ERR_NO_ERROR;
    if (gate == LANE_GATE_HOLD || errors_verdict(err) == VERDICT_RETURNED)
        lane_hold(m->lane, &m->entry);
    pthread_mutex_unlock(&m->lane->lock);

    if (gate == LANE_GATE_REFUSE)
        return STATUS_UNAVAILABLE;
    switch (errors_verdict(err)) {
    case VERDICT_DURABLE:
    case VERDICT_RETURNED:
        return STATUS_OK;
    case VERDICT_REFUSED:
        if (become_dead_letter(f, m, rd_kafka_err2str(err)))
            return place(f, m, now, ret_err); /* once: a dead letter has none */
        break;
    case VERDICT_OPERATOR:
    case VERDICT_FAILED:
        break;
    }
    *ret_err = err;
    return err == RD_KAFKA_RESP_ERR__QUEUE_FULL ? STATUS_BUSY : STATUS_UNAVAILABLE;
}

/* Finds every record's lane before anything is sent. f->lock is held. */
static enum status choose_lanes(struct flow *f, struct custody *custody, int64_t now,
                                size_t *ret_missing)
{
    if (f->is_stopping || f->current == NULL)
        return STATUS_UNAVAILABLE;
    for (size_t i = 0; i < custody->messages_len; i++) {
        struct message *m = &custody->messages[i];
        if (choose_lane(f, m) != STATUS_OK) {
            *ret_missing = i;
            return STATUS_UNAVAILABLE;
        }
        pthread_mutex_lock(&m->lane->lock);
        enum lane_gate gate = lane_gate(m->lane, now);
        pthread_mutex_unlock(&m->lane->lock);
        if (gate == LANE_GATE_REFUSE)
            return STATUS_UNAVAILABLE;
    }
    return STATUS_OK;
}

/* f->lock is held. Errors: as place() for the first record, when nothing was taken. */
static enum status place_all(struct flow *f, struct custody *custody, int64_t now)
{
    int64_t now_us = clock_mono_us();
    if (atomic_fetch_add(&f->outstanding, custody->messages_len) + custody->messages_len >
        OUTSTANDING_MAX) {
        atomic_fetch_sub(&f->outstanding, custody->messages_len);
        return STATUS_BUSY;
    }
    enum status status = STATUS_OK;
    for (size_t i = 0; i < custody->messages_len; i++) {
        struct message *m = &custody->messages[i];
        m->accepted_at_mono_us = now_us;
        rd_kafka_resp_err_t err = RD_KAFKA_RESP_ERR_NO_ERROR;
        /* After one failed the sender comes again with all: the rest need not go now. */
        if (status == STATUS_OK)
            status = place(f, m, now, &err);
        if (status != STATUS_OK && err != 0 && err != RD_KAFKA_RESP_ERR__QUEUE_FULL)
            log_failed(m, rd_kafka_err2str(err));
        if (status != STATUS_OK && i == 0) {
            atomic_fetch_sub(&f->outstanding, custody->messages_len);
            return status;
        }
        if (status != STATUS_OK)
            conclude(f, m, false); /* not the last: the publisher counts too */
    }
    return STATUS_OK;
}

/* Learns of a topic that is not known, or asks again for one that was missing. */
static enum status miss_topic(struct flow *f, const struct message *m)
{
    LOG(KAFKA_RECORD_FAILED, log_text("topic", m->record->topic),
        log_text("error", "the topic does not exist, or the brokers did not tell of it yet"));
    if (m->topic != NULL)
        scout_want_metadata(f->scout, m->topic->name);
    else if (flow_add_topics(f, &m->record->topic, 1) != STATUS_OK)
        return STATUS_BUSY;
    return STATUS_UNAVAILABLE;
}

enum status flow_publish(struct flow *f, struct publication *pub)
{
    struct custody *custody = custody_new(pub);
    if (custody == NULL)
        return STATUS_NOMEM;
    size_t missing = SIZE_MAX;
    int64_t now = clock_mono_ms();
    pthread_rwlock_rdlock(&f->lock);
    enum status status = choose_lanes(f, custody, now, &missing);
    if (status == STATUS_OK)
        status = place_all(f, custody, now);
    pthread_rwlock_unlock(&f->lock);
    if (status == STATUS_OK) {
        custody_finish_publisher(custody);
        return STATUS_OK;
    }
    if (missing != SIZE_MAX)
        status = miss_topic(f, &custody->messages[missing]);
    custody_cancel(custody);
    return status;
}

/* --- out of the client -------------------------------------------------------------------------
 */

/* Sends the dead letter of a refused record. f->lock is held. Returns false when that cannot be. */
static bool send_dead_letter(struct flow *f, struct message *m, rd_kafka_resp_err_t err)
{
    rd_kafka_resp_err_t again = err;
    if (become_dead_letter(f, m, rd_kafka_err2str(err)) &&
        place(f, m, clock_mono_ms(), &again) == STATUS_OK)
        return true;
    log_failed(m, rd_kafka_err2str(again != 0 ? again : err));
    return false;
}

void flow_on_report(void *ctx, void *opaque, rd_kafka_resp_err_t err, bool possibly_persisted)
{
    struct flow *f = ctx;
    struct message *m = opaque;
    struct lane *lane = m->lane;
    enum verdict verdict = errors_verdict(err);
    int64_t now = clock_mono_ms();
    m->ambiguous = m->ambiguous || possibly_persisted;

    pthread_mutex_lock(&lane->lock);
    lane_remove(&m->entry);
    bool resumed = verdict == VERDICT_DURABLE && lane_acknowledge(lane);
    int64_t paused_ms = now - lane->paused_at_mono_ms;
    /* A broker refuses a batch as a whole: who is to blame shows when each is sent alone. */
    bool goes_alone = verdict == VERDICT_REFUSED && !m->entry.is_alone;
    bool is_held =
        (verdict == VERDICT_RETURNED || goes_alone) && !f->has_given_up && !is_over(f, m, now);
    m->entry.is_alone = m->entry.is_alone || goes_alone;
    if (is_held) {
        lane_hold(lane, &m->entry);
        activate(f, lane);
    }
    pthread_mutex_unlock(&lane->lock);

    if (resumed)
        LOG(KAFKA_PARTITION_RESUMED, log_text("topic", lane->topic),
            log_number("partition", lane->partition), log_number("paused_ms", paused_ms));
    if (is_held)
        return;
    switch (verdict) {
    case VERDICT_DURABLE:
        conclude(f, m, true);
        return;
    case VERDICT_REFUSED:
        if (goes_alone) {
            conclude(f, m, false); /* nobody waits any more */
            return;
        }
        pthread_rwlock_rdlock(&f->lock);
        bool is_sent = send_dead_letter(f, m, err);
        pthread_rwlock_unlock(&f->lock);
        if (!is_sent)
            conclude(f, m, false);
        return;
    case VERDICT_RETURNED:
        conclude(f, m, false);
        return;
    case VERDICT_OPERATOR:
    case VERDICT_FAILED:
        break;
    }
    log_failed(m, rd_kafka_err2str(err));
    if (verdict == VERDICT_OPERATOR)
        scout_want_metadata(f->scout, m->topic->name);
    conclude(f, m, false);
}

void flow_on_all_brokers_down(void *ctx)
{
    struct flow *f = ctx;
    atomic_store(&f->all_brokers_down, true);
}

/* --- the turn: what the delivery thread does between reports -----------------------------------
 */

struct purge {
    bool is_due;
    bool in_flight; /* also what was sent */
};

static int64_t stall_ms(const struct flow *f)
{
    return f->options.deadline_ms * STALL_PERCENT / 100;
}

static void pause_lane(const struct flow *f, struct lane *lane, const char *why, int64_t now)
{
    bool was_flowing = lane->state == LANE_FLOWING;
    int64_t wait = lane_wait_ms(lane, now);
    lane_pause(lane, f->options.deadline_ms - stall_ms(f), now);
    if (was_flowing)
        LOG(KAFKA_PARTITION_PAUSED, log_text("topic", lane->topic),
            log_number("partition", lane->partition), log_number("leader", lane->leader),
            log_text("reason", why), log_number("waiting_ms", wait));
}

/* A paused lane, or one in doubt, learns from the scout whether its leader answers. */
static void ask_leader(struct flow *f, struct lane *lane, int64_t now, struct purge *purge)
{
    if (lane->leader < 0) {
        scout_want_metadata(f->scout, lane->topic);
        return;
    }
    scout_want_probe(f->scout, lane->leader, lane->topic, lane->partition, now);
    struct scout_findings found = scout_findings(f->scout, lane->leader);
    if (lane->state == LANE_PAUSED && found.answered_at_mono_ms > lane->paused_at_mono_ms) {
        lane_try(lane);
        return;
    }
    if (lane->in_doubt_since_mono_ms == 0)
        return;
    if (found.answered_at_mono_ms >= lane->in_doubt_since_mono_ms) {
        lane->in_doubt_since_mono_ms = 0;
    } else if (found.failed_at_mono_ms >= lane->in_doubt_since_mono_ms) {
        lane->in_doubt_since_mono_ms = 0;
        if (lane->state == LANE_PAUSED)
            return;
        pause_lane(f, lane, "all brokers are down", now);
        purge->is_due = true;
    }
}

/* The lane's lock is held. */
static void look_after(struct flow *f, struct lane *lane, int64_t now, struct purge *purge)
{
    if (lane_is_stalled(lane, stall_ms(f), now)) {
        pause_lane(f, lane, "no acknowledgement in time", now);
        purge->is_due = true;
    }
    if (lane->state == LANE_PAUSED || lane->in_doubt_since_mono_ms != 0)
        ask_leader(f, lane, now, purge);
    if (lane_wait_ms(lane, now) > SUSPECT_MS) {
        scout_want_metadata(f->scout, lane->topic);
        if (lane_has_moved(lane))
            purge->is_due = purge->in_flight = true;
    }
    lane_check(lane);
}

/* What became of a lane's first held record. */
enum flushed {
    FLUSHED_NOTHING = 0, /* there is none, or it has to wait */
    FLUSHED_SENT,
    FLUSHED_OVER, /* it is to be concluded as failed */
};

/* f->lock is held. */
static enum flushed flush_first(struct flow *f, struct lane *lane, int64_t now,
                                struct message **ret)
{
    pthread_mutex_lock(&lane->lock);
    struct lane_entry *entry = lane_first_held(lane);
    bool over = entry != NULL && (f->has_given_up || is_over(f, message_of(entry), now));
    if (!over && lane_next_to_send(lane) == NULL) {
        pthread_mutex_unlock(&lane->lock);
        return FLUSHED_NOTHING;
    }
    struct message *m = message_of(entry);
    lane_remove(entry);
    rd_kafka_resp_err_t err = over ? RD_KAFKA_RESP_ERR_NO_ERROR : put(f, m, now);
    bool is_back = err == RD_KAFKA_RESP_ERR__QUEUE_FULL || errors_verdict(err) == VERDICT_RETURNED;
    if (is_back)
        lane_hold(lane, entry);
    pthread_mutex_unlock(&lane->lock);
    if (is_back)
        return FLUSHED_NOTHING;
    if (err == 0 && !over)
        return FLUSHED_SENT;
    if (errors_verdict(err) == VERDICT_REFUSED && send_dead_letter(f, m, err))
        return FLUSHED_SENT;
    if (err != 0 && errors_verdict(err) != VERDICT_REFUSED)
        log_failed(m, rd_kafka_err2str(err));
    *ret = m;
    return FLUSHED_OVER;
}

/* Sends what the lane holds as far as it may, and ends what nobody waits for. */
static void flush_lane(struct flow *f, struct lane *lane, int64_t now)
{
    for (;;) {
        struct message *m = NULL;
        pthread_rwlock_rdlock(&f->lock);
        enum flushed flushed = flush_first(f, lane, now, &m);
        pthread_rwlock_unlock(&f->lock);
        if (flushed == FLUSHED_NOTHING)
            return;
        if (flushed == FLUSHED_OVER)
            conclude(f, m, false);
    }
}

static void drain(struct instance *in)
{
    for (int i = 0; i < DRAIN_POLLS_MAX && instance_poll(in, 0) > 0; i++)
        ;
}

static void take_back(struct flow *f, bool in_flight)
{
    instance_purge(f->current, in_flight);
    drain(f->current);
    if (f->retiring != NULL) {
        instance_purge(f->retiring, in_flight);
        drain(f->retiring);
    }
}

static void gather_active(struct flow *f)
{
    pthread_mutex_lock(&f->hand_over_lock);
    struct lane *lane = f->newly_active;
    f->newly_active = NULL;
    pthread_mutex_unlock(&f->hand_over_lock);
    while (lane != NULL) {
        struct lane *next = lane->next_active;
        lane->next_active = f->active;
        f->active = lane;
        lane = next;
    }
}

/* Forgets lanes with nothing to look after. Returns how many are paused. */
static size_t forget_idle(struct flow *f)
{
    size_t paused = 0;
    struct lane **link = &f->active;
    while (*link != NULL) {
        struct lane *lane = *link;
        pthread_mutex_lock(&lane->lock);
        bool is_idle =
            lane->state != LANE_PAUSED && lane_is_empty(lane) && lane->in_doubt_since_mono_ms == 0;
        paused += lane->state == LANE_PAUSED;
        if (is_idle) {
            *link = lane->next_active;
            lane->active = false;
        } else {
            link = &lane->next_active;
        }
        pthread_mutex_unlock(&lane->lock);
    }
    return paused;
}

/* librdkafka says so also when idle connections were closed: every leader is asked first. */
static void doubt_all(struct flow *f, int64_t now)
{
    pthread_rwlock_rdlock(&f->lock);
    for (size_t i = 0; i < f->map.len; i++)
        for (int32_t k = 0; k < f->map.items[i]->partitions_len; k++) {
            struct lane *lane = f->map.items[i]->lanes[k];
            pthread_mutex_lock(&lane->lock);
            lane->in_doubt_since_mono_ms = now;
            activate(f, lane);
            pthread_mutex_unlock(&lane->lock);
        }
    pthread_rwlock_unlock(&f->lock);
}

static void ask_for_metadata(struct flow *f, int64_t now)
{
    bool all = now - f->refresh_asked_at_mono_ms >= REFRESH_INTERVAL_MS;
    if (!all && now - f->missing_asked_at_mono_ms < MISSING_INTERVAL_MS)
        return;
    f->missing_asked_at_mono_ms = now;
    if (all)
        f->refresh_asked_at_mono_ms = now;
    size_t missing = 0;
    pthread_rwlock_rdlock(&f->lock);
    for (size_t i = 0; i < f->map.len; i++) {
        bool is_missing = f->map.items[i]->partitions_len == 0;
        missing += is_missing;
        if (all || is_missing)
            scout_want_metadata(f->scout, f->map.items[i]->name);
    }
    pthread_rwlock_unlock(&f->lock);
    atomic_store(&f->missing_len, missing);
}

static void retire(struct flow *f, int64_t now)
{
    if (f->retiring == NULL)
        return;
    if (now - f->retiring_since_mono_ms >= f->options.deadline_ms) {
        instance_purge(f->retiring, true);
        drain(f->retiring);
    }
    if (instance_outstanding(f->retiring) > 0)
        return;
    instance_unref(TAKE(f->retiring));
}

static void change_over(struct flow *f, int64_t now)
{
    pthread_mutex_lock(&f->hand_over_lock);
    struct instance *incoming = f->retiring == NULL ? TAKE(f->incoming) : NULL;
    pthread_mutex_unlock(&f->hand_over_lock);
    if (incoming == NULL)
        return;
    pthread_rwlock_wrlock(&f->lock);
    for (size_t i = 0; i < f->map.len; i++)
        if (instance_add_topic(incoming, i, f->map.items[i]->name) != STATUS_OK)
            LOG(KAFKA_LOGGED, log_text("error", "no handle for a topic"),
                log_text("topic", f->map.items[i]->name));
    f->retiring = f->current;
    f->current = incoming;
    f->retiring_since_mono_ms = now;
    pthread_rwlock_unlock(&f->lock);
}

static void give_up(struct flow *f)
{
    if (!f->has_given_up)
        atomic_store(&f->given_up, atomic_load(&f->outstanding));
    f->has_given_up = true;
    take_back(f, true);
}

bool flow_turn(struct flow *f, int timeout_ms)
{
    instance_poll(f->current, f->retiring != NULL && timeout_ms > 5 ? 5 : timeout_ms);
    if (f->retiring != NULL)
        instance_poll(f->retiring, 0);
    int64_t now = clock_mono_ms();
    if (now - f->turned_at_mono_ms < TURN_INTERVAL_MS)
        return true;
    f->turned_at_mono_ms = now;
    retire(f, now);
    change_over(f, now);
    if (atomic_exchange(&f->all_brokers_down, false))
        doubt_all(f, now);
    ask_for_metadata(f, now);
    gather_active(f);

    struct purge purge = {0};
    for (struct lane *lane = f->active; lane != NULL; lane = lane->next_active) {
        pthread_mutex_lock(&lane->lock);
        look_after(f, lane, now, &purge);
        pthread_mutex_unlock(&lane->lock);
    }
    if (purge.is_due)
        take_back(f, purge.in_flight);
    if (f->is_stopping && now >= f->stop_at_mono_ms)
        give_up(f);
    gather_active(f);
    for (struct lane *lane = f->active; lane != NULL; lane = lane->next_active)
        flush_lane(f, lane, now);
    size_t paused = forget_idle(f);
    atomic_store(&f->paused_len, paused);
    gauge_set(f->paused, (double)paused);
    return !f->is_stopping || atomic_load(&f->outstanding) > 0;
}

/* --- topics and metadata -----------------------------------------------------------------------
 */

enum status flow_add_topics(struct flow *f, const char *const *topics, size_t len)
{
    enum status status = STATUS_OK;
    pthread_rwlock_wrlock(&f->lock);
    for (size_t i = 0; i < len && status == STATUS_OK; i++) {
        struct topic *topic = topic_map_find(&f->map, topics[i]);
        if (topic == NULL) {
            status = topic_map_add(&f->map, topics[i], &topic);
            if (status == STATUS_OK && f->current != NULL)
                status = instance_add_topic(f->current, topic->index, topic->name);
        }
        if (status == STATUS_OK && topic->partitions_len == 0)
            scout_want_metadata(f->scout, topic->name);
    }
    pthread_rwlock_unlock(&f->lock);
    return status;
}

enum status flow_prepare_instance(struct flow *f, struct instance *in)
{
    enum status status = STATUS_OK;
    pthread_rwlock_rdlock(&f->lock);
    for (size_t i = 0; i < f->map.len && status == STATUS_OK; i++)
        status = instance_add_topic(in, i, f->map.items[i]->name);
    pthread_rwlock_unlock(&f->lock);
    return status;
}

/* f->lock is held for writing. */
static void learn_topic(struct flow *f, const struct rd_kafka_metadata_topic *metadata)
{
    struct topic *topic = topic_map_find(&f->map, metadata->topic);
    if (topic == NULL)
        return;
    topic->told_in_round = f->metadata_round;
    switch (metadata->err) {
    case RD_KAFKA_RESP_ERR_NO_ERROR:
        break;
    case RD_KAFKA_RESP_ERR_UNKNOWN_TOPIC_OR_PART:
    case RD_KAFKA_RESP_ERR_TOPIC_AUTHORIZATION_FAILED:
    case RD_KAFKA_RESP_ERR_TOPIC_EXCEPTION:
        topic->missing = true;
        topic->partitions_len = 0;
        return;
    default:
        return; /* it passes: a topic being made, a leader being elected */
    }
    topic->missing = false;
    if (topic_set_partitions(topic, metadata->partition_cnt) != STATUS_OK)
        return;
    for (int i = 0; i < metadata->partition_cnt; i++) {
        const struct rd_kafka_metadata_partition *partition = &metadata->partitions[i];
        if (partition->id < 0 || partition->id >= topic->partitions_len)
            continue;
        struct lane *lane = topic->lanes[partition->id];
        pthread_mutex_lock(&lane->lock);
        lane->leader = partition->leader;
        pthread_mutex_unlock(&lane->lock);
    }
}

void flow_on_metadata(void *ctx, const struct rd_kafka_metadata *metadata, bool complete)
{
    struct flow *f = ctx;
    pthread_rwlock_wrlock(&f->lock);
    f->metadata_round++;
    for (int i = 0; i < metadata->topic_cnt; i++)
        learn_topic(f, &metadata->topics[i]);
    for (size_t i = 0; complete && i < f->map.len; i++) {
        struct topic *topic = f->map.items[i];
        if (topic->partitions_len == 0 && topic->told_in_round != f->metadata_round)
            topic->missing = true;
    }
    pthread_rwlock_unlock(&f->lock);
}

static bool knows_all_topics(struct flow *f)
{
    bool knows = true;
    pthread_rwlock_rdlock(&f->lock);
    for (size_t i = 0; i < f->map.len && knows; i++)
        knows = f->map.items[i]->partitions_len > 0 || f->map.items[i]->missing;
    pthread_rwlock_unlock(&f->lock);
    return knows;
}

bool flow_wait_for_metadata(struct flow *f, int64_t until_mono_ms)
{
    while (!knows_all_topics(f)) {
        if (clock_mono_ms() >= until_mono_ms)
            return false;
        scout_wait_for_metadata(f->scout, until_mono_ms);
    }
    return true;
}

bool flow_is_healthy(struct flow *f, struct diag *diag)
{
    size_t paused = atomic_load(&f->paused_len);
    size_t missing = atomic_load(&f->missing_len);
    if (paused > 0)
        (void)diag_set(diag, STATUS_UNAVAILABLE, "%zu partitions do not acknowledge", paused);
    else if (missing > 0)
        (void)diag_set(diag, STATUS_UNAVAILABLE, "%zu topics are missing, or not known yet",
                       missing);
    return paused == 0 && missing == 0;
}

/* --- life --------------------------------------------------------------------------------------
 */

struct instance *flow_instance(void *ctx)
{
    struct flow *f = ctx;
    pthread_rwlock_rdlock(&f->lock);
    struct instance *in = f->current == NULL ? NULL : instance_ref(f->current);
    pthread_rwlock_unlock(&f->lock);
    return in;
}

void flow_replace_take(struct flow *f, struct instance *in)
{
    pthread_mutex_lock(&f->hand_over_lock);
    struct instance *former = f->incoming;
    f->incoming = in;
    pthread_mutex_unlock(&f->hand_over_lock);
    instance_unref(former);
}

bool flow_is_broken(struct flow *f, char *ret_reason, size_t ret_len)
{
    struct instance *in = flow_instance(f);
    bool is_broken = in != NULL && instance_is_fatal(in, ret_reason, ret_len);
    instance_unref(in);
    return is_broken;
}

void flow_start(struct flow *f, struct instance *in, struct scout *scout)
{
    f->current = instance_ref(in);
    f->scout = scout;
}

void flow_stop(struct flow *f, int64_t until_mono_ms)
{
    atomic_store(&f->stop_at_mono_ms, until_mono_ms);
    /* Under the lock: who publishes is through when this returns. */
    pthread_rwlock_wrlock(&f->lock);
    atomic_store(&f->is_stopping, true);
    pthread_rwlock_unlock(&f->lock);
}

size_t flow_given_up(const struct flow *f)
{
    return atomic_load(&f->given_up);
}

static void make_series(struct flow *f)
{
    struct metrics *metrics = f->options.metrics;
    f->duration =
        metrics_histogram(metrics, "maesn_bridge_kafka_delivery_duration_seconds",
                          "From publish to the delivery report of a durable record.", NULL, 0);
    f->paused = metrics_gauge(metrics, "maesn_bridge_kafka_partitions_paused",
                              "Partitions that do not acknowledge.", NULL, 0);
    for (int i = DEAD_LETTER_NONE + 1; i < DEAD_LETTER_REASONS; i++)
        f->dead_letters[i] =
            metrics_counter(metrics, "maesn_bridge_dead_letters_total", "Durable dead letters.",
                            &(const struct metric_label){"reason", dead_letter_reason_name(i)}, 1);
}

enum status flow_new(const struct flow_options *opt, struct flow **ret)
{
    struct flow *f = calloc(1, sizeof *f);
    if (f == NULL)
        return STATUS_NOMEM;
    f->options = *opt;
    pthread_rwlockattr_t attributes;
    pthread_rwlockattr_init(&attributes);
    /* A stream of publishers must not keep a writer waiting. */
    pthread_rwlockattr_setkind_np(&attributes, PTHREAD_RWLOCK_PREFER_WRITER_NONRECURSIVE_NP);
    pthread_rwlock_init(&f->lock, &attributes);
    pthread_rwlockattr_destroy(&attributes);
    pthread_mutex_init(&f->hand_over_lock, NULL);
    topic_map_init(&f->map, opt->metrics);
    make_series(f);
    *ret = f;
    return STATUS_OK;
}

void flow_free(struct flow *f)
{
    if (f == NULL)
        return;
    assert(atomic_load(&f->outstanding) == 0);
    instance_unref(f->incoming);
    instance_unref(f->retiring);
    instance_unref(f->current);
    topic_map_done(&f->map);
    pthread_mutex_destroy(&f->hand_over_lock);
    pthread_rwlock_destroy(&f->lock);
    free(f);
}
