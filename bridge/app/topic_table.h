/* A compacted topic for commands: read to its end, looked at, and changed a partition at a time by
 * who has claimed it. */
#pragma once

#include "bridge/app/topic_rows.h"
#include "bridge/base/arena.h"
#include "bridge/base/diag.h"
#include "bridge/kafka/fenced_writer.h"

struct topic_table;

/* Reads the topic to the end of every partition, however long that takes while records come.
 * cluster is borrowed.
 * Owns:   on STATUS_OK the caller frees *ret with topic_table_close().
 * Errors: STATUS_INVALID it is not compact-only; STATUS_UNAVAILABLE it is missing, or the brokers
 *         are away. STATUS_NOMEM.
 */
enum status topic_table_open(const struct cluster *cluster, const char *topic,
                             struct topic_table **ret, struct diag *diag) MUST_CHECK;
void topic_table_close(struct topic_table *t);

const char *topic_table_topic(const struct topic_table *t);
int32_t topic_table_partitions(const struct topic_table *t);

/* The rows as they are known now; they do not change, and nothing may be asked of the table, until
 * topic_table_unlock(). */
const struct topic_rows *topic_table_lock(struct topic_table *t);
void topic_table_unlock(struct topic_table *t);

/* What a partition is to hold from now on. */
struct topic_changes {
    struct arena *arena;
    struct fenced_writer_record *items;
    size_t len;
    size_t capacity;
};

/* Copies both; a value without data is a tombstone. Errors: STATUS_NOMEM. */
enum status topic_changes_add(struct topic_changes *c, struct bytes key, struct bytes value)
    MUST_CHECK;

/* Decides on the rows of a partition that nobody else may write to any more; they are as they are.
 * What it returns but STATUS_OK ends the change, and nothing is written. */
typedef enum status topic_decide_fn(void *ctx, const struct topic_rows *rows, int32_t partition,
                                    struct topic_changes *ret, struct diag *diag);

/* Claims the partition, so that every earlier writer of it is fenced, reads what it has committed,
 * and commits what is decided, TOPIC_TABLE_BATCH records at a time.
 * Errors: as `decide`. STATUS_BUSY another writer has claimed the partition meanwhile.
 *         STATUS_UNAVAILABLE, STATUS_INVALID, STATUS_NOMEM as fenced_writer_claim() and _write().
 *         *ret_written says how many records surely are committed.
 */
enum status topic_table_change(struct topic_table *t, int32_t partition, topic_decide_fn *decide,
                               void *ctx, size_t *ret_written, struct diag *diag) MUST_CHECK;

/* Records of one transaction: half a megabyte, as a registry's records are. */
#define TOPIC_TABLE_BATCH 500
