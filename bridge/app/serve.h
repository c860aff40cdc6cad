/* A long-running process's main thread: signals, reload on change, the service manager's watchdog.
 */
#pragma once

#include <stddef.h>

#include "bridge/base/diag.h"

struct ingress_process;

/* Blocks the signals that serve_run() waits for, in this thread and all that it starts: call before
 * any thread. */
enum status serve_prepare(struct diag *diag) MUST_CHECK;

/* Serves until SIGTERM or SIGINT, then drains and stops the process; SIGHUP, or a change of a
 * watched file, reloads. A second SIGTERM ends the program at once, with exit code 1. *ret_cut: how
 * many requests were cut at the hard stop. Errors: STATUS_INTERNAL the kernel refuses what it
 * takes; as ingress_process_refusal(). The process was stopped all the same; diag says why.
 */
enum status serve_run(struct ingress_process *process, size_t *ret_cut, struct diag *diag)
    MUST_CHECK;
