/* A producer whose records become visible together or not at all: Kafka's transactions. Whoever
 * claims a transactional.id last, all earlier ones are fenced.
 *
 *     new ──claim──► ready ──begin──► open ──put──► open ──commit──► ready
 *                      │               │
 *                      │               └─ (a put or commit that failed ends the transaction: surely
 *                      │                   nothing of it was committed, and it is ready again)
 *                      └─ fenced, fatal, or nobody knows ──► lost
 *
 * A lost one is freed. Who was fenced must not claim again by himself: he would fence his
 * successor.
 */
#pragma once

#include "bridge/base/diag.h"
#include "bridge/domain/record.h"
#include "bridge/kafka/producer.h"

struct transactor;

/* After this long the broker aborts a transaction whose producer has gone; until then consumers
 * that read what is committed wait before its records. */
#define TRANSACTOR_TIMEOUT_MS 10000

/* Owns:   on STATUS_OK the caller frees *ret with transactor_free(). The texts are copied.
 * Errors: STATUS_INVALID librdkafka refuses an option, or a secret file cannot be read.
 * STATUS_NOMEM.
 */
enum status transactor_new(const struct cluster *cluster, const char *transactional_id,
                           struct transactor **ret, struct diag *diag) MUST_CHECK;
void transactor_free(struct transactor *t);

/* Thread: one call at a time of these. */

/* How many partitions the topic has. Asked before the first record, this also makes their leaders
 * known, for which that would wait up to a second. No claim is needed.
 * Source: librdkafka issue 5032 (fixed in 2.10.1).
 * Errors: STATUS_INVALID there is no such topic, or it may not be seen; STATUS_UNAVAILABLE not
 * within a second, or the instant; diag says why.
 */
enum status transactor_look(struct transactor *t, const char *topic, int64_t until_mono_ms,
                            int32_t *ret_partitions, struct diag *diag) MUST_CHECK;

/* Fences every earlier one; what they had begun is committed or aborted when this returns.
 * Errors: STATUS_UNAVAILABLE not within the time, call again, or it is lost. STATUS_INVALID the
 * cluster forbids it.
 */
enum status transactor_claim(struct transactor *t, int64_t until_mono_ms, struct diag *diag)
    MUST_CHECK;

/* Errors: STATUS_UNAVAILABLE it is not ready. */
enum status transactor_begin(struct transactor *t, struct diag *diag) MUST_CHECK;

/* The partition that Java's default partitioner chooses for the key. */
#define TRANSACTOR_PARTITION_OF_KEY (-1)

/* Copied. */
struct transactor_record {
    const char *topic;
    int32_t partition;  /* or TRANSACTOR_PARTITION_OF_KEY */
    struct bytes key;   /* data is NULL: none */
    struct bytes value; /* data is NULL: a tombstone */
    const struct record_header *headers;
    size_t headers_len;
};

/* Adds a record to the open transaction.
 * Errors: the transaction has ended, nothing of it is committed. STATUS_INVALID the record can
 * never be taken (its size). STATUS_UNAVAILABLE; or it is lost.
 */
enum status transactor_put(struct transactor *t, const struct transactor_record *record,
                           struct diag *diag) MUST_CHECK;

/* Commits what was put.
 * Errors: STATUS_UNAVAILABLE if it is not lost, nothing was and nothing will be committed; if it
 * is lost, all may have been. STATUS_INVALID the broker refuses a record for good (its size),
 * nothing is committed.
 */
enum status transactor_commit(struct transactor *t, int64_t until_mono_ms, struct diag *diag)
    MUST_CHECK;

/* Whether it will never commit again, and why. Thread: any. */
enum transactor_state {
    TRANSACTOR_LOST = 0, /* a fatal error, or a commit whose end nobody knows */
    TRANSACTOR_FENCED,   /* lost, because another one has claimed the id */
    TRANSACTOR_UNCLAIMED,
    TRANSACTOR_READY,
};
enum transactor_state transactor_state(const struct transactor *t);
