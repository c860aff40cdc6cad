/* The turn: what the delivery thread does between reports. */
#include "bridge/kafka/flow_state.h"

#include "bridge/base/clock.h"
#include "bridge/base/scoped.h"
#include "bridge/domain/log_events.h"
#include "bridge/kafka/errors.h"

/* A lane whose oldest record has waited this long has its metadata refreshed: an acknowledgement
 * takes a few milliseconds, an election a second. */
#define SUSPECT_MS 300

/* The lanes are looked after this often, however many reports come. */
#define TURN_INTERVAL_MS 20

/* Missing topics are asked for again this often. */
#define MISSING_INTERVAL_MS 1000

/* Partition counts and leaders are asked for at least this often. */
#define REFRESH_INTERVAL_MS 30000

/* While somebody waits the others are talked to this often: within the second that librdkafka
 * counts in. */
#define LEADERS_INTERVAL_MS 500

/* After a purge the reports are there already; more polls than this see reports of newer records.
 */
#define DRAIN_POLLS_MAX 100

/* What looking after the lanes brought up for the whole turn. */
struct concerns {
    bool purge;
    bool purge_in_flight; /* also what was sent */
    bool suspicion;       /* somebody has waited for long */
};

/* librdkafka puts its questions for metadata to the broker that it sent something to last, in whole
 * seconds: to the mute leader, as long as nobody talks to the others. So they are talked to: those
 * that no record is on its way to. Source: rd_kafka_broker_weight_usable, rdkafka_broker.c 2.0.2
 * and 2.8.0. */
static void contact_idle_leaders(struct flow *f, int64_t now)
{
    if (now - f->leaders_asked_at_mono_ms < LEADERS_INTERVAL_MS)
        return;
    f->leaders_asked_at_mono_ms = now;
    for (struct lane *lane = f->active; lane != NULL; lane = lane->next_active) {
        pthread_mutex_lock(&lane->lock);
        int32_t awaited = lane_awaited_leader(lane);
        pthread_mutex_unlock(&lane->lock);
        if (awaited >= 0)
            scout_avoid_contact(f->scout, awaited, now);
    }
    pthread_rwlock_rdlock(&f->lock);
    for (size_t i = 0; i < f->map.len; i++)
        for (int32_t k = 0; k < f->map.items[i]->partitions_len; k++) {
            struct lane *lane = f->map.items[i]->lanes[k];
            pthread_mutex_lock(&lane->lock);
            int32_t leader = lane->leader;
            pthread_mutex_unlock(&lane->lock);
            if (leader >= 0)
                scout_want_contact(f->scout, leader, lane->topic, lane->partition, now);
        }
    pthread_rwlock_unlock(&f->lock);
}

static void pause_lane(const struct flow *f, struct lane *lane, const char *why, int64_t now)
{
    bool was_flowing = lane->state == LANE_FLOWING;
    int64_t wait = lane_wait_ms(lane, now);
    lane_pause(lane, f->options.deadline_ms - f->options.stall_ms, now);
    if (was_flowing)
        LOG(KAFKA_PARTITION_PAUSED, log_text("topic", lane->topic),
            log_number("partition", lane->partition), log_number("leader", lane->leader),
            log_text("reason", why), log_number("waiting_ms", wait));
}

/* A paused lane, or one in doubt, learns from the scout whether its leader answers. */
static void ask_leader(struct flow *f, struct lane *lane, int64_t now, struct concerns *concerns)
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
        concerns->purge = true;
    }
}

/* The lane's lock is held. */
static void look_after(struct flow *f, struct lane *lane, int64_t now, struct concerns *concerns)
{
    if (lane_is_stalled(lane, f->options.stall_ms, now)) {
        pause_lane(f, lane, "no acknowledgement in time", now);
        concerns->purge = true;
    }
    if (lane->state == LANE_PAUSED || lane->in_doubt_since_mono_ms != 0)
        ask_leader(f, lane, now, concerns);
    if (lane_wait_ms(lane, now) > SUSPECT_MS) {
        concerns->suspicion = true;
        scout_want_metadata(f->scout, lane->topic);
        if (lane_has_moved(lane))
            concerns->purge = concerns->purge_in_flight = true;
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
    bool over =
        entry != NULL && (f->has_given_up || flow_record_is_over(f, message_of(entry), now));
    if (!over && lane_next_to_send(lane) == NULL) {
        pthread_mutex_unlock(&lane->lock);
        return FLUSHED_NOTHING;
    }
    struct message *m = message_of(entry);
    lane_remove(entry);
    rd_kafka_resp_err_t err = over ? RD_KAFKA_RESP_ERR_NO_ERROR : flow_record_put(f, m, now);
    bool is_back = err == RD_KAFKA_RESP_ERR__QUEUE_FULL || errors_verdict(err) == VERDICT_RETURNED;
    if (is_back)
        lane_hold(lane, entry);
    pthread_mutex_unlock(&lane->lock);
    if (is_back)
        return FLUSHED_NOTHING;
    if (err == 0 && !over)
        return FLUSHED_SENT;
    if (errors_verdict(err) == VERDICT_REFUSED && flow_record_send_dead_letter(f, m, err))
        return FLUSHED_SENT;
    if (err != 0 && errors_verdict(err) != VERDICT_REFUSED)
        flow_record_log_failed(m, rd_kafka_err2str(err));
    if (errors_verdict(err) == VERDICT_OPERATOR)
        scout_want_metadata(f->scout, lane->topic);
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
            flow_record_conclude(f, m, STATUS_UNAVAILABLE);
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

/* Forgets lanes with nothing to look after, and counts the others. */
static void forget_idle(struct flow *f, int64_t now)
{
    size_t paused = 0;
    size_t stuck = 0;
    struct lane **link = &f->active;
    while (*link != NULL) {
        struct lane *lane = *link;
        pthread_mutex_lock(&lane->lock);
        paused += lane->state == LANE_PAUSED;
        stuck += lane_is_stuck(lane, SUSPECT_MS, now);
        if (lane_is_idle(lane)) {
            *link = lane->next_active;
            lane->active = false;
        } else {
            link = &lane->next_active;
        }
        pthread_mutex_unlock(&lane->lock);
    }
    atomic_store(&f->paused_len, paused);
    atomic_store(&f->stuck_len, stuck);
    gauge_set(f->paused, (double)paused);
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
            flow_record_activate(f, lane);
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

/* Trials in vain begin anew with the new instance, which gets what the former one has not sent. */
static void try_anew(struct flow *f)
{
    bool is_any = false;
    for (struct lane *lane = f->active; lane != NULL; lane = lane->next_active) {
        pthread_mutex_lock(&lane->lock);
        if (lane->state == LANE_TRIAL && lane->is_fruitless) {
            lane_try(lane);
            is_any = true;
        }
        pthread_mutex_unlock(&lane->lock);
    }
    if (!is_any)
        return;
    instance_purge(f->retiring, false);
    drain(f->retiring);
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
    try_anew(f);
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
    gather_active(f);
    retire(f, now);
    change_over(f, now);
    if (atomic_exchange(&f->all_brokers_down, false))
        doubt_all(f, now);
    ask_for_metadata(f, now);
    gather_active(f);

    struct concerns concerns = {0};
    for (struct lane *lane = f->active; lane != NULL; lane = lane->next_active) {
        pthread_mutex_lock(&lane->lock);
        look_after(f, lane, now, &concerns);
        pthread_mutex_unlock(&lane->lock);
    }
    if (concerns.suspicion)
        contact_idle_leaders(f, now);
    if (concerns.purge)
        take_back(f, concerns.purge_in_flight);
    if (f->is_stopping && now >= f->stop_at_mono_ms)
        give_up(f);
    gather_active(f);
    for (struct lane *lane = f->active; lane != NULL; lane = lane->next_active)
        flush_lane(f, lane, now);
    forget_idle(f, now);
    return !f->is_stopping || atomic_load(&f->outstanding) > 0;
}
