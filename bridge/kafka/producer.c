#include "bridge/kafka/producer.h"

#include <assert.h>
#include <pthread.h>
#include <stdlib.h>
#include <time.h>

#include "bridge/base/clock.h"
#include "bridge/base/scoped.h"
#include "bridge/domain/log_events.h"
#include "bridge/kafka/cluster.h"
#include "bridge/kafka/flow.h"

/* How long a replacement waits for the brokers' first answer. */
#define PROOF_MS 1000

/* The default of producer_options.stall_ms: late enough for a new leader to be elected and learnt,
 * early enough to take back what was not sent before its callback is answered 503. */
#define STALL_PERCENT 80

/* How often the instance is looked at for a fatal error, and how long a replacement of it is given
 * before another one is made. */
#define KEEPER_INTERVAL_MS 100
#define MEND_INTERVAL_MS 3000

/* A partition whose leader answers and acknowledges nothing may have other reasons, e.g. too few
 * replicas, which a new instance does not mend: it is made this often. */
#define UNSTICK_INTERVAL_MS 30000

/* How often new credentials are tried while the brokers do not take them. */
#define RELOAD_INTERVAL_MS 5000

/* The delivery thread looks after its lanes at least this often. */
#define POLL_MS 20

struct producer {
    struct event_sink sink; /* first: a sink is its producer */
    struct cluster *cluster;
    struct producer_options options;
    struct flow *flow;
    struct scout *scout;
    pthread_t delivery_thread;
    pthread_t keeper_thread;
    bool has_delivery_thread;
    bool has_keeper_thread;

    pthread_mutex_t replace_lock; /* one replacement at a time; guards what follows */
    uint8_t fingerprint[CRYPTO_SHA256_SIZE];
    bool wants_reload; /* the last one could not prove itself */

    pthread_mutex_t keeper_lock; /* guards what follows */
    pthread_cond_t keeper_wakes;
    bool is_stopping;

    /* The keeper's own. */
    int64_t mended_at_mono_ms;
    int64_t unstuck_at_mono_ms;
    int64_t reloaded_at_mono_ms;
};

DEFINE_CLEANUP(struct instance *, instance_unref)

static struct producer *producer_of(struct event_sink *sink)
{
    return (struct producer *)sink;
}

static enum status publish(struct event_sink *sink, struct publication *pub)
{
    return flow_publish(producer_of(sink)->flow, pub);
}

/* --- instances ---------------------------------------------------------------------------------
 */

static enum status make_instance(struct producer *p, struct instance **ret, struct diag *diag)
{
    const struct instance_options options = {
        .cluster = p->cluster,
        .linger_ms = p->options.linger_ms,
        .idempotence = p->options.idempotence,
        .message_timeout_ms = p->options.deadline_ms,
        .callbacks = {p->flow, flow_on_report, flow_on_all_brokers_down},
    };
    return instance_new(&options, ret, diag);
}

/* Whether the brokers talk to the instance, with these credentials. */
static bool instance_is_proven(struct instance *in)
{
    const struct rd_kafka_metadata *metadata = NULL;
    if (rd_kafka_metadata(instance_handle(in), 1, NULL, &metadata, PROOF_MS) != 0)
        return false;
    rd_kafka_metadata_destroy(metadata);
    return true;
}

/* Makes a new instance and hands it over, when it works or need not be proven to.
 * replace_lock is held. */
static enum status replace(struct producer *p, const char *reason, bool must_be_proven,
                           struct diag *diag)
{
    uint8_t fingerprint[CRYPTO_SHA256_SIZE];
    enum status status = cluster_fingerprint(p->cluster, fingerprint);
    if (status != STATUS_OK)
        return status;
    CLEANUP(instance_unref_scoped) struct instance *in = NULL;
    status = make_instance(p, &in, diag);
    if (status == STATUS_OK)
        status = flow_prepare_instance(p->flow, in);
    if (status != STATUS_OK)
        return status;
    if (!instance_is_proven(in) && must_be_proven)
        return diag_set(diag, STATUS_UNAVAILABLE,
                        "kafka: the brokers do not answer a new producer with these credentials");
    memcpy(p->fingerprint, fingerprint, sizeof fingerprint);
    flow_replace_take(p->flow, TAKE(in));
    LOG(KAFKA_PRODUCER_REPLACED, log_text("reason", reason));
    return STATUS_OK;
}

enum status producer_reload(struct producer *p, struct diag *diag)
{
    uint8_t fingerprint[CRYPTO_SHA256_SIZE];
    enum status status = cluster_fingerprint(p->cluster, fingerprint);
    if (status != STATUS_OK)
        return status;
    pthread_mutex_lock(&p->replace_lock);
    if (memcmp(fingerprint, p->fingerprint, sizeof fingerprint) != 0)
        status =
            replace(p, "credentials or certificates changed", flow_is_healthy(p->flow, NULL), diag);
    p->wants_reload = status == STATUS_UNAVAILABLE;
    pthread_mutex_unlock(&p->replace_lock);
    return status;
}

/* --- threads -----------------------------------------------------------------------------------
 */

static void *delivery_main(void *ctx)
{
    struct producer *p = ctx;
    while (flow_turn(p->flow, POLL_MS))
        ;
    return NULL;
}

/* Replaces an instance that failed for good; or one that seems stuck, if the new one works: the
 * other partitions have an instance that does. */
static void mend(struct producer *p)
{
    char reason[256] = "a leader answers, and what it is sent is not acknowledged";
    int64_t now = clock_mono_ms();
    if (now - p->mended_at_mono_ms < MEND_INTERVAL_MS)
        return;
    bool is_broken = flow_is_broken(p->flow, reason, sizeof reason);
    bool is_stuck =
        !is_broken && now - p->unstuck_at_mono_ms >= UNSTICK_INTERVAL_MS && flow_is_stuck(p->flow);
    if (!is_broken && !is_stuck)
        return;
    p->mended_at_mono_ms = now;
    struct diag diag = {0};
    pthread_mutex_lock(&p->replace_lock);
    if (replace(p, reason, is_stuck, &diag) != STATUS_OK)
        LOG(KAFKA_LOGGED, log_text("error", "the producer cannot be replaced"),
            log_text("message", diag.text));
    else if (is_stuck)
        p->unstuck_at_mono_ms = now;
    pthread_mutex_unlock(&p->replace_lock);
}

/* Tries a replacement again whose credentials the brokers did not know yet. */
static void reload_again(struct producer *p)
{
    pthread_mutex_lock(&p->replace_lock);
    bool is_due = p->wants_reload && clock_mono_ms() - p->reloaded_at_mono_ms >= RELOAD_INTERVAL_MS;
    pthread_mutex_unlock(&p->replace_lock);
    if (!is_due)
        return;
    p->reloaded_at_mono_ms = clock_mono_ms();
    struct diag diag = {0};
    if (producer_reload(p, &diag) != STATUS_OK)
        LOG(KAFKA_LOGGED, log_text("error", "the producer is not replaced yet"),
            log_text("message", diag.text));
}

static void *keeper_main(void *ctx)
{
    struct producer *p = ctx;
    pthread_mutex_lock(&p->keeper_lock);
    while (!p->is_stopping) {
        struct timespec until;
        clock_gettime(CLOCK_MONOTONIC, &until);
        until.tv_nsec += KEEPER_INTERVAL_MS * 1000000;
        until.tv_sec += until.tv_nsec / 1000000000;
        until.tv_nsec %= 1000000000;
        pthread_cond_timedwait(&p->keeper_wakes, &p->keeper_lock, &until);
        if (p->is_stopping)
            break;
        pthread_mutex_unlock(&p->keeper_lock);
        mend(p);
        reload_again(p);
        pthread_mutex_lock(&p->keeper_lock);
    }
    pthread_mutex_unlock(&p->keeper_lock);
    return NULL;
}

/* --- life --------------------------------------------------------------------------------------
 */

enum status cluster_check(const struct cluster *cluster, struct diag *diag)
{
    const struct instance_options options = {
        .cluster = cluster, .linger_ms = 1, .message_timeout_ms = 2500};
    struct instance *in = NULL;
    enum status status = instance_new(&options, &in, diag);
    if (status == STATUS_OK)
        instance_unref(in);
    return status;
}

static enum status add_first_topics(struct producer *p)
{
    const struct envelope_options *envelope = p->options.envelope;
    if (envelope != NULL) {
        const char *const own[] = {envelope->dead_letter_topic, envelope->other_topic,
                                   envelope->token_topic};
        for (size_t i = 0; i < sizeof own / sizeof own[0]; i++) {
            enum status status = own[i] == NULL ? STATUS_OK : flow_add_topics(p->flow, &own[i], 1);
            if (status != STATUS_OK)
                return status;
        }
    }
    return flow_add_topics(p->flow, p->options.topics, p->options.topics_len);
}

static enum status start_threads(struct producer *p)
{
    p->has_delivery_thread = pthread_create(&p->delivery_thread, NULL, delivery_main, p) == 0;
    p->has_keeper_thread = pthread_create(&p->keeper_thread, NULL, keeper_main, p) == 0;
    return p->has_delivery_thread && p->has_keeper_thread ? STATUS_OK : STATUS_NOMEM;
}

static void init_locks(struct producer *p)
{
    pthread_mutex_init(&p->replace_lock, NULL);
    pthread_mutex_init(&p->keeper_lock, NULL);
    pthread_condattr_t attributes;
    pthread_condattr_init(&attributes);
    pthread_condattr_setclock(&attributes, CLOCK_MONOTONIC);
    pthread_cond_init(&p->keeper_wakes, &attributes);
    pthread_condattr_destroy(&attributes);
}

/* The parts, from the innermost out. What exists is stopped and freed by the caller on failure. */
static enum status assemble(struct producer *p, struct diag *diag)
{
    const struct flow_options flow_options = {
        .deadline_ms = p->options.deadline_ms,
        .stall_ms = p->options.stall_ms,
        .envelope = p->options.envelope,
        .metrics = p->options.metrics,
    };
    enum status status = flow_new(&flow_options, &p->flow);
    if (status == STATUS_OK)
        status = cluster_fingerprint(p->cluster, p->fingerprint);
    CLEANUP(instance_unref_scoped) struct instance *in = NULL;
    if (status == STATUS_OK)
        status = make_instance(p, &in, diag);
    if (status != STATUS_OK)
        return status;
    const struct scout_callbacks callbacks = {p->flow, flow_instance, flow_on_metadata};
    status = scout_new(&callbacks, &p->scout);
    if (status != STATUS_OK)
        return status;
    flow_start(p->flow, in, p->scout);
    status = add_first_topics(p);
    return status == STATUS_OK ? start_threads(p) : status;
}

enum status producer_new(const struct producer_options *opt, struct producer **ret,
                         struct diag *diag)
{
    struct producer *p = calloc(1, sizeof *p);
    if (p == NULL)
        return STATUS_NOMEM;
    init_locks(p);
    p->sink.publish = publish;
    p->options = *opt;
    if (p->options.stall_ms == 0)
        p->options.stall_ms = opt->deadline_ms * STALL_PERCENT / 100;
    enum status status = cluster_copy(&opt->cluster, &p->cluster);
    if (status == STATUS_OK)
        status = assemble(p, diag);
    if (status != STATUS_OK) {
        (void)producer_stop(p, clock_mono_ms());
        producer_free(p);
        return status;
    }
    p->options.topics = NULL; /* the caller's, no longer needed */
    p->options.topics_len = 0;
    (void)flow_wait_for_metadata(p->flow, clock_mono_ms() + p->options.prefetch_ms);
    *ret = p;
    return STATUS_OK;
}

struct event_sink *producer_sink(struct producer *p)
{
    return &p->sink;
}

void producer_add_topics(struct producer *p, const char *const *topics, size_t topics_len)
{
    if (flow_add_topics(p->flow, topics, topics_len) == STATUS_OK)
        (void)flow_wait_for_metadata(p->flow, clock_mono_ms() + p->options.prefetch_ms);
}

bool producer_is_healthy(struct producer *p, struct diag *diag)
{
    return flow_is_healthy(p->flow, diag);
}

size_t producer_stop(struct producer *p, int64_t until_mono_ms)
{
    if (p->flow == NULL)
        return 0;
    pthread_mutex_lock(&p->keeper_lock);
    p->is_stopping = true;
    pthread_cond_broadcast(&p->keeper_wakes);
    pthread_mutex_unlock(&p->keeper_lock);
    if (p->has_keeper_thread)
        pthread_join(p->keeper_thread, NULL);
    p->has_keeper_thread = false;

    flow_stop(p->flow, until_mono_ms);
    if (p->has_delivery_thread)
        pthread_join(p->delivery_thread, NULL);
    p->has_delivery_thread = false;
    if (p->scout != NULL)
        scout_stop(p->scout);
    return flow_given_up(p->flow);
}

void producer_free(struct producer *p)
{
    if (p == NULL)
        return;
    scout_free(p->scout);
    flow_free(p->flow);
    cluster_free(p->cluster);
    pthread_cond_destroy(&p->keeper_wakes);
    pthread_mutex_destroy(&p->keeper_lock);
    pthread_mutex_destroy(&p->replace_lock);
    free(p);
}
