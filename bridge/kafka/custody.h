/* The records of one publication while the producer has them: counted down to its one on_done. */
#pragma once

#include "bridge/domain/publication.h"
#include "bridge/kafka/lane.h"

struct custody;
struct topic;

/* One record on its way. Its place is either the client, a lane's held list, or it is finished. */
struct message {
    struct lane_entry entry; /* first: an entry is its message */
    struct custody *custody;
    const struct record *record; /* the publication's, or the dead letter in dead_letter_arena */
    struct topic *topic;
    struct lane *lane;
    struct arena *dead_letter_arena; /* NULL: the record is as the publication has it */
    int64_t accepted_at_mono_us;
    bool ambiguous; /* an attempt may have been stored without our knowing */
    bool is_durable;
};

struct custody {
    struct publication *pub;
    atomic_size_t pending; /* unfinished messages, and one for the publisher until it is through */
    atomic_bool failed;    /* at least one message is not durable */
    atomic_bool refused;   /* of those at least one needs somebody to mend something */
    size_t messages_len;
    struct message messages[];
};

/* Takes a reference of the publication; pending counts every message and the publisher.
 * Returns NULL when memory is short.
 */
struct custody *custody_new(struct publication *pub);

/* When nothing was sent: as if it had never been taken. */
void custody_cancel(struct custody *custody);

/* One message's fate is known, STATUS_OK, STATUS_UNAVAILABLE or STATUS_REFUSED; the last one calls
 * on_done and ends the custody. Counts each by its topic's results, a durable one only then: it is
 * TOPIC_ACKED when all were and were still waited for, TOPIC_AMBIGUOUS otherwise.
 * Thread: any, no lane's lock held. */
void custody_finish(struct message *m, enum status status);

/* The publisher has handed over all messages. */
void custody_finish_publisher(struct custody *custody);
