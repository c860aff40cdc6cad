/* The Kafka sink: librdkafka's producer behind the event_sink port, replaced without a gap when it
 * must be. */
#pragma once

#include "bridge/domain/envelope.h"
#include "bridge/domain/event_sink.h"
#include "bridge/ops/metrics.h"

struct producer;

struct cluster_property {
    const char *name;
    const char *value;
};

/* How to reach the cluster: for the producer and for administration. */
struct cluster {
    const char *brokers;
    const struct cluster_property *raw; /* passes to librdkafka as it is */
    size_t raw_len;
    const char *sasl_password_file; /* "": none */
    const char *key_password_file;  /* of ssl.key.location; "": none */
};

/* Copied by producer_new() as far as it is kept; envelope, metrics and topics are borrowed. */
struct producer_options {
    struct cluster cluster;
    int64_t linger_ms;
    bool idempotence;
    int64_t deadline_ms; /* of a callback: nothing stays in librdkafka's queue much longer */
    int64_t stall_ms;    /* after which a partition that does not acknowledge is paused, and
                            what was not sent is taken back; 0: 80 % of the deadline */
    int64_t prefetch_ms; /* how long a start, and new topics, wait for their metadata at most */
    const char *const *topics; /* whose metadata is fetched ahead */
    size_t topics_len;
    const struct envelope_options
        *envelope; /* for the dead letters of records the broker refuses for good */
    struct metrics *metrics;
};

/* Checks the options by making an instance that never connects.
 * Errors: STATUS_INVALID an option is unknown to librdkafka, protected, or wrong; diag says
 * "kafka.raw.NAME: ...".
 */
enum status cluster_check(const struct cluster *cluster, struct diag *diag) MUST_CHECK;

/* Starts the producer and its threads; fetches metadata ahead for at most prefetch_ms, and starts
 * all the same when the brokers are away.
 *
 * Owns:   on STATUS_OK the caller stops it with producer_stop() and frees *ret with
 *         producer_free().
 * Errors: STATUS_INVALID librdkafka refused an option, or a secret file cannot be read; diag says
 *         which. STATUS_NOMEM.
 */
enum status producer_new(const struct producer_options *opt, struct producer **ret,
                         struct diag *diag) MUST_CHECK;

/* The port; borrowed until producer_free(). */
struct event_sink *producer_sink(struct producer *p);

/* Reads the secret and certificate files again and, when one of them changed, replaces the
 * librdkafka instance: the new one takes new records at once, the old one delivers what it holds.
 * Errors: the old instance goes on, diag says why: STATUS_INVALID a file cannot be used;
 * STATUS_UNAVAILABLE the brokers do not take the new credentials, which is tried again every few
 * seconds. STATUS_NOMEM.
 */
enum status producer_reload(struct producer *p, struct diag *diag) MUST_CHECK;

/* Fetches metadata of further topics ahead, e.g. of routes that came with a reload: for at most
 * prefetch_ms, so it is called before the routes serve. */
void producer_add_topics(struct producer *p, const char *const *topics, size_t topics_len);

/* Whether the brokers acknowledge, as far as is known: for /readyz?verbose. */
bool producer_is_healthy(struct producer *p, struct diag *diag);

/* Delivers what is under way until the instant has come, then gives up the rest: each record still
 * gets its report. Returns how many records were given up.
 */
size_t producer_stop(struct producer *p, int64_t until_mono_ms);

/* After producer_stop(). */
void producer_free(struct producer *p);
