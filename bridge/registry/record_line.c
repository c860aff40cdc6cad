#include "bridge/registry/record_line.h"

#include <jansson.h>

#include "bridge/base/json_text.h"
#include "bridge/base/scoped.h"
#include "bridge/registry/account_declaration.h"
#include "bridge/registry/account_record.h"
#include "bridge/registry/record_form.h"
#include "bridge/registry/route_record.h"

/* The members of records that hold secrets. */
static const char *const secrets[] = {"account_key", "secret", "token"};
#define SECRETS (sizeof(secrets) / sizeof(secrets[0]))

DEFINE_CLEANUP(json_t *, json_decref)
DEFINE_CLEANUP(struct route_record *, route_record_free)
DEFINE_CLEANUP(struct account_record *, account_record_free)
DEFINE_CLEANUP(struct account_declaration *, account_declaration_free)

/* --- is it the record that its key says ----------------------------------------------------- */

static enum status check_route(const struct registry_key *key, struct bytes json, struct diag *diag)
{
    CLEANUP(route_record_free_scoped) struct route_record *r = NULL;
    enum status status = route_record_read(json, &r, diag);
    if (status != STATUS_OK)
        return status;
    if (r->url.generation_unix_ms == key->url.generation_unix_ms &&
        specification_equal(&r->url.specification, &key->url.specification))
        return STATUS_OK;
    return diag_set(diag, STATUS_INVALID, "route record: it is of another route than its key");
}

static enum status check_account(const struct registry_key *key, struct bytes json,
                                 struct diag *diag)
{
    CLEANUP(account_record_free_scoped) struct account_record *r = NULL;
    enum status status = account_record_read(json, &r, diag);
    if (status != STATUS_OK || strcmp(r->account, key->account) == 0)
        return status;
    return diag_set(diag, STATUS_INVALID, "account record: it is of another account than its key");
}

static enum status check_declaration(const struct registry_key *key, struct bytes json,
                                     const struct provider *const providers[], struct diag *diag)
{
    CLEANUP(account_declaration_free_scoped) struct account_declaration *d = NULL;
    enum status status = account_declaration_read(json, providers, &d, diag);
    if (status != STATUS_OK || strcmp(d->account.id, key->account) == 0)
        return status;
    return diag_set(diag, STATUS_INVALID,
                    "account declaration: it is of another account than its key");
}

enum status record_line_check(const struct registry_key *key, struct bytes json,
                              const struct provider *const providers[], struct diag *diag)
{
    switch (key->kind) {
    case REGISTRY_KEY_ROUTE:
        return check_route(key, json, diag);
    case REGISTRY_KEY_ACCOUNT:
        return check_account(key, json, diag);
    case REGISTRY_KEY_DECLARATION:
        return check_declaration(key, json, providers, diag);
    case REGISTRY_KEY_REQUEST:
    case REGISTRY_KEY_UNKNOWN:
        break;
    }
    return diag_set(diag, STATUS_INVALID, "its key is none of a route or an account");
}

/* --- written -------------------------------------------------------------------------------- */

static int append(const char *text, size_t len, void *ctx)
{
    struct buf *ret = ctx;
    buf_append(ret, text, len);
    return ret->status == STATUS_OK ? 0 : -1;
}

static enum status append_json(struct buf *ret, const json_t *json)
{
    if (json_dump_callback(json, append, ret, JSON_COMPACT) != 0 && ret->status == STATUS_OK)
        ret->status = STATUS_NOMEM;
    return ret->status;
}

/* Takes the secrets out; names says which. */
static void redact(json_t *record, struct buf *names)
{
    for (size_t i = 0; i < SECRETS; i++) {
        if (json_object_get(record, secrets[i]) == NULL)
            continue;
        (void)json_object_del(record, secrets[i]);
        buf_printf(names, "%s\"%s\"", names->len == 0 ? "" : ",", secrets[i]);
    }
}

enum status record_line_write(struct bytes key, struct bytes json, bool with_secrets,
                              struct buf *ret)
{
    CLEANUP(json_decref_scoped) json_t *record = NULL;
    CLEANUP(buf_done) struct buf redacted;
    buf_init(&redacted, 256);
    enum status status = record_form_parse("record", json, &record, NULL);
    if (status != STATUS_OK)
        return status;
    if (!with_secrets)
        redact(record, &redacted);
    if (redacted.status != STATUS_OK)
        return redacted.status;
    buf_append_text(ret, "{\"key\":");
    json_text_string(ret, key);
    buf_append_text(ret, ",\"record\":");
    status = append_json(ret, record);
    if (status == STATUS_OK && redacted.len > 0)
        buf_printf(ret, ",\"redacted\":[%s]", buf_text(&redacted));
    buf_append_text(ret, "}\n");
    return ret->status;
}

enum status record_line_write_unreadable(struct bytes key, const char *why,
                                         struct bytes sealed_under, struct buf *ret)
{
    buf_append_text(ret, "{\"key\":");
    json_text_string(ret, key);
    buf_append_text(ret, ",\"unreadable\":");
    json_text_string(ret, bytes_of_text(why));
    if (sealed_under.data != NULL) {
        buf_append_text(ret, ",\"sealed_under\":");
        json_text_string(ret, sealed_under);
    }
    buf_append_text(ret, "}\n");
    return ret->status;
}

/* --- read ----------------------------------------------------------------------------------- */

static enum status take_members(const json_t *line, struct buf *ret_key, struct buf *ret_json,
                                struct diag *diag)
{
    const json_t *key = json_object_get(line, "key"), *record = json_object_get(line, "record");
    if (json_string_length(key) == 0)
        return diag_set(diag, STATUS_INVALID, "key: expected a text that is not empty");
    if (json_object_get(line, "redacted") != NULL)
        return diag_set(diag, STATUS_INVALID,
                        "its secrets were left out: export with --with-secrets");
    if (json_object_get(line, "unreadable") != NULL)
        return diag_set(diag, STATUS_INVALID, "it could not be read when it was exported");
    if (!json_is_object(record))
        return diag_set(diag, STATUS_INVALID, "record: expected a record");
    buf_append(ret_key, json_string_value(key), json_string_length(key));
    return ret_key->status == STATUS_OK ? append_json(ret_json, record) : ret_key->status;
}

enum status record_line_read(struct bytes line, struct buf *ret_key, struct buf *ret_json,
                             struct diag *diag)
{
    CLEANUP(json_decref_scoped) json_t *object = NULL;
    enum status status = record_form_parse_any("line", line, &object, diag);
    return status == STATUS_OK ? take_members(object, ret_key, ret_json, diag) : status;
}

enum status record_line_compare(struct bytes a, struct bytes b, bool *ret_same)
{
    CLEANUP(json_decref_scoped) json_t *first = NULL;
    CLEANUP(json_decref_scoped) json_t *second = NULL;
    enum status status = record_form_parse_any("record", a, &first, NULL);
    if (status == STATUS_OK)
        status = record_form_parse_any("record", b, &second, NULL);
    if (status == STATUS_OK)
        *ret_same = json_equal(first, second) == 1;
    return status;
}
