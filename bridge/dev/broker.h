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

/* Starts one broker on a free port of 127.0.0.1, in threads of its own. A partition keeps its last
 * 5 MiB or 100,000 batches and forgets older ones silently. Owns:   on STATUS_OK the caller frees
 * *ret with broker_free(), after every client is gone. Errors: STATUS_UNAVAILABLE it cannot be
 * started, diag says why. STATUS_NOMEM. Source: rdkafka_mock.c, librdkafka 2.0.2:
 * rd_kafka_mock_partition_new() sets the two bounds.
 */
enum status broker_new(struct broker **ret, struct diag *diag) MUST_CHECK;

/* Makes topics of BROKER_PARTITIONS partitions; one that is there already stays as it is.
 * Errors: STATUS_UNAVAILABLE one cannot be made, diag says which and why.
 */
enum status broker_create_topics(struct broker *b, const char *const topics[], size_t topics_len,
                                 struct diag *diag) MUST_CHECK;

/* "127.0.0.1:38201": what other clients put into bootstrap.servers. Borrowed until broker_free().
 */
const char *broker_bootstrap(const struct broker *b);

void broker_free(struct broker *b);
