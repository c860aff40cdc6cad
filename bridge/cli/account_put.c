#include "bridge/cli/account_put.h"

#include <stdio.h>
#include <stdlib.h>

#include "bridge/base/scoped.h"
#include "bridge/cli/output.h"
#include "bridge/cli/registry_access.h"
#include "bridge/providers/providers.h"
#include "bridge/registry/account_declaration.h"
#include "bridge/registry/record_line.h"
#include "bridge/registry/sealed.h"

enum outcome {
    OUTCOME_NONE = 0, /* it was not come to */
    OUTCOME_UNCHANGED,
    OUTCOME_PUT,
};

/* Accounts on their way into the topic. */
struct putting {
    const struct registry_access *access;
    const struct account *accounts;
    size_t len;
    int32_t partitions;
    enum outcome *outcomes; /* of each account */
};

DEFINE_CLEANUP(struct topic_table *, topic_table_close)
DEFINE_CLEANUP(struct settings *, settings_free)

static void warn_of_files(const struct registry_access *x, const char *id)
{
    const struct account *a = registry_access_find_in_files(x, id);
    if (a != NULL)
        fprintf(stderr, "warning: %s: %s:%u declares it too, and is what counts\n", id, a->file,
                a->line);
}

/* --- put ------------------------------------------------------------------------------------ */

/* Whether the topic says the same already; what cannot be read does not. */
static enum status is_there(const struct putting *p, const struct topic_row *row, struct bytes json,
                            bool *ret)
{
    CLEANUP(buf_wipe_done) struct buf there;
    buf_init(&there, SEALED_PLAINTEXT_MAX);
    *ret = false;
    if (row == NULL)
        return STATUS_OK;
    enum status status =
        registry_access_unseal(p->access, p->access->settings->topics_accounts, row, &there, NULL);
    if (status == STATUS_OK)
        status = record_line_compare(buf_bytes(&there), json, ret);
    return status == STATUS_NOMEM ? status : STATUS_OK;
}

static enum status decide_one(struct putting *p, size_t index, const struct topic_rows *rows,
                              int32_t partition, struct topic_changes *ret, struct diag *diag)
{
    CLEANUP(buf_wipe_done) struct buf json;
    const struct account *a = &p->accounts[index];
    struct bytes key = bytes_of_text(a->id);
    bool is_same = false;
    buf_init(&json, SEALED_PLAINTEXT_MAX);
    enum status status = buf_reserve(&json, SEALED_PLAINTEXT_MAX);
    if (status == STATUS_OK)
        status = account_declaration_write(a, &json);
    if (status == STATUS_INVALID)
        return diag_set(diag, status, "%s:%u: account %s is too long, or a text of it is no UTF-8",
                        a->file, a->line, a->id);
    if (status == STATUS_OK)
        status = is_there(p, topic_rows_find(rows, partition, key), buf_bytes(&json), &is_same);
    if (status == STATUS_OK && !is_same)
        status = registry_access_add_sealed(p->access, p->access->settings->topics_accounts, key,
                                            buf_bytes(&json), ret);
    p->outcomes[index] = is_same ? OUTCOME_UNCHANGED : OUTCOME_PUT;
    return status;
}

static enum status decide_put(void *ctx, const struct topic_rows *rows, int32_t partition,
                              struct topic_changes *ret, struct diag *diag)
{
    struct putting *p = ctx;
    enum status status = STATUS_OK;
    for (size_t i = 0; status == STATUS_OK && i < p->len; i++)
        if (registry_key_partition(p->accounts[i].id, p->partitions) == partition)
            status = decide_one(p, i, rows, partition, ret, diag);
    return status;
}

static enum status put_all(struct putting *p, struct topic_table *table, struct diag *diag)
{
    enum status status = STATUS_OK;
    p->partitions = topic_table_partitions(table);
    for (int32_t partition = 0; status == STATUS_OK && partition < p->partitions; partition++) {
        bool is_wanted = false;
        for (size_t i = 0; i < p->len; i++)
            is_wanted =
                is_wanted || registry_key_partition(p->accounts[i].id, p->partitions) == partition;
        if (is_wanted)
            status = registry_access_change(table, partition, decide_put, p, diag);
        for (size_t i = 0; status != STATUS_OK && i < p->len; i++)
            if (registry_key_partition(p->accounts[i].id, p->partitions) >= partition)
                p->outcomes[i] = OUTCOME_NONE; /* decided, but not surely written */
    }
    return status;
}

static enum exit_code print_put(const struct putting *p, bool as_json)
{
    static const char *const names[] = {
        [OUTCOME_NONE] = "failed", [OUTCOME_UNCHANGED] = "unchanged", [OUTCOME_PUT] = "put"};
    CLEANUP(buf_done) struct buf text;
    buf_init(&text, OUTPUT_MAX);
    buf_append_text(&text, as_json ? "{\"accounts\":[" : "");
    for (size_t i = 0; i < p->len; i++) {
        const char *id = p->accounts[i].id; /* of letters, digits and "-" */
        if (as_json)
            buf_printf(&text, "%s{\"account\":\"%s\",\"result\":\"%s\"}", i == 0 ? "" : ",", id,
                       names[p->outcomes[i]]);
        else
            buf_printf(&text, "%s: %s\n", id, names[p->outcomes[i]]);
    }
    buf_append_text(&text, as_json ? "]}\n" : "");
    return output_write(stdout, &text);
}

static enum exit_code put(const struct invocation *in, const struct registry_access *x,
                          const struct settings *file)
{
    CLEANUP(topic_table_close_scoped) struct topic_table *table = NULL;
    struct putting p = {.access = x, .accounts = file->accounts, .len = file->accounts_len};
    struct diag diag = {0};
    p.outcomes = calloc(p.len + 1, sizeof(*p.outcomes));
    enum status status = p.outcomes == NULL ? STATUS_NOMEM : STATUS_OK;
    if (status == STATUS_OK)
        status = registry_access_open(x, x->settings->topics_accounts, &table, &diag);
    if (table == NULL) {
        free(p.outcomes);
        return registry_access_fail(x, status, &diag);
    }
    for (size_t i = 0; i < p.len; i++)
        warn_of_files(x, p.accounts[i].id);
    status = put_all(&p, table, &diag);
    enum exit_code code =
        status == STATUS_OK ? EXIT_CODE_FINE : registry_access_fail(x, status, &diag);
    enum exit_code told = print_put(&p, invocation_wants_json(in));
    free(p.outcomes);
    return code == EXIT_CODE_FINE ? told : code;
}

static enum exit_code put_run(const struct invocation *in)
{
    CLEANUP(registry_access_done) struct registry_access x;
    CLEANUP(settings_free_scoped) struct settings *file = NULL;
    CLEANUP(problems_done) struct problems problems;
    CLEANUP(buf_done) struct buf told;
    problems_init(&problems);
    buf_init(&told, OUTPUT_MAX);
    enum exit_code code = registry_access_init(in, "account put", &x);
    if (code != EXIT_CODE_FINE)
        return code;
    enum status status = settings_load_accounts(x.settings, invocation_operand(in, 0),
                                                providers_all, &file, &problems);
    problems_print(&problems, &told);
    fputs(buf_text(&told), stderr);
    if (status == STATUS_NOMEM)
        return output_out_of_memory();
    return status == STATUS_OK ? put(in, &x, file) : EXIT_CODE_CONFIG;
}

/* --- delete --------------------------------------------------------------------------------- */

struct deletion {
    const char *id;
    bool was_there;
};

static enum status decide_delete(void *ctx, const struct topic_rows *rows, int32_t partition,
                                 struct topic_changes *ret, struct diag *diag)
{
    struct deletion *d = ctx;
    (void)diag;
    struct bytes key = bytes_of_text(d->id);
    if (topic_rows_find(rows, partition, key) == NULL)
        return STATUS_OK;
    d->was_there = true;
    return topic_changes_add(ret, key, bytes_of(NULL, 0));
}

static enum exit_code print_deleted(const char *id, bool as_json)
{
    CLEANUP(buf_done) struct buf text;
    buf_init(&text, OUTPUT_MAX);
    buf_printf(&text,
               as_json ? "{\"accounts\":[{\"account\":\"%s\",\"result\":\"deleted\"}]}\n"
                       : "%s: deleted\n",
               id);
    return output_write(stdout, &text);
}

static enum exit_code delete_run(const struct invocation *in)
{
    CLEANUP(registry_access_done) struct registry_access x = {0};
    CLEANUP(topic_table_close_scoped) struct topic_table *table = NULL;
    struct deletion d = {.id = invocation_operand(in, 0)};
    struct diag diag = {0};
    if (!account_id_is_valid(d.id)) { /* the topic has other keys too */
        fprintf(stderr, "maesn-bridge account delete: %s: expected an account's id\n", d.id);
        return EXIT_CODE_USAGE;
    }
    enum exit_code code = registry_access_init(in, "account delete", &x);
    if (code != EXIT_CODE_FINE)
        return code;
    enum status status = registry_access_open(&x, x.settings->topics_accounts, &table, &diag);
    if (status == STATUS_OK)
        status = registry_access_change(table,
                                        registry_key_partition(d.id, topic_table_partitions(table)),
                                        decide_delete, &d, &diag);
    if (status != STATUS_OK)
        return registry_access_fail(&x, status, &diag);
    warn_of_files(&x, d.id);
    if (d.was_there)
        return print_deleted(d.id, invocation_wants_json(in));
    fprintf(stderr, "maesn-bridge account delete: %s: no such account was put\n", d.id);
    return EXIT_CODE_FAILURE;
}

#define EXIT_CODES                                                                                 \
    {64, "wrong use"}, {69, "the brokers do not answer, or a topic is missing"},                   \
    {                                                                                              \
        78, "the configuration or the file is faulty, or a topic is not what it must be"           \
    }

const struct command account_put_command = {
    .name = "account put",
    .operands = "FILE",
    .operands_min = 1,
    .operands_max = 1,
    .summary = "Declare accounts at run time, without a file of accounts_dir.",
    .description =
        "FILE has the form of those in accounts_dir, and is judged like them; relative paths of\n"
        "account keys are relative to it. Each account is written to topics.accounts, sealed\n"
        "with its key: the file and the key's file may go then. What is there as it is, is left.\n"
        "Reconcilers may run.\n"
        "\n"
        "An account that a file of accounts_dir declares too is what that file says.",
    .examples = "  $ maesn-bridge account put acme-42.yaml --config bridge.yaml",
    .exit_codes =
        (const struct exit_meaning[]){{0, "every account is there"},
                                      {1, "others write at the same time, again and again"},
                                      EXIT_CODES,
                                      {0}},
    .run = put_run,
};

const struct command account_delete_command = {
    .name = "account delete",
    .operands = "ACCOUNT",
    .operands_min = 1,
    .operands_max = 1,
    .summary = "Withdraw an account that was declared with `account put`.",
    .description =
        "Takes the account's declaration out of topics.accounts. What becomes of its\n"
        "subscriptions is for the reconciler and its policy: `sync` deletes them, `upsert-only`\n"
        "leaves and reports them.",
    .examples = "  $ maesn-bridge account delete acme-42",
    .exit_codes =
        (const struct exit_meaning[]){{0, "it is no longer there"},
                                      {1, "it was not there, or others write at the same time"},
                                      EXIT_CODES,
                                      {0}},
    .run = delete_run,
};
