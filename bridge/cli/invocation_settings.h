/* The settings that an invocation names, read for a command that runs once. */
#pragma once

#include "bridge/app/configuration.h"
#include "bridge/cli/command.h"

/* For a command that looks at the settings of one process, or of both. */
#define INVOCATION_PROCESS_OPTION                                                                  \
    {                                                                                              \
        "process", "PROCESS=ingress|reconciler",                                                   \
            "Read only what this process reads: the other's files may be elsewhere. Default both." \
    }

/* What that option says. */
enum settings_process invocation_process(const struct invocation *in);

/* Reads the settings of a process; says on stderr what is wrong with them, warnings too.
 * Owns:   the caller ends *ret with configuration_done(), also after an error.
 * Errors: as configuration_load(), whose reasons were told. */
enum status invocation_settings(const struct invocation *in, enum settings_process process,
                                struct configuration *ret) MUST_CHECK;
