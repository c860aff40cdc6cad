#include "bridge/kafka/scout.h"

#include <pthread.h>
#include <stdlib.h>
#include <time.h>

#include "bridge/base/clock.h"
#include "bridge/base/scoped.h"

/* Leaders that are asked at the same time: a frozen one must not hide that another is back.
 * Contacts have threads and places of their own: a probe, which a partition waits for, never stands
 * behind them. */
#define PROBERS 3
#define CONTACTERS 2

/* Questions for metadata at the same time: librdkafka picks a broker by chance, and one of three
 * may be the mute one. */
#define REFRESHERS 2
#define WANTED_MAX 64

/* More than a cluster has brokers: tens are usual. */
#define LEADERS_MAX 512

/* Above this many topics one question for all that the cluster has is quicker: each question may
 * meet the frozen broker. */
#define TOPICS_ONE_BY_ONE_MAX 4

/* The pause between two questions of the same kind. */
#define PROBE_INTERVAL_MS 100
#define METADATA_INTERVAL_MS 50

/* A question nobody has wanted for this long is over. */
#define WANTED_MS 1000

/* Less than from one time that contacts are wanted to the next: it is told anew each time. */
#define AVOIDED_MS 250

/* A contact only has to be sent: its answer is of no use. */
#define CONTACT_TIMEOUT_MAX_MS (2 * SCOUT_TIMEOUT_MIN_MS)

struct leader {
    int32_t id;
    const char *topic; /* whose partition is asked for */
    int32_t partition;
    int64_t wanted_at_mono_ms;
    int64_t avoided_at_mono_ms;
    int64_t asked_at_mono_ms;
    int timeout_ms; /* of the next question */
    bool is_busy;
    struct scout_findings findings;
};

/* The questions of one kind, and whom they go to. */
struct inquiry {
    struct leader leaders[LEADERS_MAX];
    size_t leaders_len;
    int timeout_max_ms;
    bool is_once; /* not again before it is wanted again */
};

struct scout {
    struct scout_callbacks callbacks;
    pthread_t threads[REFRESHERS + PROBERS + CONTACTERS];
    size_t threads_len;

    pthread_mutex_t lock; /* guards what follows */
    pthread_cond_t changed;
    bool is_stopping;
    struct inquiry probes;
    struct inquiry contacts;
    const char *wanted[WANTED_MAX]; /* topics' names, borrowed */
    size_t wanted_len;
    bool wants_all;
    unsigned rounds; /* of questions for metadata, answered or not */
};

DEFINE_CLEANUP(struct instance *, instance_unref)

/* Waits for a change, at most this long. Under the lock. */
static void wait_ms(struct scout *s, int64_t timeout_ms)
{
    struct timespec until;
    clock_gettime(CLOCK_MONOTONIC, &until);
    until.tv_sec += timeout_ms / 1000;
    until.tv_nsec += (timeout_ms % 1000) * 1000000;
    if (until.tv_nsec >= 1000000000) {
        until.tv_sec++;
        until.tv_nsec -= 1000000000;
    }
    pthread_cond_timedwait(&s->changed, &s->lock, &until);
}

static int longer(int timeout_ms, int timeout_max_ms)
{
    return timeout_ms * 2 < timeout_max_ms ? timeout_ms * 2 : timeout_max_ms;
}

/* --- metadata ----------------------------------------------------------------------------------
 */

/* Returns whether the cluster answered. With allow.auto.create.topics=false neither form creates a
 * topic; the third one, "all topics known locally", would when all are cached.
 * Source: rd_kafka_metadata, rdkafka_metadata.c 2.0.2. */
static bool ask_metadata(struct scout *s, struct instance *in, rd_kafka_topic_t *topic,
                         int *timeout_ms)
{
    const struct rd_kafka_metadata *metadata = NULL;
    bool complete = topic == NULL;
    if (rd_kafka_metadata(instance_handle(in), complete, topic, &metadata, *timeout_ms) != 0) {
        *timeout_ms = longer(*timeout_ms, SCOUT_TIMEOUT_MAX_MS);
        return false;
    }
    *timeout_ms = SCOUT_TIMEOUT_MIN_MS;
    s->callbacks.on_metadata(s->callbacks.ctx, metadata, complete);
    rd_kafka_metadata_destroy(metadata);
    return true;
}

static void topic_release(rd_kafka_topic_t **topic)
{
    if (*topic != NULL)
        rd_kafka_topic_destroy(*topic);
}

static void refresh(struct scout *s, const char *const *wanted, size_t len, bool all,
                    int *timeout_ms)
{
    CLEANUP(instance_unref_scoped) struct instance *in = s->callbacks.instance(s->callbacks.ctx);
    if (in == NULL)
        return;
    if (all || len > TOPICS_ONE_BY_ONE_MAX) {
        (void)ask_metadata(s, in, NULL, timeout_ms);
        return;
    }
    for (size_t i = 0; i < len; i++) {
        CLEANUP(topic_release)
        rd_kafka_topic_t *topic = rd_kafka_topic_new(instance_handle(in), wanted[i], NULL);
        if (topic != NULL && !ask_metadata(s, in, topic, timeout_ms))
            return; /* who still wants it asks again */
    }
}

static void *refresher_main(void *ctx)
{
    struct scout *s = ctx;
    int timeout_ms = SCOUT_TIMEOUT_MIN_MS;
    pthread_mutex_lock(&s->lock);
    while (!s->is_stopping) {
        if (s->wanted_len == 0 && !s->wants_all) {
            wait_ms(s, 1000);
            continue;
        }
        const char *wanted[WANTED_MAX];
        size_t len = s->wanted_len;
        bool all = s->wants_all;
        memcpy(wanted, s->wanted, len * sizeof wanted[0]);
        s->wanted_len = 0;
        s->wants_all = false;
        pthread_mutex_unlock(&s->lock);
        int64_t next = clock_mono_ms() + METADATA_INTERVAL_MS;
        refresh(s, wanted, len, all, &timeout_ms);
        pthread_mutex_lock(&s->lock);
        s->rounds++;
        pthread_cond_broadcast(&s->changed);
        for (int64_t now = clock_mono_ms(); !s->is_stopping && now < next; now = clock_mono_ms())
            wait_ms(s, next - now);
    }
    pthread_mutex_unlock(&s->lock);
    return NULL;
}

void scout_want_metadata(struct scout *s, const char *topic)
{
    pthread_mutex_lock(&s->lock);
    bool is_known = s->wants_all;
    for (size_t i = 0; i < s->wanted_len && !is_known; i++)
        is_known = s->wanted[i] == topic;
    if (!is_known) {
        if (s->wanted_len < WANTED_MAX)
            s->wanted[s->wanted_len++] = topic;
        else
            s->wants_all = true;
        pthread_cond_broadcast(&s->changed);
    }
    pthread_mutex_unlock(&s->lock);
}

void scout_wait_for_metadata(struct scout *s, int64_t until_mono_ms)
{
    pthread_mutex_lock(&s->lock);
    unsigned round = s->rounds;
    for (int64_t now = clock_mono_ms(); s->rounds == round && now < until_mono_ms;
         now = clock_mono_ms())
        wait_ms(s, until_mono_ms - now);
    pthread_mutex_unlock(&s->lock);
}

/* --- probes and contacts -----------------------------------------------------------------------
 */

/* Whether the partition's leader answers a question for its last offset.
 * Source: rd_kafka_offsets_for_times goes to the leader and honours its timeout (rdkafka.c 2.0.2);
 * rd_kafka_query_watermark_offsets may hang there (fixed from 2.1 to 2.12). */
static bool leader_answers(struct instance *in, const char *topic, int32_t partition,
                           int timeout_ms)
{
    rd_kafka_topic_partition_list_t *list = rd_kafka_topic_partition_list_new(1);
    rd_kafka_topic_partition_list_add(list, topic, partition)->offset = RD_KAFKA_OFFSET_END;
    rd_kafka_resp_err_t err = rd_kafka_offsets_for_times(instance_handle(in), list, timeout_ms);
    bool answers = err == 0 && list->elems[0].err == 0;
    rd_kafka_topic_partition_list_destroy(list);
    return answers;
}

static bool probe(struct scout *s, const char *topic, int32_t partition, int timeout_ms)
{
    CLEANUP(instance_unref_scoped) struct instance *in = s->callbacks.instance(s->callbacks.ctx);
    return in != NULL && leader_answers(in, topic, partition, timeout_ms);
}

static bool is_wanted(const struct leader *l, int64_t now)
{
    return l->wanted_at_mono_ms != 0 && now - l->wanted_at_mono_ms <= WANTED_MS;
}

/* The leader whose turn it is, or NULL; ret_wait_ms is how long to wait then. Under the lock. */
static struct leader *due_leader(struct inquiry *inquiry, int64_t now, int64_t *ret_wait_ms)
{
    struct leader *due = NULL;
    *ret_wait_ms = 1000;
    for (size_t i = 0; i < inquiry->leaders_len; i++) {
        struct leader *l = &inquiry->leaders[i];
        if (l->is_busy || !is_wanted(l, now))
            continue;
        *ret_wait_ms = PROBE_INTERVAL_MS / 2;
        if (now - l->asked_at_mono_ms < PROBE_INTERVAL_MS)
            continue;
        if (due == NULL || l->asked_at_mono_ms < due->asked_at_mono_ms)
            due = l;
    }
    return due;
}

/* What a thread of probes, resp. contacts does. */
static void ask_in_turn(struct scout *s, struct inquiry *inquiry)
{
    pthread_mutex_lock(&s->lock);
    while (!s->is_stopping) {
        int64_t idle_ms;
        struct leader *l = due_leader(inquiry, clock_mono_ms(), &idle_ms);
        if (l == NULL) {
            wait_ms(s, idle_ms);
            continue;
        }
        const char *topic = l->topic;
        int32_t partition = l->partition;
        int timeout_ms = l->timeout_ms;
        int64_t asked_at = clock_mono_ms();
        l->asked_at_mono_ms = asked_at;
        l->is_busy = true;
        if (inquiry->is_once)
            l->wanted_at_mono_ms = 0;
        pthread_mutex_unlock(&s->lock);
        bool answers = probe(s, topic, partition, timeout_ms);
        pthread_mutex_lock(&s->lock);
        l->is_busy = false;
        l->timeout_ms =
            answers ? SCOUT_TIMEOUT_MIN_MS : longer(timeout_ms, inquiry->timeout_max_ms);
        if (answers)
            l->findings.answered_at_mono_ms = asked_at;
        else
            l->findings.failed_at_mono_ms = asked_at;
    }
    pthread_mutex_unlock(&s->lock);
}

static void *prober_main(void *ctx)
{
    struct scout *s = ctx;
    ask_in_turn(s, &s->probes);
    return NULL;
}

static void *contacter_main(void *ctx)
{
    struct scout *s = ctx;
    ask_in_turn(s, &s->contacts);
    return NULL;
}

static struct leader *find_leader(struct inquiry *inquiry, int32_t id)
{
    for (size_t i = 0; i < inquiry->leaders_len; i++)
        if (inquiry->leaders[i].id == id)
            return &inquiry->leaders[i];
    return NULL;
}

/* A place for a leader not yet known: a new one, or that of one nobody asks for any more. */
static struct leader *claim_leader(struct inquiry *inquiry, int32_t id, int64_t now)
{
    struct leader *l = NULL;
    if (inquiry->leaders_len < LEADERS_MAX)
        l = &inquiry->leaders[inquiry->leaders_len++];
    for (size_t i = 0; i < inquiry->leaders_len && l == NULL; i++)
        if (!inquiry->leaders[i].is_busy && !is_wanted(&inquiry->leaders[i], now))
            l = &inquiry->leaders[i];
    if (l != NULL)
        *l = (struct leader){.id = id, .timeout_ms = SCOUT_TIMEOUT_MIN_MS};
    return l;
}

/* The leader's place, or NULL: there is none. Under the lock. */
static struct leader *find_or_claim_leader(struct inquiry *inquiry, int32_t id, int64_t now)
{
    struct leader *l = find_leader(inquiry, id);
    return l == NULL ? claim_leader(inquiry, id, now) : l;
}

/* Under the lock. */
static void want(struct scout *s, struct inquiry *inquiry, int32_t leader, const char *topic,
                 int32_t partition, int64_t now)
{
    struct leader *l = find_or_claim_leader(inquiry, leader, now);
    bool is_avoided =
        l != NULL && l->avoided_at_mono_ms != 0 && now - l->avoided_at_mono_ms <= AVOIDED_MS;
    if (l == NULL || is_avoided)
        return;
    if (!l->is_busy) {
        bool is_new = !is_wanted(l, now);
        l->topic = topic;
        l->partition = partition;
        if (is_new)
            pthread_cond_broadcast(&s->changed);
    }
    l->wanted_at_mono_ms = now;
}

void scout_want_probe(struct scout *s, int32_t leader, const char *topic, int32_t partition,
                      int64_t now_mono_ms)
{
    pthread_mutex_lock(&s->lock);
    want(s, &s->probes, leader, topic, partition, now_mono_ms);
    pthread_mutex_unlock(&s->lock);
}

void scout_want_contact(struct scout *s, int32_t leader, const char *topic, int32_t partition,
                        int64_t now_mono_ms)
{
    pthread_mutex_lock(&s->lock);
    const struct leader *probed = find_leader(&s->probes, leader);
    if (probed == NULL || !is_wanted(probed, now_mono_ms))
        want(s, &s->contacts, leader, topic, partition, now_mono_ms);
    pthread_mutex_unlock(&s->lock);
}

void scout_avoid_contact(struct scout *s, int32_t leader, int64_t now_mono_ms)
{
    pthread_mutex_lock(&s->lock);
    struct leader *l = find_or_claim_leader(&s->contacts, leader, now_mono_ms);
    if (l != NULL) {
        l->wanted_at_mono_ms = 0;
        l->avoided_at_mono_ms = now_mono_ms;
    }
    pthread_mutex_unlock(&s->lock);
}

struct scout_findings scout_findings(struct scout *s, int32_t leader)
{
    pthread_mutex_lock(&s->lock);
    const struct leader *l = find_leader(&s->probes, leader);
    struct scout_findings findings = {0};
    if (l != NULL)
        findings = l->findings;
    pthread_mutex_unlock(&s->lock);
    return findings;
}

/* --- life --------------------------------------------------------------------------------------
 */

static void *(*main_of_thread(size_t index))(void *)
{
    if (index < REFRESHERS)
        return refresher_main;
    return index < REFRESHERS + PROBERS ? prober_main : contacter_main;
}

enum status scout_new(const struct scout_callbacks *callbacks, struct scout **ret)
{
    struct scout *s = calloc(1, sizeof *s);
    if (s == NULL)
        return STATUS_NOMEM;
    s->callbacks = *callbacks;
    s->probes.timeout_max_ms = SCOUT_TIMEOUT_MAX_MS;
    s->contacts.timeout_max_ms = CONTACT_TIMEOUT_MAX_MS;
    s->contacts.is_once = true;
    pthread_mutex_init(&s->lock, NULL);
    pthread_condattr_t attributes;
    pthread_condattr_init(&attributes);
    pthread_condattr_setclock(&attributes, CLOCK_MONOTONIC);
    pthread_cond_init(&s->changed, &attributes);
    pthread_condattr_destroy(&attributes);
    while (s->threads_len < sizeof s->threads / sizeof s->threads[0]) {
        if (pthread_create(&s->threads[s->threads_len], NULL, main_of_thread(s->threads_len), s) !=
            0) {
            scout_stop(s);
            scout_free(s);
            return STATUS_NOMEM;
        }
        s->threads_len++;
    }
    *ret = s;
    return STATUS_OK;
}

void scout_stop(struct scout *s)
{
    pthread_mutex_lock(&s->lock);
    s->is_stopping = true;
    pthread_cond_broadcast(&s->changed);
    pthread_mutex_unlock(&s->lock);
    while (s->threads_len > 0)
        pthread_join(s->threads[--s->threads_len], NULL);
}

void scout_free(struct scout *s)
{
    if (s == NULL)
        return;
    pthread_cond_destroy(&s->changed);
    pthread_mutex_destroy(&s->lock);
    free(s);
}
