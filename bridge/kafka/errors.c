#include "bridge/kafka/errors.h"

/* librdkafka repeats what is worth repeating by itself until message.timeout.ms, so most of these
 * reach a report only as _MSG_TIMED_OUT; they are judged for the day on which they do.
 *
 * may_be_stored: librdkafka says "not persisted" of every answer it does not know better
 * (rdkafka_request.c, rd_kafka_err_action(), 2.0.2), but a leader has appended the record before it
 * waits for the in-sync replicas, and what ends that wait is also the loss of its leadership, of
 * the replica or of its disk. Source: Kafka, kafka.server.DelayedProduce.tryComplete() and
 * ReplicaManager.getPartitionOrError(). A report that comes after librdkafka repeated such a one by
 * itself says nothing of it. */
static const struct errors_row rows[] = {
    {RD_KAFKA_RESP_ERR_NO_ERROR, VERDICT_DURABLE, false},

    /* taken back by us, or given back by a client that failed for good */
    {RD_KAFKA_RESP_ERR__PURGE_QUEUE, VERDICT_RETURNED, false},
    {RD_KAFKA_RESP_ERR__PURGE_INFLIGHT, VERDICT_RETURNED, true},
    {RD_KAFKA_RESP_ERR__FATAL, VERDICT_RETURNED, false},

    /* the record's own fault */
    {RD_KAFKA_RESP_ERR_MSG_SIZE_TOO_LARGE, VERDICT_REFUSED, false},
    {RD_KAFKA_RESP_ERR_RECORD_LIST_TOO_LARGE, VERDICT_REFUSED, false},
    {RD_KAFKA_RESP_ERR_INVALID_RECORD, VERDICT_REFUSED, false},
    {RD_KAFKA_RESP_ERR_INVALID_TIMESTAMP, VERDICT_REFUSED, false},

    /* somebody has to mend it: a topic, a permission, a credential, a setting of the brokers */
    {RD_KAFKA_RESP_ERR__AUTHENTICATION, VERDICT_OPERATOR, false},
    {RD_KAFKA_RESP_ERR__SSL, VERDICT_OPERATOR, false},
    {RD_KAFKA_RESP_ERR__UNKNOWN_PARTITION, VERDICT_OPERATOR, false},
    {RD_KAFKA_RESP_ERR__UNKNOWN_TOPIC, VERDICT_OPERATOR, false},
    {RD_KAFKA_RESP_ERR__UNSUPPORTED_FEATURE, VERDICT_OPERATOR, false},
    {RD_KAFKA_RESP_ERR_CLUSTER_AUTHORIZATION_FAILED, VERDICT_OPERATOR, false},
    {RD_KAFKA_RESP_ERR_ILLEGAL_SASL_STATE, VERDICT_OPERATOR, false},
    {RD_KAFKA_RESP_ERR_INVALID_REQUIRED_ACKS, VERDICT_OPERATOR, false},
    {RD_KAFKA_RESP_ERR_POLICY_VIOLATION, VERDICT_OPERATOR, false},
    {RD_KAFKA_RESP_ERR_SASL_AUTHENTICATION_FAILED, VERDICT_OPERATOR, false},
    {RD_KAFKA_RESP_ERR_SECURITY_DISABLED, VERDICT_OPERATOR, false},
    {RD_KAFKA_RESP_ERR_TOPIC_AUTHORIZATION_FAILED, VERDICT_OPERATOR, false},
    {RD_KAFKA_RESP_ERR_TOPIC_EXCEPTION, VERDICT_OPERATOR, false},
    {RD_KAFKA_RESP_ERR_TRANSACTIONAL_ID_AUTHORIZATION_FAILED, VERDICT_OPERATOR, false},
    {RD_KAFKA_RESP_ERR_UNKNOWN_TOPIC_OR_PART, VERDICT_OPERATOR, true},
    {RD_KAFKA_RESP_ERR_UNSUPPORTED_COMPRESSION_TYPE, VERDICT_OPERATOR, false},
    {RD_KAFKA_RESP_ERR_UNSUPPORTED_FOR_MESSAGE_FORMAT, VERDICT_OPERATOR, false},
    {RD_KAFKA_RESP_ERR_UNSUPPORTED_SASL_MECHANISM, VERDICT_OPERATOR, false},
    {RD_KAFKA_RESP_ERR_UNSUPPORTED_VERSION, VERDICT_OPERATOR, false},

    /* no answer in time, or no connection */
    {RD_KAFKA_RESP_ERR__ALL_BROKERS_DOWN, VERDICT_FAILED, false},
    {RD_KAFKA_RESP_ERR__MSG_TIMED_OUT, VERDICT_FAILED, false},
    {RD_KAFKA_RESP_ERR__RESOLVE, VERDICT_FAILED, false},
    {RD_KAFKA_RESP_ERR__TIMED_OUT, VERDICT_FAILED, true},
    {RD_KAFKA_RESP_ERR__TIMED_OUT_QUEUE, VERDICT_FAILED, false},
    {RD_KAFKA_RESP_ERR__TRANSPORT, VERDICT_FAILED, true},
    {RD_KAFKA_RESP_ERR__WAIT_COORD, VERDICT_FAILED, false},
    {RD_KAFKA_RESP_ERR_NETWORK_EXCEPTION, VERDICT_FAILED, true},
    {RD_KAFKA_RESP_ERR_REQUEST_TIMED_OUT, VERDICT_FAILED, true},

    /* the cluster is not as it should be */
    {RD_KAFKA_RESP_ERR__ISR_INSUFF, VERDICT_FAILED, false},
    {RD_KAFKA_RESP_ERR_BROKER_NOT_AVAILABLE, VERDICT_FAILED, false},
    {RD_KAFKA_RESP_ERR_FENCED_LEADER_EPOCH, VERDICT_FAILED, true},
    {RD_KAFKA_RESP_ERR_KAFKA_STORAGE_ERROR, VERDICT_FAILED, true},
    {RD_KAFKA_RESP_ERR_LEADER_NOT_AVAILABLE, VERDICT_FAILED, false},
    {RD_KAFKA_RESP_ERR_LOG_DIR_NOT_FOUND, VERDICT_FAILED, true},
    {RD_KAFKA_RESP_ERR_NOT_ENOUGH_REPLICAS, VERDICT_FAILED, false},
    {RD_KAFKA_RESP_ERR_NOT_ENOUGH_REPLICAS_AFTER_APPEND, VERDICT_FAILED, true},
    {RD_KAFKA_RESP_ERR_NOT_LEADER_FOR_PARTITION, VERDICT_FAILED, true},
    {RD_KAFKA_RESP_ERR_REASSIGNMENT_IN_PROGRESS, VERDICT_FAILED, false},
    {RD_KAFKA_RESP_ERR_REPLICA_NOT_AVAILABLE, VERDICT_FAILED, false},
    {RD_KAFKA_RESP_ERR_STALE_BROKER_EPOCH, VERDICT_FAILED, false},
    {RD_KAFKA_RESP_ERR_STALE_CTRL_EPOCH, VERDICT_FAILED, false},
    {RD_KAFKA_RESP_ERR_THROTTLING_QUOTA_EXCEEDED, VERDICT_FAILED, false},
    {RD_KAFKA_RESP_ERR_UNKNOWN_LEADER_EPOCH, VERDICT_FAILED, false},

    /* idempotence: the sequence of a producer and that of a partition do not fit */
    {RD_KAFKA_RESP_ERR__FENCED, VERDICT_FAILED, false},
    {RD_KAFKA_RESP_ERR__GAPLESS_GUARANTEE, VERDICT_FAILED, false},
    {RD_KAFKA_RESP_ERR__INCONSISTENT, VERDICT_FAILED, true},
    {RD_KAFKA_RESP_ERR__RETRY, VERDICT_FAILED, false},
    {RD_KAFKA_RESP_ERR_CONCURRENT_TRANSACTIONS, VERDICT_FAILED, false},
    {RD_KAFKA_RESP_ERR_DUPLICATE_SEQUENCE_NUMBER, VERDICT_FAILED, true},
    {RD_KAFKA_RESP_ERR_INVALID_PRODUCER_EPOCH, VERDICT_FAILED, false},
    {RD_KAFKA_RESP_ERR_INVALID_PRODUCER_ID_MAPPING, VERDICT_FAILED, false},
    {RD_KAFKA_RESP_ERR_INVALID_TXN_STATE, VERDICT_FAILED, false},
    {RD_KAFKA_RESP_ERR_OUT_OF_ORDER_SEQUENCE_NUMBER, VERDICT_FAILED, true},
    {RD_KAFKA_RESP_ERR_PRODUCER_FENCED, VERDICT_FAILED, false},
    {RD_KAFKA_RESP_ERR_TRANSACTION_COORDINATOR_FENCED, VERDICT_FAILED, false},
    {RD_KAFKA_RESP_ERR_UNKNOWN_PRODUCER_ID, VERDICT_FAILED, false},

    /* bytes broken on the way, or an end that does not understand the other */
    {RD_KAFKA_RESP_ERR__BAD_COMPRESSION, VERDICT_FAILED, false},
    {RD_KAFKA_RESP_ERR__BAD_MSG, VERDICT_FAILED, true},
    {RD_KAFKA_RESP_ERR__UNDERFLOW, VERDICT_FAILED, true},
    {RD_KAFKA_RESP_ERR__UNKNOWN_PROTOCOL, VERDICT_FAILED, true},
    {RD_KAFKA_RESP_ERR_INVALID_MSG, VERDICT_FAILED, false}, /* a checksum */
    {RD_KAFKA_RESP_ERR_INVALID_MSG_SIZE, VERDICT_FAILED, false},
    {RD_KAFKA_RESP_ERR_INVALID_REQUEST, VERDICT_FAILED, false},

    /* the client's own */
    {RD_KAFKA_RESP_ERR__APPLICATION, VERDICT_FAILED, true},
    {RD_KAFKA_RESP_ERR__CONFLICT, VERDICT_FAILED, false},
    {RD_KAFKA_RESP_ERR__CRIT_SYS_RESOURCE, VERDICT_FAILED, true},
    {RD_KAFKA_RESP_ERR__DESTROY, VERDICT_FAILED, true},
    {RD_KAFKA_RESP_ERR__FAIL, VERDICT_FAILED, true},
    {RD_KAFKA_RESP_ERR__FS, VERDICT_FAILED, false},
    {RD_KAFKA_RESP_ERR__INTR, VERDICT_FAILED, true},
    {RD_KAFKA_RESP_ERR__INVALID_ARG, VERDICT_FAILED, false},
    {RD_KAFKA_RESP_ERR__NOT_CONFIGURED, VERDICT_FAILED, false},
    {RD_KAFKA_RESP_ERR__NOT_IMPLEMENTED, VERDICT_FAILED, false},
    {RD_KAFKA_RESP_ERR__QUEUE_FULL, VERDICT_FAILED, false},
    {RD_KAFKA_RESP_ERR__STATE, VERDICT_FAILED, false},
    {RD_KAFKA_RESP_ERR__UNKNOWN_BROKER, VERDICT_FAILED, false},

    /* a broker's fault without a name */
    {RD_KAFKA_RESP_ERR_UNKNOWN, VERDICT_FAILED, true},
};

const struct errors_row *errors_rows(size_t *ret_len)
{
    *ret_len = sizeof rows / sizeof rows[0];
    return rows;
}

static const struct errors_row *find(rd_kafka_resp_err_t err)
{
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++)
        if (rows[i].err == err)
            return &rows[i];
    return NULL;
}

enum verdict errors_verdict(rd_kafka_resp_err_t err)
{
    const struct errors_row *row = find(err);
    return row == NULL ? VERDICT_FAILED : row->verdict;
}

struct judgement errors_judge(rd_kafka_resp_err_t err, rd_kafka_msg_status_t status)
{
    const struct errors_row *row = find(err);
    struct judgement judgement = {.verdict = errors_verdict(err)};
    if (judgement.verdict == VERDICT_DURABLE && status != RD_KAFKA_MSG_STATUS_PERSISTED)
        judgement.verdict = VERDICT_FAILED;
    judgement.is_ambiguous =
        judgement.verdict != VERDICT_DURABLE &&
        (row == NULL || row->may_be_stored || status != RD_KAFKA_MSG_STATUS_NOT_PERSISTED);
    return judgement;
}
