#include "bridge/cli/plan.h"

#include "bridge/app/one_pass.h"
#include "bridge/base/clock.h"
#include "bridge/base/log.h"
#include "bridge/base/scoped.h"
#include "bridge/cli/output.h"
#include "bridge/cli/progress_line.h"
#include "bridge/cli/registry_access.h"
#include "bridge/cli/report_view.h"

DEFINE_CLEANUP(struct one_pass *, one_pass_free)

static enum exit_code print(const struct invocation *in, const struct pass_report *report)
{
    CLEANUP(buf_done) struct buf text;
    buf_init(&text, (size_t)1 << 30); /* a million accounts */
    if (invocation_wants_json(in))
        report_view_print_json(report, &text);
    else
        report_view_print(report, clock_unix_ms(), invocation_wants_colour(in), &text);
    enum exit_code code = output_write(stdout, &text);
    return code == EXIT_CODE_FINE ? report_view_exit_code(report) : code;
}

static enum status plan(const struct one_pass_options *opt, struct one_pass **ret,
                        struct diag *diag)
{
    enum status status = one_pass_new(opt, ret, diag);
    return status == STATUS_OK ? one_pass_await(*ret, diag) : status;
}

static enum exit_code plan_run(const struct invocation *in)
{
    CLEANUP(registry_access_done) struct registry_access x;
    CLEANUP(one_pass_free_scoped) struct one_pass *pass = NULL;
    enum exit_code code = registry_access_init(in, "plan", &x);
    if (code != EXIT_CODE_FINE)
        return code;
    log_set_level(LOG_NONE); /* the plan tells it all */
    struct progress_line progress = {.what = "accounts looked at"};
    const struct one_pass_options opt = {
        .settings = x.settings,
        .only_plans = true,
        .on_progress = progress_line_draw,
        .ctx = &progress,
    };
    struct diag diag = {0};
    enum status status = plan(&opt, &pass, &diag);
    progress_line_clear(&progress);
    if (status != STATUS_OK)
        return registry_access_fail(&x, status, &diag);
    code = print(in, one_pass_lock(pass));
    one_pass_unlock(pass);
    return code;
}

const struct command plan_command = {
    .name = "plan",
    .operands = "",
    .summary = "Show what the reconciler would do to the subscriptions, and why.",
    .description =
        "Lists every account's subscriptions at its provider, compares them with what is declared\n"
        "and with the registry, and changes nothing; reconcilers may run.\n"
        "\n"
        "  + create, ~ replace or activate, - retire or delete\n"
        "  ! what needs somebody: blocked, invalid, refused, withheld, unknown\n"
        "  . what waits, or is left as it is\n"
        "\n"
        "Waiting for an overlap or a grace, and what the policy `upsert-only` leaves, are no\n"
        "differences. Deletes are counted over all accounts: more than 30 % of 10 or more active\n"
        "subscriptions, or an empty desired set, and `sync` withholds them.\n"
        "\n"
        "deploy/schemas has a JSON Schema of --output json.",
    .examples = "  $ maesn-bridge plan --config bridge.yaml\n"
                "  $ maesn-bridge plan --output json | jq '.summary'",
    .exit_codes =
        (const struct exit_meaning[]){
            {0, "nothing differs"},
            {1, "some account's state could not be determined, or deletes are withheld"},
            {2, "there are differences"},
            {64, "wrong use"},
            {69, "the brokers or the providers do not answer, or a topic is missing"},
            {78, "the configuration is faulty, or a topic is not what it must be"},
            {0}},
    .run = plan_run,
};
