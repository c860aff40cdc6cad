/* How long this disk takes to make a write durable: what every commit of the spool waits for. */
#pragma once

#include "bridge/base/diag.h"

/* The median of a few writes of 4 KiB to a file in the directory, each flushed with fdatasync().
 * Takes no longer than max_ms, even if the disk never answers: *ret_seconds is then the time it was
 * given.
 *
 * Errors: STATUS_UNAVAILABLE it could not be measured, diag says why; STATUS_NOMEM. */
enum status flush_time_measure(const char *directory, int max_ms, double *ret_seconds,
                               struct diag *diag) MUST_CHECK;
