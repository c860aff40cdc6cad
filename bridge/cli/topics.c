#include "bridge/cli/topics.h"

#include <ctype.h>
#include <stdio.h>
#include <stdlib.h>

#include "bridge/base/json_text.h"
#include "bridge/base/scoped.h"
#include "bridge/cli/invocation_settings.h"
#include "bridge/cli/output.h"
#include "bridge/cli/topic_survey.h"

/* Beyond any topic or cluster; a larger number is a slip of the hand. */
#define PARTITIONS_MAX 100000
#define REPLICATION_FACTOR_MAX 100

/* What both commands work with. */
struct work {
    struct configuration configuration;
    struct topic_survey survey;
};

static void work_done(struct work *w)
{
    topic_survey_done(&w->survey);
    configuration_done(&w->configuration);
}

/* --- what is wished for ------------------------------------------------------------------------
 */

static bool read_size(const struct invocation *in, const char *option, int max, int *ret)
{
    const char *text = invocation_value(in, option);
    if (text == NULL)
        return true;
    int value = 0;
    const char *at = text;
    for (; isdigit((unsigned char)*at) && value <= max; at++)
        value = value * 10 + (*at - '0');
    if (*at == '\0' && value >= 1 && value <= max) {
        *ret = value;
        return true;
    }
    fprintf(stderr, "maesn-bridge topics: --%s: %s, expected a number from 1 to %d\n", option, text,
            max);
    return false;
}

/* Everything up to the plan. Returns EXIT_CODE_FINE with the survey made. */
static enum exit_code prepare(const struct invocation *in, struct work *w)
{
    *w = (struct work){0};
    struct topics_sizes sizes = {0};
    if (!read_size(in, "partitions", PARTITIONS_MAX, &sizes.partitions) ||
        !read_size(in, "replication-factor", REPLICATION_FACTOR_MAX, &sizes.replication_factor))
        return EXIT_CODE_USAGE;
    enum status status = invocation_settings(in, SETTINGS_INGRESS, &w->configuration);
    if (status != STATUS_OK)
        return exit_code_of_status(status);
    struct diag diag = {0};
    status = topic_survey_make(w->configuration.settings, &sizes, &w->survey, &diag);
    return status == STATUS_OK ? EXIT_CODE_FINE : output_failure("topics", status, &diag);
}

/* --- for people --------------------------------------------------------------------------------
 */

static void print_change(const struct topics_change *change, bool colour)
{
    const char *green = colour ? "\033[32m" : "";
    const char *yellow = colour ? "\033[33m" : "";
    const char *plain = colour ? "\033[0m" : "";
    if (change->action == TOPICS_CREATE) {
        printf("%s+%s %s: %d partition%s, replication factor %d\n", green, plain, change->topic,
               change->partitions, change->partitions == 1 ? "" : "s", change->replication_factor);
        for (size_t i = 0; i < change->settings_len; i++)
            printf("    %s = %s\n", change->settings[i].name, change->settings[i].to);
        return;
    }
    printf("%s~%s %s\n", yellow, plain, change->topic);
    for (size_t i = 0; i < change->settings_len; i++)
        printf("    %s: %s -> %s\n", change->settings[i].name,
               change->settings[i].from == NULL ? "(none)" : change->settings[i].from,
               change->settings[i].to);
}

static void print_notes(const struct topics_plan *plan)
{
    for (size_t i = 0; i < plan->notes_len; i++)
        fprintf(stderr, "note: %s\n", plan->notes[i]);
}

/* --- for programs ------------------------------------------------------------------------------
 */

static void json_setting(struct buf *out, const struct topics_setting *setting)
{
    json_text_string(out, bytes_of_text(setting->name));
    buf_append_text(out, ":{\"from\":");
    if (setting->from == NULL)
        buf_append_text(out, "null");
    else
        json_text_string(out, bytes_of_text(setting->from));
    buf_append_text(out, ",\"to\":");
    json_text_string(out, bytes_of_text(setting->to));
    buf_append_text(out, "}");
}

static void json_change(struct buf *out, const struct topics_change *change, const char *error,
                        bool is_applied)
{
    buf_append_text(out, "{\"topic\":");
    json_text_string(out, bytes_of_text(change->topic));
    buf_printf(out, ",\"action\":\"%s\"", change->action == TOPICS_CREATE ? "create" : "alter");
    if (change->action == TOPICS_CREATE)
        buf_printf(out, ",\"partitions\":%d,\"replication_factor\":%d", change->partitions,
                   change->replication_factor);
    buf_append_text(out, ",\"settings\":{");
    for (size_t i = 0; i < change->settings_len; i++) {
        buf_append_text(out, i == 0 ? "" : ",");
        json_setting(out, &change->settings[i]);
    }
    buf_append_text(out, "}");
    if (is_applied || error != NULL)
        buf_printf(out, ",\"applied\":%s", error == NULL ? "true" : "false");
    if (error != NULL) {
        buf_append_text(out, ",\"error\":");
        json_text_string(out, bytes_of_text(error));
    }
    buf_append_text(out, "}");
}

static void json_begin(struct buf *out, const struct topics_plan *plan)
{
    buf_printf(out, "{\"brokers\":%d,\"topics\":%zu,\"notes\":[", plan->brokers, plan->topics_len);
    for (size_t i = 0; i < plan->notes_len; i++) {
        buf_append_text(out, i == 0 ? "" : ",");
        json_text_string(out, bytes_of_text(plan->notes[i]));
    }
    buf_append_text(out, "],\"changes\":[");
}

static enum exit_code json_end(struct buf *out, enum exit_code code)
{
    buf_append_text(out, "]}\n");
    bool is_whole = out->status == STATUS_OK;
    if (is_whole)
        fputs(buf_text(out), stdout);
    buf_done(out);
    return is_whole && fflush(stdout) == 0 ? code : EXIT_CODE_FAILURE;
}

/* --- the commands ------------------------------------------------------------------------------
 */

static enum exit_code plan_run(const struct invocation *in)
{
    CLEANUP(work_done) struct work w;
    enum exit_code code = prepare(in, &w);
    if (code != EXIT_CODE_FINE)
        return code;
    code = w.survey.plan.changes_len == 0 ? EXIT_CODE_FINE : EXIT_CODE_CHANGES_PENDING;
    if (invocation_wants_json(in)) {
        struct buf out;
        buf_init(&out, OUTPUT_MAX);
        json_begin(&out, &w.survey.plan);
        for (size_t i = 0; i < w.survey.plan.changes_len; i++) {
            buf_append_text(&out, i == 0 ? "" : ",");
            json_change(&out, &w.survey.plan.changes[i], NULL, false);
        }
        return json_end(&out, code);
    }
    for (size_t i = 0; i < w.survey.plan.changes_len; i++)
        print_change(&w.survey.plan.changes[i], invocation_wants_colour(in));
    print_notes(&w.survey.plan);
    if (w.survey.plan.changes_len == 0)
        printf("%zu topics are as they should be\n", w.survey.plan.topics_len);
    else
        printf("%zu of %zu topics to change; `maesn-bridge topics apply` does it\n",
               w.survey.plan.changes_len, w.survey.plan.topics_len);
    return fflush(stdout) == 0 ? code : EXIT_CODE_FAILURE;
}

/* Makes every change, also after one has failed. Returns the first failure. */
static enum status apply_all(struct work *w, const struct invocation *in, struct buf *json)
{
    enum status first = STATUS_OK;
    for (size_t i = 0; i < w->survey.plan.changes_len; i++) {
        const struct topics_change *change = &w->survey.plan.changes[i];
        struct diag diag = {0};
        enum status status = topics_admin_apply(w->survey.admin, change, &diag);
        if (first == STATUS_OK)
            first = status;
        const char *error = status == STATUS_OK    ? NULL
                            : diag.text[0] == '\0' ? status_name(status)
                                                   : diag.text;
        if (json != NULL) {
            buf_append_text(json, i == 0 ? "" : ",");
            json_change(json, change, error, true);
        } else if (error == NULL) {
            printf("[%zu/%zu] ", i + 1, w->survey.plan.changes_len);
            print_change(change, invocation_wants_colour(in));
            fflush(stdout);
        }
        if (error != NULL)
            fprintf(stderr, "maesn-bridge topics: %s\n", error);
    }
    return first;
}

static enum exit_code apply_run(const struct invocation *in)
{
    CLEANUP(work_done) struct work w;
    enum exit_code code = prepare(in, &w);
    if (code != EXIT_CODE_FINE)
        return code;
    struct buf json;
    buf_init(&json, OUTPUT_MAX);
    bool wants_json = invocation_wants_json(in);
    if (wants_json)
        json_begin(&json, &w.survey.plan);
    else
        print_notes(&w.survey.plan);
    enum status status = apply_all(&w, in, wants_json ? &json : NULL);
    /* What the cluster refuses is no fault of the configuration. */
    code = status == STATUS_INVALID ? EXIT_CODE_FAILURE : exit_code_of_status(status);
    if (wants_json)
        return json_end(&json, code);
    buf_done(&json);
    if (status == STATUS_OK)
        printf("%zu topics are as they should be\n", w.survey.plan.topics_len);
    return fflush(stdout) == 0 ? code : EXIT_CODE_FAILURE;
}

static const struct command_option size_options[] = {
    {"partitions", "N", "Partitions of new event topics (default 6)."},
    {"replication-factor", "N",
     "Replicas of new topics (default 3, or one for each broker where there are fewer)."},
    {0},
};

#define WHICH_TOPICS                                                                               \
    "The topics are those of the declared routes (a template with {account} or {system} is\n"      \
    "expanded over them), topics.other, topics.token and topics.dead_letter, and with a "          \
    "registry\n"                                                                                   \
    "also topics.registry, topics.accounts and topics.activity.\n"                                 \
    "Retention is set when a topic is created and is yours from then on; partitions are never\n"   \
    "changed, because keys would move; nothing is ever deleted."

const struct command topics_plan_command = {
    .name = "topics plan",
    .operands = "",
    .summary = "Show how the cluster's topics differ from what the bridge needs.",
    .description = "Compares, and changes nothing.\n" WHICH_TOPICS,
    .options = size_options,
    .examples = "  $ maesn-bridge topics plan --config bridge.yaml\n"
                "  $ maesn-bridge topics plan --config bridge.yaml --output json",
    .exit_codes = (const struct exit_meaning[]){{0, "nothing to do"},
                                                {2, "changes are pending"},
                                                {64, "wrong use"},
                                                {69, "the cluster does not answer, or forbids it"},
                                                {70, "an internal error"},
                                                {78, "the configuration is faulty"},
                                                {0}},
    .run = plan_run,
};

const struct command topics_apply_command = {
    .name = "topics apply",
    .operands = "",
    .summary = "Create the topics the bridge needs and set what its promises rest on.",
    .description = "Makes the changes that `topics plan` shows; again is harmless.\n" WHICH_TOPICS,
    .options = size_options,
    .examples = "  $ maesn-bridge topics apply --config bridge.yaml\n"
                "  $ maesn-bridge topics apply --config bridge.yaml --partitions 12",
    .exit_codes = (const struct exit_meaning[]){{0, "the topics are as they should be"},
                                                {1, "the cluster refused a change"},
                                                {64, "wrong use"},
                                                {69, "the cluster does not answer, or forbids it"},
                                                {70, "an internal error"},
                                                {78, "the configuration is faulty"},
                                                {0}},
    .run = apply_run,
};
