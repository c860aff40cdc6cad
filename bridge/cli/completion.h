/* `maesn-bridge completion`: what shells complete, made of the table of commands. */
#pragma once

#include "bridge/cli/command.h"

extern const struct command completion_command;
