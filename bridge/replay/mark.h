/* The mark of a dead letter that was replayed: a record of a compacted topic beside the dead
 * letters, committed in one transaction with what the letter became.
 *
 * Why not a consumer group's committed offsets, the usual memory of such a thing: letters that a
 * filter left out, and those that are still not understood, lie between those that were replayed,
 * and a group without members forgets its offsets after a week, when letters of two weeks are still
 * there.
 * Source: kafka.apache.org/documentation, offsets.retention.minutes: 10080.
 */
#pragma once

#include "bridge/base/arena.h"
#include "bridge/base/buf.h"

/* "{dead-letter topic}.replayed"; NULL when memory is short. */
const char *mark_topic(const char *dead_letter_topic, struct arena *a);

/* "3/1042" and its NUL. */
#define MARK_KEY_SIZE 32

/* Partition and offset of the letter: unique in its topic. */
void mark_key(int32_t partition, int64_t offset, char ret[MARK_KEY_SIZE]);

/* Reads mark_key() back. Returns false, with *ret_... untouched, for anything else. */
bool mark_key_read(struct bytes key, int32_t *ret_partition, int64_t *ret_offset);

/* Appends {"version":1,"ce_id":...,"records":1,"replayed_at":...}. Errors: ret->status. */
void mark_value(const char *id, size_t records, int64_t replayed_at_unix_ms, struct buf *ret);

/* Whether the mark is of a letter with this ce_id. It is not where the topic of dead letters was
 * made anew, and another letter has the offset now. Returns false also when memory is short: then
 * the letter counts as not replayed. */
bool mark_is_of(struct bytes value, const char *id);
