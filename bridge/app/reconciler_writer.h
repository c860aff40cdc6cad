/* The port through which passes write to the registry: each partition's fenced writer has a thread
 * of its own, and the commits that wait for it share a transaction. */
#pragma once

#include "bridge/app/task_loop.h"
#include "bridge/base/keyring.h"
#include "bridge/kafka/fenced_writer.h"
#include "bridge/reconciler/registry_writer.h"

struct reconciler_writer;

/* Texts and cluster are borrowed until the end. All functions are called in the loop's thread. */
struct reconciler_writer_options {
    struct task_loop *loop; /* the passes' */
    const struct cluster *cluster;
    const char *topic;
    void *ctx; /* for all of these */
    /* Of registry_writer. */
    bool (*may_act)(void *ctx, const char *account);
    /* The partition of the account's records. */
    int32_t (*partition_of)(void *ctx, const char *account);
    /* Every earlier writer of the partition is fenced. */
    void (*on_claimed)(void *ctx, int32_t partition);
    /* The partition's writer will never write again; close it. */
    void (*on_lost)(void *ctx, int32_t partition, const struct diag *why);
};

/* Takes its own reference of the keyring.
 * Owns:   on STATUS_OK the caller frees *ret with reconciler_writer_free(). Errors: STATUS_NOMEM.
 */
enum status reconciler_writer_new(const struct reconciler_writer_options *opt,
                                  const struct keyring *keyring, struct reconciler_writer **ret)
    MUST_CHECK;

/* Waits for the threads of what was closed; nothing is open any more. Thread: any, once the loop
 * has stopped. */
void reconciler_writer_free(struct reconciler_writer *w);

/* Thread: the loop's, as of all that follows. */

/* Seals with this ring from now on. */
void reconciler_writer_set_keyring(struct reconciler_writer *w, const struct keyring *keyring);

/* Claims the partition, however long that takes; on_claimed or on_lost follows unless it is closed
 * first. Errors: STATUS_NOMEM. */
enum status reconciler_writer_open(struct reconciler_writer *w, int32_t partition) MUST_CHECK;

/* Begins nothing more for the partition. When it returns no claim is under way, unless it took
 * longer than a second; a transaction may be, which the next claim ends. */
void reconciler_writer_close(struct reconciler_writer *w, int32_t partition);

/* The port; borrowed until reconciler_writer_free(). */
const struct registry_writer *reconciler_writer_port(struct reconciler_writer *w);
