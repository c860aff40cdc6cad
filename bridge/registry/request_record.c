#include "bridge/registry/request_record.h"

#include <stddef.h>

#include "bridge/base/scoped.h"
#include "bridge/registry/record_form.h"

static const char *const kind_names[] = {
    [REQUEST_PASS] = "pass",   [REQUEST_FORCE] = "force",   [REQUEST_ROTATE] = "rotate",
    [REQUEST_ADOPT] = "adopt", [REQUEST_FORGET] = "forget",
};

static const struct record_field fields[] = {
    {"account", RECORD_CHARS, offsetof(struct request_record, account),
     sizeof(((struct request_record *)0)->account), true, NULL, 0},
    {"kind", RECORD_NAME, offsetof(struct request_record, kind), 0, true, kind_names,
     sizeof(kind_names) / sizeof(kind_names[0])},
    {"resource", RECORD_TEXT, offsetof(struct request_record, resource), 0, false, NULL, 0},
    {"provider_id", RECORD_TEXT, offsetof(struct request_record, provider_id), 0, false, NULL, 0},
    {"callback_url", RECORD_TEXT, offsetof(struct request_record, callback_url), 0, false, NULL, 0},
    {"secret", RECORD_TEXT, offsetof(struct request_record, secret), 0, false, NULL, 0},
    {"token", RECORD_TEXT, offsetof(struct request_record, token), 0, false, NULL, 0},
    {"requested_at_unix_ms", RECORD_INSTANT, offsetof(struct request_record, requested_at_unix_ms),
     0, true, NULL, 0},
    {"former_rotate_unix_ms", RECORD_INSTANT,
     offsetof(struct request_record, former_rotate_unix_ms), 0, false, NULL, 0},
    {"former_resource", RECORD_TEXT, offsetof(struct request_record, former_resource), 0, false,
     NULL, 0},
    {"former_force_unix_ms", RECORD_INSTANT, offsetof(struct request_record, former_force_unix_ms),
     0, false, NULL, 0},
};

static const struct record_form form = {"request record", sizeof(struct request_record), fields,
                                        sizeof(fields) / sizeof(fields[0])};

struct request_record *request_record_copy(const struct request_record *r)
{
    return record_form_copy(&form, r);
}

void request_record_free(struct request_record *r)
{
    record_form_free(r);
}

enum status request_record_write(const struct request_record *r, struct buf *ret)
{
    return record_form_write(&form, r, ret);
}

DEFINE_CLEANUP(struct request_record *, request_record_free)

enum status request_record_read(struct bytes json, struct request_record **ret, struct diag *diag)
{
    void *read = NULL;
    enum status status = record_form_read(&form, json, &read, diag);
    if (status != STATUS_OK)
        return status;
    CLEANUP(request_record_free_scoped) struct request_record *r = read;
    if (!account_id_is_valid(r->account))
        return diag_set(diag, STATUS_INVALID, "%s: account: expected an account's id", form.name);
    if (r->kind == REQUEST_ADOPT &&
        (r->provider_id == NULL || r->callback_url == NULL || r->secret == NULL))
        return diag_set(diag, STATUS_INVALID,
                        "%s: provider_id, callback_url, secret: missing, adopt needs them",
                        form.name);
    *ret = TAKE(r);
    return STATUS_OK;
}
