/* Reads every record of some topics from the beginning, as any subscriber could. */
#pragma once

#include "bridge/base/diag.h"
#include "bridge/domain/record.h"

struct subscriber;

/* A record as it came out of Kafka, where its value may also be none (data == NULL). */
struct arrival {
    struct record record;
    int32_t partition;
    int64_t offset;
};

/* Starts to fetch all partitions of the topics, without a consumer group's coordination.
 * Owns:   on STATUS_OK the caller frees *ret with subscriber_free().
 * Errors: STATUS_UNAVAILABLE librdkafka refused, diag says why. STATUS_NOMEM.
 */
enum status subscriber_new(const char *bootstrap, const char *const topics[], size_t topics_len,
                           int32_t partitions, struct subscriber **ret, struct diag *diag)
    MUST_CHECK;

/* Waits for the next record, and for none longer than this. Returns false when none came.
 * Owns:   *ret is borrowed until the next call.
 * Thread: one at a time.
 */
bool subscriber_poll(struct subscriber *s, int timeout_ms, struct arrival *ret);

void subscriber_free(struct subscriber *s);
