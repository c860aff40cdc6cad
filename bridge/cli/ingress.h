/* `ingress`: the long-running process that takes callbacks to Kafka. */
#pragma once

#include "bridge/cli/command.h"

extern const struct command ingress_command;
