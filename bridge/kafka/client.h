/* librdkafka instances that are no event producers: a table's reader, its writer, a group's member.
 */
#pragma once

#include <librdkafka/rdkafka.h>

#include "bridge/base/diag.h"
#include "bridge/base/scoped.h"
#include "bridge/kafka/producer.h"

/* cluster_conf() with these properties over it. librdkafka's lines go to the bridge's log from its
 * own threads, so that an instance that nobody polls keeps none of them.
 * Owns, Errors: as cluster_conf().
 */
enum status client_conf(const struct cluster *cluster, const struct cluster_property properties[],
                        size_t len, rd_kafka_conf_t **ret, struct diag *diag) MUST_CHECK;

/* Makes an instance of a configuration, which is consumed.
 * Owns:   on STATUS_OK the caller destroys *ret.
 * Errors: STATUS_INVALID librdkafka refuses the configuration, diag says why.
 */
enum status client_new_take(rd_kafka_type_t type, rd_kafka_conf_t *conf, rd_kafka_t **ret,
                            struct diag *diag) MUST_CHECK;

/* Asks the brokers how many partitions the topic has, and waits for them no longer than timeout_ms.
 * Returns the error of the question, or of the topic itself; *ret may be 0 while it is being made.
 */
rd_kafka_resp_err_t client_partitions_len(rd_kafka_t *rk, rd_kafka_topic_t *topic, int timeout_ms,
                                          int32_t *ret) MUST_CHECK;

/* What is left until the instant, at least 0 and at most max_ms. */
int client_remaining_ms(int64_t until_mono_ms, int max_ms);

/* For CLEANUP; each accepts NULL inside. */
void client_metadata_release(const struct rd_kafka_metadata **metadata);
void client_event_release(rd_kafka_event_t **event);
void client_queue_release(rd_kafka_queue_t **queue);
