/* The file beside the spool that keeps the registry's routes over a restart: read before the topic
 * is, written again when the topic has changed. */
#pragma once

#include <stdint.h>

#include "bridge/base/diag.h"

struct keyring;
struct provider;
struct route_index;
struct settings;

/* Its name in spool.directory. */
#define REGISTRY_SNAPSHOT_FILE "registry.snapshot"

/* Reads the file into an index of its own, which finds what was known then.
 * Owns:   on STATUS_OK the caller frees *ret with route_index_free().
 * Errors: STATUS_UNAVAILABLE there is none; STATUS_INVALID it cannot be used; diag says why.
 * STATUS_NOMEM.
 */
enum status registry_snapshot_load(const struct settings *s,
                                   const struct provider *const providers[],
                                   const struct keyring *route_keys, const struct keyring *keyring,
                                   struct route_index **ret, int64_t *ret_written_at_unix_ms,
                                   struct diag *diag) MUST_CHECK;

struct registry_snapshot;

/* Starts a thread that writes the file whenever the topic has changed, rarely enough that reading
 * the topic for it costs a hundredth of the time. The settings, which say where the topic and the
 * file are, are borrowed. What goes wrong is logged, and tried again.
 * Owns:   on STATUS_OK the caller frees *ret with registry_snapshot_free().
 * Errors: STATUS_NOMEM.
 */
enum status registry_snapshot_new(const struct settings *s, struct registry_snapshot **ret)
    MUST_CHECK;

/* The topic has changed, or was read to its end for the first time. Thread: any. */
void registry_snapshot_note_change(struct registry_snapshot *x);

/* Waits until the thread has ended: at most a few seconds. */
void registry_snapshot_free(struct registry_snapshot *x);
