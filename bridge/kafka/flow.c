#include "bridge/kafka/flow.h"

#include <assert.h>
#include <stdlib.h>

#include "bridge/base/clock.h"
#include "bridge/kafka/flow_state.h"

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
    /* It has its handle, unless that failed when it was added: it is not known before. */
    if (instance_add_topic(f->current, topic->index, topic->name) != STATUS_OK)
        return;
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

bool flow_is_stuck(const struct flow *f)
{
    return atomic_load(&f->stuck_len) > 0;
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
    f->duplicates = metrics_counter(
        metrics, "maesn_bridge_kafka_duplicates_possible_total",
        "Acknowledged records of which Kafka may have an earlier attempt too, with the same ce_id.",
        NULL, 0);
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
