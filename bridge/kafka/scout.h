/* The threads that ask the brokers what the producer must not wait for: who leads which partition,
 * and whether a leader answers at all. Nothing they send writes anything. */
#pragma once

#include <librdkafka/rdkafka.h>

#include "bridge/base/status.h"
#include "bridge/kafka/instance.h"

struct scout;

struct scout_callbacks {
    void *ctx;
    /* The instance to ask with: a reference the caller drops. */
    struct instance *(*instance)(void *ctx);
    /* The cluster's answer; complete: it lists every topic there is. */
    void (*on_metadata)(void *ctx, const struct rd_kafka_metadata *metadata, bool complete);
};

/* Owns:   on STATUS_OK the caller stops it with scout_stop() and frees it with scout_free().
 * Errors: STATUS_NOMEM, also when no thread can be made.
 */
enum status scout_new(const struct scout_callbacks *callbacks, struct scout **ret) MUST_CHECK;

/* Waits for questions under way: at most SCOUT_TIMEOUT_MAX_MS. */
void scout_stop(struct scout *s);
void scout_free(struct scout *s);

/* How long one question may take before another broker, or the same one again, is asked: short, so
 * that a mute broker costs little; twice as long after each silence, since the brokers may just be
 * far away. What else a question without an answer costs, the connection (scout_avoid_contact()),
 * is paid where little is lost by it: a probe is for a partition that has waited for nearly its
 * whole deadline, or after all connections were lost. */
#define SCOUT_TIMEOUT_MIN_MS 250
#define SCOUT_TIMEOUT_MAX_MS 2000

/* Asks soon who leads the topic's partitions. The name is borrowed until scout_stop().
 * Thread: any; never blocks for long. */
void scout_want_metadata(struct scout *s, const char *topic);

/* Waits until something was learnt of the topics, at most until the instant. */
void scout_wait_for_metadata(struct scout *s, int64_t until_mono_ms);

/* Asks soon, and again while it is wanted, whether the leader of this partition answers. */
void scout_want_probe(struct scout *s, int32_t leader, const char *topic, int32_t partition,
                      int64_t now_mono_ms);

/* Sends something to the leader soon, once, unless a probe of it is wanted anyway: nobody learns
 * whether it answers. Waits behind other contacts, and no probe behind it. */
void scout_want_contact(struct scout *s, int32_t leader, const char *topic, int32_t partition,
                        int64_t now_mono_ms);

/* No contact of this leader, though one was wanted or is wanted next: something is on its way
 * there, and that is contact enough. Should it be mute, a question that is not answered in time
 * makes librdkafka close the connection, and what is on its way is sent again: a duplicate, where
 * the leader only paused. Source: rd_kafka_ListOffsetsRequest has the caller's timeout
 * (2.8.0; 2.0.2: socket.timeout.ms), and rd_kafka_broker_timeout_scan goes by socket.max.fails,
 * which is 1; measured with 2.8.0. Questions for metadata have socket.timeout.ms with both. */
void scout_avoid_contact(struct scout *s, int32_t leader, int64_t now_mono_ms);

/* When the latest probe of this leader that was answered, resp. not answered, was sent; 0: none. */
struct scout_findings {
    int64_t answered_at_mono_ms;
    int64_t failed_at_mono_ms;
};
struct scout_findings scout_findings(struct scout *s, int32_t leader);
