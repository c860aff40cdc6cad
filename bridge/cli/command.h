/* A subcommand as data: its options and help in one table, from which parsing and --help are made.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>

#include "bridge/base/status.h"

/* Exit codes. Source: sysexits.h for 64..78; 2 as `terraform plan -detailed-exitcode`. */
enum exit_code {
    EXIT_CODE_FINE = 0,
    EXIT_CODE_FAILURE = 1,
    EXIT_CODE_CHANGES_PENDING = 2,
    EXIT_CODE_USAGE = 64,
    EXIT_CODE_UNAVAILABLE = 69,
    EXIT_CODE_INTERNAL = 70,
    EXIT_CODE_CONFIG = 78,
};

/* What a command ends with that failed, or did not, with this status. */
enum exit_code exit_code_of_status(enum status status);

struct command_option {
    const char *name;     /* without its dashes: "config" */
    const char *argument; /* "FILE"; "FILE..." may be given again; NULL: the option is a flag */
    const char *doc;      /* one sentence, with the default where there is one */
};

/* --config, --output and --help are understood by every command; a table ends with a row without a
 * name. */
struct invocation;

struct command {
    const char *name;     /* "check", "topics plan" */
    const char *operands; /* "FILE..."; "" for none */
    size_t operands_min;
    size_t operands_max;
    const char *summary;                  /* one line of the overview */
    const char *description;              /* paragraphs of --help */
    const struct command_option *options; /* NULL: only those every command has */
    const char *examples;                 /* lines of --help, each "  $ maesn-bridge ..." */
    const char *exit_codes;               /* lines of --help, each "  0  ..." */
    enum exit_code (*run)(const struct invocation *in);
};

/* The value of an option, or NULL when it was not given. `name` is one of the command's: asserts
 * otherwise. */
const char *invocation_value(const struct invocation *in, const char *name);
bool invocation_has(const struct invocation *in, const char *name);

/* The n-th value of an option that may be given again, or NULL. */
const char *invocation_nth_value(const struct invocation *in, const char *name, size_t n);

/* The n-th operand, or NULL. */
const char *invocation_operand(const struct invocation *in, size_t n);

/* --config, default /etc/maesn-bridge/bridge.yaml. */
const char *invocation_config(const struct invocation *in);

/* --output json was given. */
bool invocation_wants_json(const struct invocation *in);

/* Whether stdout is a terminal that wants colour (NO_COLOR unset, TERM not "dumb"). */
bool invocation_wants_colour(const struct invocation *in);

/* Finds the command argv names, parses its options, runs it. `commands` ends with a row without a
 * name. Returns the exit code; a wrong use is told on stderr, with the nearest name, and is
 * EXIT_CODE_USAGE.
 */
enum exit_code command_dispatch(const struct command *const commands[], int argc, char **argv);
