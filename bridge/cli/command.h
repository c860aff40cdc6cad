/* A subcommand as data: its options and help in one table, from which parsing, --help, the manual
 * page and the shells' completions are made.
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
    const char *argument; /* "FILE"; "FILE..." may be given again; "FORMAT=text|json" is one of
                             these; NULL: the option is a flag */
    const char *doc;      /* one sentence, with the default where there is one */
};

/* When a command ends with this code. */
struct exit_meaning {
    int code;
    const char *when; /* NULL: behind the last */
};

/* --config, --output and --help are understood by every command; a table ends with a row without a
 * name. */
struct invocation;

struct command {
    const char *name;            /* "check", "topics plan" */
    const char *operands;        /* "FILE...", "[ACCOUNT]"; "" for none */
    const char *operand_choices; /* "a|b|c": what an operand may be; NULL: anything */
    size_t operands_min;
    size_t operands_max;
    const char *summary;                  /* one line of the overview */
    const char *description;              /* paragraphs of --help */
    const struct command_option *options; /* NULL: only those every command has */
    const char *examples;                 /* lines of --help, each "  $ maesn-bridge ..." */
    const struct exit_meaning *exit_codes;
    enum exit_code (*run)(const struct invocation *in);
};

/* The index-th option, the command's own first, then those of every command; NULL behind the last.
 */
const struct command_option *command_option_at(const struct command *command, size_t index);

/* How much of an option's argument is its name: "FORMAT" of "FORMAT=text|json". */
int command_argument_len(const struct command_option *option);

/* What the argument may be, "text|json"; NULL: anything. */
const char *command_argument_choices(const struct command_option *option);

/* Whether the option may be given again. */
bool command_option_is_repeatable(const struct command_option *option);

/* How many of its options are the command's own. */
size_t command_own_options(const struct command *command);

/* The first word of a command of two words, and how long it is; 0 when the name is one word. */
size_t command_group_len(const struct command *command);

/* The table the command was found in. */
const struct command *const *invocation_commands(const struct invocation *in);

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
