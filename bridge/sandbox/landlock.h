/* Landlock: from some moment on, a process opens only the files it named before. */
#pragma once

#include <stdint.h>

#include "bridge/base/diag.h"

/* What may be opened, while it is being gathered. */
struct landlock {
    int ruleset_fd;   /* -1: nothing can be gathered */
    uint64_t handled; /* the kinds of access that this kernel can refuse */
};

/* The version of the kernel's interface; 0: it has none, or the boot or a container refuses it.
 * Source: landlock(7); `landlock_abi_version` in include/uapi/linux/landlock.h. */
int landlock_abi(void);

/* Errors: STATUS_UNAVAILABLE landlock_abi() is 0. Owns: the caller ends it with landlock_done(),
 * also after an error. */
enum status landlock_init(struct landlock *l, struct diag *diag) MUST_CHECK;
void landlock_done(struct landlock *l);

/* Lets the file, or the directory with all that is and will be below it, be read. A rule holds for
 * the file and not for its name: whoever expects that a file is replaced names the directory. A
 * path that is not there is left out. Errors: STATUS_UNAVAILABLE the kernel refuses it; diag says
 * why. */
enum status landlock_let_read(struct landlock *l, const char *path, struct diag *diag) MUST_CHECK;

/* As landlock_let_read(), and lets files below it be made, written, renamed and removed. */
enum status landlock_let_write(struct landlock *l, const char *path, struct diag *diag) MUST_CHECK;

/* From now on this thread, and each that it starts, opens nothing else, executes nothing, and gets
 * no privileges by executing. What is open stays so. For good.
 *
 * Errors: STATUS_UNAVAILABLE the kernel refuses; diag says why.
 * Thread: before any other is started, since others are not confined. */
enum status landlock_enforce(struct landlock *l, struct diag *diag) MUST_CHECK;
