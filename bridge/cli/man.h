/* `maesn-bridge man`: the manual pages, made of the tables of commands and settings. */
#pragma once

#include "bridge/cli/command.h"

extern const struct command man_command;
