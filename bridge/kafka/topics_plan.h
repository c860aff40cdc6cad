/* What the bridge wants of its topics, and how that differs from what the cluster has. Pure. */
#pragma once

#include "bridge/base/arena.h"
#include "bridge/base/status.h"

/* What a topic is for decides its settings. */
enum topics_purpose {
    TOPICS_EVENTS = 0,
    TOPICS_DEAD_LETTERS,
    TOPICS_REPLAYED, /* the marks of dead letters that were replayed */
    TOPICS_REGISTRY,
    TOPICS_ACCOUNTS,
    TOPICS_ACTIVITY,
};

struct topics_wish {
    const char *name;
    enum topics_purpose purpose;
};

/* What the command line may say. */
struct topics_sizes {
    int partitions;         /* of a new event topic; 0: TOPICS_PARTITIONS */
    int replication_factor; /* of a new topic; 0: TOPICS_REPLICATION_FACTOR, or one a broker */
};

/* Events keep their order per key, so a topic needs only as many partitions as consumers that share
 * it: six divide among 1, 2, 3 and 6. */
#define TOPICS_PARTITIONS 6

/* With two in-sync replicas demanded, one broker may be away.
 * Source: kafka.apache.org/documentation, "Availability and Durability Guarantees". */
#define TOPICS_REPLICATION_FACTOR 3

/* A topic as the cluster has it. */
struct topics_found {
    const char *name;
    int partitions;
    int replication_factor; /* the smallest of its partitions */
    struct topics_value {
        const char *name;
        const char *value;
    } * values; /* its settings, at least those that are wished for */
    size_t values_len;
};

enum topics_action {
    TOPICS_CREATE = 0,
    TOPICS_ALTER,
};

#define TOPICS_SETTINGS_MAX 10

struct topics_setting {
    const char *name;
    const char *from; /* NULL: it is not there yet */
    const char *to;
};

struct topics_change {
    const char *topic;
    enum topics_action action;
    int partitions;         /* of a creation */
    int replication_factor; /* of a creation */
    struct topics_setting settings[TOPICS_SETTINGS_MAX];
    size_t settings_len;
};

/* Everything lives in the arena. */
struct topics_plan {
    int brokers;
    size_t topics_len; /* wished for */
    struct topics_change *changes;
    size_t changes_len;
    const char **notes; /* sentences: what no change mends */
    size_t notes_len;
};

/* Compares; `found` has only topics that exist, in any order.
 * Owns:   what *ret points to lives in the arena; topics' names are borrowed.
 * Errors: STATUS_NOMEM.
 */
enum status topics_plan_make(const struct topics_wish wishes[], size_t wishes_len,
                             const struct topics_found found[], size_t found_len, int brokers,
                             const struct topics_sizes *sizes, struct arena *a,
                             struct topics_plan *ret) MUST_CHECK;
