/* `maesn-bridge verify`: a captured request judged offline, with the reason. */
#pragma once

#include "bridge/cli/command.h"

extern const struct command verify_command;
