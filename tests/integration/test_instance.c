/* librdkafka's producer refuses a record at once: what was handed to it stays whole. */
#include "bridge/kafka/instance.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>
#include <librdkafka/rdkafka.h>

#include "tests/support/mock_cluster.h"

#define TOPIC "maesn.invoice"
#define PARTITIONS 4
#define PATIENCE_MS 20000

static void ignore_report(void *ctx, void *opaque, rd_kafka_resp_err_t err,
                          rd_kafka_msg_status_t status)
{
    (void)ctx, (void)opaque, (void)err, (void)status;
}

static void ignore_brokers(void *ctx)
{
    (void)ctx;
}

/* As when the topic was made anew with fewer partitions. It was a crash: librdkafka issue 4627. */
static void
a_record_for_a_partition_that_is_gone_is_refused_and_its_headers_are_freed_once(void **state)
{
    (void)state;
    struct mock_cluster *mock = mock_cluster_new(1);
    mock_cluster_create_topic(mock, TOPIC, PARTITIONS);
    const struct cluster cluster = {
        .brokers = mock_cluster_bootstrap(mock), .sasl_password_file = "", .key_password_file = ""};
    const struct instance_options options = {
        .cluster = &cluster,
        .message_timeout_ms = PATIENCE_MS,
        .callbacks = {.on_report = ignore_report, .on_all_brokers_down = ignore_brokers},
    };
    struct instance *in = NULL;
    struct diag diag = {0};
    assert_int_equal(instance_new(&options, &in, &diag), STATUS_OK);
    assert_int_equal(instance_add_topic(in, 0, TOPIC), STATUS_OK);
    const struct rd_kafka_metadata *metadata = NULL;
    assert_int_equal(
        rd_kafka_metadata(instance_handle(in), 0, instance_topic(in, 0), &metadata, PATIENCE_MS),
        RD_KAFKA_RESP_ERR_NO_ERROR);
    rd_kafka_metadata_destroy(metadata);

    struct record record = {
        .topic = TOPIC, .key = BYTES_LITERAL("key"), .value = BYTES_LITERAL("{}")};
    record_add_header(&record, "ce_id", BYTES_LITERAL("1"));
    record_add_header(&record, "ce_type", BYTES_LITERAL("com.maesn.invoice.created"));
    for (int i = 0; i < 10; i++)
        assert_int_equal(instance_produce(in, 0, PARTITIONS + 1, &record, NULL),
                         RD_KAFKA_RESP_ERR__UNKNOWN_PARTITION);
    instance_unref(in);
    mock_cluster_free(mock);
}

int main(int argc, char **argv)
{
    mock_cluster_main_if_asked(argc, argv);
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(
            a_record_for_a_partition_that_is_gone_is_refused_and_its_headers_are_freed_once),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
