/* A copy of the registry topic's routes in a file, each record sealed as it is in Kafka: what an
 * ingress knows that starts while Kafka is away.
 *
 * The file is written under another name and renamed when it is durable, so it is whole or not
 * there. What was damaged later shows by a digest, and is not used: no routes are better than some.
 */
#pragma once

#include "bridge/base/bytes.h"
#include "bridge/base/diag.h"

struct snapshot_writer;

/* Begins a file beside `path`, readable by its owner only. The texts are copied.
 * Owns:   on STATUS_OK the caller frees *ret with snapshot_writer_free(), which removes what was
 * not committed.
 * Errors: STATUS_UNAVAILABLE it cannot be written, diag says why. STATUS_NOMEM.
 */
enum status snapshot_writer_new(const char *path, const char *topic, int32_t partitions,
                                int64_t now_unix_ms, struct snapshot_writer **ret,
                                struct diag *diag) MUST_CHECK;
void snapshot_writer_free(struct snapshot_writer *w);

/* Adds a record of this partition; records of a key in their order. value.data is NULL: a
 * tombstone. Errors: STATUS_UNAVAILABLE, STATUS_NOMEM. */
enum status snapshot_writer_add(struct snapshot_writer *w, int32_t partition, struct bytes key,
                                struct bytes value, struct diag *diag) MUST_CHECK;

/* Puts the file in the place of the one before; it survives a power cut when this returns.
 * Errors: STATUS_UNAVAILABLE the one before stays. */
enum status snapshot_writer_commit(struct snapshot_writer *w, struct diag *diag) MUST_CHECK;

/* Borrowed for the call. */
struct snapshot_record {
    int32_t partition;
    int32_t partitions; /* that the topic had */
    struct bytes key;
    struct bytes value; /* data is NULL: a tombstone */
};

/* What on_record returns but STATUS_OK ends the reading. */
typedef enum status snapshot_record_fn(void *ctx, const struct snapshot_record *record);

/* Reads the whole file. Whether it is whole is known only at its end: after an error what was told
 * is to be forgotten.
 * Errors: STATUS_UNAVAILABLE there is no file, or it cannot be read. STATUS_INVALID it is damaged,
 * none of ours, or of another topic; diag says which. STATUS_NOMEM; as on_record.
 */
enum status snapshot_read(const char *path, const char *topic, snapshot_record_fn *on_record,
                          void *ctx, int64_t *ret_written_at_unix_ms, struct diag *diag) MUST_CHECK;
