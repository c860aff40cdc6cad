/* The librdkafka instance that takes another one's place when a secret or certificate file has
 * changed: made of the new files, and not handed over before the brokers talk to it, so that nobody
 * gives up what works for what does not.
 *
 *     none ──successor_want──► wanted ──made──► unproven ──the brokers answer──► handed over: none
 *      ▲                         │                 │ the files changed again: made anew
 *      └── the files are as ◄────┴─────────────────┘
 *          they were made of
 */
#pragma once

#include <librdkafka/rdkafka.h>
#include <stdatomic.h>

#include "bridge/kafka/cluster.h"

struct successor {
    struct cluster *cluster; /* a copy */
    atomic_bool is_wanted;   /* the files may have changed */

    /* The owner's thread. */
    uint8_t present[CRYPTO_SHA256_SIZE]; /* of the files of the instance in use */
    uint8_t made_of[CRYPTO_SHA256_SIZE]; /* of those of the next one */
    rd_kafka_t *next;                    /* NULL: not made yet */
    bool is_looking;                     /* from wanted until handed over, or not needed */
    int64_t look_at_mono_ms;
};

/* How a successor is made: as the instance in use was. */
struct successor_maker {
    void *ctx;
    enum status (*make)(void *ctx, const struct cluster *cluster, rd_kafka_t **ret,
                        struct diag *diag);
};

/* Before the first instance is made of the cluster's files.
 * Owns:   the caller ends it with successor_done(), also after an error. Errors: STATUS_NOMEM. */
enum status successor_init(struct successor *s, const struct cluster *cluster) MUST_CHECK;
void successor_done(struct successor *s);

/* Look at the files again. Thread: any. */
void successor_want(struct successor *s);

/* Looks after it; called every now and then. Returns the instance that is to be used from now on,
 * which is the caller's, or NULL: the present one stays. A look takes half a second at most, and
 * there is one every three seconds. Thread: the owner's. */
rd_kafka_t *successor_take(struct successor *s, const struct successor_maker *maker);
