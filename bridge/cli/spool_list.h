/* `maesn-bridge spool list`: how much waits in the spool for Kafka. */
#pragma once

#include "bridge/cli/command.h"

extern const struct command spool_list_command;
