/* `maesn-bridge subscriptions adopt`: a subscription that a person made is taken over. */
#pragma once

#include "bridge/cli/command.h"

extern const struct command subscriptions_adopt_command;
