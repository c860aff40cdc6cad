/* `account forget`: what the registry has of an account that is no longer declared, and cannot be
 * cleaned up after. */
#pragma once

#include "bridge/cli/command.h"

extern const struct command account_forget_command;
