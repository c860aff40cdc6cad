/* The topics the producer knows: their partitions, leaders and counters. */
#pragma once

#include "bridge/kafka/lane.h"
#include "bridge/ops/metrics.h"

/* Names are learnt from settings, routes and publications; beyond this many none is added. */
#define TOPIC_MAP_MAX 100000

/* Topics with counters of their own; the others share one series, so that a scrape stays small. */
#define TOPIC_MAP_LABELS_MAX 500

enum topic_result {
    TOPIC_ACKED = 0,
    TOPIC_FAILED,
    TOPIC_AMBIGUOUS, /* its callback was not told that it is durable, yet it may be stored */
};
#define TOPIC_RESULTS 3

struct topic {
    char *name;
    size_t index;           /* in the order of adding; also in each instance */
    struct lane **lanes;    /* each of its own: pointers stay valid */
    size_t lanes_len;       /* allocated; only grows */
    int32_t partitions_len; /* 0: unknown, or the topic is missing */
    bool missing;           /* the cluster says that there is no such topic */
    uint64_t told_in_round; /* of the cluster's answers, the last that named it */
    struct counter *results[TOPIC_RESULTS];
    struct topic *next_in_bucket;
};

#define TOPIC_MAP_BUCKETS 1024

/* Thread: the owner's lock guards all; topics and lanes live until topic_map_done(). */
struct topic_map {
    struct topic **items;
    size_t len;
    size_t capacity;
    struct topic *buckets[TOPIC_MAP_BUCKETS];
    struct metrics *metrics;
};

void topic_map_init(struct topic_map *map, struct metrics *metrics);
void topic_map_done(struct topic_map *map);

struct topic *topic_map_find(const struct topic_map *map, const char *name);

/* Finds or adds. Errors: STATUS_NOMEM; STATUS_BUSY there are TOPIC_MAP_MAX already. */
enum status topic_map_add(struct topic_map *map, const char *name, struct topic **ret) MUST_CHECK;

/* The cluster tells how many partitions there are. Errors: STATUS_NOMEM: the topic stays as it was.
 */
enum status topic_set_partitions(struct topic *topic, int32_t partitions_len) MUST_CHECK;
