#include "bridge/kafka/topic_tail.h"

#include <stdio.h>
#include <stdlib.h>

#include "bridge/base/clock.h"
#include "bridge/domain/murmur2.h"
#include "bridge/kafka/client.h"
#include "bridge/kafka/errors.h"
#include "bridge/kafka/message.h"

/* How long one question to the brokers may take: a first connection with TLS and SASL included. */
#define QUESTION_TIMEOUT_MS 1000

static const struct cluster_property properties[] = {
    {"enable.partition.eof", "true"},
    /* A transaction of others that hangs must not hide the ingress's records, which are in none. */
    {"isolation.level", "read_uncommitted"},
    {"enable.auto.commit", "false"},
    {"enable.auto.offset.store", "false"},
    /* Where the log was cut off: rather records again than one too few. */
    {"auto.offset.reset", "earliest"},
    {"check.crcs", "true"},
    {"fetch.wait.max.ms", "100"},
    {"fetch.error.backoff.ms", "100"},
    /* Bounds memory. Not smaller: see compacted_topic.c. */
    {"queued.max.messages.kbytes", "32768"},
};

struct topic_tail {
    rd_kafka_t *rk;
    rd_kafka_topic_t *topic;
    char *name;
    uint8_t *key;
    size_t key_len;
    int32_t partition; /* -1: not known */
    bool is_consuming;
    bool has_begun;
    rd_kafka_message_t *message;
    struct topic_tail_record record; /* borrows from the message */
    char trouble[256];
};

DEFINE_CLEANUP(struct topic_tail *, topic_tail_free)

/* That all brokers are down follows what is wrong with each of them, which says more. */
static void on_error(rd_kafka_t *rk, int err, const char *reason, void *opaque)
{
    struct topic_tail *t = opaque;
    (void)rk;
    if (err != RD_KAFKA_RESP_ERR__ALL_BROKERS_DOWN || t->trouble[0] == '\0')
        snprintf(t->trouble, sizeof(t->trouble), "%s", reason);
}

static enum status copy_texts(struct topic_tail *t, const char *topic, struct bytes key)
{
    t->partition = -1;
    t->name = strdup(topic);
    t->key = malloc(key.len + 1);
    if (t->name == NULL || t->key == NULL)
        return STATUS_NOMEM;
    if (key.len > 0)
        memcpy(t->key, key.data, key.len);
    t->key_len = key.len;
    return STATUS_OK;
}

enum status topic_tail_new(const struct cluster *cluster, const char *topic, struct bytes key,
                           struct topic_tail **ret, struct diag *diag)
{
    CLEANUP(topic_tail_free_scoped) struct topic_tail *t = calloc(1, sizeof *t);
    rd_kafka_conf_t *conf = NULL;
    if (t == NULL || copy_texts(t, topic, key) != STATUS_OK)
        return STATUS_NOMEM;
    enum status status =
        client_conf(cluster, properties, sizeof properties / sizeof properties[0], &conf, diag);
    if (status != STATUS_OK)
        return status;
    rd_kafka_conf_set_opaque(conf, t);
    rd_kafka_conf_set_error_cb(conf, on_error);
    status = client_new_take(RD_KAFKA_CONSUMER, conf, &t->rk, diag);
    if (status != STATUS_OK)
        return status;
    t->topic = rd_kafka_topic_new(t->rk, topic, NULL);
    if (t->topic == NULL)
        return diag_set(diag, STATUS_INVALID, "%s: %s", topic,
                        rd_kafka_err2str(rd_kafka_last_error()));
    *ret = TAKE(t);
    return STATUS_OK;
}

static void drop_message(struct topic_tail *t)
{
    if (t->message != NULL)
        rd_kafka_message_destroy(t->message);
    t->message = NULL;
}

void topic_tail_free(struct topic_tail *t)
{
    if (t == NULL)
        return;
    drop_message(t);
    if (t->is_consuming)
        rd_kafka_consume_stop(t->topic, t->partition);
    if (t->topic != NULL)
        rd_kafka_topic_destroy(t->topic);
    if (t->rk != NULL)
        rd_kafka_destroy(t->rk);
    free(t->key);
    free(t->name);
    free(t);
}

static enum status unavailable(const struct topic_tail *t, const char *why, struct diag *diag)
{
    return diag_set(diag, STATUS_UNAVAILABLE, "%s: %s", t->name, why);
}

/* --- beginning ---------------------------------------------------------------------------------
 */

static enum status find_partition(struct topic_tail *t, int64_t until_mono_ms, struct diag *diag)
{
    int32_t partitions_len = 0;
    rd_kafka_resp_err_t err = client_partitions_len(
        t->rk, t->topic, client_remaining_ms(until_mono_ms, QUESTION_TIMEOUT_MS), &partitions_len);
    if (err == RD_KAFKA_RESP_ERR_UNKNOWN_TOPIC_OR_PART)
        return unavailable(t, "there is no such topic, run 'topics apply'", diag);
    if (err != RD_KAFKA_RESP_ERR_NO_ERROR && errors_verdict(err) == VERDICT_OPERATOR)
        return unavailable(t, rd_kafka_err2str(err), diag);
    if (err != RD_KAFKA_RESP_ERR_NO_ERROR || partitions_len < 1)
        return STATUS_BUSY;
    t->partition = murmur2_partition(bytes_of(t->key, t->key_len), partitions_len);
    return STATUS_OK;
}

/* What librdkafka may go on after, it does. */
static enum status judge_error(const struct topic_tail *t, struct diag *diag)
{
    const rd_kafka_message_t *m = t->message;
    return errors_verdict(m->err) == VERDICT_OPERATOR
               ? unavailable(t, rd_kafka_message_errstr(m), diag)
               : STATUS_BUSY;
}

static enum status start_reading(struct topic_tail *t, struct diag *diag)
{
    if (rd_kafka_consume_start(t->topic, t->partition, RD_KAFKA_OFFSET_END) != 0)
        return unavailable(t, rd_kafka_err2str(rd_kafka_last_error()), diag);
    t->is_consuming = true;
    return STATUS_OK;
}

/* The end was found when it is met, or when something came behind it; that was not waited for. */
static enum status meet_end(struct topic_tail *t, int64_t until_mono_ms, struct diag *diag)
{
    t->message = rd_kafka_consume(t->topic, t->partition,
                                  client_remaining_ms(until_mono_ms, QUESTION_TIMEOUT_MS));
    if (t->message == NULL)
        return STATUS_BUSY;
    t->has_begun = t->message->err == RD_KAFKA_RESP_ERR_NO_ERROR ||
                   t->message->err == RD_KAFKA_RESP_ERR__PARTITION_EOF;
    enum status status = t->has_begun ? STATUS_OK : judge_error(t, diag);
    drop_message(t);
    return status;
}

/* As far as one question brings it. */
static enum status go_on(struct topic_tail *t, int64_t until_mono_ms, struct diag *diag)
{
    enum status status = STATUS_OK;
    if (t->partition < 0)
        status = find_partition(t, until_mono_ms, diag);
    if (status == STATUS_OK && !t->is_consuming)
        status = start_reading(t, diag);
    if (status == STATUS_OK && !t->has_begun)
        status = meet_end(t, until_mono_ms, diag);
    return status;
}

enum status topic_tail_begin(struct topic_tail *t, int64_t until_mono_ms, struct diag *diag)
{
    enum status status;
    do
        status = go_on(t, until_mono_ms, diag);
    while (status == STATUS_BUSY && clock_mono_ms() < until_mono_ms);
    return status;
}

/* --- reading -----------------------------------------------------------------------------------
 */

static void fill_record(struct topic_tail *t)
{
    t->record.offset = t->message->offset;
    t->record.timestamp_unix_ms = message_timestamp_unix_ms(t->message);
    message_record(t->message, t->name, &t->record.record);
}

enum status topic_tail_next(struct topic_tail *t, int64_t until_mono_ms,
                            const struct topic_tail_record **ret, struct diag *diag)
{
    enum status status = STATUS_BUSY;
    do {
        drop_message(t);
        t->message = rd_kafka_consume(t->topic, t->partition,
                                      client_remaining_ms(until_mono_ms, QUESTION_TIMEOUT_MS));
        if (t->message == NULL || t->message->err == RD_KAFKA_RESP_ERR__PARTITION_EOF)
            continue;
        if (t->message->err == RD_KAFKA_RESP_ERR_NO_ERROR) {
            fill_record(t);
            *ret = &t->record;
            return STATUS_OK;
        }
        status = judge_error(t, diag);
    } while (status == STATUS_BUSY && clock_mono_ms() < until_mono_ms);
    return status;
}

int32_t topic_tail_partition(const struct topic_tail *t)
{
    return t->partition;
}

const char *topic_tail_trouble(struct topic_tail *t)
{
    rd_kafka_poll(t->rk, 0); /* calls on_error() */
    return t->trouble;
}
