/* What a process that holds secrets does to itself before it does anything else. */
#pragma once

#include "bridge/base/diag.h"

/* No core dumps, no debugger of the same user, no SIGPIPE, files readable by nobody else (umask
 * 077), as many descriptors as the hard limit allows, and memory for secrets that is locked; where
 * it cannot be, that is logged.
 *
 * Errors: STATUS_INTERNAL the kernel refused; diag says what.
 * Thread: before any other is started.
 * Source: setrlimit(2), PR_SET_DUMPABLE in prctl(2): memory is not dumped, and /proc/PID/mem,
 * environ and maps belong to root.
 */
enum status hardening_apply(struct diag *diag) MUST_CHECK;
