/* What the commands that look into the registry share: settings, keys, the way to the topics, and
 * how their failures are told. */
#pragma once

#include "bridge/app/cluster_settings.h"
#include "bridge/app/configuration.h"
#include "bridge/app/topic_table.h"
#include "bridge/base/keyring.h"
#include "bridge/cli/command.h"
#include "bridge/registry/registry_key.h"

struct registry_access {
    const char *command; /* "registry export" */
    struct configuration configuration;
    const struct settings *settings;
    struct cluster_settings cluster;
    struct keyring *keyring;
};

/* Reads the configuration, as the reconciler does. Says on stderr what is wrong with it; warnings
 * too.
 * Owns:   the caller ends *ret with registry_access_done(), also after an error.
 */
enum exit_code registry_access_init(const struct invocation *in, const char *command,
                                    struct registry_access *ret);
void registry_access_done(struct registry_access *x);

/* Says on stderr what failed; returns its exit code. */
enum exit_code registry_access_fail(const struct registry_access *x, enum status status,
                                    const struct diag *diag);

/* Where the account is declared in the files, which count more; NULL: it is not. */
const struct account *registry_access_find_in_files(const struct registry_access *x,
                                                    const char *account);

/* Reads the topic to its end, and makes sure that it was never resized.
 * Errors: as topic_table_open(); STATUS_INVALID a record is not in its account's partition. */
enum status registry_access_open(const struct registry_access *x, const char *topic,
                                 struct topic_table **ret, struct diag *diag) MUST_CHECK;

/* How many reconcilers are in the group, or commands that do their work.
 * Errors: STATUS_UNAVAILABLE, STATUS_NOMEM. */
enum status registry_access_members(const struct registry_access *x, size_t *ret, struct diag *diag)
    MUST_CHECK;

/* Makes sure that no reconciler runs.
 * Errors: STATUS_BUSY one does, diag says so. STATUS_UNAVAILABLE, STATUS_NOMEM. */
enum status registry_access_alone(const struct registry_access *x, struct diag *diag) MUST_CHECK;

/* Opens a row's value into ret, which is secret: end it with buf_wipe_done().
 * Errors: as sealed_open(). */
enum status registry_access_unseal(const struct registry_access *x, const char *topic,
                                   const struct topic_row *row, struct buf *ret, struct diag *diag)
    MUST_CHECK;

/* topic_table_change(), again and again while other commands are faster: they fence each other.
 * Errors: as topic_table_change(). */
enum status registry_access_change(struct topic_table *table, int32_t partition,
                                   topic_decide_fn *decide, void *ctx, struct diag *diag)
    MUST_CHECK;

/* Seals a record and adds it to the changes. Errors: as sealed_seal(). */
enum status registry_access_add_sealed(const struct registry_access *x, const char *topic,
                                       struct bytes key, struct bytes json,
                                       struct topic_changes *ret) MUST_CHECK;
