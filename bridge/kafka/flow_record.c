/* The way of one record: into the client, out of it, and to its end. */
#include "bridge/kafka/flow_state.h"

#include "bridge/base/clock.h"
#include "bridge/domain/log_events.h"
#include "bridge/kafka/errors.h"

/* Records in custody, held ones too: the bound of what waits when Kafka is slow. The client itself
 * takes queue.buffering.max.messages. */
#define OUTSTANDING_MAX 40000

/* --- the end of a record -----------------------------------------------------------------------
 */

void flow_record_conclude(struct flow *f, struct message *m, enum status status)
{
    if (status == STATUS_OK) {
        counter_add(f->duplicates, m->ambiguous);
        histogram_observe(f->duration, (double)(clock_mono_us() - m->accepted_at_mono_us) / 1e6);
        if (m->record->reason != DEAD_LETTER_NONE)
            counter_add(f->dead_letters[m->record->reason], 1);
    }
    atomic_fetch_sub(&f->outstanding, 1);
    custody_finish(m, status);
}

void flow_record_log_failed(const struct message *m, const char *error)
{
    LOG(KAFKA_RECORD_FAILED, log_text("topic", m->topic->name),
        log_number("partition", m->lane->partition), log_text("error", error),
        log_bytes("ce_id", record_header(m->record, "ce_id")));
}

bool flow_record_is_over(const struct flow *f, const struct message *m, int64_t now)
{
    const struct publication *pub = m->custody->pub;
    return publication_is_abandoned(pub) || (pub->due_mono_ms != 0 && now >= pub->due_mono_ms) ||
           now - m->entry.accepted_at_mono_ms >= f->options.deadline_ms;
}

/* --- into the client ---------------------------------------------------------------------------
 */

void flow_record_activate(struct flow *f, struct lane *lane)
{
    if (lane->active)
        return;
    lane->active = true;
    pthread_mutex_lock(&f->hand_over_lock);
    lane->next_active = f->newly_active;
    f->newly_active = lane;
    pthread_mutex_unlock(&f->hand_over_lock);
}

rd_kafka_resp_err_t flow_record_put(struct flow *f, struct message *m, int64_t now)
{
    lane_send(m->lane, &m->entry, now);
    rd_kafka_resp_err_t err =
        instance_produce(f->current, m->topic->index, m->lane->partition, m->record, m);
    if (err != 0)
        lane_unsend(m->lane, &m->entry);
    return err;
}

/* Chooses the record's partition. f->lock is held. Errors: STATUS_REFUSED the topic is missing;
 * STATUS_UNAVAILABLE it is not known yet. */
static enum status choose_lane(struct flow *f, struct message *m)
{
    m->topic = topic_map_find(&f->map, m->record->topic);
    if (m->topic == NULL || m->topic->partitions_len == 0)
        return m->topic != NULL && m->topic->missing ? STATUS_REFUSED : STATUS_UNAVAILABLE;
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
/* NOLINTNEXTLINE(misc-no-recursion): a dead letter becomes none */
static enum status place(struct flow *f, struct message *m, int64_t now,
                         rd_kafka_resp_err_t *ret_err)
{
    *ret_err = RD_KAFKA_RESP_ERR_NO_ERROR;
    pthread_mutex_lock(&m->lane->lock);
    enum lane_gate gate = lane_gate(m->lane, now);
    if (gate != LANE_GATE_REFUSE) {
        lane_enter(m->lane, &m->entry, now);
        flow_record_activate(f, m->lane);
    }
    rd_kafka_resp_err_t err =
        gate == LANE_GATE_SEND ? flow_record_put(f, m, now) : RD_KAFKA_RESP_ERR_NO_ERROR;
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
            return place(f, m, now, ret_err);
        *ret_err = err;
        return STATUS_REFUSED; /* and somebody has to see to it: another time it is no smaller */
    case VERDICT_OPERATOR:
        scout_want_metadata(f->scout, m->topic->name);
        *ret_err = err;
        return STATUS_REFUSED;
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
        enum status status = choose_lane(f, m);
        if (status != STATUS_OK) {
            *ret_missing = i;
            return status;
        }
        if (custody->messages_len == 1)
            break; /* place() asks the lane's gate anyway */
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
            flow_record_log_failed(m, rd_kafka_err2str(err));
        if (status != STATUS_OK && i == 0) {
            atomic_fetch_sub(&f->outstanding, custody->messages_len);
            return status;
        }
        if (status != STATUS_OK) /* not the last: the publisher counts too */
            flow_record_conclude(f, m,
                                 status == STATUS_REFUSED ? STATUS_REFUSED : STATUS_UNAVAILABLE);
    }
    return STATUS_OK;
}

/* Learns of a topic that is not known, or asks again for one that was missing. */
static enum status miss_topic(struct flow *f, const struct message *m, enum status status)
{
    if (status == STATUS_REFUSED)
        LOG(KAFKA_RECORD_FAILED, log_text("topic", m->record->topic),
            log_text("error", "the topic does not exist"));
    if (m->topic != NULL)
        scout_want_metadata(f->scout, m->topic->name);
    else if (flow_add_topics(f, &m->record->topic, 1) != STATUS_OK)
        return STATUS_BUSY;
    return status;
}

enum status flow_publish(struct flow *f, struct publication *pub)
{
    if (publication_is_abandoned(pub))
        return STATUS_UNAVAILABLE;
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
        status = miss_topic(f, &custody->messages[missing], status);
    custody_cancel(custody);
    return status;
}

/* --- out of the client -------------------------------------------------------------------------
 */

bool flow_record_send_dead_letter(struct flow *f, struct message *m, rd_kafka_resp_err_t err)
{
    rd_kafka_resp_err_t again = err;
    if (become_dead_letter(f, m, rd_kafka_err2str(err)) &&
        place(f, m, clock_mono_ms(), &again) == STATUS_OK)
        return true;
    flow_record_log_failed(m, rd_kafka_err2str(again != 0 ? again : err));
    return false;
}

/* Whether the record is as good as not sent, as lane_unsend() has it. */
static bool is_unsent(struct judgement judgement)
{
    switch (judgement.verdict) {
    case VERDICT_RETURNED:
    case VERDICT_REFUSED:
    case VERDICT_OPERATOR:
        return !judgement.is_ambiguous;
    case VERDICT_DURABLE:
    case VERDICT_FAILED:
        return false;
    }
    return false;
}

void flow_on_report(void *ctx, void *opaque, rd_kafka_resp_err_t err, rd_kafka_msg_status_t status)
{
    struct flow *f = ctx;
    struct message *m = opaque;
    struct lane *lane = m->lane;
    struct judgement judgement = errors_judge(err, status);
    enum verdict verdict = judgement.verdict;
    int64_t now = clock_mono_ms();
    m->ambiguous = m->ambiguous || judgement.is_ambiguous;

    pthread_mutex_lock(&lane->lock);
    if (is_unsent(judgement))
        lane_unsend(lane, &m->entry);
    else
        lane_remove(&m->entry);
    bool resumed = verdict == VERDICT_DURABLE && lane_acknowledge(lane);
    int64_t paused_ms = now - lane->paused_at_mono_ms;
    /* A broker refuses a batch as a whole: who is to blame shows when each is sent alone. */
    bool goes_alone = verdict == VERDICT_REFUSED && !m->entry.is_alone;
    bool is_held = (verdict == VERDICT_RETURNED || goes_alone) && !f->has_given_up &&
                   !flow_record_is_over(f, m, now);
    m->entry.is_alone = m->entry.is_alone || goes_alone;
    if (is_held) {
        lane_hold(lane, &m->entry);
        flow_record_activate(f, lane);
    }
    pthread_mutex_unlock(&lane->lock);

    if (resumed)
        LOG(KAFKA_PARTITION_RESUMED, log_text("topic", lane->topic),
            log_number("partition", lane->partition), log_number("paused_ms", paused_ms));
    if (is_held)
        return;
    switch (verdict) {
    case VERDICT_DURABLE:
        flow_record_conclude(f, m, STATUS_OK);
        return;
    case VERDICT_REFUSED:
        if (goes_alone) {
            flow_record_conclude(f, m, STATUS_UNAVAILABLE); /* nobody waits any more */
            return;
        }
        pthread_rwlock_rdlock(&f->lock);
        bool is_sent = flow_record_send_dead_letter(f, m, err);
        pthread_rwlock_unlock(&f->lock);
        if (!is_sent)
            flow_record_conclude(f, m, STATUS_UNAVAILABLE);
        return;
    case VERDICT_RETURNED:
        flow_record_conclude(f, m, STATUS_UNAVAILABLE);
        return;
    case VERDICT_OPERATOR:
    case VERDICT_FAILED:
        break;
    }
    flow_record_log_failed(m, rd_kafka_err2str(err));
    if (verdict == VERDICT_OPERATOR)
        scout_want_metadata(f->scout, m->topic->name);
    flow_record_conclude(f, m, verdict == VERDICT_OPERATOR ? STATUS_REFUSED : STATUS_UNAVAILABLE);
}

void flow_on_all_brokers_down(void *ctx)
{
    struct flow *f = ctx;
    atomic_store(&f->all_brokers_down, true);
}
