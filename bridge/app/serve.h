/* A long-running process's main thread: signals, reload on change, the service manager's watchdog.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "bridge/app/configuration.h"
#include "bridge/app/confinement.h"

/* A kind of process, and what is asked of one. Thread: the main one. */
struct served_process {
    enum settings_process settings; /* it is made of */
    /* Starts everything. Takes the configuration on every path. Errors: diag says why. */
    enum status (*start_take)(struct configuration *configuration, void **ret, struct diag *diag);
    /* Reads the files again; either way it is logged and shows in the metrics. */
    void (*reload)(void *process);
    /* What was read last, in force or refused: what to watch for a change. Borrowed until the next
     * reload. */
    const struct configuration *(*read_last)(const void *process);
    /* Why it must not go on; STATUS_OK: it may. */
    enum status (*refusal)(void *process, struct diag *diag);
    /* Whether its threads turn: what a watchdog wants to know. */
    bool (*is_alive)(void *process);
    /* How long the drained state lasts before the stop, and when it is over at the latest, both
     * from drain(). */
    int64_t (*drain_ms)(const void *process);
    int64_t (*hard_stop_ms)(const void *process);
    void (*drain)(void *process);
    /* Returns how much was cut: 0 is a clean stop. */
    size_t (*stop)(void *process);
    void (*free)(void *process);
};

/* Blocks the signals that serve_run() waits for, in this thread and all that it starts: call before
 * any thread. */
enum status serve_prepare(struct diag *diag) MUST_CHECK;

/* Confines the process's system calls once everything is open, serves until SIGTERM or SIGINT, then
 * drains and stops the process; SIGHUP, or a change of a watched file, reloads. A second SIGTERM
 * ends the program at once, with exit code 1. *ret_cut: how much was cut at the hard stop. Errors:
 * STATUS_INTERNAL the kernel refuses what it takes; as refusal(). The process was stopped all the
 * same; diag says why.
 */
enum status serve_run(const struct served_process *served, void *process,
                      const struct confinement *confinement, size_t *ret_cut, struct diag *diag)
    MUST_CHECK;
