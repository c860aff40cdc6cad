/* Every module of a reconciler, built from the settings in the order they need each other, and
 * taken down in reverse; and what they ask of each other. */
#pragma once

#include "bridge/app/cluster_settings.h"
#include "bridge/app/provider_http.h"
#include "bridge/app/reconciler_accounts_topic.h"
#include "bridge/app/reconciler_activity_topic.h"
#include "bridge/app/reconciler_feed.h"
#include "bridge/app/reconciler_token_topic.h"

/* Members are NULL until they are made. */
struct reconciler_modules {
    const struct settings *settings; /* of the start: borrowed to the end */
    struct metrics *metrics;
    bool any_topic_settings;
    enum passes_purpose purpose;
    const char *only_account;             /* of reconciler_passes_options */
    const struct pass_listener *listener; /* likewise */
    int64_t start_within_ms;              /* of provider_http_options; 0: what suits a process */
    /* All that was in the topics before is known: passes of PASSES_PLAN may begin, of the others
     * the group may be joined. NULL: they do. Thread: the loop's. */
    void (*on_known)(void *ctx);
    void (*on_share)(void *ctx, size_t partitions, size_t all); /* of reconciler_feed_options */
    void *ctx;

    /* What is known: the loop's. */
    unsigned topics_known;

    struct cluster_settings cluster;
    struct reconciler_options options;
    const char **bases; /* of the options */
    struct keyring *keyring;
    struct keyring *route_keys;

    struct task_loop *loop;
    struct provider_http *http;
    struct reconciler_accounts *accounts;
    struct reconciler_writer *writer;
    struct reconciler_passes *passes;
    struct reconciler_feed *feed;
    struct reconciler_accounts_topic *accounts_topic;
    struct reconciler_token_topic *token_topic;
    struct reconciler_activity_topic *activity_topic;
};

/* Reads the key files, and starts everything; the group is joined later, when the registry has been
 * read. What stands before `topics_known` is set before, all else is zero.
 * Owns:   the caller ends it with reconciler_modules_stop() and reconciler_modules_done(), also
 * after an error. Errors: STATUS_INVALID a key file is faulty, or the settings do not fit. As those
 * of the modules; diag says why. */
enum status reconciler_modules_start(struct reconciler_modules *m, struct diag *diag) MUST_CHECK;

/* After on_known(): the passes may begin, or the group is joined. Thread: the loop's. */
void reconciler_modules_begin(struct reconciler_modules *m);

/* Puts in force what may change without a restart: declarations, account keys, the API key, the
 * keyring, the route keys, and what Kafka's credentials are read from. Errors: STATUS_INVALID a key
 * file is faulty: all stays as it was. STATUS_NOMEM. */
enum status reconciler_modules_reload(struct reconciler_modules *m, const struct settings *s,
                                      struct diag *diag) MUST_CHECK;

/* Why the process must not go on; STATUS_OK: it may. */
enum status reconciler_modules_refusal(struct reconciler_modules *m, struct diag *diag) MUST_CHECK;

/* Begins no pass from now on. */
void reconciler_modules_drain(struct reconciler_modules *m);

/* Leaves the group and ends all threads. */
void reconciler_modules_stop(struct reconciler_modules *m);
/* After reconciler_modules_stop(). */
void reconciler_modules_done(struct reconciler_modules *m);
