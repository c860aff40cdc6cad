/* `maesn-bridge plan`: what the reconciler would do, and why. */
#pragma once

#include "bridge/cli/command.h"

extern const struct command plan_command;
