/* `subscriptions list` and `subscriptions show`: what the registry says of each subscription, and
 * when its callbacks came. */
#pragma once

#include "bridge/cli/command.h"

extern const struct command subscriptions_list_command;
extern const struct command subscriptions_show_command;
