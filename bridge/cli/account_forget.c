#include "bridge/cli/account_forget.h"

#include <stdio.h>

#include "bridge/base/clock.h"
#include "bridge/base/json_text.h"
#include "bridge/base/log.h"
#include "bridge/base/scoped.h"
#include "bridge/cli/errand.h"
#include "bridge/cli/output.h"
#include "bridge/cli/subscription_survey.h"

static const char command_name[] = "account forget";

DEFINE_CLEANUP(struct topic_table *, topic_table_close)

/* --- what there is ---------------------------------------------------------------------------- */

/* Errors: STATUS_INVALID the account is declared; diag says where. */
static enum status check_undeclared(const struct registry_access *x, const char *account,
                                    struct diag *diag)
{
    CLEANUP(topic_table_close_scoped) struct topic_table *table = NULL;
    const struct account *by_file = registry_access_find_in_files(x, account);
    if (by_file != NULL)
        return diag_set(diag, STATUS_INVALID, "%s:%u declares it: take it out first", by_file->file,
                        by_file->line);
    enum status status = registry_access_open(x, x->settings->topics_accounts, &table, diag);
    if (status != STATUS_OK)
        return status;
    int32_t partition = registry_key_partition(account, topic_table_partitions(table));
    bool by_topic =
        topic_rows_find(topic_table_lock(table), partition, bytes_of_text(account)) != NULL;
    topic_table_unlock(table);
    return by_topic ? diag_set(diag, STATUS_INVALID,
                               "topic %s declares it: `maesn-bridge account delete %s` first",
                               x->settings->topics_accounts, account)
                    : STATUS_OK;
}

/* What the registry has of it. Errors: STATUS_INVALID nothing, or what nobody can read. */
static enum status survey(const struct registry_access *x, struct subscription_survey *s,
                          struct diag *diag)
{
    CLEANUP(topic_table_close_scoped) struct topic_table *registry = NULL;
    const char *topic = x->settings->topics_registry;
    enum status status = registry_access_open(x, topic, &registry, diag);
    if (status != STATUS_OK)
        return status;
    status = subscription_survey_add_registry(s, topic_table_lock(registry), topic, x->keyring);
    topic_table_unlock(registry);
    if (status == STATUS_OK && s->unreadable > 0)
        return diag_set(diag, STATUS_INVALID,
                        "%zu of its records in the registry cannot be read: is a key missing from "
                        "keyring_file?",
                        s->unreadable);
    if (status == STATUS_OK && s->routes_len + s->accounts_len == 0)
        return diag_set(diag, STATUS_INVALID, "the registry has no such account");
    return status;
}

/* Whether it may be alive at the provider, and would stay so. */
static bool is_left_behind(const struct surveyed_route *route)
{
    return route->record->state != ROUTE_RETIRED;
}

static size_t count_left_behind(const struct subscription_survey *s)
{
    size_t left = 0;
    for (size_t i = 0; i < s->routes_len; i++)
        left += is_left_behind(&s->routes[i]);
    return left;
}

/* --- what is told ----------------------------------------------------------------------------- */

static void print_left_behind(const struct subscription_survey *s, struct buf *ret)
{
    size_t left = count_left_behind(s);
    const struct account_record *r = s->accounts_len == 0 ? NULL : s->accounts[0].record;
    buf_printf(ret, "%s: not declared", s->account);
    if (r != NULL && r->status != ACCOUNT_OK)
        buf_printf(ret, ", %s: %s", account_record_status_name(r->status),
                   r->reason == NULL ? "" : r->reason);
    buf_append_text(ret, "\n");
    for (size_t i = 0; i < s->routes_len; i++) {
        const struct surveyed_route *route = &s->routes[i];
        if (is_left_behind(route))
            buf_printf(ret, "  %s %s: %s, id %s at %s\n", route->url.specification.resource,
                       route->url.specification.event,
                       route_record_state_name(route->record->state),
                       route->record->provider_id == NULL ? "unknown" : route->record->provider_id,
                       route->url.specification.provider);
    }
    if (left > 0)
        buf_printf(ret,
                   "%zu subscription%s may be left at the provider, where nobody deletes %s any "
                   "more; callbacks get 404.\n",
                   left, left == 1 ? "" : "s", left == 1 ? "it" : "them");
}

static void json_left_behind(const struct subscription_survey *s, struct buf *ret)
{
    const char *gap = "";
    buf_append_text(ret, ",\"left_behind\":[");
    for (size_t i = 0; i < s->routes_len; i++) {
        const struct surveyed_route *route = &s->routes[i];
        if (!is_left_behind(route))
            continue;
        char specification[SPECIFICATION_TEXT_SIZE];
        specification_text(&route->url.specification, specification);
        buf_printf(ret, "%s{\"subscription\":\"%s\",\"state\":\"%s\"", gap, specification,
                   route_record_state_name(route->record->state));
        if (route->record->provider_id != NULL) {
            buf_append_text(ret, ",\"id\":");
            json_text_string(ret, bytes_of_text(route->record->provider_id));
        }
        buf_append_text(ret, "}");
        gap = ",";
    }
    buf_append_text(ret, "]");
}

/* e NULL: nothing was done. */
static enum exit_code print(const struct invocation *in, const struct subscription_survey *s,
                            const struct errand *e)
{
    CLEANUP(buf_done) struct buf text;
    buf_init(&text, (size_t)1 << 24);
    if (invocation_wants_json(in)) {
        buf_printf(&text, "{\"account\":\"%s\",\"result\":\"%s\"", s->account,
                   e == NULL ? "unchanged" : "forgotten");
        json_left_behind(s, &text);
        if (e != NULL)
            buf_printf(&text, ",\"reconcilers\":%zu", e->members);
        buf_append_text(&text, "}\n");
    } else {
        print_left_behind(s, &text);
        if (e == NULL)
            buf_append_text(&text, "Nothing was changed; with --yes the registry forgets it.\n");
        else
            buf_printf(&text, "%s: forgotten\n", s->account);
    }
    return output_write(stdout, &text);
}

/* --- the command ------------------------------------------------------------------------------ */

/* Why it did not come to it, as far as that is known. */
static void explain(const struct errand *e, struct diag *diag)
{
    if (e->is_stalled)
        diag_set(diag, STATUS_BUSY, "%s: no progress for %lld s; see the reconcilers' logs",
                 e->account, 2 * (long long)e->access->settings->http_timeout_ms / 1000);
    else
        diag_set(diag, STATUS_BUSY, "%s: it was declared meanwhile, or its records are newer",
                 e->account);
}

static enum exit_code forget(const struct invocation *in, const struct registry_access *x,
                             const struct subscription_survey *s)
{
    struct errand e = {
        .access = x,
        .account = s->account,
        .request = {.kind = REQUEST_FORGET, .requested_at_unix_ms = clock_unix_ms()},
    };
    struct diag diag = {0};
    log_set_level(LOG_NONE);
    enum status status = errand_run(&e, &diag);
    if (status == STATUS_OK && one_pass_knows(e.pass, e.account)) {
        status = STATUS_BUSY;
        explain(&e, &diag);
    }
    enum exit_code code =
        status == STATUS_OK ? print(in, s, &e) : registry_access_fail(x, status, &diag);
    errand_done(&e);
    return code;
}

static enum exit_code forget_run(const struct invocation *in)
{
    CLEANUP(registry_access_done) struct registry_access x = {0};
    CLEANUP(subscription_survey_done) struct subscription_survey s;
    const char *account = invocation_operand(in, 0);
    struct diag diag = {0};
    subscription_survey_init(&s, account, true);
    if (!account_id_is_valid(account)) {
        fprintf(stderr, "maesn-bridge %s: %s: expected an account's id\n", command_name, account);
        return EXIT_CODE_USAGE;
    }
    enum exit_code code = registry_access_init(in, command_name, &x);
    if (code != EXIT_CODE_FINE)
        return code;
    enum status status = check_undeclared(&x, account, &diag);
    if (status == STATUS_OK)
        status = survey(&x, &s, &diag);
    if (status == STATUS_INVALID) { /* of what was asked for, not of the configuration */
        fprintf(stderr, "maesn-bridge %s: %s: %s\n", command_name, account, diag.text);
        return EXIT_CODE_FAILURE;
    }
    if (status != STATUS_OK)
        return registry_access_fail(&x, status, &diag);
    return invocation_has(in, "yes") ? forget(in, &x, &s) : print(in, &s, NULL);
}

static const struct command_option forget_options[] = {
    {"yes", NULL, "Does it; without, it is only told what would be left behind."},
    {0},
};

const struct command account_forget_command = {
    .name = "account forget",
    .operands = "ACCOUNT",
    .operands_min = 1,
    .operands_max = 1,
    .summary = "Take an account out of the registry that cannot be cleaned up after.",
    .description =
        "For an account that is no longer declared, and whose subscriptions nobody can delete:\n"
        "its key is refused for good, or was lost. The registry forgets the account and every\n"
        "route of it, nothing is changed at the provider. What is alive there stays until it\n"
        "expires, and its callbacks are answered 404: the ids are told, so that whoever has\n"
        "access can delete them.\n"
        "\n"
        "While reconcilers run the account's owner is asked, through topics.accounts, and\n"
        "followed in the registry; when none runs it is done here.\n"
        "\n"
        "deploy/schemas has a JSON Schema of --output json.",
    .options = forget_options,
    .examples = "  $ maesn-bridge account forget acme-42\n"
                "  $ maesn-bridge account forget acme-42 --yes",
    .exit_codes =
        (const struct exit_meaning[]){
            {0, "told, or forgotten"},
            {1,
             "the account is declared, or unknown, its records cannot be read, or the reconcilers "
             "do not come further"},
            {64, "wrong use"},
            {69, "the brokers do not answer, or a topic is missing"},
            {78, "the configuration is faulty, or a topic is not what it must be"},
            {0}},
    .run = forget_run,
};
