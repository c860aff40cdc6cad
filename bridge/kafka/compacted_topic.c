/*
 * Life of a reader, all in its thread but where a function says otherwise:
 *
 *     opening ──open_topic──► reading ──take_end, the last partition──► following
 *        │                       │                                          │
 *        └──────────refuse───────┴─────────────────refuse───────────────────┘──► refused
 *
 * A refresh: compacted_topic_refresh() (any thread) raises `wanted` of the partition;
 * ask_for_ends() asks the leader where the partition ends, seeks to where it stands, and `asked`
 * follows; the next end that librdkafka tells, and that is not before the leader's, answers it. A
 * seek makes whatever was fetched before it outdated, an end included, and makes librdkafka tell an
 * end once more.
 * Source: librdkafka 2.0.2, rd_kafka_op_version_outdated (rdkafka_partition.h),
 * rd_kafka_toppar_fetch_decide (rdkafka_fetcher.c).
 *
 * Why the leader's answer as well: librdkafka tells an end where a fetch finds nothing below the
 * high watermark, and a broker that has just become the leader, or a follower, has one that lags
 * behind. The answer about the end waits until a new leader has caught up with its predecessor. It
 * is a lower bound and nothing more: of a transaction that is being committed it shows nothing.
 * Source: Kafka, KIP-207; Partition.fetchOffsetForTimestamp, 4.3.
 *
 * Invariants (reader_check):
 *  1. answered <= asked <= wanted, for every partition.
 *  2. ended_len counts the partitions whose end was met.
 *  3. Caught up means that all have ended.
 */
#include "bridge/kafka/compacted_topic.h"

#include <assert.h>
#include <inttypes.h>
#include <poll.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <time.h>

#include "bridge/base/clock.h"
#include "bridge/domain/log_events.h"
#include "bridge/kafka/client.h"
#include "bridge/kafka/successor.h"

/* How long one question to the brokers may take. While one is unanswered no record is taken, so it
 * is short; a broker that answers takes a few ms. */
#define QUESTION_TIMEOUT_MS 500

/* DescribeConfigs may wait for a connection, TLS and SASL included. It is asked at start only. */
#define DESCRIBE_TIMEOUT_MS 5000

/* Between two questions whether the topic is as it was. */
#define LOOK_INTERVAL_MS 5000
#define LOOK_AGAIN_MS 250

/* A topic that was just made is not known to every broker at once, and one that was asked right
 * after its own start may know none: it is missing when so many answers in a row said so. */
#define MISSING_ANSWERS 8

#define POLL_MS 100

static const struct cluster_property properties[] = {
    {"enable.partition.eof", "true"},
    {"isolation.level", "read_committed"},
    {"enable.auto.commit", "false"},
    {"enable.auto.offset.store", "false"},
    /* Records that are not where they were are told of, not looked for elsewhere. */
    {"auto.offset.reset", "error"},
    {"check.crcs", "true"},
    /* What a refresh waits for at most: the question that is under way. A record that comes
     * meanwhile is answered with at once. */
    {"fetch.wait.max.ms", "200"},
    {"fetch.error.backoff.ms", "100"},
    /* Bounds memory, for all partitions together since they share a queue. A full queue is looked
     * at again only after a second, so it must not be small: with 2 MiB 100,000 records of 600
     * bytes take 15 s, with 32 MiB half a second. Source: rd_kafka_broker_consumer_serve,
     * rdkafka_broker.c 2.0.2; measured. */
    {"queued.max.messages.kbytes", "32768"},
};

struct partition {
    int64_t next_offset; /* to be read; a number once a record or the end was met */
    bool has_ended;
    uint64_t asked;     /* the latest refresh that was asked for at the broker */
    int64_t end_offset; /* before which no end answers it */
    uint64_t answered;  /* the latest that on_end told of */
};

/* What is read through. */
struct reading {
    rd_kafka_t *rk;
    rd_kafka_topic_t *topic;
    rd_kafka_queue_t *queue;
};

struct compacted_topic {
    struct compacted_topic_callbacks callbacks;
    char *name;
    bool any_settings;
    struct successor successor;
    struct reading reading; /* replaced by the thread, under the lock */
    pthread_t thread;
    bool has_thread;

    /* The reader thread's own. */
    struct partition *partitions;
    size_t ended_len;
    int64_t look_at_mono_ms;
    unsigned missing_answers; /* in a row */

    pthread_mutex_t lock; /* guards what follows */
    pthread_cond_t changed;
    bool is_stopping;
    bool is_caught_up;
    bool is_refused;
    enum status refusal;
    struct diag why;        /* of the refusal, or of what is waited for */
    int32_t partitions_len; /* 0: not opened; written once */
    uint64_t *wanted;       /* by partition; NULL: not opened */
    uint64_t refreshes;
};

DEFINE_CLEANUP(struct compacted_topic *, compacted_topic_free)

static void reader_check(const struct compacted_topic *t)
{
    size_t ended_len = 0;
    for (int32_t p = 0; p < t->partitions_len; p++) {
        assert(t->partitions[p].answered <= t->partitions[p].asked);
        ended_len += t->partitions[p].has_ended;
    }
    assert(ended_len == t->ended_len);
    assert(!t->is_caught_up || ended_len == (size_t)t->partitions_len);
}

/* --- looking at the topic ----------------------------------------------------------------------
 */

enum look_verdict {
    LOOK_AGAIN = 0, /* nobody can tell yet */
    LOOK_MISSING,
    LOOK_REFUSED,
    LOOK_FINE,
};

struct look {
    enum look_verdict verdict;
    int32_t partitions_len;
    enum status status; /* of what is not fine */
    struct diag diag;
};

static struct look look_failed(enum look_verdict verdict, enum status status, const char *name,
                               const char *why)
{
    struct look look = {.verdict = verdict, .status = status};
    (void)diag_set(&look.diag, status, "%s: %s", name, why);
    return look;
}

static struct look look_at_size(rd_kafka_t *rk, rd_kafka_topic_t *topic)
{
    const char *name = rd_kafka_topic_name(topic);
    int32_t partitions_len = 0;
    rd_kafka_resp_err_t err =
        client_partitions_len(rk, topic, QUESTION_TIMEOUT_MS, &partitions_len);
    /* With a default: whatever else it is, it may pass. */
    switch (err) {
    case RD_KAFKA_RESP_ERR_NO_ERROR:
        break;
    case RD_KAFKA_RESP_ERR_UNKNOWN_TOPIC_OR_PART:
        return look_failed(LOOK_MISSING, STATUS_UNAVAILABLE, name,
                           "there is no such topic, run 'topics apply'");
    case RD_KAFKA_RESP_ERR_TOPIC_AUTHORIZATION_FAILED:
        return look_failed(LOOK_REFUSED, STATUS_UNAVAILABLE, name,
                           "the brokers forbid us to read it or to know of it");
    case RD_KAFKA_RESP_ERR_TOPIC_EXCEPTION:
        return look_failed(LOOK_REFUSED, STATUS_INVALID, name, "this is no name for a topic");
    default:
        return look_failed(LOOK_AGAIN, STATUS_UNAVAILABLE, name, rd_kafka_err2str(err));
    }
    if (partitions_len == 0)
        return look_failed(LOOK_AGAIN, STATUS_UNAVAILABLE, name, "it has no partitions yet");
    return (struct look){.verdict = LOOK_FINE, .partitions_len = partitions_len};
}

static struct look look_at_policy(const char *name, const rd_kafka_ConfigResource_t *resource)
{
    rd_kafka_resp_err_t err = rd_kafka_ConfigResource_error(resource);
    if (err == RD_KAFKA_RESP_ERR_TOPIC_AUTHORIZATION_FAILED ||
        err == RD_KAFKA_RESP_ERR_CLUSTER_AUTHORIZATION_FAILED)
        return look_failed(LOOK_REFUSED, STATUS_UNAVAILABLE, name,
                           "the brokers forbid us to read its settings (DescribeConfigs)");
    if (err != RD_KAFKA_RESP_ERR_NO_ERROR)
        return look_failed(LOOK_AGAIN, STATUS_UNAVAILABLE, name, rd_kafka_err2str(err));
    size_t len;
    const rd_kafka_ConfigEntry_t **entries = rd_kafka_ConfigResource_configs(resource, &len);
    const char *policy = NULL;
    for (size_t i = 0; i < len; i++)
        if (strcmp(rd_kafka_ConfigEntry_name(entries[i]), "cleanup.policy") == 0)
            policy = rd_kafka_ConfigEntry_value(entries[i]);
    if (policy != NULL && strcmp(policy, "compact") == 0)
        return (struct look){.verdict = LOOK_FINE};
    struct look look = {.verdict = LOOK_REFUSED, .status = STATUS_INVALID};
    (void)diag_set(&look.diag, STATUS_INVALID,
                   "%s: cleanup.policy is \"%s\", expected \"compact\" and nothing else: its "
                   "records must not go with time",
                   name, policy == NULL ? "" : policy);
    return look;
}

static struct look look_at_settings(rd_kafka_t *rk, const char *name)
{
    CLEANUP(client_queue_release) rd_kafka_queue_t *queue = rd_kafka_queue_new(rk);
    rd_kafka_AdminOptions_t *options =
        rd_kafka_AdminOptions_new(rk, RD_KAFKA_ADMIN_OP_DESCRIBECONFIGS);
    char ignored[128];
    rd_kafka_AdminOptions_set_request_timeout(options, DESCRIBE_TIMEOUT_MS, ignored,
                                              sizeof ignored);
    rd_kafka_ConfigResource_t *resource =
        rd_kafka_ConfigResource_new(RD_KAFKA_RESOURCE_TOPIC, name);
    rd_kafka_DescribeConfigs(rk, &resource, 1, options, queue);
    rd_kafka_ConfigResource_destroy(resource);
    rd_kafka_AdminOptions_destroy(options);
    CLEANUP(client_event_release)
    rd_kafka_event_t *event = rd_kafka_queue_poll(queue, DESCRIBE_TIMEOUT_MS + QUESTION_TIMEOUT_MS);
    if (event == NULL || rd_kafka_event_error(event) != RD_KAFKA_RESP_ERR_NO_ERROR)
        return look_failed(LOOK_AGAIN, STATUS_UNAVAILABLE, name,
                           event == NULL ? "nobody tells its settings"
                                         : rd_kafka_event_error_string(event));
    size_t len;
    const rd_kafka_ConfigResource_t **resources = rd_kafka_DescribeConfigs_result_resources(
        rd_kafka_event_DescribeConfigs_result(event), &len);
    if (len != 1)
        return look_failed(LOOK_AGAIN, STATUS_UNAVAILABLE, name, "nobody tells its settings");
    return look_at_policy(name, resources[0]);
}

/* Whether the topic is one to read, and how many partitions it has. */
static struct look look_at_topic(rd_kafka_t *rk, rd_kafka_topic_t *topic, bool any_settings)
{
    struct look size = look_at_size(rk, topic);
    if (size.verdict != LOOK_FINE || any_settings)
        return size;
    struct look settings = look_at_settings(rk, rd_kafka_topic_name(topic));
    return settings.verdict == LOOK_FINE ? size : settings;
}

/* --- the reader's thread -----------------------------------------------------------------------
 */

static bool is_stopping(struct compacted_topic *t)
{
    pthread_mutex_lock(&t->lock);
    bool stopping = t->is_stopping;
    pthread_mutex_unlock(&t->lock);
    return stopping;
}

static void deadline_in(int64_t ms, struct timespec *ret)
{
    clock_gettime(CLOCK_MONOTONIC, ret);
    ret->tv_sec += ms / 1000;
    ret->tv_nsec += (ms % 1000) * 1000000;
    if (ret->tv_nsec >= 1000000000) {
        ret->tv_sec++;
        ret->tv_nsec -= 1000000000;
    }
}

/* Waits so long, less when the reader is to stop. */
static void pause_for(struct compacted_topic *t, int64_t ms)
{
    struct timespec until;
    deadline_in(ms, &until);
    pthread_mutex_lock(&t->lock);
    int err = 0;
    while (!t->is_stopping && err == 0)
        err = pthread_cond_timedwait(&t->changed, &t->lock, &until);
    pthread_mutex_unlock(&t->lock);
}

static void refuse(struct compacted_topic *t, enum status status, const struct diag *diag)
{
    pthread_mutex_lock(&t->lock);
    t->is_refused = true;
    t->refusal = status;
    t->why = *diag;
    pthread_cond_broadcast(&t->changed);
    pthread_mutex_unlock(&t->lock);
    if (t->callbacks.on_refused != NULL)
        t->callbacks.on_refused(t->callbacks.ctx, status, diag);
}

/* Keeps what is waited for, for compacted_topic_wait(). */
static void remember(struct compacted_topic *t, const char *why)
{
    pthread_mutex_lock(&t->lock);
    snprintf(t->why.text, sizeof t->why.text, "%s", why);
    pthread_mutex_unlock(&t->lock);
}

/* Turns "missing" into a refusal when it was said often enough, and into "again" before. */
static void weigh_missing(struct compacted_topic *t, struct look *look)
{
    if (look->verdict != LOOK_MISSING)
        t->missing_answers = look->verdict == LOOK_AGAIN ? t->missing_answers : 0;
    else if (++t->missing_answers < MISSING_ANSWERS)
        look->verdict = LOOK_AGAIN;
}

/* Reads every partition from where it stands. */
static bool start_reading(struct compacted_topic *t)
{
    bool is_started = true;
    for (int32_t p = 0; p < t->partitions_len && is_started; p++)
        is_started = rd_kafka_consume_start_queue(t->reading.topic, p, t->partitions[p].next_offset,
                                                  t->reading.queue) == 0;
    return is_started;
}

static void close_reading(struct reading *r)
{
    if (r->queue != NULL)
        rd_kafka_queue_destroy(r->queue);
    if (r->topic != NULL)
        rd_kafka_topic_destroy(r->topic);
    if (r->rk != NULL)
        rd_kafka_destroy(r->rk);
    *r = (struct reading){.rk = NULL};
}

static void stop_reading(const struct compacted_topic *t, struct reading *r)
{
    for (int32_t p = 0; p < t->partitions_len; p++)
        rd_kafka_consume_stop(r->topic, p);
    close_reading(r);
}

static enum status make_client(void *ctx, const struct cluster *cluster, rd_kafka_t **ret,
                               struct diag *diag)
{
    (void)ctx;
    rd_kafka_conf_t *conf = NULL;
    enum status status =
        client_conf(cluster, properties, sizeof properties / sizeof properties[0], &conf, diag);
    return status == STATUS_OK ? client_new_take(RD_KAFKA_CONSUMER, conf, ret, diag) : status;
}

static enum status open_reading(const char *name, struct reading *r, struct diag *diag)
{
    r->topic = rd_kafka_topic_new(r->rk, name, NULL);
    r->queue = rd_kafka_queue_new(r->rk);
    return r->topic != NULL ? STATUS_OK
                            : diag_set(diag, STATUS_INVALID, "%s: %s", name,
                                       rd_kafka_err2str(rd_kafka_last_error()));
}

/* Goes on through another client if there is one. What the former one had fetched and not given yet
 * is fetched again, an end included: the refresh it answers was asked for before. Returns whether
 * the reader goes on. */
static bool take_successor(struct compacted_topic *t)
{
    const struct successor_maker maker = {t, make_client};
    struct reading next = {.rk = successor_take(&t->successor, &maker)};
    struct diag diag = {0};
    if (next.rk == NULL)
        return true;
    enum status status = open_reading(t->name, &next, &diag);
    pthread_mutex_lock(&t->lock);
    struct reading former = t->reading;
    t->reading = next;
    pthread_mutex_unlock(&t->lock);
    if (status != STATUS_OK || !start_reading(t)) {
        stop_reading(t, &former);
        refuse(t, STATUS_NOMEM, &(struct diag){"out of memory"});
        return false;
    }
    stop_reading(t, &former);
    LOG(KAFKA_CLIENT_REPLACED, log_text("topic", t->name), log_text("client", "reader"));
    return true;
}

static bool start_partitions(struct compacted_topic *t, int32_t len)
{
    t->partitions = calloc((size_t)len, sizeof *t->partitions);
    uint64_t *wanted = calloc((size_t)len, sizeof *wanted);
    bool is_started = t->partitions != NULL && wanted != NULL;
    if (is_started) {
        pthread_mutex_lock(&t->lock);
        for (int32_t p = 0; p < len; p++) {
            wanted[p] = t->refreshes;
            t->partitions[p].next_offset = RD_KAFKA_OFFSET_BEGINNING;
        }
        t->wanted = TAKE(wanted);
        t->partitions_len = len;
        t->why.text[0] = '\0';
        pthread_mutex_unlock(&t->lock);
    }
    free(wanted);
    return is_started && start_reading(t);
}

/* Waits for the topic and begins to read it. Returns whether it is read. */
static bool open_topic(struct compacted_topic *t)
{
    struct look look = {0};
    while (!is_stopping(t) && look.verdict == LOOK_AGAIN) {
        if (!take_successor(t))
            return false;
        look = look_at_topic(t->reading.rk, t->reading.topic, t->any_settings);
        weigh_missing(t, &look);
        if (look.verdict == LOOK_AGAIN) {
            remember(t, look.diag.text);
            pause_for(t, LOOK_AGAIN_MS);
        }
    }
    if (look.verdict == LOOK_AGAIN)
        return false;
    if (look.verdict != LOOK_FINE) {
        refuse(t, look.status, &look.diag);
        return false;
    }
    t->look_at_mono_ms = clock_mono_ms() + LOOK_INTERVAL_MS;
    if (t->callbacks.on_opened != NULL)
        t->callbacks.on_opened(t->callbacks.ctx, look.partitions_len);
    if (start_partitions(t, look.partitions_len))
        return true;
    refuse(t, STATUS_NOMEM, &(struct diag){"out of memory"});
    return false;
}

/* Asks the brokers for the ends that are wanted anew. */
static void ask_for_ends(struct compacted_topic *t)
{
    for (int32_t i = 0; i < t->partitions_len; i++) {
        struct partition *p = &t->partitions[i];
        pthread_mutex_lock(&t->lock);
        uint64_t wanted = t->wanted[i];
        pthread_mutex_unlock(&t->lock);
        /* Before its first end nobody knows where it stands, and that end may be too old. */
        if (wanted == p->asked || !p->has_ended)
            continue;
        int64_t begin_offset, end_offset;
        if (rd_kafka_query_watermark_offsets(t->reading.rk, t->name, i, &begin_offset, &end_offset,
                                             QUESTION_TIMEOUT_MS) != 0 ||
            rd_kafka_seek(t->reading.topic, i, p->next_offset, QUESTION_TIMEOUT_MS) != 0)
            continue;
        p->asked = wanted;
        p->end_offset = end_offset;
    }
}

static void take_end(struct compacted_topic *t, int32_t partition, int64_t offset)
{
    struct partition *p = &t->partitions[partition];
    bool is_first = !p->has_ended;
    p->next_offset = offset;
    if (!is_first && p->answered == p->asked)
        return; /* it follows: an end like any other */
    if (offset < p->end_offset)
        return; /* as some broker sees it: librdkafka tells the next one too */
    p->has_ended = true;
    p->answered = p->asked;
    t->ended_len += is_first;
    if (t->callbacks.on_end != NULL)
        t->callbacks.on_end(t->callbacks.ctx, partition, p->answered);
    if (!is_first || t->ended_len != (size_t)t->partitions_len)
        return;
    if (t->callbacks.on_caught_up != NULL)
        t->callbacks.on_caught_up(t->callbacks.ctx);
    pthread_mutex_lock(&t->lock);
    t->is_caught_up = true;
    pthread_cond_broadcast(&t->changed);
    pthread_mutex_unlock(&t->lock);
    reader_check(t);
}

static void take_record(struct compacted_topic *t, const rd_kafka_message_t *message)
{
    t->partitions[message->partition].next_offset = message->offset + 1;
    rd_kafka_timestamp_type_t type;
    int64_t timestamp_unix_ms = rd_kafka_message_timestamp(message, &type);
    /* An empty value is one; only a missing one is a tombstone. */
    const struct compacted_topic_record record = {
        .partition = message->partition,
        .offset = message->offset,
        .timestamp_unix_ms = type == RD_KAFKA_TIMESTAMP_NOT_AVAILABLE ? 0 : timestamp_unix_ms,
        .key = bytes_of(message->key, message->key_len),
        .value = bytes_of(message->payload, message->len),
    };
    if (t->callbacks.on_record != NULL)
        t->callbacks.on_record(t->callbacks.ctx, &record);
}

/* Returns whether the reader goes on. */
static bool take_message(struct compacted_topic *t, const rd_kafka_message_t *message)
{
    /* With a default: what librdkafka may go on after, it does. */
    switch (message->err) {
    case RD_KAFKA_RESP_ERR_NO_ERROR:
        take_record(t, message);
        return true;
    case RD_KAFKA_RESP_ERR__PARTITION_EOF:
        take_end(t, message->partition, message->offset);
        return true;
    case RD_KAFKA_RESP_ERR__AUTO_OFFSET_RESET: {
        struct diag diag = {0};
        (void)diag_set(
            &diag, STATUS_UNAVAILABLE,
            "%s: partition %" PRId32
            " has no longer what was read of it: it was emptied or made anew, so read it "
            "again from the beginning",
            t->name, message->partition);
        refuse(t, STATUS_UNAVAILABLE, &diag);
        return false;
    }
    default:
        LOG(KAFKA_LOGGED, log_text("error", rd_kafka_err2name(message->err)),
            log_text("topic", t->name), log_text("message", rd_kafka_message_errstr(message)));
        remember(t, rd_kafka_message_errstr(message));
        return true;
    }
}

/* Returns whether the topic is as it was, as far as is known. */
static bool look_again(struct compacted_topic *t)
{
    int64_t now = clock_mono_ms();
    if (now < t->look_at_mono_ms)
        return true;
    struct look look = look_at_size(t->reading.rk, t->reading.topic);
    weigh_missing(t, &look);
    t->look_at_mono_ms = now + (t->missing_answers > 0 ? LOOK_AGAIN_MS : LOOK_INTERVAL_MS);
    /* That we may no longer read it is told by the log; it may be meant for a moment. */
    if (look.verdict == LOOK_AGAIN || look.verdict == LOOK_REFUSED)
        return true;
    if (look.verdict == LOOK_FINE && look.partitions_len == t->partitions_len)
        return true;
    if (look.verdict == LOOK_FINE) {
        look.status = STATUS_INVALID;
        (void)diag_set(&look.diag, STATUS_INVALID,
                       "%s: it has %" PRId32 " partitions now, and had %" PRId32
                       ": what belongs together is no longer in one partition",
                       t->name, look.partitions_len, t->partitions_len);
    }
    refuse(t, look.status, &look.diag);
    return false;
}

static void *reader_main(void *ctx)
{
    struct compacted_topic *t = ctx;
    bool goes_on = open_topic(t);
    while (goes_on && !is_stopping(t)) {
        ask_for_ends(t);
        rd_kafka_message_t *message = rd_kafka_consume_queue(t->reading.queue, POLL_MS);
        if (message != NULL) {
            goes_on = take_message(t, message);
            rd_kafka_message_destroy(message);
        }
        goes_on = goes_on && look_again(t) && take_successor(t);
    }
    return NULL;
}

/* --- from outside ------------------------------------------------------------------------------
 */

enum status compacted_topic_new(const struct compacted_topic_options *opt,
                                struct compacted_topic **ret, struct diag *diag)
{
    CLEANUP(compacted_topic_free_scoped) struct compacted_topic *t = calloc(1, sizeof *t);
    if (t == NULL)
        return STATUS_NOMEM;
    pthread_mutex_init(&t->lock, NULL);
    pthread_condattr_t attributes;
    pthread_condattr_init(&attributes);
    pthread_condattr_setclock(&attributes, CLOCK_MONOTONIC);
    pthread_cond_init(&t->changed, &attributes);
    pthread_condattr_destroy(&attributes);
    t->callbacks = opt->callbacks;
    t->any_settings = opt->any_settings;
    t->name = strdup(opt->topic);
    if (t->name == NULL)
        return STATUS_NOMEM;
    enum status status = successor_init(&t->successor, opt->cluster);
    if (status == STATUS_OK)
        status = make_client(NULL, opt->cluster, &t->reading.rk, diag);
    if (status == STATUS_OK)
        status = open_reading(t->name, &t->reading, diag);
    if (status != STATUS_OK)
        return status;
    if (pthread_create(&t->thread, NULL, reader_main, t) != 0)
        return STATUS_NOMEM;
    t->has_thread = true;
    *ret = TAKE(t);
    return STATUS_OK;
}

void compacted_topic_free(struct compacted_topic *t)
{
    if (t == NULL)
        return;
    if (t->has_thread) {
        pthread_mutex_lock(&t->lock);
        t->is_stopping = true;
        pthread_cond_broadcast(&t->changed);
        rd_kafka_queue_yield(t->reading.queue);
        pthread_mutex_unlock(&t->lock);
        pthread_join(t->thread, NULL);
    }
    stop_reading(t, &t->reading);
    successor_done(&t->successor);
    pthread_cond_destroy(&t->changed);
    pthread_mutex_destroy(&t->lock);
    free(t->partitions);
    free(t->wanted);
    free(t->name);
    free(t);
}

uint64_t compacted_topic_refresh(struct compacted_topic *t, int32_t partition)
{
    pthread_mutex_lock(&t->lock);
    uint64_t refresh = ++t->refreshes;
    if (partition >= 0 && partition < t->partitions_len)
        t->wanted[partition] = refresh;
    rd_kafka_queue_yield(t->reading.queue);
    pthread_mutex_unlock(&t->lock);
    return refresh;
}

void compacted_topic_reload(struct compacted_topic *t)
{
    successor_want(&t->successor);
    pthread_mutex_lock(&t->lock);
    rd_kafka_queue_yield(t->reading.queue);
    pthread_mutex_unlock(&t->lock);
}

enum status compacted_topic_wait(struct compacted_topic *t, int64_t until_mono_ms,
                                 struct diag *diag)
{
    int64_t left = until_mono_ms - clock_mono_ms();
    struct timespec until;
    deadline_in(left < 0 ? 0 : left, &until);
    pthread_mutex_lock(&t->lock);
    int err = 0;
    while (!t->is_caught_up && !t->is_refused && err == 0)
        err = pthread_cond_timedwait(&t->changed, &t->lock, &until);
    bool is_refused = t->is_refused, is_caught_up = t->is_caught_up;
    enum status refusal = t->refusal;
    struct diag why = t->why;
    pthread_mutex_unlock(&t->lock);
    if (is_refused)
        return diag_set(diag, refusal, "%s", why.text);
    if (is_caught_up)
        return STATUS_OK;
    return diag_set(diag, STATUS_UNAVAILABLE, "%s",
                    why.text[0] != '\0' ? why.text : "the end of the topic was not met in time");
}

enum status compacted_topic_check(const struct cluster *cluster, const char *topic,
                                  bool any_settings, int32_t *ret_partitions, struct diag *diag)
{
    struct reading r = {.rk = NULL};
    enum status status = make_client(NULL, cluster, &r.rk, diag);
    if (status == STATUS_OK)
        status = open_reading(topic, &r, diag);
    struct look look = {0};
    int64_t until = clock_mono_ms() + DESCRIBE_TIMEOUT_MS;
    if (status == STATUS_OK) {
        look = look_at_topic(r.rk, r.topic, any_settings);
        while (look.verdict == LOOK_AGAIN && clock_mono_ms() < until) {
            (void)poll(NULL, 0, LOOK_AGAIN_MS);
            look = look_at_topic(r.rk, r.topic, any_settings);
        }
        status = look.verdict == LOOK_FINE ? STATUS_OK
                                           : diag_set(diag, look.status, "%s", look.diag.text);
    }
    close_reading(&r);
    if (status == STATUS_OK)
        *ret_partitions = look.partitions_len;
    return status;
}
