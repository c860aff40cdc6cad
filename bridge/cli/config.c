#include "bridge/cli/config.h"

#include <stdio.h>
#include <string.h>

#include "bridge/base/scoped.h"
#include "bridge/cli/invocation_settings.h"
#include "bridge/cli/output.h"
#include "bridge/cli/topic_reference.h"
#include "bridge/settings/reference.h"

static enum exit_code print_run(const struct invocation *in)
{
    CLEANUP(configuration_done) struct configuration configuration;
    CLEANUP(buf_done) struct buf text;
    buf_init(&text, OUTPUT_MAX);
    enum status status = invocation_settings(in, invocation_process(in), &configuration);
    if (status != STATUS_OK)
        return exit_code_of_status(status);
    const struct settings *s = configuration.settings;
    if (invocation_wants_json(in)) {
        settings_print_json(s, &text);
        buf_append_text(&text, "\n");
    } else {
        settings_print(s, &text);
    }
    return output_write(stdout, &text);
}

static const struct command_option print_options[] = {
    INVOCATION_PROCESS_OPTION,
    {0},
};

const struct command config_print_command = {
    .name = "config print",
    .operands = "",
    .summary = "Print the settings in force and where each comes from.",
    .description =
        "Prints every setting as YAML, with its default where the file says nothing. A comment\n"
        "tells the origin: \"default\", or the file and the line. Values of librdkafka properties\n"
        "whose names tell of a password, secret, key or token are masked.",
    .options = print_options,
    .examples = "  $ maesn-bridge config print --config config/bridge.yaml\n"
                "  $ maesn-bridge config print --output json | jq '.\"kafka.brokers\".value'",
    .exit_codes =
        (const struct exit_meaning[]){
            {0, "printed"},
            {64, "wrong use"},
            {78, "the configuration is wrong; `maesn-bridge check` tells the same"},
            {0}},
    .run = print_run,
};

/* --- config reference ---------------------------------------------------------------------- */

static const struct {
    const char *name;
    void (*print)(struct buf *ret);
} formats[] = {
    {"markdown", reference_print_markdown},
    {"schema", reference_print_schema},
    {"routes-schema", reference_print_routes_schema},
    {"accounts-schema", reference_print_accounts_schema},
    {"topics", topic_reference_print_chart},
    {"channels", topic_reference_print_channels},
};

static enum exit_code reference_run(const struct invocation *in)
{
    const char *wanted = invocation_value(in, "format");
    if (wanted == NULL)
        wanted = "markdown";
    CLEANUP(buf_done) struct buf text;
    buf_init(&text, OUTPUT_MAX);
    for (size_t i = 0; i < sizeof(formats) / sizeof(formats[0]); i++) {
        if (strcmp(formats[i].name, wanted) != 0)
            continue;
        formats[i].print(&text);
        return output_write(stdout, &text);
    }
    return EXIT_CODE_INTERNAL; /* the option's values are the formats */
}

static const struct command_option reference_options[] = {
    {"format", "NAME=markdown|schema|routes-schema|accounts-schema|topics|channels",
     "markdown (default), schema, routes-schema, accounts-schema, topics or channels."},
    {0},
};

const struct command config_reference_command = {
    .name = "config reference",
    .operands = "",
    .summary = "Print what can be set, as a page or as JSON Schema.",
    .description =
        "Prints the reference of all settings, routes and accounts that this very program takes:\n"
        "as Markdown, or as a JSON Schema (draft 2020-12) of bridge.yaml, of the files in\n"
        "routes_dir, or of those in accounts_dir, for editors and pipelines; or the topics that\n"
        "`topics apply` creates with the default settings, as YAML for the Helm chart (topics) or\n"
        "as a part of the AsyncAPI document (channels).",
    .options = reference_options,
    .examples = "  $ maesn-bridge config reference | less\n"
                "  $ maesn-bridge config reference --format schema > bridge.schema.json",
    .exit_codes = (const struct exit_meaning[]){{0, "printed"}, {64, "wrong use"}, {0}},
    .run = reference_run,
};
