/* `registry export`: the sealed records, opened, as lines of JSON. */
#pragma once

#include "bridge/cli/command.h"

extern const struct command registry_export_command;
