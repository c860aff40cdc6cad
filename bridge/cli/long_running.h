/* A subcommand that runs a process until a signal ends it. */
#pragma once

#include "bridge/app/serve.h"
#include "bridge/cli/command.h"

/* Reads the configuration, starts the process, serves it, ends it. What is wrong with the files is
 * printed as `check` does. */
enum exit_code long_running_run(const struct invocation *in, const struct served_process *served);
