/* An embedded Kafka broker on loopback: librdkafka's mock cluster, real on the wire, in memory
 * only.
 */
#pragma once

#include <stddef.h>

#include "bridge/base/diag.h"

struct broker;

/* Of every topic; also of those that a client makes by asking for them.
 * Source: rdkafka_mock.c, librdkafka 2.0.2: mcluster->defaults.partition_cnt.
 */
#define BROKER_PARTITIONS 4

/* Starts one broker on a free port of 127.0.0.1, in threads of its own, and creates the topics. A
 * partition keeps its last 5 MiB or 100,000 batches and forgets older ones silently.
 * Owns:   on STATUS_OK the caller frees *ret with broker_free(), after every client is gone.
 * Errors: STATUS_UNAVAILABLE it cannot be started or a topic cannot be created; diag says why.
 *         STATUS_NOMEM.
 * Source: rdkafka_mock.c, librdkafka 2.0.2: rd_kafka_mock_partition_new() sets the two bounds.
 */
enum status broker_new(const char *const topics[], size_t topics_len, struct broker **ret,
                       struct diag *diag) MUST_CHECK;

/* "127.0.0.1:38201": what other clients put into bootstrap.servers. Borrowed until broker_free().
 */
const char *broker_bootstrap(const struct broker *b);

void broker_free(struct broker *b);
