/* The ingress as a whole: every module built from the settings, in the order they need each other,
 * and taken down in reverse. */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "bridge/app/serve.h"

struct ingress_process;

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

/* Unready from now on; connections are still accepted, and each answer closes its own. */
void ingress_process_drain(struct ingress_process *p);

/* Stops accepting, lets what is in flight be answered and what is queued be delivered, bounded by
 * shutdown.hard_stop_ms from ingress_process_drain(), which comes first. Returns how many requests
 * were cut: 0 is a clean stop. Logs process.stopped.
 */
size_t ingress_process_stop(struct ingress_process *p);

/* After ingress_process_stop(). */
void ingress_process_free(struct ingress_process *p);

/* How serve_run() deals with it: a reload changes routes, secrets, certificates and the log level
 * at once and together; it must not go on when the registry's topic cannot be used and nothing of
 * it was read yet, as registry_feed_refusal() has it.
 */
extern const struct served_process ingress_process_served;
