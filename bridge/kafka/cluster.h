/* How to reach a Kafka cluster: librdkafka's configuration, made of ours. */
#pragma once

#include <librdkafka/rdkafka.h>

#include "bridge/base/crypto.h"
#include "bridge/kafka/producer.h"

/* librdkafka's configuration with the properties that the cluster names, and ours where it does
 * not.
 * Owns:   on STATUS_OK the caller hands *ret to rd_kafka_new() or destroys it.
 * Errors: STATUS_INVALID a property is unknown, protected or wrong, or a secret file cannot be
 * read; diag says "kafka.raw.NAME: ...", never a secret. STATUS_NOMEM.
 */
enum status cluster_conf(const struct cluster *cluster, rd_kafka_conf_t **ret, struct diag *diag)
    MUST_CHECK;

/* Sets one of our own properties; librdkafka refuses only what is out of its range.
 * Errors: STATUS_INVALID, diag says why.
 */
enum status cluster_set(rd_kafka_conf_t *conf, const char *name, const char *value,
                        struct diag *diag) MUST_CHECK;
enum status cluster_set_number(rd_kafka_conf_t *conf, const char *name, int64_t value,
                               struct diag *diag) MUST_CHECK;

/* What the secret and certificate files hold now, so that a change is seen. A file that cannot be
 * read counts as an empty one: librdkafka or cluster_conf() names it.
 * Errors: STATUS_NOMEM.
 */
enum status cluster_fingerprint(const struct cluster *cluster, uint8_t ret[CRYPTO_SHA256_SIZE])
    MUST_CHECK;

/* A copy of the cluster that outlives its texts.
 * Owns:   the caller frees *ret with cluster_free().
 * Errors: STATUS_NOMEM.
 */
enum status cluster_copy(const struct cluster *cluster, struct cluster **ret) MUST_CHECK;
void cluster_free(struct cluster *cluster);
