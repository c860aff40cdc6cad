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

#include <assert.h>
#include <malloc.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>

#include "bridge/app/loop_topic.h"
#include "bridge/app/memory_pause.h"
#include "bridge/base/clock.h"
#include "bridge/base/scoped.h"
#include "bridge/domain/log_events.h"
#include "bridge/kafka/membership.h"

/* Longest name of a topic, and "-reconciler". */
#define GROUP_ID_SIZE 300

enum partition_state { PARTITION_AWAY = 0, PARTITION_CLAIMING, PARTITION_READING, PARTITION_LED };

struct partition {
    enum partition_state state;
    uint64_t refresh; /* while reading: what is waited for */
};

struct reconciler_feed {
    struct reconciler_feed_options options;
    char group_id[GROUP_ID_SIZE];
    struct loop_topic *topic;

    /* The loop's. */
    struct reconciler_passes *passes;
    struct reconciler_writer *writer;
    struct partition *partitions;
    int32_t partitions_len;
    int64_t started_at_mono_ms;
    bool is_stopping; /* joins nothing any more */
    struct gauge *led;

    pthread_mutex_t lock;          /* guards what follows */
    struct membership *membership; /* NULL: not yet, or no longer */
};

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
    p->refresh = loop_topic_refresh(f->topic, partition);
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
    reconciler_accounts_own(f->options.accounts, partition, false);
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
        reconciler_accounts_own(f->options.accounts, partition, true);
        if (reconciler_writer_open(f->writer, partition) == STATUS_OK)
            f->partitions[partition].state = PARTITION_CLAIMING;
        else
            rejoin(f);
    }
}

static void tell_share(const struct reconciler_feed *f, size_t partitions)
{
    if (f->options.on_share != NULL)
        f->options.on_share(f->options.ctx, partitions, (size_t)f->partitions_len);
}

static void on_assigned(void *ctx, const int32_t partitions[], size_t len)
{
    struct reconciler_feed *f = ctx;
    struct assignment a = {f, partitions, len};
    LOG(PARTITIONS_ASSIGNED, log_number("partitions", (int64_t)len));
    task_loop_call(f->options.loop, assign, &a);
    tell_share(f, len);
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

/* --- the topic, in the loop's thread -------------------------------------------------------------
 */

static void on_record(void *ctx, const struct compacted_topic_record *record)
{
    struct reconciler_feed *f = ctx;
    struct diag diag = {0};
    enum account_reading reading;
    while ((reading = reconciler_accounts_take(f->options.accounts, record->partition, record->key,
                                               record->value, &diag)) == ACCOUNT_READING_NOMEM)
        memory_pause(); /* nothing may be decided without this record */
    if (reading == ACCOUNT_READING_UNREADABLE)
        LOG(REGISTRY_RECORD_REFUSED, log_bytes("key", record->key),
            log_number("partition", record->partition), log_number("offset", record->offset),
            log_text("error", diag.text));
    else if (reading == ACCOUNT_READING_MISPLACED)
        loop_topic_refuse(f->topic, STATUS_INVALID, &diag);
}

static void on_opened(void *ctx, int32_t partitions)
{
    struct reconciler_feed *f = ctx;
    f->partitions = calloc((size_t)partitions, sizeof(*f->partitions));
    if (f->partitions != NULL &&
        reconciler_accounts_set_partitions(f->options.accounts, partitions) == STATUS_OK) {
        f->partitions_len = partitions;
        return;
    }
    struct diag diag = {0};
    diag_set(&diag, STATUS_NOMEM, "out of memory for %d partitions", (int)partitions);
    loop_topic_refuse(f->topic, STATUS_NOMEM, &diag);
}

static void on_end(void *ctx, int32_t partition, uint64_t refresh)
{
    struct reconciler_feed *f = ctx;
    const struct partition *p = &f->partitions[partition];
    if (refresh != 0 && p->state == PARTITION_READING && refresh >= p->refresh)
        lead(f, partition);
}

/* Not before everything is known, so that no partition is owned for long before it is led, and
 * nothing is taken as no longer declared that was not read yet. */
void reconciler_feed_join(struct reconciler_feed *f)
{
    assert(f->membership == NULL);
    if (f->is_stopping)
        return;
    const struct membership_options opt = {
        .cluster = f->options.cluster,
        .topic = f->options.topic,
        .group_id = f->group_id,
        .session_timeout_ms = f->options.session_timeout_ms,
        .session_setting = "reconciler.session_timeout_ms",
        .callbacks = {.ctx = f, .on_assigned = on_assigned, .on_revoked = on_revoked},
    };
    struct membership *m = NULL;
    struct diag diag = {0};
    enum status status = membership_new(&opt, &m, &diag);
    if (status != STATUS_OK)
        loop_topic_refuse(f->topic, status, &diag);
    pthread_mutex_lock(&f->lock);
    f->membership = m;
    pthread_mutex_unlock(&f->lock);
}

static void on_caught_up(void *ctx)
{
    struct reconciler_feed *f = ctx;
    malloc_trim(0); /* what was fetched at once is as much as what is kept */
    LOG(REGISTRY_LOADED, log_text("topic", f->options.topic),
        log_number("accounts", (int64_t)reconciler_accounts_len(f->options.accounts)),
        log_number("duration_ms", clock_mono_ms() - f->started_at_mono_ms));
    f->options.on_known(f->options.ctx);
}

/* --- what is asked of it, from any thread -----------------------------------------------------
 */

enum status reconciler_feed_refusal(struct reconciler_feed *f, struct diag *diag)
{
    return loop_topic_refusal(f->topic, diag);
}

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
    bool is_refused = is_member && !has_joined && membership_is_refused(f->membership, diag);
    pthread_mutex_unlock(&f->lock);
    if (!has_joined && !is_refused)
        diag_set(diag, STATUS_UNAVAILABLE, "topic %s: %s", f->options.topic,
                 is_member ? "the group over it has no answer yet"
                           : "it was not read to its end yet");
    return has_joined;
}

/* --- life -------------------------------------------------------------------------------------
 */

enum status reconciler_feed_new(const struct reconciler_feed_options *opt,
                                struct reconciler_feed **ret)
{
    struct reconciler_feed *f = calloc(1, sizeof(*f));
    if (f == NULL || pthread_mutex_init(&f->lock, NULL) != 0) {
        free(f);
        return STATUS_NOMEM;
    }
    f->options = *opt;
    const struct loop_topic_options options = {
        .loop = opt->loop,
        .cluster = opt->cluster,
        .topic = opt->topic,
        .any_settings = opt->any_settings,
        .callbacks = {.ctx = f,
                      .on_opened = on_opened,
                      .on_record = on_record,
                      .on_end = on_end,
                      .on_caught_up = on_caught_up},
    };
    enum status status = loop_topic_new(&options, &f->topic);
    if (status != STATUS_OK) {
        reconciler_feed_free(f);
        return status;
    }
    snprintf(f->group_id, sizeof(f->group_id), "%s-reconciler", opt->topic);
    f->led = metrics_gauge(opt->metrics, "maesn_bridge_reconciler_partitions",
                           "Registry partitions that this process leads.", NULL, 0);
    *ret = f;
    return STATUS_OK;
}

enum status reconciler_feed_start(struct reconciler_feed *f, struct reconciler_passes *passes,
                                  struct reconciler_writer *writer, struct diag *diag)
{
    f->passes = passes;
    f->writer = writer;
    f->started_at_mono_ms = clock_mono_ms();
    return loop_topic_start(f->topic, diag);
}

void reconciler_feed_reload(struct reconciler_feed *f)
{
    loop_topic_reload(f->topic);
    pthread_mutex_lock(&f->lock);
    if (f->membership != NULL)
        membership_reload(f->membership);
    pthread_mutex_unlock(&f->lock);
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
    loop_topic_stop(f->topic);
}

void reconciler_feed_free(struct reconciler_feed *f)
{
    if (f == NULL)
        return;
    loop_topic_free(f->topic);
    pthread_mutex_destroy(&f->lock);
    free(f->partitions);
    free(f);
}
