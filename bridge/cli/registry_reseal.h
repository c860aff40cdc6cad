/* `registry reseal`: every record under the keyring's first key, so that the others can go. */
#pragma once

#include "bridge/cli/command.h"

extern const struct command registry_reseal_command;
