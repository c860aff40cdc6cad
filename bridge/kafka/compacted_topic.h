/* A compacted topic as a table: read whole, then followed. Who keeps the rows is told of each
 * record.
 *
 * Readers are ready at the end of every partition (PARTITION_EOF), never at a queried end offset:
 * that one counts control records and open transactions. Only what was committed is seen.
 */
#pragma once

#include "bridge/base/bytes.h"
#include "bridge/base/diag.h"
#include "bridge/kafka/producer.h"

struct compacted_topic;

struct compacted_topic_record {
    int32_t partition;
    int64_t offset;
    int64_t timestamp_unix_ms; /* the producer's or the broker's, as the topic is set; 0: none */
    struct bytes key;          /* data is NULL: it has none */
    struct bytes value;        /* data is NULL: a tombstone */
};

/* Called by the reader's one thread, one at a time; while one runs nothing is read. */
struct compacted_topic_callbacks {
    void *ctx;
    /* Once, before any record: the topic is there, compact-only, and has so many partitions. */
    void (*on_opened)(void *ctx, int32_t partitions);
    /* Borrowed for the call. In the order of the offsets within a partition; an older record of a
     * key may come before its latest. */
    void (*on_record)(void *ctx, const struct compacted_topic_record *record);
    /* The end of a partition was met: the first time, and then once a refresh. `refresh` is the
     * latest compacted_topic_refresh() that this answers, 0: none; all that was committed before it
     * was asked for has been given. */
    void (*on_end)(void *ctx, int32_t partition, uint64_t refresh);
    /* The end of every partition was met once; called once, after the last one's on_end. */
    void (*on_caught_up)(void *ctx);
    /* The topic cannot be used, or no longer; called once, and nothing comes after it.
     * STATUS_INVALID: it is not compact-only, or has another number of partitions than at first: an
     * operator's error. STATUS_UNAVAILABLE: it is missing, was emptied, or its settings may not be
     * read. STATUS_NOMEM. Brokers that are away are waited for, without an end. */
    void (*on_refused)(void *ctx, enum status status, const struct diag *diag);
};

/* Copied as far as it is kept. */
struct compacted_topic_options {
    const struct cluster *cluster;
    const char *topic;
    bool any_settings; /* the topic's settings are not looked at: for librdkafka's mock cluster */
    struct compacted_topic_callbacks callbacks; /* any function may be NULL */
};

/* Starts reading; the brokers need not be there.
 * Owns:   on STATUS_OK the caller frees *ret with compacted_topic_free().
 * Errors: STATUS_INVALID librdkafka refuses an option, or a secret file cannot be read.
 * STATUS_NOMEM.
 */
enum status compacted_topic_new(const struct compacted_topic_options *opt,
                                struct compacted_topic **ret, struct diag *diag) MUST_CHECK;

/* Looks at the secret and certificate files again: when one has changed and the brokers take what
 * it holds now, reading goes on through a new client, from where it stands; until then through the
 * present one. Thread: any. */
void compacted_topic_reload(struct compacted_topic *t);

/* Stops reading. When it returns no callback runs, and none will. Thread: not from a callback. */
void compacted_topic_free(struct compacted_topic *t);

/* Wants to know the end of the partition anew: on_end(partition, returned number or a later one)
 * follows. For a new owner of the partition, after fenced_writer_claim(). Thread: any. */
uint64_t compacted_topic_refresh(struct compacted_topic *t, int32_t partition);

/* Waits until every partition's end was met once. For commands that read and go.
 * Errors: STATUS_UNAVAILABLE not within the time; or as on_refused was told, with its diag.
 * Thread: not from a callback.
 */
enum status compacted_topic_wait(struct compacted_topic *t, int64_t until_mono_ms,
                                 struct diag *diag) MUST_CHECK;

/* What on_opened and on_refused would be told, asked for at once.
 * Errors: as on_refused; STATUS_UNAVAILABLE also when the brokers are away.
 */
enum status compacted_topic_check(const struct cluster *cluster, const char *topic,
                                  bool any_settings, int32_t *ret_partitions, struct diag *diag)
    MUST_CHECK;
