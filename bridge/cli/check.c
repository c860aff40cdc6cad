#include "bridge/cli/check.h"

#include <stdio.h>

#include "bridge/app/configuration.h"
#include "bridge/base/json_text.h"
#include "bridge/base/scoped.h"
#include "bridge/cli/invocation_settings.h"
#include "bridge/cli/output.h"
#include "bridge/cli/topic_survey.h"

static const char *plural(size_t count)
{
    return count == 1 ? "" : "s";
}

static void print_json(const char *file, const struct settings *s, const struct problems *problems,
                       struct buf *ret)
{
    buf_append_text(ret, "{\"file\":");
    json_text_string(ret, bytes_of_text(file));
    if (s != NULL)
        buf_printf(ret, ",\"routes\":%zu,\"accounts\":%zu", s->routes_len, s->accounts_len);
    buf_append_text(ret, ",");
    problems_print_json(problems, ret);
    buf_append_text(ret, "}\n");
}

static void print_verdict(const char *file, const struct settings *s,
                          const struct problems *problems, struct buf *ret)
{
    buf_printf(ret, "%s: fine, %zu route%s, %zu account%s", file, s->routes_len,
               plural(s->routes_len), s->accounts_len, plural(s->accounts_len));
    if (problems->warnings > 0)
        buf_printf(ret, ", %zu warning%s", problems->warnings, plural(problems->warnings));
    buf_append_text(ret, "\n");
}

/* What the cluster says of the topics: appended to told, a line each. */
static enum exit_code check_cluster(const struct settings *s, struct buf *told)
{
    CLEANUP(topic_survey_done) struct topic_survey survey = {0};
    struct diag diag = {0};
    enum status status = topic_survey_make(s, &(const struct topics_sizes){0}, &survey, &diag);
    if (status == STATUS_NOMEM)
        return output_out_of_memory();
    if (status != STATUS_OK) {
        buf_printf(told, "%s\n", diag.text);
        return EXIT_CODE_UNAVAILABLE;
    }
    for (size_t i = 0; i < survey.plan.notes_len; i++)
        buf_printf(told, "warning: %s\n", survey.plan.notes[i]);
    for (size_t i = 0; i < survey.plan.changes_len; i++)
        buf_printf(told, "%s: %s; `maesn-bridge topics apply` mends it\n",
                   survey.plan.changes[i].topic,
                   survey.plan.changes[i].action == TOPICS_CREATE
                       ? "there is no such topic"
                       : "its settings are not what the promises rest on");
    return survey.plan.changes_len == 0 ? EXIT_CODE_FINE : EXIT_CODE_CHANGES_PENDING;
}

static enum exit_code check_run(const struct invocation *in)
{
    CLEANUP(problems_done) struct problems problems;
    CLEANUP(configuration_done) struct configuration configuration;
    CLEANUP(buf_done) struct buf told;
    CLEANUP(buf_done) struct buf verdict;
    problems_init(&problems);
    buf_init(&told, OUTPUT_MAX);
    buf_init(&verdict, OUTPUT_MAX);
    const char *file = invocation_config(in);
    enum status status =
        configuration_load(file, invocation_process(in), &configuration, &problems);
    if (status == STATUS_NOMEM)
        return output_out_of_memory();
    const struct settings *s = configuration.settings;

    if (invocation_wants_json(in))
        print_json(file, s, &problems, &verdict);
    else
        problems_print(&problems, &told);
    if (s != NULL && !invocation_wants_json(in))
        print_verdict(file, s, &problems, &verdict);
    enum exit_code online_code = EXIT_CODE_FINE;
    if (s != NULL && invocation_has(in, "online"))
        online_code = check_cluster(s, &told);
    enum exit_code told_code = output_write(stderr, &told);
    enum exit_code verdict_code = output_write(stdout, &verdict);
    if (s == NULL)
        return EXIT_CODE_CONFIG;
    if (online_code != EXIT_CODE_FINE)
        return online_code;
    return told_code != EXIT_CODE_FINE ? told_code : verdict_code;
}

static const struct command_option check_options[] = {
    INVOCATION_PROCESS_OPTION,
    {"online", NULL, "Also ask the Kafka cluster whether its topics are as they should be."},
    {0},
};

const struct command check_command = {
    .name = "check",
    .operands = "",
    .summary = "Tell everything that is wrong with the configuration.",
    .description =
        "Reads the settings, the static routes, the accounts and every file they name, as the\n"
        "processes would, and tells every problem of every file in one run, one a line:\n"
        "\n"
        "  FILE:LINE:COLUMN: KEY: VALUE, EXPECTATION\n"
        "\n"
        "Warnings have \"warning: \" before the key; they do not make the check fail. Without\n"
        "--online nothing is called: it runs anywhere the files are, in a pipeline for one.",
    .options = check_options,
    .examples = "  $ maesn-bridge check --config config/bridge.yaml\n"
                "  $ kubectl exec POD -- /usr/bin/maesn-bridge check --process ingress\n"
                "  $ maesn-bridge check --output json | jq '.problems[].text'",
    .exit_codes =
        (const struct exit_meaning[]){
            {0, "fine, maybe with warnings"},
            {2, "with --online: `topics apply` has something to do"},
            {64, "wrong use"},
            {69, "with --online: the cluster does not answer, or forbids it"},
            {78, "at least one problem"},
            {0}},
    .run = check_run,
};
