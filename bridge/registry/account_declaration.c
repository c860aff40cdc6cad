#include "bridge/registry/account_declaration.h"

#include <stdlib.h>

#include <jansson.h>

#include "bridge/base/json_text.h"
#include "bridge/base/scoped.h"
#include "bridge/base/secret.h"
#include "bridge/base/utf8.h"
#include "bridge/domain/provider.h"
#include "bridge/registry/record_form.h"
#include "bridge/registry/sealed.h"

static const char name[] = "account declaration";

/* The texts of a record take less than it; the lists' elements more: a list is two characters. */
static const size_t arena_max = (size_t)64 * SEALED_PLAINTEXT_MAX;

DEFINE_CLEANUP(struct account_declaration *, account_declaration_free)
DEFINE_CLEANUP(json_t *, json_decref)

/* --- written ------------------------------------------------------------------------------- */

/* What is not UTF-8 would be written as something else, and a key would be another. */
static void append_text(struct buf *ret, struct bytes text)
{
    for (struct bytes rest = text; rest.len > 0;) {
        size_t len = utf8_sequence(rest.data, rest.len);
        if (len == 0 && ret->status == STATUS_OK)
            ret->status = STATUS_INVALID;
        if (len == 0)
            return;
        rest = bytes_of(rest.data + len, rest.len - len);
    }
    json_text_string(ret, text);
}

static void append_member(struct buf *ret, const char *member, const char *text)
{
    if (text == NULL)
        return;
    buf_printf(ret, ",\"%s\":", member);
    append_text(ret, bytes_of_text(text));
}

static void append_texts(struct buf *ret, const char *member, const char *const texts[], size_t len)
{
    if (len == 0)
        return;
    buf_printf(ret, ",\"%s\":[", member);
    for (size_t i = 0; i < len; i++) {
        buf_append_text(ret, i == 0 ? "" : ",");
        append_text(ret, bytes_of_text(texts[i]));
    }
    buf_append_text(ret, "]");
}

static void append_subscriptions(struct buf *ret, const struct account *a)
{
    buf_append_text(ret, ",\"subscriptions\":[");
    for (size_t i = 0; i < a->subscriptions_len; i++) {
        const struct account_subscription *s = &a->subscriptions[i];
        buf_append_text(ret, i == 0 ? "{\"resource\":" : ",{\"resource\":");
        append_text(ret, bytes_of_text(s->resource));
        append_texts(ret, "events", (const char *const *)s->events, s->events_len);
        buf_append_text(ret, "}");
    }
    buf_append_text(ret, "]");
}

enum status account_declaration_write(const struct account *a, struct buf *ret)
{
    buf_append_text(ret, "{\"version\":1");
    append_member(ret, "account", a->id);
    append_member(ret, "provider", a->provider->name);
    append_member(ret, "system", a->system);
    append_member(ret, "company_id", a->company_id);
    append_member(ret, "environment_name", a->environment_name);
    buf_append_text(ret, ",\"account_key\":");
    append_text(ret, secret_bytes(a->account_key));
    if (a->wants_all)
        append_member(ret, "subscriptions", "all");
    else
        append_subscriptions(ret, a);
    append_texts(ret, "events_raw", (const char *const *)a->events_raw, a->events_raw_len);
    buf_append_text(ret, "}");
    return ret->status;
}

/* --- read ---------------------------------------------------------------------------------- */

struct reading {
    struct account_declaration *d;
    struct diag *diag;
};

static enum status refuse(struct reading *r, const char *member, const char *expectation)
{
    diag_set(r->diag, STATUS_INVALID, "%s: %s: expected %s", name, member, expectation);
    return STATUS_INVALID; /* so that an analyser, which sees one file, knows */
}

static enum status read_text(struct reading *r, const json_t *object, const char *member,
                             bool required, const char **ret)
{
    const json_t *value = json_object_get(object, member);
    if (value == NULL && !required)
        return STATUS_OK;
    if (json_string_length(value) == 0)
        return refuse(r, member, "a text that is not empty");
    *ret = arena_dup(r->d->arena, bytes_of_text(json_string_value(value)));
    return *ret == NULL ? STATUS_NOMEM : STATUS_OK;
}

/* Memory for the elements of a list that is there. */
static enum status make_list(struct reading *r, const json_t *list, const char *member, size_t size,
                             void **ret)
{
    if (!json_is_array(list) || json_array_size(list) > ACCOUNT_DECLARATION_ITEMS_MAX)
        return refuse(r, member, "a list that is not too long");
    *ret = arena_alloc(r->d->arena, (json_array_size(list) + 1) * size);
    if (*ret == NULL)
        return STATUS_NOMEM;
    memset(*ret, 0, (json_array_size(list) + 1) * size);
    return STATUS_OK;
}

static enum status read_texts(struct reading *r, const json_t *object, const char *member,
                              const char ***ret, size_t *ret_len)
{
    const json_t *list = json_object_get(object, member);
    void *made = NULL;
    if (list == NULL)
        return STATUS_OK;
    enum status status = make_list(r, list, member, sizeof(**ret), &made);
    const char **texts = made;
    for (size_t i = 0; status == STATUS_OK && i < json_array_size(list); i++) {
        const json_t *value = json_array_get(list, i);
        if (json_string_length(value) == 0)
            return refuse(r, member, "texts that are not empty");
        texts[i] = arena_dup(r->d->arena, bytes_of_text(json_string_value(value)));
        status = texts[i] == NULL ? STATUS_NOMEM : STATUS_OK;
    }
    if (status != STATUS_OK)
        return status;
    *ret = texts;
    *ret_len = json_array_size(list);
    return STATUS_OK;
}

static enum status read_subscriptions(struct reading *r, const json_t *object)
{
    const json_t *list = json_object_get(object, "subscriptions");
    struct account *a = &r->d->account;
    a->wants_all = json_is_string(list) && strcmp(json_string_value(list), "all") == 0;
    if (a->wants_all)
        return STATUS_OK;
    void *made = NULL;
    enum status status = make_list(r, list, "subscriptions", sizeof(*a->subscriptions), &made);
    if (status != STATUS_OK)
        return status;
    a->subscriptions = made;
    a->subscriptions_len = json_array_size(list);
    for (size_t i = 0; status == STATUS_OK && i < a->subscriptions_len; i++) {
        struct account_subscription *s = &a->subscriptions[i];
        const json_t *item = json_array_get(list, i);
        status = read_text(r, item, "resource", true, &s->resource);
        if (status == STATUS_OK)
            status = read_texts(r, item, "events", &s->events, &s->events_len);
    }
    return status;
}

static enum status read_key(struct reading *r, const json_t *object)
{
    const json_t *value = json_object_get(object, "account_key");
    struct bytes key = bytes_of(json_string_value(value), json_string_length(value));
    if (key.len == 0 || key.len > SECRET_MAX)
        return refuse(r, "account_key", "a text that is not empty, nor too long");
    return secret_new(key, &r->d->account.account_key, NULL);
}

static enum status read_provider(struct reading *r, const json_t *object,
                                 const struct provider *const providers[])
{
    const char *wanted = json_string_value(json_object_get(object, "provider"));
    for (size_t i = 0; wanted != NULL && providers[i] != NULL; i++)
        if (strcmp(providers[i]->name, wanted) == 0)
            r->d->account.provider = providers[i];
    return r->d->account.provider == NULL ? refuse(r, "provider", "one that this version knows")
                                          : STATUS_OK;
}

static enum status read_members(struct reading *r, const json_t *object,
                                const struct provider *const providers[])
{
    struct account *a = &r->d->account;
    enum status status = read_text(r, object, "account", true, &a->id);
    if (status == STATUS_OK && !account_id_is_valid(a->id))
        return refuse(r, "account", "an account's id");
    if (status == STATUS_OK)
        status = read_provider(r, object, providers);
    if (status == STATUS_OK)
        status = read_text(r, object, "system", true, &a->system);
    if (status == STATUS_OK)
        status = read_text(r, object, "company_id", false, &a->company_id);
    if (status == STATUS_OK)
        status = read_text(r, object, "environment_name", false, &a->environment_name);
    if (status == STATUS_OK)
        status = read_key(r, object);
    if (status == STATUS_OK)
        status = read_subscriptions(r, object);
    if (status == STATUS_OK)
        status = read_texts(r, object, "events_raw", &a->events_raw, &a->events_raw_len);
    return status;
}

enum status account_declaration_read(struct bytes json_text,
                                     const struct provider *const providers[],
                                     struct account_declaration **ret, struct diag *diag)
{
    CLEANUP(json_decref_scoped) json_t *object = NULL;
    enum status status = record_form_parse(name, json_text, &object, diag);
    if (status != STATUS_OK)
        return status;
    CLEANUP(account_declaration_free_scoped)
    struct account_declaration *d = calloc(1, sizeof(*d));
    if (d == NULL)
        return STATUS_NOMEM;
    d->arena = arena_new(arena_max);
    if (d->arena == NULL)
        return STATUS_NOMEM;
    d->account.account_key_file = "";
    status = read_members(&(struct reading){d, diag}, object, providers);
    if (status == STATUS_OK)
        *ret = TAKE(d);
    return status;
}

void account_declaration_free(struct account_declaration *d)
{
    if (d == NULL)
        return;
    secret_unref(d->account.account_key);
    arena_free(d->arena);
    free(d);
}
