/* What a command has to say, written in one go. */
#pragma once

#include <stdio.h>

#include "bridge/base/buf.h"
#include "bridge/base/diag.h"
#include "bridge/cli/command.h"

/* More than the longest document or list of problems, in bytes. */
#define OUTPUT_MAX ((size_t)64 << 20)

/* Returns EXIT_CODE_FAILURE, having said so, when the text is not whole or cannot be written. */
enum exit_code output_write(FILE *to, const struct buf *text);

/* Says that a command failed, and why: "maesn-bridge COMMAND: REASON". Returns its exit code. */
enum exit_code output_failure(const char *command, enum status status, const struct diag *diag);

/* Says so; returns EXIT_CODE_FAILURE. */
enum exit_code output_out_of_memory(void);
