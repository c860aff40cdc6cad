#include "bridge/kafka/errors.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

static const struct {
    rd_kafka_resp_err_t err;
    enum verdict verdict;
} rows[] = {
    {RD_KAFKA_RESP_ERR_NO_ERROR, VERDICT_DURABLE},
    /* taken back by us, or given back with a fatal error */
    {RD_KAFKA_RESP_ERR__PURGE_QUEUE, VERDICT_RETURNED},
    {RD_KAFKA_RESP_ERR__PURGE_INFLIGHT, VERDICT_RETURNED},
    {RD_KAFKA_RESP_ERR__FATAL, VERDICT_RETURNED},
    /* the record's own fault */
    {RD_KAFKA_RESP_ERR_MSG_SIZE_TOO_LARGE, VERDICT_REFUSED},
    {RD_KAFKA_RESP_ERR_RECORD_LIST_TOO_LARGE, VERDICT_REFUSED},
    {RD_KAFKA_RESP_ERR_INVALID_RECORD, VERDICT_REFUSED},
    {RD_KAFKA_RESP_ERR_INVALID_TIMESTAMP, VERDICT_REFUSED},
    /* somebody has to mend it */
    {RD_KAFKA_RESP_ERR_UNKNOWN_TOPIC_OR_PART, VERDICT_OPERATOR},
    {RD_KAFKA_RESP_ERR__UNKNOWN_TOPIC, VERDICT_OPERATOR},
    {RD_KAFKA_RESP_ERR__UNKNOWN_PARTITION, VERDICT_OPERATOR},
    {RD_KAFKA_RESP_ERR_TOPIC_AUTHORIZATION_FAILED, VERDICT_OPERATOR},
    {RD_KAFKA_RESP_ERR_CLUSTER_AUTHORIZATION_FAILED, VERDICT_OPERATOR},
    {RD_KAFKA_RESP_ERR_SASL_AUTHENTICATION_FAILED, VERDICT_OPERATOR},
    {RD_KAFKA_RESP_ERR__AUTHENTICATION, VERDICT_OPERATOR},
    {RD_KAFKA_RESP_ERR__SSL, VERDICT_OPERATOR},
    {RD_KAFKA_RESP_ERR_POLICY_VIOLATION, VERDICT_OPERATOR},
    /* it passes, and nobody knows what is stored */
    {RD_KAFKA_RESP_ERR__MSG_TIMED_OUT, VERDICT_FAILED},
    {RD_KAFKA_RESP_ERR__TIMED_OUT, VERDICT_FAILED},
    {RD_KAFKA_RESP_ERR__TRANSPORT, VERDICT_FAILED},
    {RD_KAFKA_RESP_ERR__QUEUE_FULL, VERDICT_FAILED},
    {RD_KAFKA_RESP_ERR__ALL_BROKERS_DOWN, VERDICT_FAILED},
    {RD_KAFKA_RESP_ERR_NOT_ENOUGH_REPLICAS, VERDICT_FAILED},
    {RD_KAFKA_RESP_ERR_NOT_ENOUGH_REPLICAS_AFTER_APPEND, VERDICT_FAILED},
    {RD_KAFKA_RESP_ERR_REQUEST_TIMED_OUT, VERDICT_FAILED},
    {RD_KAFKA_RESP_ERR_LEADER_NOT_AVAILABLE, VERDICT_FAILED},
    {RD_KAFKA_RESP_ERR_NOT_LEADER_FOR_PARTITION, VERDICT_FAILED},
    {RD_KAFKA_RESP_ERR_KAFKA_STORAGE_ERROR, VERDICT_FAILED},
    {RD_KAFKA_RESP_ERR_INVALID_MSG, VERDICT_FAILED}, /* a checksum broken on the way */
    {RD_KAFKA_RESP_ERR_UNKNOWN, VERDICT_FAILED},
};

static void each_code_has_its_verdict(void **state)
{
    (void)state;
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++)
        if (errors_verdict(rows[i].err) != rows[i].verdict)
            fail_msg("%s: %d", rd_kafka_err2name(rows[i].err), errors_verdict(rows[i].err));
}

static void only_no_error_is_durable(void **state)
{
    (void)state;
    for (int err = -300; err < 300; err++)
        assert_int_equal(errors_verdict((rd_kafka_resp_err_t)err) == VERDICT_DURABLE, err == 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(each_code_has_its_verdict),
        cmocka_unit_test(only_no_error_is_durable),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
