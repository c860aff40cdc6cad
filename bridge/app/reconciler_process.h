/* The reconciler as a whole: every module built from the settings, in the order they need each
 * other, and taken down in reverse. */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "bridge/app/serve.h"

struct reconciler_process;

/* Starts everything; the group is joined later, when the registry has been read. Logs
 * process.started.
 * Owns:   takes the configuration on every path. On STATUS_OK the caller stops it with
 * reconciler_process_stop() and frees *ret with reconciler_process_free(). Errors: STATUS_INVALID
 * the settings do not fit this process, or a library refuses one. STATUS_UNAVAILABLE a port cannot
 * be bound. STATUS_NOMEM, STATUS_INTERNAL. diag says why. Brokers that are away are no error.
 */
enum status reconciler_process_start_take(struct configuration *configuration,
                                          struct reconciler_process **ret, struct diag *diag)
    MUST_CHECK;

uint16_t reconciler_process_admin_port(const struct reconciler_process *p);

/* Begins no pass from now on, and sets the time for the stop. */
void reconciler_process_drain(struct reconciler_process *p);

/* After reconciler_process_drain(): lets passes under way end, leaves the group; bounded by
 * shutdown.hard_stop_ms from the drain. Returns how many passes were cut: 0 is a clean stop. Logs
 * process.stopped. */
size_t reconciler_process_stop(struct reconciler_process *p);

/* After reconciler_process_stop(). */
void reconciler_process_free(struct reconciler_process *p);

/* How serve_run() deals with it. */
extern const struct served_process reconciler_process_served;
