/* `reconciler`: the long-running process that keeps the subscriptions as declared. */
#pragma once

#include "bridge/cli/command.h"

extern const struct command reconciler_command;
