#include "bridge/settings/account_files.h"

#include <stdio.h>
#include <stdlib.h>

#include "bridge/base/secret.h"
#include "bridge/domain/account.h"
#include "bridge/settings/account_expansion.h"
#include "bridge/settings/declarations.h"

enum {
    ACCOUNT_KEY_FILE,
    COMPANY_ID,
    ENVIRONMENT_NAME,
    EVENTS_RAW,
    ID,
    PROVIDER,
    SUBSCRIPTIONS,
    SYSTEM,
};

const struct field account_fields[] = {
    [ACCOUNT_KEY_FILE] = {"account_key_file", FIELD_PATH, true, NULL, NULL, "a path",
                          "File with the account's key at the provider."},
    [COMPANY_ID] = {"company_id", FIELD_LOOSE_TEXT, false, NULL, NULL, "text",
                    "The company, or administration, within the accounting system."},
    [ENVIRONMENT_NAME] = {"environment_name", FIELD_LOOSE_TEXT, false, NULL, NULL, "text",
                          "The environment of Business Central."},
    [EVENTS_RAW] = {"events_raw", FIELD_TEXTS, false, field_is_name, FIELD_NAME_PATTERN,
                    "a list of names, each of " FIELD_NAME_EXPECTATION,
                    "Native names of further events; native Moneybird accounts only."},
    [ID] = {"id", FIELD_TEXT, true, account_id_is_valid, FIELD_ID_PATTERN, FIELD_ID_EXPECTATION,
            "The account's name here: part of callback URLs, topics and keys."},
    [PROVIDER] = {"provider", FIELD_TEXT, false, NULL, NULL, "a provider's name",
                  "Who is subscribed to: `maesn` or `moneybird`. Default: maesn."},
    [SUBSCRIPTIONS] = {"subscriptions", FIELD_OTHER, true, NULL, NULL,
                       "all, or a list of {resource, events}", "What is subscribed to."},
    [SYSTEM] = {"system", FIELD_TEXT, false, account_id_is_valid, FIELD_ID_PATTERN,
                FIELD_ID_EXPECTATION,
                "The accounting system behind the account. Required for `maesn`."},
    {0},
};

enum { EVENTS, RESOURCE };

const struct field account_subscription_fields[] = {
    [EVENTS] = {"events", FIELD_TEXTS, false, field_is_name, FIELD_NAME_PATTERN,
                "a list of names, each of " FIELD_NAME_EXPECTATION,
                "The event types subscribed to. Default: all."},
    [RESOURCE] = {"resource", FIELD_TEXT, true, field_is_name, FIELD_NAME_PATTERN,
                  FIELD_NAME_EXPECTATION, "The resource subscribed to."},
    {0},
};

struct reading {
    struct account *accounts;
    size_t len;
    size_t capacity;
    struct declared_list ids;
};

static void read_subscription(struct load *l, const char *key, const struct node *n,
                              struct account_subscription *ret)
{
    const struct node *values[FIELDS_MAX];
    if (!field_collect(account_subscription_fields, key, n, l, values))
        return;
    const char *resource =
        field_text(&account_subscription_fields[RESOURCE], key, values[RESOURCE], l);
    struct text_list events =
        field_texts(&account_subscription_fields[EVENTS], key, values[EVENTS], l);
    *ret = (struct account_subscription){resource == NULL ? NULL : load_copy(l, resource),
                                         events.items, events.len};
    if (events.items == NULL || events.len > 0)
        return;
    char full[160]; /* a subscription's key is at most 127 characters long */
    snprintf(full, sizeof(full), "%.127s.events", key); /* [] is not the same as "all" */
    load_error(l, values[EVENTS]->place, full,
               "an empty list, expected at least one event, or none of this key for all");
}

static void read_subscriptions(struct load *l, const char *key, const struct node *n,
                               struct account *a)
{
    char full[128];
    snprintf(full, sizeof(full), "%s.subscriptions", key);
    if (n == NULL)
        return;
    a->wants_all = node_is_text(n) && strcmp(n->text, "all") == 0;
    if (a->wants_all)
        return;
    if (n->kind != NODE_LIST) {
        load_mistyped(l, n, full, account_fields[SUBSCRIPTIONS].expectation);
        return;
    }
    size_t len = 0;
    for (const struct node *item = n->first; item != NULL; item = item->next)
        len++;
    a->subscriptions = load_alloc(l, len + 1, sizeof(*a->subscriptions));
    for (const struct node *item = n->first; item != NULL && a->subscriptions != NULL;
         item = item->next) {
        snprintf(full, sizeof(full), "%s.subscriptions[%zu]", key, a->subscriptions_len);
        read_subscription(l, full, item, &a->subscriptions[a->subscriptions_len++]);
    }
}

static const struct provider *read_provider(struct load *l, const char *key, const struct node *n)
{
    const char *name = n == NULL ? "maesn" : field_text(&account_fields[PROVIDER], key, n, l);
    const struct provider *provider = name == NULL ? NULL : load_provider(l, name);
    if (n != NULL && name != NULL && provider == NULL)
        load_unknown_provider(l, n, key);
    return provider;
}

static const char *copy_or_null(struct load *l, const char *text)
{
    return text == NULL ? NULL : load_copy(l, text);
}

static void read_account_key(struct load *l, const char *key, const struct node *n,
                             struct account *a)
{
    const char *text = field_text(&account_fields[ACCOUNT_KEY_FILE], key, n, l);
    if (text == NULL)
        return;
    char full[128];
    snprintf(full, sizeof(full), "%s.account_key_file", key);
    a->account_key_file = load_resolve(l, n->place.file, text);
    a->account_key = load_secret(l, a->account_key_file, n->place, full);
}

static void read_events_raw(struct load *l, const char *key, const struct node *n,
                            struct account *a)
{
    struct text_list events = field_texts(&account_fields[EVENTS_RAW], key, n, l);
    a->events_raw = events.items;
    a->events_raw_len = events.len;
    if (n == NULL || a->provider == NULL || a->provider->knows_system(a->provider->name))
        return;
    char full[128];
    snprintf(full, sizeof(full), "%s.events_raw", key);
    load_mistyped(l, n, full, "it left out: only a native account has events of its own");
}

static void read_account(struct load *l, const char *key, const struct node *n, void *ctx)
{
    struct reading *reading = ctx;
    const struct node *values[FIELDS_MAX];
    size_t errors = l->problems->errors;
    if (!field_collect(account_fields, key, n, l, values))
        return;
    const struct field *fields = account_fields;
    struct account a = {
        .id = copy_or_null(l, field_text(&fields[ID], key, values[ID], l)),
        .provider = read_provider(l, key, values[PROVIDER]),
        .company_id = copy_or_null(l, field_text(&fields[COMPANY_ID], key, values[COMPANY_ID], l)),
        .environment_name = copy_or_null(
            l, field_text(&fields[ENVIRONMENT_NAME], key, values[ENVIRONMENT_NAME], l)),
        .file = load_copy(l, n->place.file),
        .line = n->place.line,
        .column = n->place.column,
    };
    a.system = copy_or_null(l, load_system(l, key, n, &fields[SYSTEM], values[SYSTEM], a.provider));
    read_subscriptions(l, key, values[SUBSCRIPTIONS], &a);
    read_events_raw(l, key, values[EVENTS_RAW], &a);
    if (l->problems->errors == errors && l->problems->status == STATUS_OK)
        account_expansion_check(l, key, n, &a);
    struct account *accounts = declarations_grow(l, reading->accounts, reading->len,
                                                 &reading->capacity, sizeof(*accounts));
    if (accounts == NULL)
        return;
    read_account_key(l, key, values[ACCOUNT_KEY_FILE], &a);
    reading->accounts = accounts;
    reading->accounts[reading->len++] = a; /* also a wrong one: what it holds is dropped with all */
    if (a.id != NULL)
        declared_list_add(l, &reading->ids, a.id, values[ID]->place);
}

/* path: NULL for all of accounts_dir. */
static void read_accounts(struct load *l, const char *path)
{
    struct reading reading = {0};
    const struct declarations declarations = {l->settings->accounts_dir, SETTING_ID_accounts_dir,
                                              "accounts", read_account, &reading};
    if (path == NULL)
        declarations_read(l, &declarations);
    else
        declarations_read_file(l, &declarations, path);
    declared_list_refuse_twins(l, "accounts.id", &reading.ids);
    declared_list_done(&reading.ids);
    l->settings->accounts = reading.accounts;
    l->settings->accounts_len = reading.len;
}

void account_files_read(struct load *l)
{
    read_accounts(l, NULL);
}

void account_files_read_one(struct load *l, const char *path)
{
    read_accounts(l, path);
}

void account_files_done(struct account *accounts, size_t len)
{
    for (size_t i = 0; i < len; i++)
        secret_unref(accounts[i].account_key);
    free(accounts);
}
