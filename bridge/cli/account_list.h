/* `account list`: every declared account, and where it is declared. */
#pragma once

#include "bridge/cli/command.h"

extern const struct command account_list_command;
