/* The hash by which Kafka's clients spread keys over partitions. */
#pragma once

#include "bridge/base/bytes.h"

/* Source: Apache Kafka, clients, Utils.murmur2() (3.9). */
uint32_t murmur2(struct bytes key);

/* The partition of a key, as Java's default partitioner and librdkafka's "murmur2" choose it.
 * partitions is at least 1. Source: BuiltInPartitioner.partitionForKey(). */
int32_t murmur2_partition(struct bytes key, int32_t partitions);
