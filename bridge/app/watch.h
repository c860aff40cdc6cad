/* Tells when files or directories that were read have changed: what a reload begins with.
 *
 * Directories are watched, not files: editors and `mv` replace a file, and the kubelet replaces the
 * symbolic link `..data` beside it, neither of which a watch on the file itself survives.
 * Bursts become one change. Where the kernel tells nothing (a network file system, a directory that
 * appeared later), a comparison of fingerprints every poll_ms finds the change.
 *
 * Source: inotify(7); the kubelet's AtomicWriter, pkg/volume/util/atomic_writer.go of Kubernetes.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "bridge/base/diag.h"

struct watch;

/* How long it must be quiet after an event, and how long a burst can hold a change back. */
#define WATCH_QUIET_MS 100
#define WATCH_BURST_MAX_MS 500

/* The usual poll_ms. */
#define WATCH_POLL_MS 30000

/* Watches nothing yet.
 * Owns:   on STATUS_OK the caller frees *ret with watch_free().
 * Errors: STATUS_UNAVAILABLE the kernel has no watches left, diag says so. STATUS_NOMEM.
 */
enum status watch_new(int64_t poll_ms, struct watch **ret, struct diag *diag) MUST_CHECK;
void watch_free(struct watch *w);

/* Watches these files and directories (whose entries count) instead of those before; paths are
 * copied, and need not exist. Says at once that something changed when it did so since
 * read_from_unix_ms, the instant before their reading began: else a change between reading and
 * watching would be missed.
 *
 * Errors: STATUS_NOMEM: what was watched before still is.
 */
enum status watch_replace(struct watch *w, const char *const paths[], size_t paths_len,
                          int64_t read_from_unix_ms) MUST_CHECK;

/* A descriptor to poll for reading; then ask watch_changed(). Borrowed until watch_free(). */
int watch_fd(const struct watch *w);

/* Whether there was a change and it has settled; true once for each. Never blocks.
 * Thread: the one that owns the watch.
 */
bool watch_changed(struct watch *w);
