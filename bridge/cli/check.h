/* `check`: tells everything that is wrong with the configuration. */
#pragma once

#include "bridge/cli/command.h"

extern const struct command check_command;
