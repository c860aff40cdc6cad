/* The settings of a running process: those of its start, from which every module borrows to the
 * end, and those of the latest reload. */
#pragma once

#include "bridge/app/configuration.h"
#include "bridge/ops/metrics.h"

struct live_settings;

/* Registers the metrics that tell of reloads, sets the log level, and logs what was loaded.
 * Owns:   takes the configuration on every path. On STATUS_OK the caller frees *ret with
 * live_settings_free(). Errors: STATUS_NOMEM. */
enum status live_settings_new_take(struct configuration *configuration,
                                   enum settings_process process, struct metrics *metrics,
                                   struct live_settings **ret) MUST_CHECK;
void live_settings_free(struct live_settings *l);

/* Of the start; borrowed until live_settings_free(), its routes and accounts until a reload. */
const struct settings *live_settings_first(const struct live_settings *l);

/* What was read last, in force or refused; borrowed until the next reload. */
const struct configuration *live_settings_read_last(const struct live_settings *l);

/* Reads the files again and has `put_in_force` do what can change without a restart, but for the
 * log level; a fault in any file, or an error of his, leaves everything as it was. Logged either
 * way. Thread: the one that reloads. */
void live_settings_reload(struct live_settings *l,
                          enum status (*put_in_force)(void *ctx, const struct settings *s,
                                                      struct diag *diag),
                          void *ctx);

/* Appends those in force, as settings_print(). Thread: any. */
void live_settings_print(struct live_settings *l, struct buf *ret);
