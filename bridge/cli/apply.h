/* `maesn-bridge apply`: what `plan` shows is done. And `subscriptions rotate`, which is a pass that
 * replaces what is there. */
#pragma once

#include "bridge/cli/command.h"

extern const struct command apply_command;
extern const struct command subscriptions_rotate_command;
