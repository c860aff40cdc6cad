/* librdkafka's mock cluster in a process of its own, so that a test can stop it as it can stop a
 * real broker: SIGSTOP leaves its sockets open and mute. */
#pragma once

#include <stdbool.h>
#include <stdint.h>

struct mock_cluster;

/* The test's main() calls this first: in the cluster's process it does not return. */
void mock_cluster_main_if_asked(int argc, char **argv);

/* Starts this executable again as a cluster. Fails the test when it does not come up. */
struct mock_cluster *mock_cluster_new(unsigned brokers);
void mock_cluster_free(struct mock_cluster *c);

const char *mock_cluster_bootstrap(const struct mock_cluster *c);

/* Partition p is led by broker p % brokers + 1. */
void mock_cluster_create_topic(struct mock_cluster *c, const char *topic, int partitions);

/* As rdkafka_mock.h has them; broker ids begin with 1. */
void mock_cluster_set_leader(struct mock_cluster *c, const char *topic, int partition, int broker);
void mock_cluster_set_down(struct mock_cluster *c, int broker, bool down);
void mock_cluster_set_rtt(struct mock_cluster *c, int broker, int rtt_ms);

/* The broker's next produce request is served at once and answered so much later. */
void mock_cluster_delay_produce(struct mock_cluster *c, int broker, int ms);

/* The next `count` produce requests are answered with this error. */
void mock_cluster_fail_produce(struct mock_cluster *c, int err, int count);

/* Kinds of requests. Source: kafka.apache.org/protocol, "Api Keys". */
enum { API_PRODUCE = 0, API_INIT_PRODUCER_ID = 22, API_END_TXN = 26 };

/* The same of another kind of requests. */
void mock_cluster_fail_requests(struct mock_cluster *c, int api_key, int err, int count);

/* Stops the process in the middle of whatever it does, resp. lets it go on. */
void mock_cluster_freeze(struct mock_cluster *c);
void mock_cluster_thaw(struct mock_cluster *c);

/* How many records with exactly this value are in the topic now. */
unsigned mock_cluster_count(const struct mock_cluster *c, const char *topic, const char *value);

/* The same of one partition; the brokers of the others may be down. */
unsigned mock_cluster_count_in(const struct mock_cluster *c, const char *topic, int partition,
                               const char *value);

/* All records of a topic, as lines "partition key value" in the order of their partition's offsets.
 * The caller frees it. */
char *mock_cluster_dump(const struct mock_cluster *c, const char *topic);
