/* `probe`: a signed test event through the whole path, and how long each hop took. */
#pragma once

#include "bridge/cli/command.h"

extern const struct command probe_command;
