/* The way of records through the producer: from publish() over lanes and librdkafka to the delivery
 * report, and back into our hands when a broker stops to answer.
 *
 *   publish ──► [held by its lane] ──► [in the client] ──► report: durable ──► finished
 *      │              ▲  │                   │
 *      │              │  └─ time is over ────┼──────────► report: failed ───► finished
 *      ▼              └────── given back ◄───┘
 *   refused: the lane is paused, the topic is missing, the queue is full
 *
 *  transition                          by
 *  publish → held, → in the client     flow_publish (any thread), under the lane's lock
 *  in the client → held, → finished    flow_on_report (delivery thread)
 *  held → in the client, → finished    flow_turn (delivery thread)
 *
 * Invariants:
 *  1. A record that was taken is in exactly one place, and leaves through conclude(), once.
 *  2. What the client holds at a pause and has not sent comes back before anything else is done:
 *     nothing is sent late (rd_kafka_purge is synchronous, and the lane is paused before it).
 *  3. Held records go out in the order in which they were accepted; new ones queue behind them.
 *  4. Only the delivery thread changes a lane's state, `current` and `retiring`.
 *  5. on_done is called with no lock held that publish() takes.
 */
#pragma once

#include "bridge/domain/envelope.h"
#include "bridge/domain/publication.h"
#include "bridge/kafka/instance.h"
#include "bridge/kafka/scout.h"
#include "bridge/ops/metrics.h"

struct flow;

/* Borrowed as far as they are pointers. */
struct flow_options {
    int64_t deadline_ms;
    int64_t stall_ms; /* as in producer_options */
    const struct envelope_options *envelope;
    struct metrics *metrics;
};

enum status flow_new(const struct flow_options *opt, struct flow **ret) MUST_CHECK;

/* When every record is finished. */
void flow_free(struct flow *f);

/* For instance_options and scout_callbacks; ctx is the flow. */
void flow_on_report(void *ctx, void *opaque, rd_kafka_resp_err_t err, rd_kafka_msg_status_t status);
void flow_on_all_brokers_down(void *ctx);
void flow_on_metadata(void *ctx, const struct rd_kafka_metadata *metadata, bool complete);
struct instance *flow_instance(void *ctx);

/* The first instance, of which it takes a reference, and who asks for it. Before anything else. */
void flow_start(struct flow *f, struct instance *in, struct scout *scout);

/* Takes the caller's reference. The delivery thread changes over at its next turn: new records go
 * to this instance, the former one delivers what it holds, for at most the deadline; where a
 * partition is stuck it holds only what it has sent.
 * Thread: any. */
void flow_replace_take(struct flow *f, struct instance *in);

/* Learns topics. Errors: STATUS_NOMEM, STATUS_BUSY too many. Thread: any. */
enum status flow_add_topics(struct flow *f, const char *const *topics, size_t len) MUST_CHECK;

/* Makes the handles of all topics known; in the new instance that is not in the flow yet. */
enum status flow_prepare_instance(struct flow *f, struct instance *in) MUST_CHECK;

/* Waits until the cluster has told about every topic, at most until the instant. Returns whether it
 * has. */
bool flow_wait_for_metadata(struct flow *f, int64_t until_mono_ms);

/* event_sink_publish(). */
enum status flow_publish(struct flow *f, struct publication *pub) MUST_CHECK;

/* Serves delivery reports for at most timeout_ms, then looks after the lanes. Thread: the delivery
 * thread. Returns false when the flow was stopped and every record is finished. */
bool flow_turn(struct flow *f, int timeout_ms);

/* Whether the current instance failed for good. */
bool flow_is_broken(struct flow *f, char *ret_reason, size_t ret_len);

/* Whether a leader answers again, although what it was given on trial was not acknowledged: then
 * the fault may be the instance's, which stays with a former leader when a partition moves to and
 * fro while it follows. A new instance does not.
 * Source: rd_kafka_toppar_leader_update ("leader unchanged, not migrating away from preferred
 * replica") and rd_kafka_toppar_broker_update, rdkafka_topic.c 2.0.2; measured. */
bool flow_is_stuck(const struct flow *f);

/* From now on nothing new is taken; what is not finished at the instant is given up. */
void flow_stop(struct flow *f, int64_t until_mono_ms);
size_t flow_given_up(const struct flow *f);

/* Whether no lane is paused and no topic missing; diag names one. Thread: any. */
bool flow_is_healthy(struct flow *f, struct diag *diag);
