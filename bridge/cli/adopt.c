#include "bridge/cli/adopt.h"

#include <stdio.h>

#include "bridge/base/clock.h"
#include "bridge/base/crypto.h"
#include "bridge/base/json_text.h"
#include "bridge/base/log.h"
#include "bridge/base/scoped.h"
#include "bridge/base/secret.h"
#include "bridge/cli/errand.h"
#include "bridge/cli/output.h"

static const char command_name[] = "subscriptions adopt";

DEFINE_CLEANUP(struct one_pass *, one_pass_free)

/* A secret as a text of its own. */
struct secret_text {
    char text[SECRET_MAX + 1];
};

static void secret_text_done(struct secret_text *t)
{
    crypto_wipe(t->text, sizeof(t->text));
}

/* file may be NULL: *ret is "". */
static enum status read_text(const char *file, struct secret_text *ret, struct diag *diag)
{
    struct secret *secret = NULL;
    ret->text[0] = '\0';
    if (file == NULL)
        return STATUS_OK;
    enum status status = secret_from_file(file, &secret, diag);
    if (status != STATUS_OK)
        return status;
    struct bytes bytes = secret_bytes(secret);
    bool is_text = memchr(bytes.data, '\0', bytes.len) == NULL;
    memcpy(ret->text, bytes.data, bytes.len);
    ret->text[bytes.len] = '\0';
    secret_unref(secret);
    return is_text ? STATUS_OK
                   : diag_set(diag, STATUS_INVALID, "%s: a zero byte, expected a text", file);
}

/* --- what is asked for ------------------------------------------------------------------------ */

/* Whether the registry could take it over; nothing is written. */
static enum status check(const struct registry_access *x, const char *account,
                         const struct adoption *adoption, struct callback_url *ret_url,
                         struct diag *diag)
{
    CLEANUP(one_pass_free_scoped) struct one_pass *pass = NULL;
    const struct one_pass_options opt = {
        .settings = x->settings, .only_plans = true, .account = account};
    enum status status = one_pass_new(&opt, &pass, diag);
    if (status == STATUS_OK)
        status = one_pass_await(pass, diag);
    return status == STATUS_OK ? one_pass_check_adoption(pass, account, adoption, ret_url, diag)
                               : status;
}

static enum exit_code print(const struct invocation *in, const struct errand *e,
                            const struct callback_url *url)
{
    CLEANUP(buf_done) struct buf text;
    char specification[SPECIFICATION_TEXT_SIZE];
    buf_init(&text, OUTPUT_MAX);
    specification_text(&url->specification, specification);
    if (invocation_wants_json(in)) {
        buf_printf(&text, "{\"account\":\"%s\",\"subscription\":\"%s\",\"id\":", e->account,
                   specification);
        json_text_string(&text, bytes_of_text(e->request.provider_id));
        buf_printf(&text, ",\"result\":\"adopted\",\"reconcilers\":%zu}\n", e->members);
    } else {
        buf_printf(&text, "%s: adopted\n", specification);
    }
    return output_write(stdout, &text);
}

/* Why it did not come to it, as far as that is known. */
static void explain(const struct errand *e, struct diag *diag)
{
    const struct pass_report *report = one_pass_lock(e->pass);
    const struct reported_account *account = pass_report_find(report, e->account);
    if (e->is_stalled)
        diag_set(diag, STATUS_BUSY, "no progress for %lld s; see the reconcilers' logs",
                 2 * (long long)e->access->settings->http_timeout_ms / 1000);
    else if (account != NULL && account->reason != NULL)
        diag_set(diag, STATUS_BUSY, "%s: %s", e->account, account->reason);
    else
        diag_set(diag, STATUS_BUSY, "%s: the registry does not have it", e->account);
    one_pass_unlock(e->pass);
}

static enum exit_code adopt(const struct invocation *in, const struct registry_access *x,
                            const struct adoption *adoption)
{
    struct errand e = {.access = x,
                       .account = invocation_operand(in, 0),
                       .request = {
                           .kind = REQUEST_ADOPT,
                           .provider_id = adoption->provider_id,
                           .callback_url = adoption->callback_url,
                           .secret = adoption->secret,
                           .token = adoption->token,
                           .requested_at_unix_ms = clock_unix_ms(),
                       }};
    struct callback_url url = {0};
    struct diag diag = {0};
    enum status status = check(x, e.account, adoption, &url, &diag);
    if (status == STATUS_INVALID) { /* of what was given, not of the configuration */
        fprintf(stderr, "maesn-bridge %s: %s\n", command_name, diag.text);
        return EXIT_CODE_FAILURE;
    }
    if (status == STATUS_OK)
        status = errand_run(&e, &diag);
    if (status == STATUS_OK && !one_pass_holds(e.pass, e.account, adoption->provider_id)) {
        status = STATUS_BUSY;
        explain(&e, &diag);
    }
    enum exit_code code =
        status == STATUS_OK ? print(in, &e, &url) : registry_access_fail(x, status, &diag);
    errand_done(&e);
    return code;
}

static enum exit_code wrong_use(const char *what)
{
    fprintf(stderr,
            "maesn-bridge %s: %s\n"
            "Try `maesn-bridge %s --help`.\n",
            command_name, what, command_name);
    return EXIT_CODE_USAGE;
}

static enum exit_code adopt_run(const struct invocation *in)
{
    CLEANUP(secret_text_done) struct secret_text secret = {0};
    CLEANUP(secret_text_done) struct secret_text token = {0};
    CLEANUP(registry_access_done) struct registry_access x = {0};
    if (!account_id_is_valid(invocation_operand(in, 0)))
        return wrong_use("ACCOUNT: expected an account's id");
    if (!invocation_has(in, "id") || !invocation_has(in, "callback-url") ||
        !invocation_has(in, "secret-file"))
        return wrong_use("expected --id, --callback-url and --secret-file");
    struct diag diag = {0};
    enum exit_code code = registry_access_init(in, command_name, &x);
    if (code != EXIT_CODE_FINE)
        return code;
    log_set_level(LOG_NONE);
    enum status status = read_text(invocation_value(in, "secret-file"), &secret, &diag);
    if (status == STATUS_OK)
        status = read_text(invocation_value(in, "token-file"), &token, &diag);
    if (status != STATUS_OK) {
        fprintf(stderr, "maesn-bridge %s: %s\n", command_name, diag.text);
        return EXIT_CODE_FAILURE;
    }
    const struct adoption adoption = {
        .provider_id = invocation_value(in, "id"),
        .callback_url = invocation_value(in, "callback-url"),
        .secret = secret.text,
        .token = token.text[0] == '\0' ? NULL : token.text,
    };
    return adopt(in, &x, &adoption);
}

static const struct command_option adopt_options[] = {
    {"id", "ID", "The subscription's id at its provider."},
    {"callback-url", "URL", "Its callback URL, which has the form of ours, with a valid token."},
    {"secret-file", "FILE", "Holds the secret that its callbacks are signed with."},
    {"token-file", "FILE", "Holds Moneybird's webhook token."},
    {0},
};

const struct command subscriptions_adopt_command = {
    .name = "subscriptions adopt",
    .operands = "ACCOUNT",
    .operands_min = 1,
    .operands_max = 1,
    .summary = "Take over a subscription that somebody made by hand.",
    .description =
        "From now on the registry holds its secret, the ingress verifies its callbacks, and the\n"
        "reconciler renews it like one of its own. Its callback URL says what it is for, and has\n"
        "to be one of the account's under public_base_url, with a token that the route key made.\n"
        "\n"
        "While reconcilers run they are asked, through topics.accounts, and followed in the\n"
        "registry; when none runs it is done here.\n"
        "\n"
        "deploy/schemas has a JSON Schema of --output json.",
    .options = adopt_options,
    .examples = "  $ maesn-bridge subscriptions adopt acme-42 --id 7c1f --secret-file secret \\\n"
                "      --callback-url "
                "https://hooks.example.com/in/maesn/acme-42/invoice/all/1795293215356-k7q...",
    .exit_codes =
        (const struct exit_meaning[]){
            {0, "the registry has it"},
            {1, "it cannot be taken over, or the reconcilers do not come further"},
            {64, "wrong use"},
            {69, "the brokers do not answer, or a topic is missing"},
            {78, "the configuration is faulty, or a topic is not what it must be"},
            {0}},
    .run = adopt_run,
};
