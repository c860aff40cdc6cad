/* `account put` and `account delete`: accounts that are declared at run time, in topics.accounts.
 */
#pragma once

#include "bridge/cli/command.h"

extern const struct command account_put_command;
extern const struct command account_delete_command;
