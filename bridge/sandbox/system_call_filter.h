/* seccomp: the system calls that a process may make once it has started.
 *
 * Enforced, what is not allowed does not exist (ENOSYS), as on an older kernel: libraries know how
 * to do without. What only an intruder asks for (another program, another process's memory, a port
 * to listen on, ...) ends the process with SIGSYS. A test mode tells of both and lets them happen.
 */
#pragma once

#include <stddef.h>

#include "bridge/base/diag.h"

/* What a process does beside what each does; any of them together. */
enum system_call_use {
    SYSTEM_CALL_USE_EVERYONE = 1,
    SYSTEM_CALL_USE_SPOOL = 2,
    SYSTEM_CALL_USE_RECONCILER = 4,
};

/* How many calls are allowed, whatever their arguments. */
size_t system_call_filter_allowed(unsigned uses);

/* Confines all threads of the process and those that they start, for good. uses: of enum
 * system_call_use; _EVERYONE need not be named.
 *
 * Errors: STATUS_UNAVAILABLE the kernel refuses, nothing is confined; diag says why. STATUS_NOMEM.
 */
enum status system_call_filter_enforce(unsigned uses, struct diag *diag) MUST_CHECK;

/* Tells of what system_call_filter_enforce() would refuse or punish, by name, the first time that
 * it happens, and lets it happen. tell is called from a thread that is started here and never ends;
 * it may only do what is allowed. Errors: as there. */
enum status system_call_filter_watch(unsigned uses, void (*tell)(const char *name),
                                     struct diag *diag) MUST_CHECK;
