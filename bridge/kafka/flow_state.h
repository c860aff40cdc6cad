/* What the files of the flow share: its state, and the steps of a record that both its own way and
 * the turn take. Nobody else includes it. */
#pragma once

#include <pthread.h>

#include "bridge/kafka/custody.h"
#include "bridge/kafka/flow.h"
#include "bridge/kafka/topic_map.h"

struct flow {
    struct flow_options options;
    struct scout *scout;
    struct counter *dead_letters[DEAD_LETTER_REASONS];
    struct histogram *duration;
    struct counter *duplicates; /* acknowledged, and an attempt before may have been stored */
    struct gauge *paused;
    atomic_size_t outstanding; /* records in custody */
    atomic_uint keyless;       /* records without a key, for their turn */
    atomic_size_t paused_len;
    atomic_size_t stuck_len; /* lanes on trial again after one in vain, and not acknowledged */
    atomic_size_t missing_len;
    atomic_size_t given_up;
    atomic_bool all_brokers_down; /* since the last turn */
    atomic_bool is_stopping;
    atomic_llong stop_at_mono_ms;

    pthread_rwlock_t
        lock; /* guards what follows; the delivery thread alone changes the instances */
    struct topic_map map;
    uint64_t metadata_round;  /* counts the cluster's answers */
    struct instance *current; /* NULL before the first */
    struct instance *retiring;

    pthread_mutex_t hand_over_lock; /* guards what follows */
    struct lane *newly_active;
    struct instance *incoming;

    /* The delivery thread's own. */
    struct lane *active;
    int64_t turned_at_mono_ms;
    int64_t missing_asked_at_mono_ms;
    int64_t refresh_asked_at_mono_ms;
    int64_t leaders_asked_at_mono_ms;
    int64_t retiring_since_mono_ms;
    bool has_given_up; /* nothing is sent any more */
};

static inline struct message *message_of(struct lane_entry *entry)
{
    return (struct message *)entry;
}

/* The record's fate is known, as custody_finish() has it: tells its custody, which counts it. */
void flow_record_conclude(struct flow *f, struct message *m, enum status status);

void flow_record_log_failed(const struct message *m, const char *error);

/* Whether nobody waits for the record any more. */
bool flow_record_is_over(const struct flow *f, const struct message *m, int64_t now);

/* The lane's lock is held. The delivery thread looks at the lane from now on. */
void flow_record_activate(struct flow *f, struct lane *lane);

/* The lane's lock and f->lock are held. On an error the entry is in no list. */
rd_kafka_resp_err_t flow_record_put(struct flow *f, struct message *m, int64_t now);

/* Sends the dead letter of a refused record. f->lock is held. Returns false when that cannot be. */
bool flow_record_send_dead_letter(struct flow *f, struct message *m, rd_kafka_resp_err_t err);
