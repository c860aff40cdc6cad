/* `replay`: dead letters judged by today's parser, and produced to where they belong. */
#pragma once

#include "bridge/cli/command.h"

extern const struct command replay_command;
