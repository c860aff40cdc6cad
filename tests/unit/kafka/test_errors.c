#include "bridge/kafka/errors.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

/* Errors of other requests, other APIs and consumers: producing does not end with one. A code of a
 * later librdkafka that is here or in the table by its number only has its name behind it. */
static const int foreign[] = {
    RD_KAFKA_RESP_ERR__PARTITION_EOF,
    RD_KAFKA_RESP_ERR__NODE_UPDATE,
    RD_KAFKA_RESP_ERR__UNKNOWN_GROUP,
    RD_KAFKA_RESP_ERR__IN_PROGRESS,
    RD_KAFKA_RESP_ERR__PREV_IN_PROGRESS,
    RD_KAFKA_RESP_ERR__EXISTING_SUBSCRIPTION,
    RD_KAFKA_RESP_ERR__ASSIGN_PARTITIONS,
    RD_KAFKA_RESP_ERR__REVOKE_PARTITIONS,
    RD_KAFKA_RESP_ERR__NO_OFFSET,
    RD_KAFKA_RESP_ERR__OUTDATED,
    RD_KAFKA_RESP_ERR__WAIT_CACHE,
    RD_KAFKA_RESP_ERR__KEY_SERIALIZATION,
    RD_KAFKA_RESP_ERR__VALUE_SERIALIZATION,
    RD_KAFKA_RESP_ERR__KEY_DESERIALIZATION,
    RD_KAFKA_RESP_ERR__VALUE_DESERIALIZATION,
    RD_KAFKA_RESP_ERR__PARTIAL,
    RD_KAFKA_RESP_ERR__READ_ONLY,
    RD_KAFKA_RESP_ERR__NOENT,
    RD_KAFKA_RESP_ERR__INVALID_TYPE,
    RD_KAFKA_RESP_ERR__MAX_POLL_EXCEEDED,
    RD_KAFKA_RESP_ERR__ASSIGNMENT_LOST,
    RD_KAFKA_RESP_ERR__NOOP,
    RD_KAFKA_RESP_ERR__AUTO_OFFSET_RESET,
    RD_KAFKA_RESP_ERR_OFFSET_OUT_OF_RANGE,
    RD_KAFKA_RESP_ERR_OFFSET_METADATA_TOO_LARGE,
    RD_KAFKA_RESP_ERR_COORDINATOR_LOAD_IN_PROGRESS,
    RD_KAFKA_RESP_ERR_COORDINATOR_NOT_AVAILABLE,
    RD_KAFKA_RESP_ERR_NOT_COORDINATOR,
    RD_KAFKA_RESP_ERR_ILLEGAL_GENERATION,
    RD_KAFKA_RESP_ERR_INCONSISTENT_GROUP_PROTOCOL,
    RD_KAFKA_RESP_ERR_INVALID_GROUP_ID,
    RD_KAFKA_RESP_ERR_UNKNOWN_MEMBER_ID,
    RD_KAFKA_RESP_ERR_INVALID_SESSION_TIMEOUT,
    RD_KAFKA_RESP_ERR_REBALANCE_IN_PROGRESS,
    RD_KAFKA_RESP_ERR_INVALID_COMMIT_OFFSET_SIZE,
    RD_KAFKA_RESP_ERR_GROUP_AUTHORIZATION_FAILED,
    RD_KAFKA_RESP_ERR_TOPIC_ALREADY_EXISTS,
    RD_KAFKA_RESP_ERR_INVALID_PARTITIONS,
    RD_KAFKA_RESP_ERR_INVALID_REPLICATION_FACTOR,
    RD_KAFKA_RESP_ERR_INVALID_REPLICA_ASSIGNMENT,
    RD_KAFKA_RESP_ERR_INVALID_CONFIG,
    RD_KAFKA_RESP_ERR_NOT_CONTROLLER,
    RD_KAFKA_RESP_ERR_INVALID_TRANSACTION_TIMEOUT,
    RD_KAFKA_RESP_ERR_OPERATION_NOT_ATTEMPTED,
    RD_KAFKA_RESP_ERR_DELEGATION_TOKEN_AUTH_DISABLED,
    RD_KAFKA_RESP_ERR_DELEGATION_TOKEN_NOT_FOUND,
    RD_KAFKA_RESP_ERR_DELEGATION_TOKEN_OWNER_MISMATCH,
    RD_KAFKA_RESP_ERR_DELEGATION_TOKEN_REQUEST_NOT_ALLOWED,
    RD_KAFKA_RESP_ERR_DELEGATION_TOKEN_AUTHORIZATION_FAILED,
    RD_KAFKA_RESP_ERR_DELEGATION_TOKEN_EXPIRED,
    RD_KAFKA_RESP_ERR_INVALID_PRINCIPAL_TYPE,
    RD_KAFKA_RESP_ERR_NON_EMPTY_GROUP,
    RD_KAFKA_RESP_ERR_GROUP_ID_NOT_FOUND,
    RD_KAFKA_RESP_ERR_FETCH_SESSION_ID_NOT_FOUND,
    RD_KAFKA_RESP_ERR_INVALID_FETCH_SESSION_EPOCH,
    RD_KAFKA_RESP_ERR_LISTENER_NOT_FOUND,
    RD_KAFKA_RESP_ERR_TOPIC_DELETION_DISABLED,
    RD_KAFKA_RESP_ERR_OFFSET_NOT_AVAILABLE,
    RD_KAFKA_RESP_ERR_MEMBER_ID_REQUIRED,
    RD_KAFKA_RESP_ERR_PREFERRED_LEADER_NOT_AVAILABLE,
    RD_KAFKA_RESP_ERR_GROUP_MAX_SIZE_REACHED,
    RD_KAFKA_RESP_ERR_FENCED_INSTANCE_ID,
    RD_KAFKA_RESP_ERR_ELIGIBLE_LEADERS_NOT_AVAILABLE,
    RD_KAFKA_RESP_ERR_ELECTION_NOT_NEEDED,
    RD_KAFKA_RESP_ERR_NO_REASSIGNMENT_IN_PROGRESS,
    RD_KAFKA_RESP_ERR_GROUP_SUBSCRIBED_TO_TOPIC,
    RD_KAFKA_RESP_ERR_UNSTABLE_OFFSET_COMMIT,
    RD_KAFKA_RESP_ERR_RESOURCE_NOT_FOUND,
    RD_KAFKA_RESP_ERR_DUPLICATE_RESOURCE,
    RD_KAFKA_RESP_ERR_UNACCEPTABLE_CREDENTIAL,
    RD_KAFKA_RESP_ERR_INCONSISTENT_VOTER_SET,
    RD_KAFKA_RESP_ERR_INVALID_UPDATE_VERSION,
    RD_KAFKA_RESP_ERR_FEATURE_UPDATE_FAILED,
    RD_KAFKA_RESP_ERR_PRINCIPAL_DESERIALIZATION_FAILURE,
    -139, /* _LOG_TRUNCATION, a consumer's */
    -138, /* _INVALID_DIFFERENT_RECORD, a consumer's */
    100,  /* UNKNOWN_TOPIC_ID: produce names topics */
    110,  /* FENCED_MEMBER_EPOCH */
    111,  /* UNRELEASED_INSTANCE_ID */
    112,  /* UNSUPPORTED_ASSIGNOR */
    113,  /* STALE_MEMBER_EPOCH */
    117,  /* UNKNOWN_SUBSCRIPTION_ID, of telemetry */
    118,  /* TELEMETRY_TOO_LARGE */
    129,  /* REBOOTSTRAP_REQUIRED, of metadata */
};

static const rd_kafka_msg_status_t statuses[] = {
    RD_KAFKA_MSG_STATUS_NOT_PERSISTED,
    RD_KAFKA_MSG_STATUS_POSSIBLY_PERSISTED,
    RD_KAFKA_MSG_STATUS_PERSISTED,
};

/* What has consequences of its own, row by row; the rest of the table fails. */
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
    {RD_KAFKA_RESP_ERR__AUTHENTICATION, VERDICT_OPERATOR},
    {RD_KAFKA_RESP_ERR__SSL, VERDICT_OPERATOR},
    {RD_KAFKA_RESP_ERR__UNKNOWN_PARTITION, VERDICT_OPERATOR},
    {RD_KAFKA_RESP_ERR__UNKNOWN_TOPIC, VERDICT_OPERATOR},
    {RD_KAFKA_RESP_ERR__UNSUPPORTED_FEATURE, VERDICT_OPERATOR},
    {RD_KAFKA_RESP_ERR_CLUSTER_AUTHORIZATION_FAILED, VERDICT_OPERATOR},
    {RD_KAFKA_RESP_ERR_ILLEGAL_SASL_STATE, VERDICT_OPERATOR},
    {RD_KAFKA_RESP_ERR_INVALID_REQUIRED_ACKS, VERDICT_OPERATOR},
    {RD_KAFKA_RESP_ERR_POLICY_VIOLATION, VERDICT_OPERATOR},
    {RD_KAFKA_RESP_ERR_SASL_AUTHENTICATION_FAILED, VERDICT_OPERATOR},
    {RD_KAFKA_RESP_ERR_SECURITY_DISABLED, VERDICT_OPERATOR},
    {RD_KAFKA_RESP_ERR_TOPIC_AUTHORIZATION_FAILED, VERDICT_OPERATOR},
    {RD_KAFKA_RESP_ERR_TOPIC_EXCEPTION, VERDICT_OPERATOR},
    {RD_KAFKA_RESP_ERR_TRANSACTIONAL_ID_AUTHORIZATION_FAILED, VERDICT_OPERATOR},
    {RD_KAFKA_RESP_ERR_UNKNOWN_TOPIC_OR_PART, VERDICT_OPERATOR},
    {RD_KAFKA_RESP_ERR_UNSUPPORTED_COMPRESSION_TYPE, VERDICT_OPERATOR},
    {RD_KAFKA_RESP_ERR_UNSUPPORTED_FOR_MESSAGE_FORMAT, VERDICT_OPERATOR},
    {RD_KAFKA_RESP_ERR_UNSUPPORTED_SASL_MECHANISM, VERDICT_OPERATOR},
    {RD_KAFKA_RESP_ERR_UNSUPPORTED_VERSION, VERDICT_OPERATOR},
};

static enum verdict expected_verdict(rd_kafka_resp_err_t err)
{
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++)
        if (rows[i].err == err)
            return rows[i].verdict;
    return VERDICT_FAILED;
}

static size_t rows_of(rd_kafka_resp_err_t err)
{
    size_t len;
    size_t found = 0;
    const struct errors_row *table = errors_rows(&len);
    for (size_t i = 0; i < len; i++)
        found += table[i].err == err;
    return found;
}

static size_t foreign_rows_of(rd_kafka_resp_err_t err)
{
    size_t found = 0;
    for (size_t i = 0; i < sizeof foreign / sizeof foreign[0]; i++)
        found += foreign[i] == (int)err;
    return found;
}

static void
every_code_of_librdkafka_is_in_the_table_or_known_to_be_no_error_of_producing(void **state)
{
    (void)state;
    const struct rd_kafka_err_desc *codes;
    size_t len;
    size_t seen = 0;
    rd_kafka_get_err_descs(&codes, &len);
    for (size_t i = 0; i < len; i++) {
        /* The list has a row for each number between the first and the last. */
        bool is_code = codes[i].desc != NULL && codes[i].code != RD_KAFKA_RESP_ERR__BEGIN &&
                       codes[i].code != RD_KAFKA_RESP_ERR__END;
        if (!is_code)
            continue;
        if (rows_of(codes[i].code) + foreign_rows_of(codes[i].code) != 1)
            fail_msg("%d %s: %s: nobody has said what it means for a record", codes[i].code,
                     codes[i].name, codes[i].desc);
        seen++;
    }
    assert_true(seen > 150);
}

static void each_code_has_its_verdict_whatever_is_stored(void **state)
{
    (void)state;
    for (int err = -300; err < 300; err++)
        for (size_t i = 0; i < sizeof statuses / sizeof statuses[0]; i++) {
            if (err == RD_KAFKA_RESP_ERR_NO_ERROR)
                continue;
            enum verdict verdict = errors_judge((rd_kafka_resp_err_t)err, statuses[i]).verdict;
            if (verdict != expected_verdict((rd_kafka_resp_err_t)err))
                fail_msg("%s, status %d: %d", rd_kafka_err2name((rd_kafka_resp_err_t)err), (int)i,
                         verdict);
            assert_int_equal(verdict, errors_verdict((rd_kafka_resp_err_t)err));
        }
}

static void durable_is_only_what_has_no_error_and_is_stored(void **state)
{
    (void)state;
    for (int err = -300; err < 300; err++)
        for (size_t i = 0; i < sizeof statuses / sizeof statuses[0]; i++) {
            struct judgement judgement = errors_judge((rd_kafka_resp_err_t)err, statuses[i]);
            bool is_durable = err == 0 && statuses[i] == RD_KAFKA_MSG_STATUS_PERSISTED;
            assert_int_equal(judgement.verdict == VERDICT_DURABLE, is_durable);
            /* acks=0 would be reported so */
            if (err == 0 && !is_durable)
                assert_int_equal(judgement.verdict, VERDICT_FAILED);
        }
}

static void what_may_be_stored_and_is_not_durable_is_ambiguous(void **state)
{
    (void)state;
    size_t len;
    const struct errors_row *table = errors_rows(&len);
    for (size_t i = 0; i < len; i++) {
        const struct errors_row *row = &table[i];
        bool may_be_stored[] = {row->may_be_stored, true, true};
        for (size_t k = 0; k < sizeof statuses / sizeof statuses[0]; k++) {
            struct judgement judgement = errors_judge(row->err, statuses[k]);
            bool expected = judgement.verdict != VERDICT_DURABLE && may_be_stored[k];
            if (judgement.is_ambiguous != expected)
                fail_msg("%s, status %zu", rd_kafka_err2name(row->err), k);
        }
    }
    /* What a leader says after it has appended, though librdkafka believes it was not. */
    static const rd_kafka_resp_err_t after_append[] = {
        RD_KAFKA_RESP_ERR_NOT_LEADER_FOR_PARTITION,
        RD_KAFKA_RESP_ERR_UNKNOWN_TOPIC_OR_PART,
        RD_KAFKA_RESP_ERR_KAFKA_STORAGE_ERROR,
        RD_KAFKA_RESP_ERR_NOT_ENOUGH_REPLICAS_AFTER_APPEND,
        RD_KAFKA_RESP_ERR_REQUEST_TIMED_OUT,
        RD_KAFKA_RESP_ERR_UNKNOWN,
    };
    for (size_t i = 0; i < sizeof after_append / sizeof after_append[0]; i++)
        assert_true(errors_judge(after_append[i], RD_KAFKA_MSG_STATUS_NOT_PERSISTED).is_ambiguous);
    /* A broker refused these before it looked any further. */
    static const rd_kafka_resp_err_t before_append[] = {
        RD_KAFKA_RESP_ERR_NOT_ENOUGH_REPLICAS, RD_KAFKA_RESP_ERR_MSG_SIZE_TOO_LARGE,
        RD_KAFKA_RESP_ERR_INVALID_RECORD,      RD_KAFKA_RESP_ERR_TOPIC_AUTHORIZATION_FAILED,
        RD_KAFKA_RESP_ERR__PURGE_QUEUE,        RD_KAFKA_RESP_ERR__QUEUE_FULL,
    };
    for (size_t i = 0; i < sizeof before_append / sizeof before_append[0]; i++)
        assert_false(
            errors_judge(before_append[i], RD_KAFKA_MSG_STATUS_NOT_PERSISTED).is_ambiguous);
}

static void a_code_nobody_knows_is_a_failure_of_which_nobody_knows(void **state)
{
    (void)state;
    const rd_kafka_resp_err_t unknown[] = {(rd_kafka_resp_err_t)-250, (rd_kafka_resp_err_t)250,
                                           RD_KAFKA_RESP_ERR_ILLEGAL_GENERATION};
    for (size_t i = 0; i < sizeof unknown / sizeof unknown[0]; i++)
        for (size_t k = 0; k < sizeof statuses / sizeof statuses[0]; k++) {
            struct judgement judgement = errors_judge(unknown[i], statuses[k]);
            assert_int_equal(judgement.verdict, VERDICT_FAILED);
            assert_true(judgement.is_ambiguous);
        }
}

/* --- what is published ------------------------------------------------------------------------
 */

#define PUBLISHED TEST_ROOT "/deploy/DELIVERY-REPORTS.md"

static void print_codes(FILE *out, enum verdict verdict, bool may_be_stored)
{
    size_t len;
    const char *separator = "";
    const struct errors_row *table = errors_rows(&len);
    for (size_t i = 0; i < len; i++) {
        if (table[i].verdict != verdict || table[i].may_be_stored != may_be_stored)
            continue;
        fprintf(out, "%s`%s`", separator, rd_kafka_err2name(table[i].err));
        separator = ", ";
    }
}

static void print_row(FILE *out, enum verdict verdict, bool may_be_stored, const char *consequences)
{
    fputs("| ", out);
    print_codes(out, verdict, may_be_stored);
    fprintf(out, " | %s |\n", consequences);
}

static void print_table(FILE *out)
{
    fputs("| what is reported | the sender gets | with a spool | counted |\n"
          "| --- | --- | --- | --- |\n"
          "| no error, persisted | 200 | 200 | acked |\n"
          "| no error, and not surely persisted | 503 | stored, 200 | ambiguous |\n",
          out);
    static const char in_time[] = "what its next attempt brings, 503 if there is no time for one | "
                                  "the same, or stored, 200 | ";
    char consequences[256];
    snprintf(consequences, sizeof consequences, "%sas that; without one failed, see below",
             in_time);
    print_row(out, VERDICT_RETURNED, false, consequences);
    snprintf(consequences, sizeof consequences, "%sas that; without one ambiguous", in_time);
    print_row(out, VERDICT_RETURNED, true, consequences);
    print_row(
        out, VERDICT_REFUSED, false,
        "200 once it is a dead letter, 503 if that cannot be written | the same | acked, in the "
        "dead letters' topic");
    print_row(out, VERDICT_OPERATOR, false, "503, and an alert | the same | failed, see below");
    print_row(out, VERDICT_OPERATOR, true, "503, and an alert | the same | ambiguous");
    print_row(out, VERDICT_FAILED, false, "503 | stored, 200 | failed, see below");
    print_row(out, VERDICT_FAILED, true, "503 | stored, 200 | ambiguous");
    fputs("| any other error | 503 | stored, 200 | ambiguous |\n", out);
}

static char *read_text(const char *path)
{
    FILE *in = fopen(path, "r");
    char *text = calloc(1, 1 << 16);
    assert_non_null(in);
    assert_non_null(text);
    assert_true(fread(text, 1, (1 << 16) - 1, in) > 0);
    fclose(in);
    return text;
}

static void the_published_table_is_this_one(void **state)
{
    (void)state;
    FILE *out = fopen("delivery-reports.table", "w");
    assert_non_null(out);
    print_table(out);
    fclose(out);
    char *table = read_text("delivery-reports.table");
    char *published = read_text(PUBLISHED);
    bool is_there = strstr(published, table) != NULL;
    free(published);
    free(table);
    if (!is_there)
        fail_msg("%s should have the table that is in delivery-reports.table now", PUBLISHED);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(
            every_code_of_librdkafka_is_in_the_table_or_known_to_be_no_error_of_producing),
        cmocka_unit_test(each_code_has_its_verdict_whatever_is_stored),
        cmocka_unit_test(durable_is_only_what_has_no_error_and_is_stored),
        cmocka_unit_test(what_may_be_stored_and_is_not_durable_is_ambiguous),
        cmocka_unit_test(a_code_nobody_knows_is_a_failure_of_which_nobody_knows),
        cmocka_unit_test(the_published_table_is_this_one),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
