/* A topic read once, for commands: partition by partition, from where each begins to the end it has
 * when reading begins. Only what was committed is seen.
 */
#pragma once

#include "bridge/base/diag.h"
#include "bridge/domain/record.h"
#include "bridge/kafka/producer.h"

struct topic_reader;

/* Asks the cluster for the partitions and where each begins and ends.
 * Owns:   on STATUS_OK the caller frees *ret with topic_reader_free().
 * Errors: STATUS_UNAVAILABLE the topic is missing, may not be read, or nobody answers until the
 * instant; diag says which. STATUS_INVALID librdkafka refuses an option. STATUS_NOMEM.
 */
enum status topic_reader_new(const struct cluster *cluster, const char *topic,
                             int64_t until_mono_ms, struct topic_reader **ret, struct diag *diag)
    MUST_CHECK;
void topic_reader_free(struct topic_reader *r);

struct topic_reader_record {
    int32_t partition;
    int64_t offset;
    int64_t timestamp_unix_ms; /* the producer's or the broker's, as the topic is set; 0: none */
    /* Its topic, key, value and headers; a value without data is a tombstone. Of more headers than
     * RECORD_HEADERS_MAX the first are there. */
    struct record record;
};

/* The next record, borrowed until the next call; *ret is NULL behind the last one. Offsets of a
 * partition only grow.
 * Errors: STATUS_BUSY none came until the instant: call again. STATUS_UNAVAILABLE the topic may not
 * be read, or is gone.
 */
enum status topic_reader_next(struct topic_reader *r, int64_t until_mono_ms,
                              const struct topic_reader_record **ret, struct diag *diag) MUST_CHECK;

/* How many offsets there are between the beginnings and the ends, and how many of them are behind
 * the reader. An offset need not have a record. */
uint64_t topic_reader_total(const struct topic_reader *r);
uint64_t topic_reader_passed(const struct topic_reader *r);

int32_t topic_reader_partitions(const struct topic_reader *r);

/* Where the partition begins: older records are gone. INT64_MAX when there is no such partition. */
int64_t topic_reader_beginning(const struct topic_reader *r, int32_t partition);
