/* One librdkafka producer instance: what of it the rest of the folder needs. */
#pragma once

#include <librdkafka/rdkafka.h>
#include <stdatomic.h>

#include "bridge/domain/record.h"
#include "bridge/kafka/producer.h"

struct instance;

/* Called in the thread that polls. */
struct instance_callbacks {
    void *ctx;
    /* Each record's one report; opaque is what it was produced with. */
    void (*on_report)(void *ctx, void *opaque, rd_kafka_resp_err_t err,
                      rd_kafka_msg_status_t status);
    void (*on_all_brokers_down)(void *ctx);
};

struct instance_options {
    const struct cluster *cluster;
    int64_t linger_ms;
    bool idempotence;
    int64_t message_timeout_ms; /* after which librdkafka gives a record up by itself */
    struct instance_callbacks callbacks;
};

/* Connects when it is first asked something.
 * Owns:   on STATUS_OK the caller holds one reference of *ret.
 * Errors: STATUS_INVALID an option is wrong or a secret file cannot be read, diag says which.
 * STATUS_NOMEM.
 */
enum status instance_new(const struct instance_options *opt, struct instance **ret,
                         struct diag *diag) MUST_CHECK;

/* Thread: any; the last reference waits for librdkafka's threads, so it is never dropped in a
 * callback, and only when every record has its report. instance_unref(NULL) is fine. */
struct instance *instance_ref(struct instance *in);
void instance_unref(struct instance *in);

rd_kafka_t *instance_handle(const struct instance *in);

/* Whether it failed for good and must be replaced; ret_reason holds at least 256 characters. */
bool instance_is_fatal(const struct instance *in, char *ret_reason, size_t ret_len);

/* Makes the handle of topic number `index`. Errors: STATUS_NOMEM, STATUS_INVALID librdkafka refuses
 * the name. Thread: no other call with this instance at the same time.
 */
enum status instance_add_topic(struct instance *in, size_t index, const char *name) MUST_CHECK;

/* The handle, or NULL. Borrowed while a reference is held. */
rd_kafka_topic_t *instance_topic(const struct instance *in, size_t index);

/* The partition of a key, as Java's default partitioner chooses it.
 * Source: murmur2 of org.apache.kafka.common.utils.Utils, positive, modulo the partitions;
 * librdkafka's murmur2_random is tested against it (rdmurmur2.c, 2.0.2).
 */
int32_t instance_partition(struct bytes key, int32_t partitions);

/* Hands the record over without copying its value, which must live until its report.
 * Returns 0, or why not: then there is no report.
 */
rd_kafka_resp_err_t instance_produce(struct instance *in, size_t topic_index, int32_t partition,
                                     const struct record *r, void *opaque);

/* Calls the callbacks for what has come, after at most timeout_ms. Returns how many events. */
int instance_poll(struct instance *in, int timeout_ms);

/* Takes back what was not sent yet, and with in_flight also what was: their reports are ready for
 * instance_poll() when this returns. */
void instance_purge(struct instance *in, bool in_flight);

/* How many records have no report yet. */
size_t instance_outstanding(const struct instance *in);
