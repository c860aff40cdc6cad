/* The registry topic, followed: its records become the routes that the ingress finds. */
#pragma once

#include "bridge/kafka/compacted_topic.h"
#include "bridge/ops/metrics.h"

struct provider;
struct registry;
struct route_index;
struct settings;

struct registry_feed;

/* Texts, index and metrics are borrowed, and outlive the feed. */
struct registry_feed_options {
    const struct cluster *cluster;
    const char *topic;
    bool any_settings; /* as compacted_topic_options has it */
    const struct settings
        *snapshot; /* whose spool.directory has the snapshot; NULL: none is kept */
    const char *keyring_file;
    const char *route_key_file;
    const struct provider *const *providers; /* NULL-terminated */
    struct metrics *metrics;
};

/* Reads the key files; no record is read before registry_feed_start().
 * Owns:   on STATUS_OK the caller frees *ret with registry_feed_free().
 * Errors: STATUS_INVALID a key file is faulty, diag says where. STATUS_NOMEM.
 */
enum status registry_feed_new(const struct registry_feed_options *opt, struct registry_feed **ret,
                              struct diag *diag) MUST_CHECK;

/* Where its routes are found; borrowed until registry_feed_free(). Thread: any. */
struct route_index *registry_feed_index(struct registry_feed *f);

/* Starts to read the topic, and goes on until registry_feed_stop(); the brokers need not be there.
 * `changed` is told of every change. Errors: as compacted_topic_new(). */
enum status registry_feed_start(struct registry_feed *f, struct registry *changed,
                                struct diag *diag) MUST_CHECK;

/* Reads the key files again: other keys, also for records that could not be read so far. The topic
 * is followed through a client of Kafka's changed credentials. Errors: STATUS_INVALID a file is
 * faulty: the former keys stay, diag says where. STATUS_NOMEM. */
enum status registry_feed_reload(struct registry_feed *f, struct diag *diag) MUST_CHECK;

/* Whether the end of every partition was met once, or a snapshot is in force until then; diag says
 * what is missing. Thread: any. */
bool registry_feed_is_loaded(struct registry_feed *f, struct diag *diag);

/* STATUS_OK, or why the topic is not read, or no longer: STATUS_INVALID it is not compact-only, or
 * was resized; STATUS_UNAVAILABLE it is missing. Thread: any. */
enum status registry_feed_refusal(struct registry_feed *f, struct diag *diag);

/* Reads nothing more; what is known stays to be found. */
void registry_feed_stop(struct registry_feed *f);

/* After registry_feed_stop(). */
void registry_feed_free(struct registry_feed *f);
