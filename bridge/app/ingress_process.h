/* The ingress as a whole: every module built from the settings, in the order they need each other,
 * and taken down in reverse. */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "bridge/base/diag.h"

struct ingress_process;
struct configuration;

/* Starts everything; callbacks are served when it returns. Logs process.started.
 * Owns:   takes the configuration on every path. On STATUS_OK the caller stops it with
 * ingress_process_stop() and frees *ret with ingress_process_free(). Errors: STATUS_INVALID the
 * settings do not fit this process, or a library refuses one. STATUS_UNAVAILABLE a port cannot be
 * bound. STATUS_NOMEM, STATUS_INTERNAL. diag says why. Brokers that are away are no error.
 */
enum status ingress_process_start_take(struct configuration *configuration,
                                       struct ingress_process **ret, struct diag *diag) MUST_CHECK;

uint16_t ingress_process_port(const struct ingress_process *p);
uint16_t ingress_process_admin_port(const struct ingress_process *p);

/* Reads the settings' files again: routes, secrets, certificates and the log level change at once
 * and together; a fault in any file leaves everything as it was. Either way it is logged and shows
 * in the metrics.
 */
void ingress_process_reload(struct ingress_process *p);

/* The configuration that was read last, be it in force or refused: what to watch for a change.
 * Borrowed until the next reload.
 */
const struct configuration *ingress_process_read_last(const struct ingress_process *p);

/* Why the process must not go on: the registry's topic cannot be used, and nothing of it was read
 * yet. STATUS_OK: it may. Errors: as registry_feed_refusal(). */
enum status ingress_process_refusal(struct ingress_process *p, struct diag *diag) MUST_CHECK;

/* Whether the loop threads turn: what a watchdog wants to know. */
bool ingress_process_is_alive(struct ingress_process *p);

/* How long ingress_process_drain() should be given before ingress_process_stop(). */
int64_t ingress_process_drain_ms(const struct ingress_process *p);

/* How long after ingress_process_drain() it has stopped at the latest. */
int64_t ingress_process_hard_stop_ms(const struct ingress_process *p);

/* Unready from now on; connections are still accepted, and each answer closes its own. */
void ingress_process_drain(struct ingress_process *p);

/* Stops accepting, lets what is in flight be answered and what is queued be delivered, bounded by
 * shutdown.hard_stop_ms from ingress_process_drain(), which comes first. Returns how many requests
 * were cut: 0 is a clean stop. Logs process.stopped.
 */
size_t ingress_process_stop(struct ingress_process *p);

/* After ingress_process_stop(). */
void ingress_process_free(struct ingress_process *p);
