#include "bridge/cli/subscriptions.h"

#include <stdio.h>

#include "bridge/base/clock.h"
#include "bridge/base/scoped.h"
#include "bridge/cli/output.h"
#include "bridge/cli/subscription_survey.h"

typedef void print_fn(const struct subscription_survey *s, int64_t now_unix_ms, bool with_colour,
                      struct buf *ret);

DEFINE_CLEANUP(struct topic_table *, topic_table_close)

static enum status gather(const struct registry_access *x, struct subscription_survey *s,
                          struct diag *diag)
{
    CLEANUP(topic_table_close_scoped) struct topic_table *registry = NULL;
    CLEANUP(topic_table_close_scoped) struct topic_table *activity = NULL;
    const char *topic = x->settings->topics_registry;
    enum status status = registry_access_open(x, topic, &registry, diag);
    if (status == STATUS_OK)
        status = registry_access_open(x, x->settings->topics_activity, &activity, diag);
    if (status != STATUS_OK)
        return status;
    status = subscription_survey_add_registry(s, topic_table_lock(registry), topic, x->keyring);
    topic_table_unlock(registry);
    subscription_survey_add_activity(s, topic_table_lock(activity),
                                     topic_table_partitions(activity));
    topic_table_unlock(activity);
    subscription_survey_judge_silence(s, (int64_t)x->settings->reconciler_silent_after_s * 1000,
                                      clock_unix_ms());
    return status;
}

static enum exit_code print(const struct invocation *in, const struct subscription_survey *s,
                            print_fn *print_text)
{
    CLEANUP(buf_done) struct buf text;
    buf_init(&text, (size_t)1 << 30); /* a million subscriptions */
    if (invocation_wants_json(in))
        subscription_survey_print_json(s, &text);
    else
        print_text(s, clock_unix_ms(), invocation_wants_colour(in), &text);
    enum exit_code code = output_write(stdout, &text);
    return code == EXIT_CODE_FINE && s->unreadable > 0 ? EXIT_CODE_FAILURE : code;
}

static enum exit_code list_run(const struct invocation *in)
{
    CLEANUP(registry_access_done) struct registry_access x;
    CLEANUP(subscription_survey_done) struct subscription_survey s;
    subscription_survey_init(&s, invocation_operand(in, 0), invocation_has(in, "all"));
    enum exit_code code = registry_access_init(in, "subscriptions list", &x);
    if (code != EXIT_CODE_FINE)
        return code;
    struct diag diag = {0};
    enum status status = gather(&x, &s, &diag);
    return status == STATUS_OK ? print(in, &s, subscription_survey_print_table)
                               : registry_access_fail(&x, status, &diag);
}

static enum exit_code show_run(const struct invocation *in)
{
    CLEANUP(registry_access_done) struct registry_access x;
    CLEANUP(subscription_survey_done) struct subscription_survey s;
    subscription_survey_init(&s, invocation_operand(in, 0), true);
    enum exit_code code = registry_access_init(in, "subscriptions show", &x);
    if (code != EXIT_CODE_FINE)
        return code;
    struct diag diag = {0};
    enum status status = gather(&x, &s, &diag);
    if (status != STATUS_OK)
        return registry_access_fail(&x, status, &diag);
    if (s.routes_len > 0 || s.accounts_len > 0)
        return print(in, &s, subscription_survey_print_details);
    fprintf(stderr, "maesn-bridge subscriptions show: %s: the registry has no such account\n",
            s.account);
    return EXIT_CODE_FAILURE;
}

static const struct command_option list_options[] = {
    {"all", NULL, "Also what is deleted at the provider and whose callbacks still verify."},
    {0},
};

#define EXIT_CODES                                                                                 \
    {64, "wrong use"}, {69, "the brokers do not answer, or a topic is missing"},                   \
    {                                                                                              \
        78, "the configuration is faulty, or a topic is not what it must be"                       \
    }

const struct command subscriptions_list_command = {
    .name = "subscriptions list",
    .operands = "[ACCOUNT]",
    .operands_max = 1,
    .summary = "Show every subscription: its state, its expiry, its last event.",
    .description =
        "Reads the topics topics.registry and topics.activity; no provider is called. A\n"
        "subscription that is being replaced has a line for each of the two. Below the table\n"
        "stand the accounts that are blocked or invalid, and why.\n"
        "\n"
        "LAST EVENT is known to the minute; \"silent\" stands beside it when it is longer ago "
        "than\n"
        "reconciler.silent_after_s. deploy/schemas has a JSON Schema of --output json.",
    .options = list_options,
    .examples = "  $ maesn-bridge subscriptions list\n"
                "  $ maesn-bridge subscriptions list acme-42 --all --output json",
    .exit_codes =
        (const struct exit_meaning[]){
            {0, "fine"}, {1, "a record cannot be read; all others are shown"}, EXIT_CODES, {0}},
    .run = list_run,
};

const struct command subscriptions_show_command = {
    .name = "subscriptions show",
    .operands = "ACCOUNT",
    .operands_min = 1,
    .operands_max = 1,
    .summary = "Show everything that is known of one account's subscriptions.",
    .description = "Reads the topics topics.registry and topics.activity; no provider is called.\n"
                   "Secrets, and the tokens of callback URLs, are not shown.",
    .examples = "  $ maesn-bridge subscriptions show acme-42",
    .exit_codes =
        (const struct exit_meaning[]){
            {0, "fine"},
            {1, "the registry has no such account, or a record of it cannot be read"},
            EXIT_CODES,
            {0}},
    .run = show_run,
};
