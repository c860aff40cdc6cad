#include "bridge/kafka/topic_reader.h"

#include <stdlib.h>

#include "bridge/base/clock.h"
#include "bridge/kafka/client.h"
#include "bridge/kafka/errors.h"
#include "bridge/kafka/message.h"

/* How long one question to the brokers may take: a first connection with TLS and SASL included. */
#define QUESTION_TIMEOUT_MS 2000

static const struct cluster_property properties[] = {
    {"enable.partition.eof", "true"},
    {"isolation.level", "read_committed"},
    {"enable.auto.commit", "false"},
    {"enable.auto.offset.store", "false"},
    /* What expires while it is read was to expire. */
    {"auto.offset.reset", "earliest"},
    {"check.crcs", "true"},
    {"fetch.wait.max.ms", "100"},
    {"fetch.error.backoff.ms", "100"},
    /* Bounds memory. Not smaller: see compacted_topic.c. */
    {"queued.max.messages.kbytes", "32768"},
};

struct partition {
    int64_t beginning;
    int64_t end;  /* behind the last one that is read */
    int64_t next; /* the first offset that is not behind the reader */
};

struct topic_reader {
    char *name;
    rd_kafka_t *rk;
    rd_kafka_topic_t *topic;
    struct partition *partitions;
    int32_t partitions_len;
    int32_t current;   /* that is being read, or is to be */
    bool is_consuming; /* the current one was started */
    uint64_t passed;   /* of the partitions before the current one */
    rd_kafka_message_t *message;
    struct topic_reader_record record; /* borrows from the message */
};

DEFINE_CLEANUP(struct topic_reader *, topic_reader_free)

static enum status unavailable(const struct topic_reader *r, const char *why, struct diag *diag)
{
    return diag_set(diag, STATUS_UNAVAILABLE, "%s: %s", r->name, why);
}

/* --- opening -----------------------------------------------------------------------------------
 */

/* Errors: STATUS_BUSY ask again. */
static enum status ask_for_partitions(struct topic_reader *r, int64_t until_mono_ms,
                                      struct diag *diag)
{
    int32_t partitions_len = 0;
    rd_kafka_resp_err_t err = client_partitions_len(
        r->rk, r->topic, client_remaining_ms(until_mono_ms, QUESTION_TIMEOUT_MS), &partitions_len);
    if (err != RD_KAFKA_RESP_ERR_NO_ERROR && errors_verdict(err) == VERDICT_OPERATOR)
        return unavailable(r, rd_kafka_err2str(err), diag);
    if (err != RD_KAFKA_RESP_ERR_NO_ERROR || partitions_len < 1)
        return STATUS_BUSY;
    r->partitions = calloc((size_t)partitions_len, sizeof *r->partitions);
    if (r->partitions == NULL)
        return STATUS_NOMEM;
    r->partitions_len = partitions_len;
    return STATUS_OK;
}

static enum status ask_for_bounds(struct topic_reader *r, int32_t partition, int64_t until_mono_ms)
{
    struct partition *p = &r->partitions[partition];
    rd_kafka_resp_err_t err =
        rd_kafka_query_watermark_offsets(r->rk, r->name, partition, &p->beginning, &p->end,
                                         client_remaining_ms(until_mono_ms, QUESTION_TIMEOUT_MS));
    p->next = p->beginning;
    return err == RD_KAFKA_RESP_ERR_NO_ERROR ? STATUS_OK : STATUS_BUSY;
}

static enum status look(struct topic_reader *r, int64_t until_mono_ms, struct diag *diag)
{
    enum status status = STATUS_BUSY;
    do
        status = ask_for_partitions(r, until_mono_ms, diag);
    while (status == STATUS_BUSY && clock_mono_ms() < until_mono_ms);
    for (int32_t p = 0; status == STATUS_OK && p < r->partitions_len; p++)
        do
            status = ask_for_bounds(r, p, until_mono_ms);
        while (status == STATUS_BUSY && clock_mono_ms() < until_mono_ms);
    return status == STATUS_BUSY ? unavailable(r, "the brokers do not answer", diag) : status;
}

enum status topic_reader_new(const struct cluster *cluster, const char *topic,
                             int64_t until_mono_ms, struct topic_reader **ret, struct diag *diag)
{
    CLEANUP(topic_reader_free_scoped) struct topic_reader *r = calloc(1, sizeof *r);
    rd_kafka_conf_t *conf = NULL;
    if (r == NULL || (r->name = strdup(topic)) == NULL)
        return STATUS_NOMEM;
    enum status status =
        client_conf(cluster, properties, sizeof properties / sizeof properties[0], &conf, diag);
    if (status == STATUS_OK)
        status = client_new_take(RD_KAFKA_CONSUMER, conf, &r->rk, diag);
    if (status != STATUS_OK)
        return status;
    r->topic = rd_kafka_topic_new(r->rk, topic, NULL);
    if (r->topic == NULL)
        return diag_set(diag, STATUS_INVALID, "%s: %s", topic,
                        rd_kafka_err2str(rd_kafka_last_error()));
    status = look(r, until_mono_ms, diag);
    if (status == STATUS_OK)
        *ret = TAKE(r);
    return status;
}

static void drop_message(struct topic_reader *r)
{
    if (r->message != NULL)
        rd_kafka_message_destroy(r->message);
    r->message = NULL;
}

static void stop_partition(struct topic_reader *r)
{
    if (r->is_consuming)
        rd_kafka_consume_stop(r->topic, r->current);
    r->is_consuming = false;
}

void topic_reader_free(struct topic_reader *r)
{
    if (r == NULL)
        return;
    drop_message(r);
    stop_partition(r);
    if (r->topic != NULL)
        rd_kafka_topic_destroy(r->topic);
    if (r->rk != NULL)
        rd_kafka_destroy(r->rk);
    free(r->partitions);
    free(r->name);
    free(r);
}

/* --- reading -----------------------------------------------------------------------------------
 */

static void finish_partition(struct topic_reader *r)
{
    const struct partition *p = &r->partitions[r->current];
    stop_partition(r);
    r->passed += (uint64_t)(p->end - p->beginning);
    r->current++;
}

static void fill_record(struct topic_reader *r)
{
    const rd_kafka_message_t *m = r->message;
    r->record = (struct topic_reader_record){
        .partition = m->partition,
        .offset = m->offset,
        .timestamp_unix_ms = message_timestamp_unix_ms(m),
    };
    message_record(m, r->name, &r->record.record);
}

/* Judges what came; *ret_has_record tells whether it is a record to hand out. */
static enum status take_message(struct topic_reader *r, bool *ret_has_record, struct diag *diag)
{
    struct partition *p = &r->partitions[r->current];
    const rd_kafka_message_t *m = r->message;
    if (m->err == RD_KAFKA_RESP_ERR_NO_ERROR && m->offset < p->end) {
        p->next = m->offset + 1;
        fill_record(r);
        *ret_has_record = true;
        return STATUS_OK;
    }
    if (m->err == RD_KAFKA_RESP_ERR_NO_ERROR || m->err == RD_KAFKA_RESP_ERR__PARTITION_EOF) {
        finish_partition(r);
        return STATUS_OK;
    }
    /* What librdkafka may go on after, it does. */
    return errors_verdict(m->err) == VERDICT_OPERATOR
               ? unavailable(r, rd_kafka_message_errstr(m), diag)
               : STATUS_OK;
}

static enum status start_partition(struct topic_reader *r, struct diag *diag)
{
    if (rd_kafka_consume_start(r->topic, r->current, RD_KAFKA_OFFSET_BEGINNING) != 0)
        return unavailable(r, rd_kafka_err2str(rd_kafka_last_error()), diag);
    r->is_consuming = true;
    return STATUS_OK;
}

enum status topic_reader_next(struct topic_reader *r, int64_t until_mono_ms,
                              const struct topic_reader_record **ret, struct diag *diag)
{
    bool has_record = false;
    enum status status = STATUS_OK;
    drop_message(r);
    while (status == STATUS_OK && !has_record && r->current < r->partitions_len) {
        const struct partition *p = &r->partitions[r->current];
        if (p->next >= p->end) {
            finish_partition(r);
            continue;
        }
        if (!r->is_consuming)
            status = start_partition(r, diag);
        if (status != STATUS_OK)
            return status;
        r->message =
            rd_kafka_consume(r->topic, r->current, client_remaining_ms(until_mono_ms, 1000));
        if (r->message != NULL)
            status = take_message(r, &has_record, diag);
        else if (clock_mono_ms() >= until_mono_ms)
            return STATUS_BUSY;
        if (!has_record)
            drop_message(r);
    }
    if (status == STATUS_OK)
        *ret = has_record ? &r->record : NULL;
    return status;
}

uint64_t topic_reader_total(const struct topic_reader *r)
{
    uint64_t total = 0;
    for (int32_t p = 0; p < r->partitions_len; p++)
        total += (uint64_t)(r->partitions[p].end - r->partitions[p].beginning);
    return total;
}

uint64_t topic_reader_passed(const struct topic_reader *r)
{
    if (r->current >= r->partitions_len)
        return r->passed;
    const struct partition *p = &r->partitions[r->current];
    return r->passed + (uint64_t)(p->next - p->beginning);
}

int32_t topic_reader_partitions(const struct topic_reader *r)
{
    return r->partitions_len;
}

int64_t topic_reader_beginning(const struct topic_reader *r, int32_t partition)
{
    return partition >= 0 && partition < r->partitions_len ? r->partitions[partition].beginning
                                                           : INT64_MAX;
}
