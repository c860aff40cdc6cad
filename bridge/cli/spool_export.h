/* `maesn-bridge spool export`: the records that wait in the spool, one JSON object a line. */
#pragma once

#include "bridge/cli/command.h"

extern const struct command spool_export_command;
