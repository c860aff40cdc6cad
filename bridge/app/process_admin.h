/* What a process tells of itself: its metrics, its health, its version and its settings, and the
 * admin listener through which they are asked for. */
#pragma once

#include <stdatomic.h>

#include "bridge/app/live_settings.h"
#include "bridge/app/process_status.h"
#include "bridge/ops/admin.h"

/* Members are NULL until they are made. */
struct process_admin {
    struct metrics *metrics;
    struct rejections *rejections;
    struct health *health;
    struct live_settings *live;
    /* its own */
    struct admin *admin;
    struct process_status *status;
    struct buf version;
    atomic_bool draining;
    void *process;
    bool (*is_alive)(void *process);
    int64_t silence_max_ms;
};

/* What every process is asked; borrowed. */
struct process_admin_options {
    struct address listen;
    const char *threads; /* the check's name: what it is that turns or hangs */
    void *process;
    bool (*is_alive)(void *process);
    int64_t silence_max_ms; /* after which is_alive() denies it */
    const struct process_status_source *status;
};

/* Everything but the listener; sets the log level, and logs what was loaded.
 * Owns:   takes the configuration on every path. The caller ends it with process_admin_done(), also
 *         after an error. Errors: STATUS_NOMEM. */
enum status process_admin_init_take(struct process_admin *a, struct configuration *configuration,
                                    enum settings_process process) MUST_CHECK;

/* Adds the checks that every process has, and listens. The process's own checks come before.
 * Errors: as admin_new(). What was begun is ended by process_admin_stop() and _done(). */
enum status process_admin_start(struct process_admin *a, const struct process_admin_options *opt,
                                struct diag *diag) MUST_CHECK;

uint16_t process_admin_port(const struct process_admin *a);

/* Unready from now on. Thread: any. */
void process_admin_drain(struct process_admin *a);

/* Asks nothing of anybody any more: before the modules go that are asked. */
void process_admin_stop(struct process_admin *a);
/* After process_admin_stop(), when nobody counts any more. */
void process_admin_done(struct process_admin *a);
