/* The sandbox of a long-running process: the files it can open, and then the system calls it can
 * make.
 *
 * What the kernel does not have is done without and said once, as the kernel's own advice goes: an
 * outage is worse than a process that is protected as it was on the day before.
 * Source: "Good practices" in Documentation/userspace-api/landlock.rst of Linux.
 */
#pragma once

#include "bridge/app/configuration.h"

enum confinement_mode {
    CONFINEMENT_ENFORCE = 0,
    CONFINEMENT_WARN,
    CONFINEMENT_OFF,
};

struct confinement {
    enum confinement_mode mode;
    unsigned uses;        /* of enum system_call_use */
    int landlock_version; /* of what is in force; 0: files are not confined */
};

/* What these settings ask for. */
struct confinement confinement_wanted(const struct settings *s);

/* From now on only the directories of what was read, the spool, and what the C library and OpenSSL
 * look up in the system can be opened. Thread: before any other is started. */
void confinement_of_files(struct confinement *c, const struct configuration *configuration);

/* From now on only what a process does that has started can be done. Logs what is in force. */
void confinement_of_calls(const struct confinement *c);
