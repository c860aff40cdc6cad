#include "bridge/cli/apply.h"

#include <stdio.h>

#include "bridge/base/clock.h"
#include "bridge/base/log.h"
#include "bridge/base/scoped.h"
#include "bridge/cli/errand.h"
#include "bridge/cli/errand_view.h"
#include "bridge/cli/output.h"

static enum exit_code print(const struct invocation *in, const struct errand *e,
                            const struct pass_report *report)
{
    CLEANUP(buf_done) struct buf text;
    buf_init(&text, (size_t)1 << 30); /* a million accounts */
    if (invocation_wants_json(in))
        errand_view_print_json(e, report, &text);
    else
        errand_view_print(e, report, clock_unix_ms(), &text);
    enum exit_code code = output_write(stdout, &text);
    return code == EXIT_CODE_FINE ? errand_view_exit_code(e, report) : code;
}

/* Runs the errand, whose command, account and request are set, and tells of it. */
static enum exit_code run(const struct invocation *in, const char *command, struct errand *e)
{
    CLEANUP(registry_access_done) struct registry_access x;
    struct diag diag = {0};
    enum exit_code code = registry_access_init(in, command, &x);
    if (code != EXIT_CODE_FINE)
        return code;
    log_set_level(LOG_NONE); /* what was done is told, and what failed */
    e->access = &x;
    e->prints_lines = !invocation_wants_json(in);
    e->with_colour = invocation_wants_colour(in);
    enum status status = errand_run(e, &diag);
    if (status != STATUS_OK) {
        errand_done(e);
        return registry_access_fail(&x, status, &diag);
    }
    e->lacks_resource = e->request.resource != NULL &&
                        !one_pass_has_resource(e->pass, e->account, e->request.resource);
    const struct pass_report *report = one_pass_lock(e->pass);
    bool is_unknown = e->account != NULL && report->len == 0;
    if (is_unknown)
        fprintf(stderr, "maesn-bridge %s: %s: neither declared nor in the registry\n", command,
                e->account);
    else if (e->lacks_resource)
        fprintf(stderr, "maesn-bridge %s: --resource %s: no active subscription is for it\n",
                command, invocation_value(in, "resource"));
    code = is_unknown ? EXIT_CODE_FAILURE : print(in, e, report);
    one_pass_unlock(e->pass);
    errand_done(e);
    return code;
}

/* --- apply ------------------------------------------------------------------------------------ */

static enum exit_code apply_run(const struct invocation *in)
{
    struct errand e = {.request = {
                           .kind = invocation_has(in, "force") ? REQUEST_FORCE : REQUEST_PASS,
                           .requested_at_unix_ms = clock_unix_ms(),
                       }};
    return run(in, "apply", &e);
}

static const struct command_option apply_options[] = {
    {"force", NULL, "Lets the deletes through, once, that a guard rail withholds."},
    {0},
};

#define WHO_DOES_IT                                                                                \
    "While reconcilers run they are asked, through topics.accounts, and followed in the\n"         \
    "registry; when none runs, or none is left, it is done here, under the same locks: a\n"        \
    "reconciler that starts meanwhile takes over.\n"

#define EXIT_CODES                                                                                 \
    {64, "wrong use"}, {69, "the brokers or the providers do not answer, or a topic is missing"},  \
    {                                                                                              \
        78, "the configuration is faulty, or a topic is not what it must be"                       \
    }

const struct command apply_command = {
    .name = "apply",
    .operands = "",
    .summary = "Make the subscriptions as they are declared: what `plan` shows.",
    .description =
        "Runs one pass over every account: creates, renews, repairs, and, under the policy\n"
        "`sync`, deletes. What has to wait, for a second look or for the end of an overlap, is\n"
        "left to the next pass.\n"
        "\n" WHO_DOES_IT "\n"
        "Whoever is asked and does not come further for twice http.timeout_ms is given up.\n"
        "deploy/schemas has a JSON Schema of --output json.",
    .options = apply_options,
    .examples = "  $ maesn-bridge apply --config bridge.yaml\n"
                "  $ maesn-bridge apply --force --output json",
    .exit_codes =
        (const struct exit_meaning[]){{0, "done; what waits, or the bridge cannot mend, is listed"},
                                      {1, "some account's state could not be determined, deletes "
                                          "are withheld, or the reconcilers do not come further"},
                                      EXIT_CODES,
                                      {0}},
    .run = apply_run,
};

/* --- subscriptions rotate --------------------------------------------------------------------- */

static enum exit_code wrong_use(const char *what)
{
    fprintf(stderr,
            "maesn-bridge subscriptions rotate: %s\n"
            "Try `maesn-bridge subscriptions rotate --help`.\n",
            what);
    return EXIT_CODE_USAGE;
}

static enum exit_code rotate_run(const struct invocation *in)
{
    struct specification of = {0};
    const char *account = invocation_operand(in, 0), *resource = invocation_value(in, "resource");
    if ((account == NULL) == !invocation_has(in, "all"))
        return wrong_use("expected either an ACCOUNT or --all");
    if (account != NULL && !account_id_is_valid(account))
        return wrong_use("ACCOUNT: expected an account's id");
    if (resource != NULL && !specification_set(&of, "maesn", "a", resource, NULL))
        return wrong_use("--resource: expected a resource, as INVOICE");
    struct errand e = {.account = account,
                       .request = {
                           .kind = REQUEST_ROTATE,
                           .resource = resource == NULL ? NULL : of.resource,
                           .requested_at_unix_ms = clock_unix_ms(),
                       }};
    return run(in, "subscriptions rotate", &e);
}

static const struct command_option rotate_options[] = {
    {"all", NULL, "Every account's."},
    {"resource", "R", "Only those for this resource, as INVOICE."},
    {0},
};

const struct command subscriptions_rotate_command = {
    .name = "subscriptions rotate",
    .operands = "[ACCOUNT]",
    .operands_max = 1,
    .summary = "Replace subscriptions by new ones, with new URLs and new secrets.",
    .description =
        "Each subscription of the account gets a successor first, and is deleted after the\n"
        "overlap: no event is missed. What else differs is done in the same pass.\n"
        "\n" WHO_DOES_IT "\n"
        "deploy/schemas has a JSON Schema of --output json (that of `apply`).",
    .options = rotate_options,
    .examples = "  $ maesn-bridge subscriptions rotate acme-42\n"
                "  $ maesn-bridge subscriptions rotate --all --resource INVOICE",
    .exit_codes =
        (const struct exit_meaning[]){
            {0, "every successor is there"},
            {1, "some are not: the account is blocked, invalid or unknown, a call failed, no "
                "subscription is for the resource, or the reconcilers do not come further"},
            EXIT_CODES,
            {0}},
    .run = rotate_run,
};
