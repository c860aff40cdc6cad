/* `config print` and `config reference`: the settings in force, and those there are. */
#pragma once

#include "bridge/cli/command.h"

extern const struct command config_print_command;
extern const struct command config_reference_command;
