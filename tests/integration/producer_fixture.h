/* A producer, its cluster, and publications whose ends are watched. */
#pragma once

#include "bridge/kafka/producer.h"
#include "tests/support/mock_cluster.h"

#define TOPIC "maesn.invoice"
#define DEAD_LETTERS "maesn.dead-letter"

struct fixture {
    struct mock_cluster *cluster;
    struct metrics *metrics;
    struct producer *producer;
    struct producer_options options;
    struct envelope_options envelope;
    int64_t due_in_ms; /* when what is published from now on is due; 0: nobody says */
};

/* What became of one publication. Lives until it is freed, whatever the producer does. */
struct outcome {
    struct publication pub;
    struct record records[32];
    char texts[32][64];
    atomic_int done;     /* how often on_done was called */
    atomic_int status;   /* of the last call */
    atomic_int released; /* how often on_release was called */
    int64_t published_at_mono_ms;
    int64_t done_at_mono_ms;
    enum status accepted; /* of publish */
};

/* A cluster of one broker with TOPIC (4 partitions) and DEAD_LETTERS (1), and a producer that is
 * not started yet. */
void fixture_init(struct fixture *f, unsigned brokers);
void fixture_start(struct fixture *f);

/* Stops the producer and ends everything. Returns how many records the producer gave up. */
size_t fixture_done(struct fixture *f);

/* A publication of records with this key and the values "<value>-<index>", or "<value>" if it is
 * one. */
struct outcome *fixture_publish(struct fixture *f, const char *key, const char *value, size_t len);

/* One record, to a sink that may stand before the producer's. */
struct outcome *fixture_publish_to(struct event_sink *sink, const char *key, const char *value);

/* Waits until on_done was called. Fails the test after timeout_ms. */
enum status outcome_wait(struct outcome *o, int64_t timeout_ms);

/* Waits for the release too, and frees. */
void outcome_free(struct outcome *o);

/* Whether a condition comes true in time; looks every few milliseconds. */
bool eventually(bool (*is_true)(void *ctx), void *ctx, int64_t timeout_ms);
