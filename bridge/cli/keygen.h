/* `keygen`: a line for a key file. */
#pragma once

#include "bridge/cli/command.h"

extern const struct command keygen_command;
