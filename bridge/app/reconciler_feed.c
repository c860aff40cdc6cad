/* Life of a partition, in the loop's thread:
 *
 *     away ──assign()──► claiming ──on_claimed──► reading ──on_end of the refresh──► led
 *      ▲                    │                        │                                │
 *      └────────────────────┴────revoke()────────────┴────────────────────────────────┘
 *
 * Invariants:
 *  1. A partition has an open writer unless it is away.
 *  2. It is led only after every record that was committed before the claim is in the table.
 *  3. When revoke() returns no pass, call or claim is under way.
 */
#include "bridge/app/reconciler_feed.h"

#include <poll.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>

#include "bridge/app/record_relay.h"
#include "bridge/base/clock.h"
#include "bridge/base/scoped.h"
#include "bridge/domain/log_events.h"
#include "bridge/kafka/membership.h"

/* Longest name of a topic, and "-reconciler". */
#define GROUP_ID_SIZE 300

/* How soon a record is read again for which there was no memory. */
static const int short_of_memory_ms = 100;

enum partition_state { PARTITION_AWAY = 0, PARTITION_CLAIMING, PARTITION_READING, PARTITION_LED };

struct partition {
    enum partition_state state;
    uint64_t refresh; /* while reading: what is waited for */
};

struct reconciler_feed {
    struct reconciler_feed_options options;
    char group_id[GROUP_ID_SIZE];
    struct compacted_topic *topic;
    struct record_relay relay; /* of the topic's records */

    /* The loop's. */
    struct reconciler_passes *passes;
    struct reconciler_writer *writer;
    struct partition *partitions;
    int32_t partitions_len;
    int64_t started_at_mono_ms;
    bool is_caught_up;
    bool may_join;
    bool is_stopping; /* joins nothing any more */
    struct gauge *led;

    pthread_mutex_t lock;          /* guards what follows */
    struct membership *membership; /* NULL: not yet, or no longer */
    enum status refusal;
    struct diag why;
};

/* --- refusal ----------------------------------------------------------------------------------
 */

static void refuse(struct reconciler_feed *f, enum status status, const struct diag *diag)
{
    pthread_mutex_lock(&f->lock);
    bool is_first = f->refusal == STATUS_OK;
    if (is_first) {
        f->refusal = status;
        f->why = *diag;
    }
    pthread_mutex_unlock(&f->lock);
    if (is_first)
        LOG(REGISTRY_TOPIC_REFUSED, log_text("topic", f->options.topic),
            log_text("error", diag->text));
}

enum status reconciler_feed_refusal(struct reconciler_feed *f, struct diag *diag)
{
    pthread_mutex_lock(&f->lock);
    enum status status = f->refusal;
    if (status != STATUS_OK)
        diag_set(diag, status, "%s", f->why.text);
    pthread_mutex_unlock(&f->lock);
    return status;
}

/* --- partitions, in the loop's thread ---------------------------------------------------------
 */

static void count_led(struct reconciler_feed *f)
{
    size_t led = 0;
    for (int32_t i = 0; i < f->partitions_len; i++)
        led += f->partitions[i].state == PARTITION_LED;
    gauge_set(f->led, (double)led);
}

static void rejoin(struct reconciler_feed *f)
{
    pthread_mutex_lock(&f->lock);
    if (f->membership != NULL)
        membership_rejoin(f->membership);
    pthread_mutex_unlock(&f->lock);
}

void reconciler_feed_on_claimed(struct reconciler_feed *f, int32_t partition)
{
    struct partition *p = &f->partitions[partition];
    if (p->state != PARTITION_CLAIMING)
        return;
    p->state = PARTITION_READING;
    p->refresh = compacted_topic_refresh(f->topic, partition);
}

void reconciler_feed_on_lost(struct reconciler_feed *f, int32_t partition, const struct diag *why)
{
    LOG(PARTITION_DROPPED, log_number("partition", partition), log_text("error", why->text));
    rejoin(f);
}

void reconciler_feed_on_records_unknown(struct reconciler_feed *f, int32_t partition)
{
    LOG(PARTITION_DROPPED, log_number("partition", partition),
        log_text("error", "the end of a commit is unknown"));
    rejoin(f);
}

static void lead(struct reconciler_feed *f, int32_t partition)
{
    f->partitions[partition].state = PARTITION_LED;
    LOG(PARTITION_CLAIMED, log_number("partition", partition));
    reconciler_passes_lead(f->passes, partition, true);
    count_led(f);
}

static void give_up(struct reconciler_feed *f, int32_t partition)
{
    struct partition *p = &f->partitions[partition];
    if (p->state == PARTITION_AWAY)
        return;
    bool was_led = p->state == PARTITION_LED;
    p->state = PARTITION_AWAY;
    if (was_led)
        reconciler_passes_lead(f->passes, partition, false);
    reconciler_writer_close(f->writer, partition);
}

/* --- the group, in the membership's thread ----------------------------------------------------
 */

struct assignment {
    struct reconciler_feed *feed;
    const int32_t *partitions;
    size_t len;
};

static void assign(void *ctx)
{
    const struct assignment *a = ctx;
    struct reconciler_feed *f = a->feed;
    for (size_t i = 0; i < a->len; i++) {
        int32_t partition = a->partitions[i];
        if (partition >= f->partitions_len)
            continue; /* the topic was resized: the reader finds it out */
        if (reconciler_writer_open(f->writer, partition) == STATUS_OK)
            f->partitions[partition].state = PARTITION_CLAIMING;
        else
            rejoin(f);
    }
}

static void on_assigned(void *ctx, const int32_t partitions[], size_t len)
{
    struct reconciler_feed *f = ctx;
    struct assignment a = {f, partitions, len};
    LOG(PARTITIONS_ASSIGNED, log_number("partitions", (int64_t)len));
    task_loop_call(f->options.loop, assign, &a);
}

static void revoke(void *ctx)
{
    struct reconciler_feed *f = ctx;
    for (int32_t i = 0; i < f->partitions_len; i++)
        give_up(f, i);
    count_led(f);
}

static void on_revoked(void *ctx, bool is_lost)
{
    struct reconciler_feed *f = ctx;
    task_loop_call(f->options.loop, revoke, f);
    LOG(PARTITIONS_REVOKED, log_text("reason", is_lost ? "lost" : "rebalance"));
}

/* --- records, in the topic's thread and then in the loop's -------------------------------------
 */

static void take_record(void *ctx, const struct compacted_topic_record *record)
{
    struct reconciler_feed *f = ctx;
    struct diag diag = {0};
    enum account_reading reading;
    while ((reading = reconciler_accounts_take(f->options.accounts, record->partition, record->key,
                                               record->value, &diag)) == ACCOUNT_READING_NOMEM)
        poll(NULL, 0, short_of_memory_ms); /* nothing may be decided without this record */
    if (reading == ACCOUNT_READING_UNREADABLE)
        LOG(REGISTRY_RECORD_REFUSED, log_bytes("key", record->key),
            log_number("partition", record->partition), log_number("offset", record->offset),
            log_text("error", diag.text));
    else if (reading == ACCOUNT_READING_MISPLACED)
        refuse(f, STATUS_INVALID, &diag);
}

static void on_record(void *ctx, const struct compacted_topic_record *record)
{
    struct reconciler_feed *f = ctx;
    record_relay_post(&f->relay, record);
}

struct opening {
    struct reconciler_feed *feed;
    int32_t partitions;
};

static void take_partitions(void *ctx)
{
    const struct opening *o = ctx;
    struct reconciler_feed *f = o->feed;
    f->partitions = calloc((size_t)o->partitions, sizeof(*f->partitions));
    if (f->partitions != NULL &&
        reconciler_accounts_set_partitions(f->options.accounts, o->partitions) == STATUS_OK) {
        f->partitions_len = o->partitions;
        return;
    }
    struct diag diag = {0};
    diag_set(&diag, STATUS_NOMEM, "out of memory for %d partitions", (int)o->partitions);
    refuse(f, STATUS_NOMEM, &diag);
}

static void on_opened(void *ctx, int32_t partitions)
{
    struct reconciler_feed *f = ctx;
    struct opening o = {f, partitions};
    task_loop_call(f->options.loop, take_partitions, &o);
}

struct ending {
    struct reconciler_feed *feed;
    int32_t partition;
    uint64_t refresh;
};

static void take_end(void *ctx)
{
    const struct ending *e = ctx;
    const struct partition *p = &e->feed->partitions[e->partition];
    if (p->state == PARTITION_READING && e->refresh >= p->refresh)
        lead(e->feed, e->partition);
}

static void on_end(void *ctx, int32_t partition, uint64_t refresh)
{
    struct reconciler_feed *f = ctx;
    struct ending e = {f, partition, refresh};
    if (refresh != 0)
        task_loop_call(f->options.loop, take_end, &e);
}

/* Not before everything is known, so that no partition is owned for long before it is led, and
 * nothing is taken as no longer declared that was not read yet. */
static void join_if_ready(struct reconciler_feed *f)
{
    if (f->is_stopping || !f->is_caught_up || !f->may_join)
        return;
    const struct membership_options opt = {
        .cluster = f->options.cluster,
        .topic = f->options.topic,
        .group_id = f->group_id,
        .session_timeout_ms = f->options.session_timeout_ms,
        .callbacks = {.ctx = f, .on_assigned = on_assigned, .on_revoked = on_revoked},
    };
    struct membership *m = NULL;
    struct diag diag = {0};
    enum status status = membership_new(&opt, &m, &diag);
    if (status != STATUS_OK)
        refuse(f, status, &diag);
    pthread_mutex_lock(&f->lock);
    f->membership = m;
    pthread_mutex_unlock(&f->lock);
}

static void take_caught_up(void *ctx)
{
    struct reconciler_feed *f = ctx;
    f->is_caught_up = true;
    LOG(REGISTRY_LOADED, log_text("topic", f->options.topic),
        log_number("accounts", (int64_t)reconciler_accounts_len(f->options.accounts)),
        log_number("duration_ms", clock_mono_ms() - f->started_at_mono_ms));
    join_if_ready(f);
}

static void on_caught_up(void *ctx)
{
    struct reconciler_feed *f = ctx;
    task_loop_call(f->options.loop, take_caught_up, f);
}

void reconciler_feed_allow_joining(struct reconciler_feed *f)
{
    f->may_join = true;
    join_if_ready(f);
}

static void on_refused(void *ctx, enum status status, const struct diag *diag)
{
    refuse(ctx, status, diag);
}

/* --- life -------------------------------------------------------------------------------------
 */

int64_t reconciler_feed_deadline_mono_ms(struct reconciler_feed *f)
{
    pthread_mutex_lock(&f->lock);
    int64_t deadline = f->membership == NULL ? 0 : membership_deadline_mono_ms(f->membership);
    pthread_mutex_unlock(&f->lock);
    return deadline;
}

bool reconciler_feed_has_joined(struct reconciler_feed *f, struct diag *diag)
{
    if (reconciler_feed_refusal(f, diag) != STATUS_OK)
        return false;
    pthread_mutex_lock(&f->lock);
    bool is_member = f->membership != NULL;
    bool has_joined = is_member && membership_is_joined(f->membership);
    pthread_mutex_unlock(&f->lock);
    if (!has_joined)
        diag_set(diag, STATUS_UNAVAILABLE, "topic %s: %s", f->options.topic,
                 is_member ? "the group over it has no answer yet"
                           : "it was not read to its end yet");
    return has_joined;
}

enum status reconciler_feed_new(const struct reconciler_feed_options *opt,
                                struct reconciler_feed **ret)
{
    struct reconciler_feed *f = calloc(1, sizeof(*f));
    if (f == NULL || pthread_mutex_init(&f->lock, NULL) != 0) {
        free(f);
        return STATUS_NOMEM;
    }
    f->options = *opt;
    f->relay = (struct record_relay){.loop = opt->loop, .ctx = f, .take = take_record};
    snprintf(f->group_id, sizeof(f->group_id), "%s-reconciler", opt->topic);
    f->led = metrics_gauge(opt->metrics, "maesn_bridge_reconciler_partitions",
                           "Registry partitions that this process leads.", NULL, 0);
    *ret = f;
    return STATUS_OK;
}

enum status reconciler_feed_start(struct reconciler_feed *f, struct reconciler_passes *passes,
                                  struct reconciler_writer *writer, struct diag *diag)
{
    const struct compacted_topic_options opt = {
        .cluster = f->options.cluster,
        .topic = f->options.topic,
        .any_settings = f->options.any_settings,
        .callbacks = {.ctx = f,
                      .on_opened = on_opened,
                      .on_record = on_record,
                      .on_end = on_end,
                      .on_caught_up = on_caught_up,
                      .on_refused = on_refused},
    };
    f->passes = passes;
    f->writer = writer;
    f->started_at_mono_ms = clock_mono_ms();
    return compacted_topic_new(&opt, &f->topic, diag);
}

static void join_no_more(void *ctx)
{
    struct reconciler_feed *f = ctx;
    f->is_stopping = true;
}

void reconciler_feed_stop(struct reconciler_feed *f)
{
    task_loop_call(f->options.loop, join_no_more, f);
    pthread_mutex_lock(&f->lock);
    struct membership *m = TAKE(f->membership);
    pthread_mutex_unlock(&f->lock);
    membership_free(m);
    if (f->topic != NULL)
        compacted_topic_free(TAKE(f->topic));
}

void reconciler_feed_free(struct reconciler_feed *f)
{
    if (f == NULL)
        return;
    pthread_mutex_destroy(&f->lock);
    free(f->partitions);
    free(f);
}
