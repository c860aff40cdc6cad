#include "bridge/dev/broker.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>

#include <cmocka.h>
#include <librdkafka/rdkafka.h>

#include "bridge/base/clock.h"
#include "bridge/dev/subscriber.h"

static const char *const topics[] = {"maesn.invoice", "maesn.customer"};

static int start_broker(void **state)
{
    struct diag diag = {{0}};
    struct broker *b = NULL;
    if (broker_new(&b, &diag) != STATUS_OK ||
        broker_create_topics(b, topics, 2, &diag) != STATUS_OK)
        return 1;
    *state = b;
    return 0;
}

static int stop_broker(void **state)
{
    broker_free(*state);
    return 0;
}

/* Any client of Kafka's protocol. */
static rd_kafka_t *client(const struct broker *b)
{
    char why[256];
    rd_kafka_conf_t *conf = rd_kafka_conf_new();
    assert_int_equal(
        rd_kafka_conf_set(conf, "bootstrap.servers", broker_bootstrap(b), why, sizeof(why)),
        RD_KAFKA_CONF_OK);
    rd_kafka_t *rk = rd_kafka_new(RD_KAFKA_PRODUCER, conf, why, sizeof(why));
    assert_non_null(rk);
    return rk;
}

static void produce(rd_kafka_t *rk, const char *topic, const char *key, const char *value)
{
    assert_int_equal(rd_kafka_producev(rk, RD_KAFKA_V_TOPIC(topic),
                                       RD_KAFKA_V_KEY(key, strlen(key)),
                                       RD_KAFKA_V_VALUE((void *)value, strlen(value)),
                                       RD_KAFKA_V_HEADER("ce_id", key, strlen(key)),
                                       RD_KAFKA_V_MSGFLAGS(RD_KAFKA_MSG_F_COPY), RD_KAFKA_V_END),
                     RD_KAFKA_RESP_ERR_NO_ERROR);
    assert_int_equal(rd_kafka_flush(rk, 10000), RD_KAFKA_RESP_ERR_NO_ERROR);
}

static struct subscriber *subscribe(const struct broker *b)
{
    struct diag diag = {{0}};
    struct subscriber *s = NULL;
    assert_int_equal(subscriber_new(broker_bootstrap(b), topics, 2, BROKER_PARTITIONS, &s, &diag),
                     STATUS_OK);
    return s;
}

/* Fails when no record comes within 10 s. */
static struct arrival next(struct subscriber *s)
{
    struct arrival a = {.partition = -1};
    int64_t until = clock_mono_ms() + 10000;
    while (!subscriber_poll(s, 100, &a))
        assert_true(clock_mono_ms() < until);
    return a;
}

static void topics_exist_with_their_partitions(void **state)
{
    struct broker *b = *state;
    assert_memory_equal(broker_bootstrap(b), "127.0.0.1:", 10);
    rd_kafka_t *rk = client(b);
    const struct rd_kafka_metadata *metadata;
    assert_int_equal(rd_kafka_metadata(rk, 1, NULL, &metadata, 10000), RD_KAFKA_RESP_ERR_NO_ERROR);
    assert_int_equal(metadata->topic_cnt, 2);
    for (int i = 0; i < 2; i++)
        assert_int_equal(metadata->topics[i].partition_cnt, BROKER_PARTITIONS);
    rd_kafka_metadata_destroy(metadata);
    rd_kafka_destroy(rk);
}

static void a_topic_that_is_there_already_stays(void **state)
{
    struct broker *b = *state;
    struct diag diag = {{0}};
    assert_int_equal(broker_create_topics(b, topics, 2, &diag), STATUS_OK);
}

static void a_subscriber_sees_what_was_there_before_it_and_what_comes(void **state)
{
    struct broker *b = *state;
    rd_kafka_t *rk = client(b);
    produce(rk, "maesn.invoice", "INVOICE:acme-42", "{\"n\":1}");
    struct subscriber *s = subscribe(b);
    struct arrival a = next(s);
    assert_string_equal(a.record.topic, "maesn.invoice");
    assert_true(bytes_equal(a.record.key, BYTES_LITERAL("INVOICE:acme-42")));
    assert_true(bytes_equal(a.record.value, BYTES_LITERAL("{\"n\":1}")));
    assert_true(bytes_equal(record_header(&a.record, "ce_id"), BYTES_LITERAL("INVOICE:acme-42")));
    assert_int_equal(a.offset, 0);

    produce(rk, "maesn.customer", "CUSTOMER:acme-42", "{\"n\":2}");
    a = next(s);
    assert_string_equal(a.record.topic, "maesn.customer");
    assert_true(bytes_equal(a.record.value, BYTES_LITERAL("{\"n\":2}")));
    subscriber_free(s);
    rd_kafka_destroy(rk);
}

static void each_subscriber_sees_every_record(void **state)
{
    struct broker *b = *state;
    rd_kafka_t *rk = client(b);
    struct subscriber *one = subscribe(b), *other = subscribe(b);
    for (int i = 0; i < 20; i++) {
        char key[16];
        snprintf(key, sizeof(key), "key-%d", i);
        produce(rk, "maesn.invoice", key, "{}");
    }
    for (int i = 0; i < 20; i++) {
        next(one);
        next(other);
    }
    struct arrival a;
    assert_false(subscriber_poll(one, 200, &a));
    subscriber_free(one);
    subscriber_free(other);
    rd_kafka_destroy(rk);
}

static void strange_records_are_read_as_far_as_they_go(void **state)
{
    struct broker *b = *state;
    rd_kafka_t *rk = client(b);
    rd_kafka_headers_t *headers = rd_kafka_headers_new(40);
    for (int i = 0; i < 40; i++)
        assert_int_equal(rd_kafka_header_add(headers, "h", -1, "v", -1), 0);
    assert_int_equal(rd_kafka_producev(rk, RD_KAFKA_V_TOPIC("maesn.invoice"),
                                       RD_KAFKA_V_HEADERS(headers), RD_KAFKA_V_END),
                     RD_KAFKA_RESP_ERR_NO_ERROR);
    assert_int_equal(rd_kafka_flush(rk, 10000), RD_KAFKA_RESP_ERR_NO_ERROR);
    struct subscriber *s = subscribe(b);
    struct arrival a = next(s);
    assert_null(a.record.key.data);
    assert_null(a.record.value.data);
    assert_int_equal(a.record.headers_len, RECORD_HEADERS_MAX);
    subscriber_free(s);
    rd_kafka_destroy(rk);
}

#define BROKER_TEST(name) cmocka_unit_test_setup_teardown(name, start_broker, stop_broker)

int main(void)
{
    const struct CMUnitTest tests[] = {
        BROKER_TEST(topics_exist_with_their_partitions),
        BROKER_TEST(a_topic_that_is_there_already_stays),
        BROKER_TEST(a_subscriber_sees_what_was_there_before_it_and_what_comes),
        BROKER_TEST(each_subscriber_sees_every_record),
        BROKER_TEST(strange_records_are_read_as_far_as_they_go),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
