#include "bridge/kafka/fenced_writer.h"

#include <inttypes.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>

#include "bridge/base/clock.h"
#include "bridge/kafka/client.h"
#include "bridge/kafka/errors.h"

#define TEXT_OF(number) TEXT_OF_(number)
#define TEXT_OF_(number) #number

/* One call to librdkafka waits at most so long; the caller's instant bounds all of them. */
#define STEP_MS 1000

/* An abort is given so long even if the caller's time is over: without it the writer is lost. */
#define ABORT_MS 2000

static const struct cluster_property properties[] = {
    {"acks", "all"},
    {"enable.idempotence", "true"},
    {"linger.ms", "0"},
    {"transaction.timeout.ms", TEXT_OF(FENCED_WRITER_TRANSACTION_TIMEOUT_MS)},
    /* librdkafka demands that it is less than the transaction's. Source: rdkafka_conf.c
     * rd_kafka_conf_finalize, 2.0.2. */
    {"socket.timeout.ms", "5000"},
    {"message.timeout.ms", "8000"},
    {"request.timeout.ms", "4000"},
};

struct fenced_writer {
    rd_kafka_t *rk;
    rd_kafka_topic_t *topic;
    int32_t partition;
    rd_kafka_resp_err_t report; /* the first failed delivery report of the transaction */
    atomic_int state;           /* enum fenced_writer_state */
};

DEFINE_CLEANUP(struct fenced_writer *, fenced_writer_free)

static void error_free(rd_kafka_error_t *error)
{
    if (error != NULL)
        rd_kafka_error_destroy(error);
}
DEFINE_CLEANUP(rd_kafka_error_t *, error_free)

/* Called within rd_kafka_commit_transaction() and rd_kafka_abort_transaction(), which flush. */
static void on_report(rd_kafka_t *rk, const rd_kafka_message_t *message, void *opaque)
{
    (void)rk;
    struct fenced_writer *w = opaque;
    if (w->report == RD_KAFKA_RESP_ERR_NO_ERROR)
        w->report = message->err;
}

enum status fenced_writer_new(const struct fenced_writer_options *opt, struct fenced_writer **ret,
                              struct diag *diag)
{
    CLEANUP(fenced_writer_free_scoped) struct fenced_writer *w = calloc(1, sizeof *w);
    if (w == NULL)
        return STATUS_NOMEM;
    w->partition = opt->partition;
    atomic_init(&w->state, FENCED_WRITER_UNCLAIMED);
    char id[512];
    snprintf(id, sizeof id, "%s-%" PRId32, opt->topic, opt->partition);
    struct cluster_property all[sizeof properties / sizeof properties[0] + 1];
    memcpy(all, properties, sizeof properties);
    all[sizeof properties / sizeof properties[0]] =
        (struct cluster_property){"transactional.id", id};
    rd_kafka_conf_t *conf = NULL;
    enum status status = client_conf(opt->cluster, all, sizeof all / sizeof all[0], &conf, diag);
    if (status != STATUS_OK)
        return status;
    rd_kafka_conf_set_opaque(conf, w);
    rd_kafka_conf_set_dr_msg_cb(conf, on_report);
    status = client_new_take(RD_KAFKA_PRODUCER, conf, &w->rk, diag);
    if (status != STATUS_OK)
        return status;
    w->topic = rd_kafka_topic_new(w->rk, opt->topic, NULL);
    if (w->topic == NULL)
        return diag_set(diag, STATUS_INVALID, "%s: %s", opt->topic,
                        rd_kafka_err2str(rd_kafka_last_error()));
    *ret = TAKE(w);
    return STATUS_OK;
}

void fenced_writer_free(struct fenced_writer *w)
{
    if (w == NULL)
        return;
    if (w->topic != NULL)
        rd_kafka_topic_destroy(w->topic);
    if (w->rk != NULL)
        rd_kafka_destroy(w->rk);
    free(w);
}

enum fenced_writer_state fenced_writer_state(const struct fenced_writer *w)
{
    return (enum fenced_writer_state)atomic_load(&w->state);
}

static enum status failed(const struct fenced_writer *w, enum status status, const char *why,
                          struct diag *diag)
{
    return diag_set(diag, status, "%s: partition %" PRId32 ": %s", rd_kafka_topic_name(w->topic),
                    w->partition, why);
}

/* librdkafka's code for "another producer has the id" is the same whatever the broker called it.
 * Source: rd_kafka_txn_normalize_err, rdkafka_txnmgr.c 2.0.2. */
static void lose(struct fenced_writer *w, rd_kafka_resp_err_t err)
{
    atomic_store(&w->state,
                 err == RD_KAFKA_RESP_ERR__FENCED ? FENCED_WRITER_FENCED : FENCED_WRITER_LOST);
}

/* A step failed for good. */
static enum status lose_by(struct fenced_writer *w, const rd_kafka_error_t *error,
                           struct diag *diag)
{
    rd_kafka_resp_err_t err = rd_kafka_error_code(error);
    lose(w, err);
    bool is_forbidden = err == RD_KAFKA_RESP_ERR_TRANSACTIONAL_ID_AUTHORIZATION_FAILED ||
                        err == RD_KAFKA_RESP_ERR_CLUSTER_AUTHORIZATION_FAILED;
    return failed(w, is_forbidden ? STATUS_INVALID : STATUS_UNAVAILABLE,
                  rd_kafka_error_string(error), diag);
}

/* --- claiming ----------------------------------------------------------------------------------
 */

/* Asked first, so that a claim of what is not there fences nobody. It also makes the leader known,
 * for which the first record would wait up to a second.
 * Source: librdkafka issue 5032 (fixed in 2.10.1). */
static enum status look_at_partition(struct fenced_writer *w, int64_t until_mono_ms,
                                     struct diag *diag)
{
    CLEANUP(client_metadata_release) const struct rd_kafka_metadata *metadata = NULL;
    rd_kafka_resp_err_t err = rd_kafka_metadata(w->rk, 0, w->topic, &metadata,
                                                client_remaining_ms(until_mono_ms, STEP_MS));
    if (err == RD_KAFKA_RESP_ERR_NO_ERROR)
        err = metadata->topic_cnt == 1 ? metadata->topics[0].err
                                       : RD_KAFKA_RESP_ERR_LEADER_NOT_AVAILABLE;
    if (err != RD_KAFKA_RESP_ERR_NO_ERROR)
        return failed(w,
                      errors_verdict(err) == VERDICT_OPERATOR ? STATUS_INVALID : STATUS_UNAVAILABLE,
                      rd_kafka_err2str(err), diag);
    if (w->partition >= metadata->topics[0].partition_cnt)
        return failed(w, STATUS_INVALID, "there is no such partition", diag);
    return STATUS_OK;
}

enum status fenced_writer_claim(struct fenced_writer *w, int64_t until_mono_ms, struct diag *diag)
{
    if (fenced_writer_state(w) != FENCED_WRITER_UNCLAIMED)
        return failed(w, STATUS_UNAVAILABLE, "it was claimed before", diag);
    enum status status = look_at_partition(w, until_mono_ms, diag);
    if (status != STATUS_OK)
        return status;
    while (true) {
        CLEANUP(error_free_scoped)
        rd_kafka_error_t *error =
            rd_kafka_init_transactions(w->rk, client_remaining_ms(until_mono_ms, STEP_MS));
        if (error == NULL) {
            atomic_store(&w->state, FENCED_WRITER_READY);
            return STATUS_OK;
        }
        if (!rd_kafka_error_is_retriable(error))
            return lose_by(w, error, diag);
        if (clock_mono_ms() >= until_mono_ms)
            return failed(w, STATUS_UNAVAILABLE, rd_kafka_error_string(error), diag);
    }
}

/* --- writing -----------------------------------------------------------------------------------
 */

/* Leaves the writer ready, or lost: then the coordinator aborts the transaction in time. */
static void abandon(struct fenced_writer *w)
{
    int64_t until = clock_mono_ms() + ABORT_MS;
    /* Else the abort purges what waits to be sent, and that counts as a failure of the next
     * transaction. Measured with 2.0.2; a test of this writer's sees it. */
    (void)rd_kafka_flush(w->rk, STEP_MS);
    while (true) {
        CLEANUP(error_free_scoped)
        rd_kafka_error_t *error =
            rd_kafka_abort_transaction(w->rk, client_remaining_ms(until, STEP_MS));
        if (error == NULL)
            return;
        if (!rd_kafka_error_is_retriable(error) || clock_mono_ms() >= until) {
            lose(w, rd_kafka_error_code(error));
            return;
        }
    }
}

/* The records will not be committed; says why. */
static enum status give_up(struct fenced_writer *w, rd_kafka_resp_err_t err, const char *why,
                           struct diag *diag)
{
    abandon(w);
    enum status status =
        errors_verdict(err) == VERDICT_REFUSED ? STATUS_INVALID : STATUS_UNAVAILABLE;
    return failed(w, status, why, diag);
}

static rd_kafka_resp_err_t put(struct fenced_writer *w, const struct fenced_writer_record *record)
{
    const rd_kafka_vu_t parts[] = {
        {.vtype = RD_KAFKA_VTYPE_RKT, .u.rkt = w->topic},
        {.vtype = RD_KAFKA_VTYPE_PARTITION, .u.i32 = w->partition},
        {.vtype = RD_KAFKA_VTYPE_MSGFLAGS, .u.i = RD_KAFKA_MSG_F_COPY},
        {.vtype = RD_KAFKA_VTYPE_KEY, .u.mem = {(void *)record->key.data, record->key.len}},
        {.vtype = RD_KAFKA_VTYPE_VALUE, .u.mem = {(void *)record->value.data, record->value.len}},
    };
    CLEANUP(error_free_scoped)
    rd_kafka_error_t *error = rd_kafka_produceva(w->rk, parts, sizeof parts / sizeof parts[0]);
    return error == NULL ? RD_KAFKA_RESP_ERR_NO_ERROR : rd_kafka_error_code(error);
}

static enum status commit(struct fenced_writer *w, int64_t until_mono_ms, struct diag *diag)
{
    while (true) {
        CLEANUP(error_free_scoped)
        rd_kafka_error_t *error =
            rd_kafka_commit_transaction(w->rk, client_remaining_ms(until_mono_ms, STEP_MS));
        if (error == NULL)
            return STATUS_OK;
        if (rd_kafka_error_txn_requires_abort(error))
            return w->report != RD_KAFKA_RESP_ERR_NO_ERROR
                       ? give_up(w, w->report, rd_kafka_err2str(w->report), diag)
                       : give_up(w, rd_kafka_error_code(error), rd_kafka_error_string(error), diag);
        if (!rd_kafka_error_is_retriable(error))
            return lose_by(w, error, diag);
        if (clock_mono_ms() >= until_mono_ms) {
            /* The coordinator may have got it. Whoever claims the partition next waits for it. */
            lose(w, RD_KAFKA_RESP_ERR__TIMED_OUT);
            return failed(w, STATUS_UNAVAILABLE, "nobody knows whether it was committed", diag);
        }
    }
}

enum status fenced_writer_write(struct fenced_writer *w,
                                const struct fenced_writer_record records[], size_t len,
                                int64_t until_mono_ms, struct diag *diag)
{
    if (fenced_writer_state(w) != FENCED_WRITER_READY)
        return failed(w, STATUS_UNAVAILABLE, "the partition is not, or no longer, ours", diag);
    if (len == 0)
        return STATUS_OK;
    w->report = RD_KAFKA_RESP_ERR_NO_ERROR;
    CLEANUP(error_free_scoped) rd_kafka_error_t *error = rd_kafka_begin_transaction(w->rk);
    if (error != NULL)
        return lose_by(w, error, diag);
    for (size_t i = 0; i < len; i++) {
        rd_kafka_resp_err_t err = put(w, &records[i]);
        if (err == RD_KAFKA_RESP_ERR__FATAL || err == RD_KAFKA_RESP_ERR__FENCED) {
            char why[256] = "";
            lose(w, rd_kafka_fatal_error(w->rk, why, sizeof why));
            return failed(w, STATUS_UNAVAILABLE, why, diag);
        }
        if (err != RD_KAFKA_RESP_ERR_NO_ERROR)
            return give_up(w, err, rd_kafka_err2str(err), diag);
    }
    return commit(w, until_mono_ms, diag);
}
