/* The accounts topic, as the passes' thread sees it: accounts declared at run time, and requests of
 * commands. */
#pragma once

#include "bridge/app/reconciler_passes.h"
#include "bridge/kafka/compacted_topic.h"

struct reconciler_accounts_topic;

/* Borrowed until the end; the cluster until the stop. */
struct reconciler_accounts_topic_options {
    struct task_loop *loop; /* the passes' */
    const struct cluster *cluster;
    const char *topic;
    bool any_settings; /* as compacted_topic_options has it */
    const struct integration_overrides *overrides;
    struct reconciler_accounts *accounts;
    struct reconciler_passes *passes;
    /* All that was declared before is known. Thread: the loop's. */
    void (*on_known)(void *ctx);
    void *ctx;
};

/* Starts to read. Takes its own reference of the keyring.
 * Owns:   on STATUS_OK the caller stops it with reconciler_accounts_topic_stop() and frees *ret
 * with reconciler_accounts_topic_free(). Errors: as compacted_topic_new(). */
enum status reconciler_accounts_topic_new(const struct reconciler_accounts_topic_options *opt,
                                          const struct keyring *keyring,
                                          struct reconciler_accounts_topic **ret, struct diag *diag)
    MUST_CHECK;

/* As compacted_topic_reload(). Thread: any. */
void reconciler_accounts_topic_reload(struct reconciler_accounts_topic *t);

/* Reads nothing more; the loop still runs. Thread: any but the loop's. */
void reconciler_accounts_topic_stop(struct reconciler_accounts_topic *t);
/* After the loop's stop. */
void reconciler_accounts_topic_free(struct reconciler_accounts_topic *t);

/* Opens records with this ring, also the declarations that could not be read so far. Thread: the
 * loop's. */
void reconciler_accounts_topic_set_keyring(struct reconciler_accounts_topic *t,
                                           const struct keyring *keyring);

/* As reconciler_feed_refusal(). */
enum status reconciler_accounts_topic_refusal(struct reconciler_accounts_topic *t,
                                              struct diag *diag) MUST_CHECK;
