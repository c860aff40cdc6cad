/* How to reach a Kafka cluster: librdkafka's configuration, made of ours. */
#pragma once

#include <librdkafka/rdkafka.h>

#include "bridge/base/crypto.h"
#include "bridge/kafka/producer.h"

/* librdkafka's configuration with the properties that the connection names, and ours where it does
 * not.
 * Owns:   on STATUS_OK the caller hands *ret to rd_kafka_new() or destroys it.
 * Errors: STATUS_INVALID a property is unknown, protected or wrong, or a secret file cannot be
 * read; diag says "kafka.raw.NAME: ...", never a secret. STATUS_NOMEM.
 */
enum status connection_conf(const struct kafka_connection *connection, rd_kafka_conf_t **ret,
                            struct diag *diag) MUST_CHECK;

/* Sets one of our own properties; librdkafka refuses only what is out of its range.
 * Errors: STATUS_INVALID, diag says why.
 */
enum status connection_set(rd_kafka_conf_t *conf, const char *name, const char *value,
                           struct diag *diag) MUST_CHECK;
enum status connection_set_number(rd_kafka_conf_t *conf, const char *name, int64_t value,
                                  struct diag *diag) MUST_CHECK;

/* What the secret and certificate files hold now, so that a change is seen. A file that cannot be
 * read counts as an empty one: librdkafka or connection_conf() names it.
 * Errors: STATUS_NOMEM.
 */
enum status connection_fingerprint(const struct kafka_connection *connection,
                                   uint8_t ret[CRYPTO_SHA256_SIZE]) MUST_CHECK;

/* A copy of the connection that outlives its texts.
 * Owns:   the caller frees *ret with connection_free().
 * Errors: STATUS_NOMEM.
 */
enum status connection_copy(const struct kafka_connection *connection,
                            struct kafka_connection **ret) MUST_CHECK;
void connection_free(struct kafka_connection *connection);
