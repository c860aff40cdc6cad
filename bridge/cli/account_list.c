#include "bridge/cli/account_list.h"

#include <stdio.h>
#include <stdlib.h>

#include "bridge/base/json_text.h"
#include "bridge/base/scoped.h"
#include "bridge/cli/output.h"
#include "bridge/cli/registry_access.h"
#include "bridge/cli/subscription_survey.h"
#include "bridge/cli/text_table.h"
#include "bridge/domain/provider.h"
#include "bridge/providers/providers.h"
#include "bridge/registry/account_declaration.h"
#include "bridge/registry/sealed.h"

/* One declaration: of a file, or of the topic. */
struct listed {
    char id[ACCOUNT_ID_MAX + 1];
    const struct account *account;   /* NULL: it cannot be read */
    struct account_declaration *own; /* NULL: it is a file's */
    const struct account *winner;    /* the file's that counts instead; NULL: none */
    struct diag unreadable;
};

struct list {
    const struct registry_access *access;
    struct subscription_survey *survey; /* of the registry's accounts */
    struct listed *items;
    size_t len;
    size_t capacity;
    size_t unreadable;
    enum status status;
};

static void list_done(struct list *l)
{
    for (size_t i = 0; i < l->len; i++)
        account_declaration_free(l->items[i].own);
    free(l->items);
}

static struct listed *add(struct list *l, const char *id)
{
    if (l->len == l->capacity) {
        size_t grown = l->capacity == 0 ? 64 : l->capacity * 2;
        void *moved = reallocarray(l->items, grown, sizeof(*l->items));
        if (moved == NULL) {
            l->status = STATUS_NOMEM;
            return NULL;
        }
        l->items = moved;
        l->capacity = grown;
    }
    struct listed *item = &l->items[l->len++];
    *item = (struct listed){0};
    snprintf(item->id, sizeof(item->id), "%s", id);
    return item;
}

static void add_files(struct list *l)
{
    const struct settings *s = l->access->settings;
    for (size_t i = 0; i < s->accounts_len; i++) {
        struct listed *item = add(l, s->accounts[i].id);
        if (item == NULL)
            return;
        item->account = &s->accounts[i];
    }
}

static const struct account *find_in_files(const struct settings *s, const char *id)
{
    for (size_t i = 0; i < s->accounts_len; i++)
        if (strcmp(s->accounts[i].id, id) == 0)
            return &s->accounts[i];
    return NULL;
}

static void add_row(void *ctx, const struct topic_row *row)
{
    struct list *l = ctx;
    struct registry_key key = registry_key_read(row->key);
    if (l->status != STATUS_OK || key.kind != REGISTRY_KEY_DECLARATION)
        return;
    struct listed *item = add(l, key.account);
    if (item == NULL)
        return;
    CLEANUP(buf_wipe_done) struct buf json;
    buf_init(&json, SEALED_PLAINTEXT_MAX);
    item->winner = find_in_files(l->access->settings, key.account);
    enum status status = registry_access_unseal(l->access, l->access->settings->topics_accounts,
                                                row, &json, &item->unreadable);
    if (status == STATUS_OK)
        status = account_declaration_read(buf_bytes(&json), providers_all, &item->own,
                                          &item->unreadable);
    if (status == STATUS_NOMEM)
        l->status = status;
    if (status == STATUS_OK)
        item->account = &item->own->account;
    else
        l->unreadable++;
}

static int compare_listed(const void *a, const void *b)
{
    const struct listed *x = a, *y = b;
    int order = strcmp(x->id, y->id);
    return order != 0 ? order : (x->own != NULL) - (y->own != NULL);
}

/* What the registry says of it; NULL: nothing yet. The survey's accounts are sorted. */
static int compare_id(const void *id, const void *surveyed)
{
    return strcmp(id, ((const struct surveyed_account *)surveyed)->account);
}

static const struct account_record *record_of(const struct list *l, const char *id)
{
    const struct surveyed_account *found =
        l->survey->accounts_len == 0 ? NULL
                                     : bsearch(id, l->survey->accounts, l->survey->accounts_len,
                                               sizeof(*l->survey->accounts), compare_id);
    return found == NULL ? NULL : found->record;
}

/* --- for people ----------------------------------------------------------------------------- */

static void add_subscriptions(struct text_table *t, const struct account *a)
{
    if (a == NULL)
        text_table_add(t, TEXT_PLAIN, "%s", "");
    else if (a->wants_all)
        text_table_add(t, TEXT_PLAIN, "all");
    else
        text_table_add(t, TEXT_PLAIN, "%zu", a->subscriptions_len + (a->events_raw_len > 0));
}

static void add_source(struct text_table *t, const struct listed *item)
{
    const struct account *a = item->account;
    if (item->winner != NULL)
        text_table_add(t, TEXT_FAINT, "topic, but %s:%u counts", item->winner->file,
                       item->winner->line);
    else if (a == NULL || item->own != NULL)
        text_table_add(t, TEXT_PLAIN, "topic");
    else
        text_table_add(t, TEXT_PLAIN, "%s:%u", a->file, a->line);
}

static void add_status(struct text_table *t, const struct list *l, const struct listed *item)
{
    const struct account_record *r = record_of(l, item->id);
    if (item->account == NULL)
        text_table_add(t, TEXT_RED, "unreadable: %s", item->unreadable.text);
    else if (r == NULL)
        text_table_add(t, TEXT_PLAIN, "%s", "");
    else
        text_table_add(t, r->status == ACCOUNT_OK ? TEXT_GREEN : TEXT_RED, "%s",
                       account_record_status_name(r->status));
}

static void print_table(const struct list *l, bool with_colour, struct buf *ret)
{
    static const char *const headings[] = {"ACCOUNT",       "PROVIDER", "SYSTEM", "COMPANY",
                                           "SUBSCRIPTIONS", "SOURCE",   "STATUS"};
    CLEANUP(text_table_done) struct text_table t;
    text_table_init(&t, headings, sizeof(headings) / sizeof(headings[0]));
    for (size_t i = 0; i < l->len; i++) {
        const struct listed *item = &l->items[i];
        const struct account *a = item->account;
        text_table_add(&t, TEXT_PLAIN, "%s", item->id);
        text_table_add(&t, TEXT_PLAIN, "%s", a == NULL ? "" : a->provider->name);
        text_table_add(&t, TEXT_PLAIN, "%s", a == NULL ? "" : a->system);
        text_table_add(&t, TEXT_PLAIN, "%s",
                       a == NULL || a->company_id == NULL ? "" : a->company_id);
        add_subscriptions(&t, a);
        add_source(&t, item);
        add_status(&t, l, item);
    }
    if (l->len == 0)
        buf_append_text(ret, "no accounts\n");
    else
        text_table_print(&t, with_colour, ret);
}

/* --- for programs --------------------------------------------------------------------------- */

static void json_texts(struct buf *ret, const char *name, const char *const texts[], size_t len)
{
    if (len == 0)
        return;
    buf_printf(ret, ",\"%s\":[", name);
    for (size_t i = 0; i < len; i++) {
        buf_append_text(ret, i == 0 ? "" : ",");
        json_text_string(ret, bytes_of_text(texts[i]));
    }
    buf_append_text(ret, "]");
}

static void json_subscriptions(struct buf *ret, const struct account *a)
{
    if (a->wants_all) {
        json_text_member(ret, "subscriptions", "all");
        return;
    }
    buf_append_text(ret, ",\"subscriptions\":[");
    for (size_t i = 0; i < a->subscriptions_len; i++) {
        const struct account_subscription *s = &a->subscriptions[i];
        buf_append_text(ret, i == 0 ? "{\"resource\":" : ",{\"resource\":");
        json_text_string(ret, bytes_of_text(s->resource));
        json_texts(ret, "events", (const char *const *)s->events, s->events_len);
        buf_append_text(ret, "}");
    }
    buf_append_text(ret, "]");
}

static void json_account(struct buf *ret, const struct account *a)
{
    json_text_member(ret, "provider", a->provider->name);
    json_text_member(ret, "system", a->system);
    json_text_member(ret, "company_id", a->company_id);
    json_text_member(ret, "environment_name", a->environment_name);
    json_subscriptions(ret, a);
    json_texts(ret, "events_raw", (const char *const *)a->events_raw, a->events_raw_len);
    json_text_member(ret, "file", a->file);
    if (a->file != NULL)
        buf_printf(ret, ",\"line\":%u", a->line);
}

static void print_json(const struct list *l, struct buf *ret)
{
    buf_append_text(ret, "{\"accounts\":[");
    for (size_t i = 0; i < l->len; i++) {
        const struct listed *item = &l->items[i];
        const struct account_record *r = record_of(l, item->id);
        bool is_file = item->account != NULL && item->own == NULL;
        buf_append_text(ret, i == 0 ? "{\"account\":" : ",{\"account\":");
        json_text_string(ret, bytes_of_text(item->id));
        buf_printf(ret, ",\"source\":\"%s\",\"counts\":%s", is_file ? "file" : "topic",
                   item->winner == NULL ? "true" : "false");
        if (item->account != NULL)
            json_account(ret, item->account);
        else
            json_text_member(ret, "unreadable", item->unreadable.text);
        json_text_member(ret, "status", r == NULL ? NULL : account_record_status_name(r->status));
        json_text_member(ret, "reason", r == NULL ? NULL : r->reason);
        buf_append_text(ret, "}");
    }
    buf_append_text(ret, "]}\n");
}

/* --- the command ---------------------------------------------------------------------------- */

DEFINE_CLEANUP(struct topic_table *, topic_table_close)

static enum status gather(struct list *l, struct diag *diag)
{
    CLEANUP(topic_table_close_scoped) struct topic_table *accounts = NULL;
    CLEANUP(topic_table_close_scoped) struct topic_table *registry = NULL;
    const struct registry_access *x = l->access;
    const char *topic = x->settings->topics_registry;
    enum status status = registry_access_open(x, x->settings->topics_accounts, &accounts, diag);
    if (status == STATUS_OK)
        status = registry_access_open(x, topic, &registry, diag);
    if (status != STATUS_OK)
        return status;
    status =
        subscription_survey_add_registry(l->survey, topic_table_lock(registry), topic, x->keyring);
    topic_table_unlock(registry);
    add_files(l);
    topic_rows_each(topic_table_lock(accounts), add_row, l);
    topic_table_unlock(accounts);
    if (l->len > 0)
        qsort(l->items, l->len, sizeof(*l->items), compare_listed);
    return status == STATUS_OK ? l->status : status;
}

static enum exit_code list_run(const struct invocation *in)
{
    CLEANUP(registry_access_done) struct registry_access x;
    CLEANUP(subscription_survey_done) struct subscription_survey survey;
    CLEANUP(list_done) struct list l = {.access = &x, .survey = &survey};
    CLEANUP(buf_done) struct buf text;
    buf_init(&text, (size_t)1 << 30); /* a million accounts */
    subscription_survey_init(&survey, NULL, false);
    enum exit_code code = registry_access_init(in, "account list", &x);
    if (code != EXIT_CODE_FINE)
        return code;
    struct diag diag = {0};
    enum status status = gather(&l, &diag);
    if (status != STATUS_OK)
        return registry_access_fail(&x, status, &diag);
    if (invocation_wants_json(in))
        print_json(&l, &text);
    else
        print_table(&l, invocation_wants_colour(in), &text);
    code = output_write(stdout, &text);
    return code == EXIT_CODE_FINE && l.unreadable > 0 ? EXIT_CODE_FAILURE : code;
}

const struct command account_list_command = {
    .name = "account list",
    .operands = "",
    .summary = "Show every declared account, and where it is declared.",
    .description =
        "Lists the accounts of accounts_dir and those of topics.accounts; one that is in both is\n"
        "listed twice, and the file's counts. STATUS is what the reconcilers last wrote down;\n"
        "\"-\" until they have. Keys are not shown.",
    .examples = "  $ maesn-bridge account list\n"
                "  $ maesn-bridge account list --output json | jq '.accounts[] | "
                "select(.status == \"blocked\")'",
    .exit_codes =
        (const struct exit_meaning[]){
            {0, "fine"},
            {1, "a record cannot be read; all others are shown"},
            {64, "wrong use"},
            {69, "the brokers do not answer, or a topic is missing"},
            {78, "the configuration is faulty, or a topic is not what it must be"},
            {0}},
    .run = list_run,
};
