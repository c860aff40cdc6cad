/* `registry import`: lines of JSON become sealed records. */
#pragma once

#include "bridge/cli/command.h"

extern const struct command registry_import_command;
