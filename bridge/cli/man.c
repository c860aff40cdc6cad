#include "bridge/cli/man.h"

#include <string.h>

#include "bridge/app/version.h"
#include "bridge/base/roff.h"
#include "bridge/base/scoped.h"
#include "bridge/cli/output.h"
#include "bridge/settings/manual.h"

static const char description[] =
    "Takes signed accounting webhooks of Maesn and Moneybird to Kafka: each callback is verified "
    "over its raw bytes, unified, produced to topics keyed by resource and account, and answered "
    "200 only when its records are durable. Keeps the subscriptions themselves as they are "
    "declared in files.\n"
    "\n"
    "Two commands run for long, `ingress` and `reconciler`; the others are for the people who "
    "operate them.";

static const char files[] =
    "/etc/maesn-bridge/bridge.yaml\0The settings, see maesn-bridge.yaml(5).\0"
    "/etc/maesn-bridge/routes.d/*.yaml\0Routes of webhooks that somebody registered by hand.\0"
    "/etc/maesn-bridge/accounts.d/*.yaml\0The accounts whose subscriptions are kept.\0";

static const char environment[] =
    "NO_COLOR\0Not empty: what is printed to a terminal has no colours.\0"
    "NOTIFY_SOCKET\0The `ingress` and the `reconciler` tell systemd when they are ready, reload "
    "and "
    "stop, see sd_notify(3).\0";

static const char signals[] =
    "SIGTERM, SIGINT\0The `ingress` and the `reconciler` stop: what is in flight is finished, at "
    "most until `shutdown.hard_stop_ms`. A second one ends them at once.\0"
    "SIGHUP\0They read routes, accounts, secrets, certificates and the log level again; a faulty "
    "file changes nothing.\0";

/* Of the form tag NUL text NUL ... NUL. */
static void print_entries(const char *title, const char *entries, struct buf *ret)
{
    roff_macro(ret, "SH", title);
    while (*entries != '\0') {
        const char *text = entries + strlen(entries) + 1;
        roff_entry(ret, entries, "");
        roff_text(ret, text);
        entries = text + strlen(text) + 1;
    }
}

static void print_option(const struct command_option *option, struct buf *ret)
{
    char tag[64], argument[64];
    snprintf(tag, sizeof(tag), "--%s", option->name);
    snprintf(argument, sizeof(argument), "%.*s", command_argument_len(option),
             option->argument == NULL ? "" : option->argument);
    roff_entry(ret, tag, argument);
    roff_text(ret, option->doc);
}

static void print_exit_codes(const struct command *command, struct buf *ret)
{
    buf_append_text(ret, ".PP\nExit codes:\n.PD 0\n");
    for (const struct exit_meaning *exit = command->exit_codes; exit != NULL && exit->when != NULL;
         exit++) {
        char tag[16];
        snprintf(tag, sizeof(tag), "%d", exit->code);
        roff_entry(ret, tag, "");
        roff_text(ret, exit->when);
    }
    buf_append_text(ret, ".PD\n");
}

static void print_command(const struct command *command, struct buf *ret)
{
    char usage[128];
    snprintf(usage, sizeof(usage), "maesn-bridge %s [options]%s%s", command->name,
             command->operands[0] == '\0' ? "" : " ", command->operands);
    roff_macro(ret, "SS", usage);
    roff_text(ret, command->summary);
    buf_append_text(ret, ".PP\n");
    roff_text(ret, command->description);
    for (size_t i = 0; i < command_own_options(command); i++)
        print_option(command_option_at(command, i), ret);
    if (command->exit_codes != NULL)
        print_exit_codes(command, ret);
    if (command->examples != NULL) {
        buf_append_text(ret, ".PP\nExamples:\n");
        roff_lines(ret, command->examples, strlen(command->examples));
    }
}

static void print_program(const struct command *const commands[], const struct roff_title *title,
                          struct buf *ret)
{
    roff_title(ret, title);
    roff_macro(ret, "SH", "NAME");
    buf_append_text(ret, "maesn\\-bridge \\- take signed accounting webhooks to Kafka\n");
    roff_macro(ret, "SH", "SYNOPSIS");
    buf_append_text(ret, ".B maesn\\-bridge\n.I COMMAND\n[options] [operands]\n.br\n"
                         ".B maesn\\-bridge \\-\\-help\n|\n.B \\-\\-version\n");
    roff_macro(ret, "SH", "DESCRIPTION");
    roff_text(ret, description);
    roff_macro(ret, "SH", "OPTIONS");
    roff_text(ret, "Every command takes these:");
    for (size_t i = command_own_options(commands[0]); command_option_at(commands[0], i) != NULL;
         i++)
        print_option(command_option_at(commands[0], i), ret);
    roff_macro(ret, "SH", "COMMANDS");
    for (size_t i = 0; commands[i] != NULL; i++)
        print_command(commands[i], ret);
    print_entries("FILES", files, ret);
    print_entries("ENVIRONMENT", environment, ret);
    print_entries("SIGNALS", signals, ret);
    roff_macro(ret, "SH", "SEE ALSO");
    buf_append_text(ret, ".BR maesn\\-bridge.yaml (5)\n");
}

static enum exit_code man_run(const struct invocation *in)
{
    const char *section = invocation_operand(in, 0);
    char source[64];
    snprintf(source, sizeof(source), "maesn-bridge %s", version_text());
    const struct roff_title title = {.name = "MAESN-BRIDGE",
                                     .section = "1",
                                     .date = version_date(),
                                     .source = source,
                                     .manual = "User commands"};
    CLEANUP(buf_done) struct buf text;
    buf_init(&text, OUTPUT_MAX);
    if (section != NULL && strcmp(section, "5") == 0)
        manual_print(&title, &text);
    else
        print_program(invocation_commands(in), &title, &text);
    return output_write(stdout, &text);
}

const struct command man_command = {
    .name = "man",
    .operands = "[SECTION]",
    .operand_choices = "1|5",
    .operands_max = 1,
    .summary = "Print the manual page.",
    .description =
        "Prints maesn-bridge(1), which tells of every command, or maesn-bridge.yaml(5), which "
        "tells\n"
        "of every setting, as `man` and `mandoc` read it. Installing the program installs both.",
    .examples = "  $ maesn-bridge man | man -l -\n"
                "  $ maesn-bridge man 5 > maesn-bridge.yaml.5",
    .exit_codes = (const struct exit_meaning[]){{0, "printed"}, {64, "wrong use"}, {0}},
    .run = man_run,
};
