/* `topics plan` and `topics apply`: the topics the bridge writes to, in the cluster. */
#pragma once

#include "bridge/cli/command.h"

extern const struct command topics_plan_command;
extern const struct command topics_apply_command;
