#include "bridge/cli/command.h"

#include <assert.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "bridge/app/version.h"
#include "bridge/base/nearest.h"

/* Options and operands one command may have; the largest table has far fewer. */
#define OPTIONS_MAX 24
#define OPERANDS_MAX 16

/* Names that one argument may be. */
#define CHOICES_MAX 16

/* Values of options that are given again. */
#define REPEATED_MAX 32

struct invocation {
    const struct command *const *commands;
    const struct command *command;
    const char
        *values[OPTIONS_MAX]; /* of the option of the same index; "" for a flag that was given */
    struct {
        size_t option;
        const char *value;
    } repeated[REPEATED_MAX]; /* behind that first one, in their order */
    size_t repeated_len;
    const char *operands[OPERANDS_MAX];
    size_t operands_len;
};

enum exit_code exit_code_of_status(enum status status)
{
    switch (status) {
    case STATUS_OK:
        return EXIT_CODE_FINE;
    case STATUS_INVALID:
        return EXIT_CODE_CONFIG;
    case STATUS_UNAVAILABLE:
    case STATUS_REFUSED:
    case STATUS_BUSY:
        return EXIT_CODE_UNAVAILABLE;
    case STATUS_NOMEM:
    case STATUS_UNAUTHENTIC:
    case STATUS_INTERNAL:
        return EXIT_CODE_INTERNAL;
    }
    return EXIT_CODE_INTERNAL;
}

/* Understood by every command, after its own. */
static const struct command_option common_options[] = {
    {"config", "FILE", "The settings. Default /etc/maesn-bridge/bridge.yaml."},
    {"output", "FORMAT=text|json", "\"text\" (default) or \"json\", for programs."},
    {"help", NULL, "Prints this text."},
    {0},
};

size_t command_own_options(const struct command *command)
{
    size_t own = 0;
    while (command->options != NULL && command->options[own].name != NULL)
        own++;
    return own;
}

const struct command_option *command_option_at(const struct command *command, size_t index)
{
    size_t own = command_own_options(command);
    if (index < own)
        return &command->options[index];
    const size_t common = sizeof(common_options) / sizeof(common_options[0]) - 1;
    return index < own + common ? &common_options[index - own] : NULL;
}

static size_t find_option(const struct command *command, const char *name, size_t name_len)
{
    for (size_t i = 0; command_option_at(command, i) != NULL; i++) {
        const char *candidate = command_option_at(command, i)->name;
        if (strlen(candidate) == name_len && memcmp(candidate, name, name_len) == 0)
            return i;
    }
    return SIZE_MAX;
}

int command_argument_len(const struct command_option *option)
{
    return option->argument == NULL ? 0 : (int)strcspn(option->argument, "=");
}

const char *command_argument_choices(const struct command_option *option)
{
    const char *equals = option->argument == NULL ? NULL : strchr(option->argument, '=');
    return equals == NULL ? NULL : equals + 1;
}

bool command_option_is_repeatable(const struct command_option *option)
{
    return option->argument != NULL && strstr(option->argument, "...") != NULL;
}

size_t command_group_len(const struct command *command)
{
    const char *space = strchr(command->name, ' ');
    return space == NULL ? 0 : (size_t)(space - command->name);
}

const struct command *const *invocation_commands(const struct invocation *in)
{
    return in->commands;
}

const char *invocation_value(const struct invocation *in, const char *name)
{
    size_t index = find_option(in->command, name, strlen(name));
    assert(index < OPTIONS_MAX);
    return in->values[index];
}

bool invocation_has(const struct invocation *in, const char *name)
{
    return invocation_value(in, name) != NULL;
}

const char *invocation_nth_value(const struct invocation *in, const char *name, size_t n)
{
    size_t index = find_option(in->command, name, strlen(name));
    assert(index < OPTIONS_MAX);
    if (n == 0)
        return in->values[index];
    for (size_t i = 0; i < in->repeated_len; i++)
        if (in->repeated[i].option == index && --n == 0)
            return in->repeated[i].value;
    return NULL;
}

const char *invocation_operand(const struct invocation *in, size_t n)
{
    return n < in->operands_len ? in->operands[n] : NULL;
}

const char *invocation_config(const struct invocation *in)
{
    const char *given = invocation_value(in, "config");
    return given == NULL ? "/etc/maesn-bridge/bridge.yaml" : given;
}

bool invocation_wants_json(const struct invocation *in)
{
    const char *format = invocation_value(in, "output");
    return format != NULL && strcmp(format, "json") == 0;
}

bool invocation_wants_colour(const struct invocation *in)
{
    const char *no_colour = getenv("NO_COLOR"), *term = getenv("TERM");
    return !invocation_wants_json(in) && isatty(STDOUT_FILENO) == 1 &&
           (no_colour == NULL || no_colour[0] == '\0') && term != NULL && strcmp(term, "dumb") != 0;
}

/* --- help ---------------------------------------------------------------------------------- */

/* Columns of --help: what a terminal has that nobody widened. */
static const size_t help_width = 80;

/* Prints a text as paragraphs, from `column` on, each further line behind `indent` spaces. A
 * newline is a space, unless a newline or a space follows it: then it stays, for paragraphs and
 * lists.
 */
static void print_wrapped(const char *text, size_t column, size_t indent)
{
    const char *gap = "";
    while (*text != '\0') {
        size_t word = strcspn(text, " \n");
        if (gap[0] != '\0' && column + 1 + word > help_width) {
            printf("\n%*s", (int)indent, "");
            column = indent;
            gap = "";
        }
        column += (size_t)printf("%s%.*s", gap, (int)word, text);
        text += word;
        gap = " ";
        if (text[0] == '\n' && (text[1] == '\n' || text[1] == ' ')) {
            size_t kept = strspn(text, "\n ");
            column = (size_t)printf("%.*s", (int)kept, text) - strspn(text, "\n");
            text += kept;
            gap = "";
        } else if (text[0] != '\0') {
            text++;
        }
    }
    putchar('\n');
}

static void print_options(const struct command *command)
{
    const size_t column = 31;
    puts("\nOptions:");
    for (size_t i = 0; command_option_at(command, i) != NULL; i++) {
        const struct command_option *option = command_option_at(command, i);
        char left[64];
        snprintf(left, sizeof(left), "--%s%s%.*s", option->name,
                 option->argument == NULL ? "" : " ", command_argument_len(option),
                 option->argument == NULL ? "" : option->argument);
        printf("  %-28s ", left);
        print_wrapped(option->doc, column, column);
    }
}

static void print_help(const struct command *command)
{
    printf("Usage: maesn-bridge %s [options]%s%s\n\n", command->name,
           command->operands[0] == '\0' ? "" : " ", command->operands);
    print_wrapped(command->description, 0, 0);
    print_options(command);
    if (command->examples != NULL)
        printf("\nExamples:\n%s\n", command->examples);
    if (command->exit_codes != NULL)
        puts("\nExit codes:");
    for (const struct exit_meaning *exit = command->exit_codes; exit != NULL && exit->when != NULL;
         exit++) {
        const size_t column = (size_t)printf("  %-4d", exit->code);
        print_wrapped(exit->when, column, column);
    }
}

/* Whether the name begins with that word and has more; "" stands for all. */
static bool is_member(const struct command *command, const char *group)
{
    size_t len = strlen(group);
    return len == 0 || (strncmp(command->name, group, len) == 0 && command->name[len] == ' ');
}

static void print_commands(const struct command *const commands[], const char *group, FILE *to)
{
    fputs("Commands:\n", to);
    for (size_t i = 0; commands[i] != NULL; i++)
        if (is_member(commands[i], group))
            fprintf(to, "  %-21s %s\n", commands[i]->name, commands[i]->summary);
    fputs("\n`maesn-bridge COMMAND --help` tells more; `maesn-bridge --version` names the "
          "libraries.\n",
          to);
}

static void print_overview(const struct command *const commands[], FILE *to)
{
    fputs("Usage: maesn-bridge COMMAND [options]\n\n"
          "Takes signed accounting webhooks to Kafka: verified at the door, answered 200 only when "
          "durable.\n\n",
          to);
    print_commands(commands, "", to);
}

static void print_group(const struct command *const commands[], const char *group, FILE *to)
{
    fprintf(to, "Usage: maesn-bridge %s COMMAND [options]\n\n", group);
    print_commands(commands, group, to);
}

/* --- parsing ------------------------------------------------------------------------------- */

static enum exit_code usage_error(const struct command *command, const char *what, const char *name,
                                  const char *suggestion)
{
    fprintf(stderr, "maesn-bridge%s%s: %s: %s", command == NULL ? "" : " ",
            command == NULL ? "" : command->name, what, name);
    if (suggestion != NULL)
        fprintf(stderr, " (did you mean \"%s%s\"?)", name[0] == '-' ? "--" : "", suggestion);
    fprintf(stderr, "\nTry `maesn-bridge%s%s --help`.\n", command == NULL ? "" : " ",
            command == NULL ? "" : command->name);
    return EXIT_CODE_USAGE;
}

static const char *nearest_option(const struct command *command, const char *name)
{
    const char *names[OPTIONS_MAX + 1] = {0};
    for (size_t i = 0; command_option_at(command, i) != NULL; i++)
        names[i] = command_option_at(command, i)->name;
    return nearest_name(names, name);
}

/* Whether "a|b|c" has the text among its names. */
static bool is_choice(const char *choices, const char *text)
{
    size_t len = strlen(text);
    for (const char *name = choices; name != NULL; name = strchr(name, '|')) {
        name += name != choices; /* behind the bar */
        if (strcspn(name, "|") == len && memcmp(name, text, len) == 0)
            return true;
    }
    return false;
}

static enum exit_code refuse_choice(const struct command *command, const char *what,
                                    const char *choices, const char *given)
{
    char expected[256], copy[256];
    const char *names[CHOICES_MAX + 1] = {0};
    snprintf(expected, sizeof(expected), "%s is none of %s", what, choices);
    snprintf(copy, sizeof(copy), "%s", choices);
    char *name = copy;
    for (size_t i = 0; i < CHOICES_MAX && name != NULL; i++) {
        char *bar = strchr(name, '|');
        if (bar != NULL)
            *bar = '\0';
        names[i] = name;
        name = bar == NULL ? NULL : bar + 1;
    }
    return usage_error(command, expected, given, nearest_name(names, given));
}

/* Takes the option argv[*at], and its argument; moves *at to the last word taken. */
static enum exit_code take_option(struct invocation *in, int argc, char **argv, int *at)
{
    const char *name = argv[*at] + 2;
    const char *equals = strchr(name, '=');
    size_t name_len = equals == NULL ? strlen(name) : (size_t)(equals - name);
    size_t index = find_option(in->command, name, name_len);
    if (index == SIZE_MAX)
        return usage_error(in->command, "unknown option", argv[*at],
                           nearest_option(in->command, name));

    const struct command_option *option = command_option_at(in->command, index);
    bool is_again = in->values[index] != NULL;
    if (is_again && (!command_option_is_repeatable(option) || in->repeated_len == REPEATED_MAX))
        return usage_error(in->command,
                           command_option_is_repeatable(option) ? "given too often" : "given twice",
                           argv[*at], NULL);
    if (option->argument == NULL && equals != NULL)
        return usage_error(in->command, "takes no value", argv[*at], NULL);
    if (option->argument != NULL && equals == NULL && *at + 1 >= argc)
        return usage_error(in->command, "needs a value", argv[*at], NULL);
    const char *value = option->argument == NULL ? "" : equals != NULL ? equals + 1 : argv[++*at];
    const char *choices = command_argument_choices(option);
    if (choices != NULL && !is_choice(choices, value)) {
        char what[64];
        snprintf(what, sizeof(what), "--%s", option->name);
        return refuse_choice(in->command, what, choices, value);
    }
    if (!is_again) {
        in->values[index] = value;
    } else {
        in->repeated[in->repeated_len].option = index;
        in->repeated[in->repeated_len++].value = value;
    }
    return EXIT_CODE_FINE;
}

static enum exit_code parse(struct invocation *in, int argc, char **argv)
{
    bool only_operands = false;
    for (int at = 0; at < argc; at++) {
        if (!only_operands && strcmp(argv[at], "--") == 0) {
            only_operands = true;
        } else if (!only_operands && strcmp(argv[at], "-h") == 0) {
            in->values[find_option(in->command, "help", 4)] = "";
        } else if (!only_operands && strncmp(argv[at], "--", 2) == 0) {
            enum exit_code code = take_option(in, argc, argv, &at);
            if (code != EXIT_CODE_FINE)
                return code;
        } else if (!only_operands && argv[at][0] == '-' && argv[at][1] != '\0') {
            return usage_error(in->command, "unknown option", argv[at], NULL);
        } else if (in->operands_len == in->command->operands_max) {
            return usage_error(in->command, "unexpected operand", argv[at], NULL);
        } else {
            assert(in->operands_len < OPERANDS_MAX);
            in->operands[in->operands_len++] = argv[at];
        }
    }
    return EXIT_CODE_FINE;
}

static enum exit_code run(const struct command *const commands[], const struct command *command,
                          int argc, char **argv)
{
    struct invocation in = {.commands = commands, .command = command};
    enum exit_code code = parse(&in, argc, argv);
    if (code != EXIT_CODE_FINE)
        return code;
    if (invocation_has(&in, "help")) {
        print_help(command);
        return EXIT_CODE_FINE;
    }
    if (in.operands_len < command->operands_min)
        return usage_error(command, "expected operands", command->operands, NULL);
    for (size_t i = 0; command->operand_choices != NULL && i < in.operands_len; i++)
        if (!is_choice(command->operand_choices, in.operands[i]))
            return refuse_choice(command, command->operands, command->operand_choices,
                                 in.operands[i]);
    return command->run(&in);
}

/* How many words of argv the command's name takes; 0 if argv names another. */
static int match(const struct command *command, int argc, char **argv)
{
    const char *name = command->name;
    int words = 0;
    for (; words < argc; words++) {
        size_t len = strcspn(name, " ");
        if (strlen(argv[words]) != len || memcmp(argv[words], name, len) != 0)
            return 0;
        name += len;
        if (*name == '\0')
            return words + 1;
        name++;
    }
    return 0;
}

/* The first word of commands of two words, alone or with a question for help. */
static bool names_group(const struct command *const commands[], int argc, char **argv)
{
    bool is_asked = argc == 2 && (strcmp(argv[1], "--help") == 0 || strcmp(argv[1], "-h") == 0);
    bool is_group_alone = (argc == 1 || is_asked) && argv[0][0] != '\0';
    for (size_t i = 0; is_group_alone && commands[i] != NULL; i++)
        if (is_member(commands[i], argv[0]))
            return true;
    return false;
}

static enum exit_code unknown_command(const struct command *const commands[], int argc, char **argv)
{
    char given[128];
    bool two_words = argc > 1 && argv[1][0] != '-';
    snprintf(given, sizeof(given), "%s%s%s", argv[0], two_words ? " " : "",
             two_words ? argv[1] : "");
    const char *names[64] = {0};
    for (size_t i = 0; i < 63 && commands[i] != NULL; i++)
        names[i] = commands[i]->name;
    const char *suggestion = nearest_name(names, given);
    if (suggestion == NULL)
        suggestion = nearest_name(names, argv[0]);
    return usage_error(NULL, "unknown command", given, suggestion);
}

enum exit_code command_dispatch(const struct command *const commands[], int argc, char **argv)
{
    if (argc < 2) {
        print_overview(commands, stderr);
        return EXIT_CODE_USAGE;
    }
    argc--;
    argv++;
    if (strcmp(argv[0], "--help") == 0 || strcmp(argv[0], "-h") == 0 ||
        strcmp(argv[0], "help") == 0) {
        print_overview(commands, stdout);
        return EXIT_CODE_FINE;
    }
    if (strcmp(argv[0], "--version") == 0 || strcmp(argv[0], "-V") == 0) {
        version_print();
        return EXIT_CODE_FINE;
    }
    for (size_t i = 0; commands[i] != NULL; i++) {
        int words = match(commands[i], argc, argv);
        if (words > 0)
            return run(commands, commands[i], argc - words, argv + words);
    }
    if (!names_group(commands, argc, argv))
        return unknown_command(commands, argc, argv);
    print_group(commands, argv[0], argc == 2 ? stdout : stderr);
    return argc == 2 ? EXIT_CODE_FINE : EXIT_CODE_USAGE;
}
