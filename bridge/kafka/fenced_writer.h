/* The one writer of one partition: whoever claims it last, all earlier ones are fenced.
 *
 *     new ──claim──► ready ──write──► ready
 *                      │       └─ fenced, fatal, or nobody knows ──► lost
 *                      └─ (a write that surely was not committed leaves it ready)
 *
 * A lost writer is freed and its partition given up: only who owns the partition anew may claim it
 * again, for a claim by a writer that was fenced would fence its successor.
 */
#pragma once

#include "bridge/base/bytes.h"
#include "bridge/base/diag.h"
#include "bridge/kafka/producer.h"

struct fenced_writer;

/* Copied as far as it is kept. The transactional.id is "{topic}-{partition}". */
struct fenced_writer_options {
    const struct cluster *cluster;
    const char *topic;
    int32_t partition;
};

struct fenced_writer_record {
    struct bytes key;
    struct bytes value; /* data is NULL: a tombstone */
};

/* Makes a writer that has not claimed anything yet.
 * Owns:   on STATUS_OK the caller frees *ret with fenced_writer_free().
 * Errors: STATUS_INVALID librdkafka refuses an option, or a secret file cannot be read.
 * STATUS_NOMEM.
 */
enum status fenced_writer_new(const struct fenced_writer_options *opt, struct fenced_writer **ret,
                              struct diag *diag) MUST_CHECK;
void fenced_writer_free(struct fenced_writer *w);

/* Thread: one call at a time of these. */

/* Fences every earlier writer of the partition; what they had begun is committed or aborted when
 * this returns. Then read the partition to its end (compacted_topic_refresh) before judging by it.
 * Errors: STATUS_UNAVAILABLE not within the time, call again, or it is lost; STATUS_INVALID there
 * is no such partition, or it may not be written to; diag says which.
 */
enum status fenced_writer_claim(struct fenced_writer *w, int64_t until_mono_ms, struct diag *diag)
    MUST_CHECK;

/* Commits all the records in one transaction, or none of them.
 * Errors: STATUS_UNAVAILABLE if the writer is not lost, none was and none will be committed: write
 * again; if it is lost, they may have been. STATUS_INVALID the broker refuses a record for good
 * (its size), none is committed. STATUS_NOMEM none is committed.
 */
enum status fenced_writer_write(struct fenced_writer *w,
                                const struct fenced_writer_record records[], size_t len,
                                int64_t until_mono_ms, struct diag *diag) MUST_CHECK;

/* Whether it will never write again, and why. Thread: any. */
enum fenced_writer_state {
    FENCED_WRITER_LOST = 0, /* a fatal error, or a commit whose end nobody knows */
    FENCED_WRITER_FENCED,   /* lost, because another one has claimed the partition */
    FENCED_WRITER_UNCLAIMED,
    FENCED_WRITER_READY,
};
enum fenced_writer_state fenced_writer_state(const struct fenced_writer *w);
