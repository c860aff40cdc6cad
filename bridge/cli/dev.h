/* `maesn-bridge dev`: the main job on a machine with nothing else. */
#pragma once

#include "bridge/cli/command.h"

extern const struct command dev_command;
