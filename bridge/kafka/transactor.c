#include "bridge/kafka/transactor.h"

#include <stdatomic.h>
#include <stdlib.h>

#include "bridge/base/clock.h"
#include "bridge/kafka/client.h"
#include "bridge/kafka/errors.h"
#include "bridge/kafka/message.h"

#define TEXT_OF(number) TEXT_OF_(number)
#define TEXT_OF_(number) #number

/* One call to librdkafka waits at most so long; the caller's instant bounds all of them. */
#define STEP_MS 1000

/* An abort is given so long even if the caller's time is over: without it the producer is lost. */
#define ABORT_MS 2000

static const struct cluster_property properties[] = {
    {"acks", "all"},
    {"enable.idempotence", "true"},
    {"linger.ms", "0"},
    {"partitioner", "murmur2_random"},
    {"transaction.timeout.ms", TEXT_OF(TRANSACTOR_TIMEOUT_MS)},
    /* librdkafka demands that it is less than the transaction's. Source: rdkafka_conf.c
     * rd_kafka_conf_finalize, 2.0.2. */
    {"socket.timeout.ms", "5000"},
    {"message.timeout.ms", "8000"},
    {"request.timeout.ms", "4000"},
};
#define PROPERTIES (sizeof properties / sizeof properties[0])

struct transactor {
    rd_kafka_t *rk;
    rd_kafka_resp_err_t report; /* why the first record of the transaction failed */
    atomic_int state;           /* enum transactor_state */
};

DEFINE_CLEANUP(struct transactor *, transactor_free)

static void error_free(rd_kafka_error_t *error)
{
    if (error != NULL)
        rd_kafka_error_destroy(error);
}
DEFINE_CLEANUP(rd_kafka_error_t *, error_free)
DEFINE_CLEANUP(rd_kafka_headers_t *, message_headers_free)

static void topic_free(rd_kafka_topic_t *topic)
{
    if (topic != NULL)
        rd_kafka_topic_destroy(topic);
}
DEFINE_CLEANUP(rd_kafka_topic_t *, topic_free)

/* Called within rd_kafka_commit_transaction() and rd_kafka_abort_transaction(), which flush. When
 * one record fails, those that wait for other partitions are purged, and may be reported before it:
 * that is no reason. Measured with 2.0.2. */
static void on_report(rd_kafka_t *rk, const rd_kafka_message_t *message, void *opaque)
{
    (void)rk;
    struct transactor *t = opaque;
    bool is_purged = message->err == RD_KAFKA_RESP_ERR__PURGE_QUEUE ||
                     message->err == RD_KAFKA_RESP_ERR__PURGE_INFLIGHT;
    if (t->report == RD_KAFKA_RESP_ERR_NO_ERROR && !is_purged)
        t->report = message->err;
}

enum status transactor_new(const struct cluster *cluster, const char *transactional_id,
                           struct transactor **ret, struct diag *diag)
{
    CLEANUP(transactor_free_scoped) struct transactor *t = calloc(1, sizeof *t);
    if (t == NULL)
        return STATUS_NOMEM;
    atomic_init(&t->state, TRANSACTOR_UNCLAIMED);
    struct cluster_property all[PROPERTIES + 1];
    memcpy(all, properties, sizeof properties);
    all[PROPERTIES] = (struct cluster_property){"transactional.id", transactional_id};
    rd_kafka_conf_t *conf = NULL;
    enum status status = client_conf(cluster, all, PROPERTIES + 1, &conf, diag);
    if (status != STATUS_OK)
        return status;
    rd_kafka_conf_set_opaque(conf, t);
    rd_kafka_conf_set_dr_msg_cb(conf, on_report);
    status = client_new_take(RD_KAFKA_PRODUCER, conf, &t->rk, diag);
    if (status == STATUS_OK)
        *ret = TAKE(t);
    return status;
}

void transactor_free(struct transactor *t)
{
    if (t == NULL)
        return;
    if (t->rk != NULL)
        rd_kafka_destroy(t->rk);
    free(t);
}

enum transactor_state transactor_state(const struct transactor *t)
{
    return (enum transactor_state)atomic_load(&t->state);
}

/* librdkafka's code for "another producer has the id" is the same whatever the broker called it.
 * Source: rd_kafka_txn_normalize_err, rdkafka_txnmgr.c 2.0.2. */
static void lose(struct transactor *t, rd_kafka_resp_err_t err)
{
    atomic_store(&t->state, err == RD_KAFKA_RESP_ERR__FENCED ? TRANSACTOR_FENCED : TRANSACTOR_LOST);
}

/* A step failed for good. */
static enum status lose_by(struct transactor *t, const rd_kafka_error_t *error, struct diag *diag)
{
    rd_kafka_resp_err_t err = rd_kafka_error_code(error);
    lose(t, err);
    bool is_forbidden = err == RD_KAFKA_RESP_ERR_TRANSACTIONAL_ID_AUTHORIZATION_FAILED ||
                        err == RD_KAFKA_RESP_ERR_CLUSTER_AUTHORIZATION_FAILED;
    return diag_set(diag, is_forbidden ? STATUS_INVALID : STATUS_UNAVAILABLE, "%s",
                    rd_kafka_error_string(error));
}

/* --- claiming ----------------------------------------------------------------------------------
 */

enum status transactor_look(struct transactor *t, const char *topic, int64_t until_mono_ms,
                            int32_t *ret_partitions, struct diag *diag)
{
    CLEANUP(topic_free_scoped) rd_kafka_topic_t *handle = rd_kafka_topic_new(t->rk, topic, NULL);
    if (handle == NULL)
        return diag_set(diag, STATUS_INVALID, "%s", rd_kafka_err2str(rd_kafka_last_error()));
    rd_kafka_resp_err_t err = client_partitions_len(
        t->rk, handle, client_remaining_ms(until_mono_ms, STEP_MS), ret_partitions);
    if (err != RD_KAFKA_RESP_ERR_NO_ERROR)
        return diag_set(
            diag, errors_verdict(err) == VERDICT_OPERATOR ? STATUS_INVALID : STATUS_UNAVAILABLE,
            "%s", rd_kafka_err2str(err));
    return STATUS_OK;
}

enum status transactor_claim(struct transactor *t, int64_t until_mono_ms, struct diag *diag)
{
    if (transactor_state(t) != TRANSACTOR_UNCLAIMED)
        return diag_set(diag, STATUS_UNAVAILABLE, "it was claimed before");
    while (true) {
        CLEANUP(error_free_scoped)
        rd_kafka_error_t *error =
            rd_kafka_init_transactions(t->rk, client_remaining_ms(until_mono_ms, STEP_MS));
        if (error == NULL) {
            atomic_store(&t->state, TRANSACTOR_READY);
            return STATUS_OK;
        }
        if (!rd_kafka_error_is_retriable(error))
            return lose_by(t, error, diag);
        if (clock_mono_ms() >= until_mono_ms)
            return diag_set(diag, STATUS_UNAVAILABLE, "%s", rd_kafka_error_string(error));
    }
}

/* --- writing -----------------------------------------------------------------------------------
 */

/* Leaves it ready, or lost: then the coordinator aborts the transaction in time. */
static void abandon(struct transactor *t)
{
    int64_t until = clock_mono_ms() + ABORT_MS;
    /* Else the abort purges what waits to be sent, and that counts as a failure of the next
     * transaction. Measured with 2.0.2; a test of the fenced writer's sees it. */
    (void)rd_kafka_flush(t->rk, STEP_MS);
    while (true) {
        CLEANUP(error_free_scoped)
        rd_kafka_error_t *error =
            rd_kafka_abort_transaction(t->rk, client_remaining_ms(until, STEP_MS));
        if (error == NULL)
            return;
        if (!rd_kafka_error_is_retriable(error) || clock_mono_ms() >= until) {
            lose(t, rd_kafka_error_code(error));
            return;
        }
    }
}

/* The records will not be committed; says why. */
static enum status give_up(struct transactor *t, rd_kafka_resp_err_t err, const char *why,
                           struct diag *diag)
{
    abandon(t);
    return diag_set(diag,
                    errors_verdict(err) == VERDICT_REFUSED ? STATUS_INVALID : STATUS_UNAVAILABLE,
                    "%s", why);
}

enum status transactor_begin(struct transactor *t, struct diag *diag)
{
    if (transactor_state(t) != TRANSACTOR_READY)
        return diag_set(diag, STATUS_UNAVAILABLE, "it was not claimed, or is lost");
    t->report = RD_KAFKA_RESP_ERR_NO_ERROR;
    CLEANUP(error_free_scoped) rd_kafka_error_t *error = rd_kafka_begin_transaction(t->rk);
    return error == NULL ? STATUS_OK : lose_by(t, error, diag);
}

static rd_kafka_resp_err_t produce(struct transactor *t, const struct transactor_record *record)
{
    CLEANUP(message_headers_free_scoped)
    rd_kafka_headers_t *headers = message_headers_new(record->headers, record->headers_len);
    const rd_kafka_vu_t parts[] = {
        {.vtype = RD_KAFKA_VTYPE_TOPIC, .u.cstr = record->topic},
        {.vtype = RD_KAFKA_VTYPE_PARTITION,
         .u.i32 = record->partition == TRANSACTOR_PARTITION_OF_KEY ? RD_KAFKA_PARTITION_UA
                                                                   : record->partition},
        {.vtype = RD_KAFKA_VTYPE_MSGFLAGS, .u.i = RD_KAFKA_MSG_F_COPY},
        {.vtype = RD_KAFKA_VTYPE_KEY, .u.mem = {(void *)record->key.data, record->key.len}},
        {.vtype = RD_KAFKA_VTYPE_VALUE, .u.mem = {(void *)record->value.data, record->value.len}},
        {.vtype = RD_KAFKA_VTYPE_HEADERS, .u.headers = headers},
    };
    CLEANUP(error_free_scoped)
    rd_kafka_error_t *error = rd_kafka_produceva(t->rk, parts, sizeof parts / sizeof parts[0]);
    if (error == NULL) {
        (void)TAKE(headers); /* the message's now */
        return RD_KAFKA_RESP_ERR_NO_ERROR;
    }
    return rd_kafka_error_is_fatal(error) ? RD_KAFKA_RESP_ERR__FATAL : rd_kafka_error_code(error);
}

enum status transactor_put(struct transactor *t, const struct transactor_record *record,
                           struct diag *diag)
{
    rd_kafka_resp_err_t err = produce(t, record);
    if (err == RD_KAFKA_RESP_ERR_NO_ERROR)
        return STATUS_OK;
    if (err != RD_KAFKA_RESP_ERR__FATAL && err != RD_KAFKA_RESP_ERR__FENCED)
        return give_up(t, err, rd_kafka_err2str(err), diag);
    char why[256] = "";
    lose(t, rd_kafka_fatal_error(t->rk, why, sizeof why));
    return diag_set(diag, STATUS_UNAVAILABLE, "%s", why);
}

enum status transactor_commit(struct transactor *t, int64_t until_mono_ms, struct diag *diag)
{
    while (true) {
        CLEANUP(error_free_scoped)
        rd_kafka_error_t *error =
            rd_kafka_commit_transaction(t->rk, client_remaining_ms(until_mono_ms, STEP_MS));
        if (error == NULL)
            return STATUS_OK;
        if (rd_kafka_error_txn_requires_abort(error))
            return t->report != RD_KAFKA_RESP_ERR_NO_ERROR
                       ? give_up(t, t->report, rd_kafka_err2str(t->report), diag)
                       : give_up(t, rd_kafka_error_code(error), rd_kafka_error_string(error), diag);
        if (!rd_kafka_error_is_retriable(error))
            return lose_by(t, error, diag);
        if (clock_mono_ms() >= until_mono_ms) {
            /* The coordinator may have got it. Whoever claims the id next waits for it. */
            lose(t, RD_KAFKA_RESP_ERR__TIMED_OUT);
            return diag_set(diag, STATUS_UNAVAILABLE, "nobody knows whether it was committed");
        }
    }
}
