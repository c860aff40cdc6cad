#include "bridge/cli/completion.h"

#include <string.h>

#include "bridge/base/scoped.h"
#include "bridge/cli/output.h"

/* --- what all shells need --------------------------------------------------------------------- */

/* Appends "a|b|c" with that between the names. */
static void print_choices(const char *choices, const char *separator, struct buf *ret)
{
    for (;;) {
        size_t len = strcspn(choices, "|");
        buf_append(ret, choices, len);
        if (choices[len] == '\0')
            return;
        buf_append_text(ret, separator);
        choices += len + 1;
    }
}

/* Appends the first sentence, without its full stop, for a place between single quotes: a backslash
 * goes before each of `escaped`, `quote` stands for a single quote. */
static void print_summary(const char *text, const char *escaped, const char *quote, struct buf *ret)
{
    for (; *text != '\0'; text++) {
        if (text[0] == '.' && (text[1] == ' ' || text[1] == '\0'))
            return;
        if (text[0] == '\'') {
            buf_append_text(ret, quote);
            continue;
        }
        if (strchr(escaped, text[0]) != NULL)
            buf_append_text(ret, "\\");
        buf_append(ret, text, 1);
    }
}

static bool is_file(const char *argument)
{
    return argument != NULL && strstr(argument, "FILE") != NULL;
}

/* The name behind the group's. */
static const char *member_name(const struct command *command)
{
    size_t group = command_group_len(command);
    return command->name + (group == 0 ? 0 : group + 1);
}

static bool is_in_group_of(const struct command *command, const struct command *other)
{
    size_t len = command_group_len(other);
    return command_group_len(command) == len && memcmp(command->name, other->name, len) == 0;
}

/* Whether it is a group's first command, in a table that is sorted by name. */
static bool begins_group(const struct command *const commands[], size_t index)
{
    return command_group_len(commands[index]) > 0 &&
           (index == 0 || !is_in_group_of(commands[index - 1], commands[index]));
}

static size_t group_end(const struct command *const commands[], size_t begin)
{
    size_t end = begin;
    while (commands[end] != NULL && is_in_group_of(commands[end], commands[begin]))
        end++;
    return end;
}

/* Appends the names of the group that begins there, with that between them. */
static void print_members(const struct command *const commands[], size_t begin,
                          const char *separator, struct buf *ret)
{
    for (size_t i = begin; i < group_end(commands, begin); i++)
        buf_printf(ret, "%s%s", i == begin ? "" : separator, member_name(commands[i]));
}

/* Appends the groups' names with that between them. */
static void print_groups(const struct command *const commands[], const char *separator,
                         struct buf *ret)
{
    const char *before = "";
    for (size_t i = 0; commands[i] != NULL; i++) {
        if (!begins_group(commands, i))
            continue;
        buf_printf(ret, "%s%.*s", before, (int)command_group_len(commands[i]), commands[i]->name);
        before = separator;
    }
}

/* --- bash ------------------------------------------------------------------------------------- */

static const char bash_begin[] =
    "# bash completion of maesn-bridge, made by `maesn-bridge completion bash`\n"
    "_maesn_bridge() {\n"
    "    local cur=${COMP_WORDS[COMP_CWORD]} prev=${COMP_WORDS[COMP_CWORD - 1]}\n"
    "    local command=${COMP_WORDS[1]} options= operands= group=\n"
    "    if [[ $cur == = ]]; then\n"
    "        cur=\n"
    "    elif [[ $prev == = ]]; then\n"
    "        prev=${COMP_WORDS[COMP_CWORD - 2]}\n"
    "    fi\n";

static const char bash_end[] =
    "    if [[ $operands == @files && $cur != -* ]]; then\n"
    "        compopt -o filenames 2>/dev/null\n"
    "        mapfile -t COMPREPLY < <(compgen -f -- \"$cur\")\n"
    "    elif [[ $cur == -* || -z $operands ]]; then\n"
    "        mapfile -t COMPREPLY < <(compgen -W \"$options\" -- \"$cur\")\n"
    "    else\n"
    "        mapfile -t COMPREPLY < <(compgen -W \"$operands\" -- \"$cur\")\n"
    "    fi\n"
    "}\n"
    "complete -F _maesn_bridge maesn-bridge\n";

/* The first word, and the second of a command of two. */
static void bash_commands(const struct command *const commands[], struct buf *ret)
{
    buf_append_text(ret, "    case $command in\n    ");
    print_groups(commands, " | ", ret);
    buf_append_text(ret, ") group=$command command+=\" ${COMP_WORDS[2]}\" ;;\n    esac\n"
                         "    if ((COMP_CWORD == 1)); then\n        operands=\"");
    for (size_t i = 0; commands[i] != NULL; i++) {
        size_t group = command_group_len(commands[i]);
        if (group == 0)
            buf_printf(ret, "%s ", commands[i]->name);
        else if (begins_group(commands, i))
            buf_printf(ret, "%.*s ", (int)group, commands[i]->name);
    }
    buf_append_text(ret, "\" options=\"--help --version\"\n"
                         "    elif [[ -n $group ]] && ((COMP_CWORD == 2)); then\n"
                         "        options=--help\n        case $group in\n");
    for (size_t i = 0; commands[i] != NULL; i++) {
        if (!begins_group(commands, i))
            continue;
        buf_printf(ret, "        %.*s) operands=\"", (int)command_group_len(commands[i]),
                   commands[i]->name);
        print_members(commands, i, " ", ret);
        buf_append_text(ret, "\" ;;\n");
    }
    buf_append_text(ret, "        esac\n    else\n");
}

static void bash_options(const struct command *command, struct buf *ret)
{
    buf_printf(ret, "        \"%s\") options=\"", command->name);
    for (size_t i = 0; command_option_at(command, i) != NULL; i++)
        buf_printf(ret, "--%s ", command_option_at(command, i)->name);
    buf_append_text(ret, "\" operands=\"");
    if (command->operand_choices != NULL)
        print_choices(command->operand_choices, " ", ret);
    else if (is_file(command->operands))
        buf_append_text(ret, "@files");
    buf_append_text(ret, "\" ;;\n");
}

/* What an option's argument may be; nothing is offered for what is free. */
static void bash_argument(const struct command_option *option, const char *command, struct buf *ret)
{
    if (option->argument == NULL)
        return;
    if (command == NULL)
        buf_printf(ret, "        *\" --%s\") ", option->name);
    else
        buf_printf(ret, "        \"%s --%s\") ", command, option->name);
    if (command_argument_choices(option) != NULL) {
        buf_append_text(ret, "operands=\"");
        print_choices(command_argument_choices(option), " ", ret);
        buf_append_text(ret, "\" ;;\n");
    } else {
        buf_append_text(ret, is_file(option->argument) ? "operands=@files ;;\n" : "return ;;\n");
    }
}

static void print_bash(const struct command *const commands[], struct buf *ret)
{
    buf_append_text(ret, bash_begin);
    bash_commands(commands, ret);
    buf_append_text(ret, "        case $command in\n");
    for (size_t i = 0; commands[i] != NULL; i++)
        bash_options(commands[i], ret);
    buf_append_text(ret, "        esac\n        case \"$command $prev\" in\n");
    size_t own = 0;
    for (size_t i = 0; commands[i] != NULL; i++) {
        own = command_own_options(commands[i]);
        for (size_t n = 0; n < own; n++)
            bash_argument(command_option_at(commands[i], n), commands[i]->name, ret);
    }
    own = command_own_options(commands[0]);
    for (size_t n = own; command_option_at(commands[0], n) != NULL; n++)
        bash_argument(command_option_at(commands[0], n), NULL, ret);
    buf_append_text(ret, "        esac\n    fi\n");
    buf_append_text(ret, bash_end);
}

/* --- zsh -------------------------------------------------------------------------------------- */

static const char zsh_begin[] =
    "#compdef maesn-bridge\n"
    "# zsh completion of maesn-bridge, made by `maesn-bridge completion zsh`\n"
    "_maesn-bridge() {\n"
    "  local -a commands\n"
    "  local command=$words[2]\n"
    "  integer depth=1\n"
    "  if ((CURRENT == 2)); then\n"
    "    commands=(\n";

static const char zsh_end[] = "  esac\n"
                              "}\n"
                              "if [[ $funcstack[1] == _maesn-bridge ]]; then\n"
                              "  _maesn-bridge \"$@\"\n"
                              "else\n"
                              "  compdef _maesn-bridge maesn-bridge\n"
                              "fi\n";

/* Characters that mean something to _describe and _arguments. Source: zshcompsys(1). */
static const char zsh_escaped[] = "\\:[]";
static const char zsh_quote[] = "'\\''";

static void zsh_described(const struct command *command, struct buf *ret)
{
    buf_printf(ret, "      '%s:", member_name(command));
    print_summary(command->summary, zsh_escaped, zsh_quote, ret);
    buf_append_text(ret, "'\n");
}

static void zsh_commands(const struct command *const commands[], struct buf *ret)
{
    for (size_t i = 0; commands[i] != NULL; i++) {
        size_t group = command_group_len(commands[i]);
        if (group == 0)
            zsh_described(commands[i], ret);
        if (!begins_group(commands, i))
            continue;
        buf_printf(ret, "      '%.*s:", (int)group, commands[i]->name);
        print_members(commands, i, ", ", ret);
        buf_append_text(ret, "'\n");
    }
    buf_append_text(ret, "    )\n    _describe -t commands command commands\n    return\n  fi\n"
                         "  case $command in\n  (");
    print_groups(commands, "|", ret);
    buf_append_text(ret, ")\n    if ((CURRENT == 3)); then\n      case $command in\n");
    for (size_t i = 0; commands[i] != NULL; i++) {
        if (!begins_group(commands, i))
            continue;
        buf_printf(ret, "      (%.*s) commands=(\n", (int)command_group_len(commands[i]),
                   commands[i]->name);
        for (size_t member = i; member < group_end(commands, i); member++)
            zsh_described(commands[member], ret);
        buf_append_text(ret, "      ) ;;\n");
    }
    buf_append_text(ret, "      esac\n      _describe -t commands command commands\n"
                         "      return\n    fi\n    command+=\" $words[3]\"\n    depth=2\n    ;;\n"
                         "  esac\n  shift $depth words\n  ((CURRENT -= depth))\n"
                         "  case $command in\n");
}

/* MESSAGE:ACTION of an argument. */
static void zsh_action(const char *argument, const char *choices, struct buf *ret)
{
    argument += argument[0] == '[';
    buf_printf(ret, ":%.*s:", (int)strcspn(argument, "=]"), argument);
    if (choices != NULL) {
        buf_append_text(ret, "(");
        print_choices(choices, " ", ret);
        buf_append_text(ret, ")");
    } else {
        buf_append_text(ret, is_file(argument) ? "_files" : " ");
    }
}

static void zsh_option(const struct command_option *option, struct buf *ret)
{
    buf_printf(ret, " \\\n      '%s--%s%s[", command_option_is_repeatable(option) ? "*" : "",
               option->name, option->argument == NULL ? "" : "=");
    print_summary(option->doc, zsh_escaped, zsh_quote, ret);
    buf_append_text(ret, "]");
    if (option->argument != NULL)
        zsh_action(option->argument, command_argument_choices(option), ret);
    buf_append_text(ret, "'");
}

static void print_zsh(const struct command *const commands[], struct buf *ret)
{
    buf_append_text(ret, zsh_begin);
    zsh_commands(commands, ret);
    for (size_t i = 0; commands[i] != NULL; i++) {
        const struct command *command = commands[i];
        buf_printf(ret, "  (%s%s%s)\n    _arguments", strchr(command->name, ' ') ? "\"" : "",
                   command->name, strchr(command->name, ' ') ? "\"" : "");
        for (size_t n = 0; command_option_at(command, n) != NULL; n++)
            zsh_option(command_option_at(command, n), ret);
        if (command->operands[0] != '\0') {
            buf_append_text(ret, " \\\n      '*");
            zsh_action(command->operands, command->operand_choices, ret);
            buf_append_text(ret, "'");
        }
        buf_append_text(ret, "\n    ;;\n");
    }
    buf_append_text(ret, zsh_end);
}

/* --- fish ------------------------------------------------------------------------------------- */

static const char fish_begin[] =
    "# fish completion of maesn-bridge, made by `maesn-bridge completion fish`\n"
    "function __maesn_bridge_at --description 'Exactly these words stand before the cursor'\n"
    "    set -l words (commandline -opc)\n"
    "    test \"$words[2..]\" = \"$argv\"\n"
    "end\n"
    "function __maesn_bridge_is --description 'The command is this one'\n"
    "    set -l words (commandline -opc)\n"
    "    set -l last (math 1 + (count $argv))\n"
    "    test (count $words) -ge $last\n"
    "    and test \"$words[2..$last]\" = \"$argv\"\n"
    "end\n"
    "complete -c maesn-bridge -f\n"
    "complete -c maesn-bridge -n __maesn_bridge_at -l help -d 'Lists the commands'\n"
    "complete -c maesn-bridge -n __maesn_bridge_at -l version -d 'Names the libraries, too'\n";

static const char fish_escaped[] = "\\";
static const char fish_quote[] = "\\'";

/* A command's line of the overview, once its group's name was typed. */
static void fish_command(const struct command *command, struct buf *ret)
{
    size_t group = command_group_len(command);
    buf_printf(ret, "complete -c maesn-bridge -n '__maesn_bridge_at%s%.*s' -a %s -d '",
               group > 0 ? " " : "", (int)group, command->name, member_name(command));
    print_summary(command->summary, fish_escaped, fish_quote, ret);
    buf_append_text(ret, "'\n");
}

static void fish_option(const struct command *command, const struct command_option *option,
                        struct buf *ret)
{
    buf_printf(ret, "complete -c maesn-bridge -n '__maesn_bridge_is %s' -l %s", command->name,
               option->name);
    if (command_argument_choices(option) != NULL) {
        buf_append_text(ret, " -x -a '");
        print_choices(command_argument_choices(option), " ", ret);
        buf_append_text(ret, "'");
    } else if (option->argument != NULL) {
        buf_append_text(ret, is_file(option->argument) ? " -r -F" : " -x");
    }
    buf_append_text(ret, " -d '");
    print_summary(option->doc, fish_escaped, fish_quote, ret);
    buf_append_text(ret, "'\n");
}

static void fish_operands(const struct command *command, struct buf *ret)
{
    if (command->operand_choices == NULL && !is_file(command->operands))
        return;
    buf_printf(ret, "complete -c maesn-bridge -n '__maesn_bridge_is %s' ", command->name);
    if (command->operand_choices == NULL) {
        buf_append_text(ret, "-F\n");
        return;
    }
    buf_append_text(ret, "-a '");
    print_choices(command->operand_choices, " ", ret);
    buf_append_text(ret, "'\n");
}

static void print_fish(const struct command *const commands[], struct buf *ret)
{
    buf_append_text(ret, fish_begin);
    for (size_t i = 0; commands[i] != NULL; i++) {
        const struct command *command = commands[i];
        size_t group = command_group_len(command);
        if (begins_group(commands, i)) {
            buf_printf(ret, "complete -c maesn-bridge -n __maesn_bridge_at -a %.*s -d '",
                       (int)group, command->name);
            print_members(commands, i, ", ", ret);
            buf_append_text(ret, "'\n");
        }
        fish_command(command, ret);
        for (size_t n = 0; command_option_at(command, n) != NULL; n++)
            fish_option(command, command_option_at(command, n), ret);
        fish_operands(command, ret);
    }
}

/* --- the command ------------------------------------------------------------------------------ */

static enum exit_code completion_run(const struct invocation *in)
{
    static const struct {
        const char *name;
        void (*print)(const struct command *const commands[], struct buf *ret);
    } shells[] = {{"bash", print_bash}, {"zsh", print_zsh}, {"fish", print_fish}};
    CLEANUP(buf_done) struct buf text;
    buf_init(&text, OUTPUT_MAX);
    for (size_t i = 0; i < sizeof(shells) / sizeof(shells[0]); i++)
        if (strcmp(shells[i].name, invocation_operand(in, 0)) == 0)
            shells[i].print(invocation_commands(in), &text);
    return output_write(stdout, &text);
}

const struct command completion_command = {
    .name = "completion",
    .operands = "SHELL",
    .operand_choices = "bash|zsh|fish",
    .operands_min = 1,
    .operands_max = 1,
    .summary = "Print what a shell completes: bash, zsh or fish.",
    .description =
        "Prints a script with which the shell completes commands, options, files and the names an\n"
        "option takes. Installing the program installs it for all three.",
    .examples = "  $ source <(maesn-bridge completion bash)\n"
                "  $ maesn-bridge completion fish > ~/.config/fish/completions/maesn-bridge.fish",
    .exit_codes = (const struct exit_meaning[]){{0, "printed"}, {64, "wrong use"}, {0}},
    .run = completion_run,
};
