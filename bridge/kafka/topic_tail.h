/* What comes to one partition of a topic from now on, for `probe`: no group, no offsets kept. */
#pragma once

#include "bridge/base/diag.h"
#include "bridge/kafka/producer.h"

struct topic_tail;

/* Asks nobody yet. topic and key are copied.
 * Owns:   on STATUS_OK the caller frees *ret with topic_tail_free().
 * Errors: STATUS_INVALID librdkafka refuses an option. STATUS_NOMEM.
 */
enum status topic_tail_new(const struct cluster *cluster, const char *topic, struct bytes key,
                           struct topic_tail **ret, struct diag *diag) MUST_CHECK;
void topic_tail_free(struct topic_tail *t);

/* Finds the partition that records of the key go to, and reads it to its end: what is produced
 * after STATUS_OK is handed out, and nothing before.
 * Errors: STATUS_BUSY not until the instant: call again. STATUS_UNAVAILABLE the topic is missing,
 * or may not be read; diag says which.
 */
enum status topic_tail_begin(struct topic_tail *t, int64_t until_mono_ms, struct diag *diag)
    MUST_CHECK;

struct topic_tail_record {
    int64_t offset;
    int64_t timestamp_unix_ms; /* the producer's or the broker's, as the topic is set; 0: none */
    struct record record;
};

/* The next record, borrowed until the next call.
 * Errors: STATUS_BUSY none came until the instant: call again. STATUS_UNAVAILABLE the topic may not
 * be read any more, or is gone.
 */
enum status topic_tail_next(struct topic_tail *t, int64_t until_mono_ms,
                            const struct topic_tail_record **ret, struct diag *diag) MUST_CHECK;

/* -1 until topic_tail_begin() found it. */
int32_t topic_tail_partition(const struct topic_tail *t);

/* What librdkafka last complained of: why nothing comes. "" for nothing. Borrowed until the next
 * call. */
const char *topic_tail_trouble(struct topic_tail *t);
