#include "bridge/registry/account_record.h"

#include <stddef.h>

#include "bridge/base/crypto.h"
#include "bridge/base/scoped.h"
#include "bridge/registry/record_form.h"

static const char *const status_names[] = {
    [ACCOUNT_OK] = "ok",
    [ACCOUNT_BLOCKED] = "blocked",
    [ACCOUNT_INVALID] = "invalid",
};
#define STATUSES (sizeof(status_names) / sizeof(status_names[0]))

#define CHARS(member, required)                                                                    \
    RECORD_CHARS, offsetof(struct account_record, member),                                         \
        sizeof(((struct account_record *)0)->member), required, NULL, 0
#define TEXT(member, required)                                                                     \
    RECORD_TEXT, offsetof(struct account_record, member), 0, required, NULL, 0
#define INSTANT(member) RECORD_INSTANT, offsetof(struct account_record, member), 0, false, NULL, 0

static const struct record_field fields[] = {
    {"account", CHARS(account, true)},
    {"provider", TEXT(provider, true)},
    {"system", TEXT(system, true)},
    {"company_id", TEXT(company_id, false)},
    {"environment_name", TEXT(environment_name, false)},
    {"account_key", TEXT(account_key, false)},
    {"fingerprint", CHARS(fingerprint, false)},
    {"key_since_unix_ms", INSTANT(key_since_unix_ms)},
    {"status", RECORD_NAME, offsetof(struct account_record, status), 0, true, status_names,
     STATUSES},
    {"reason", TEXT(reason, false)},
    {"status_since_unix_ms", INSTANT(status_since_unix_ms)},
    {"refused", TEXT(refused, false)},
    {"configuration", CHARS(configuration, false)},
    {"forced_unix_ms", INSTANT(forced_unix_ms)},
};

static const struct record_form form = {"account record", sizeof(struct account_record), fields,
                                        sizeof(fields) / sizeof(fields[0])};

struct account_record *account_record_copy(const struct account_record *r)
{
    return record_form_copy(&form, r);
}

void account_record_free(struct account_record *r)
{
    record_form_free(r);
}

bool account_record_equal(const struct account_record *a, const struct account_record *b)
{
    return record_form_equal(&form, a, b);
}

const char *account_record_status_name(enum account_status status)
{
    return status_names[status];
}

enum status account_record_fingerprint(struct bytes key, char ret[ACCOUNT_FINGERPRINT_SIZE])
{
    uint8_t hash[CRYPTO_SHA256_SIZE];
    enum status status = sha256(&key, 1, hash);
    if (status == STATUS_OK)
        hex_encode(bytes_of(hash, (ACCOUNT_FINGERPRINT_SIZE - 1) / 2), ret);
    return status;
}

enum status account_record_write(const struct account_record *r, struct buf *ret)
{
    return record_form_write(&form, r, ret);
}

DEFINE_CLEANUP(struct account_record *, account_record_free)

enum status account_record_read(struct bytes json, struct account_record **ret, struct diag *diag)
{
    void *read = NULL;
    enum status status = record_form_read(&form, json, &read, diag);
    if (status != STATUS_OK)
        return status;
    CLEANUP(account_record_free_scoped) struct account_record *r = read;
    if (!account_id_is_valid(r->account))
        return diag_set(diag, STATUS_INVALID, "%s: account: expected an account's id", form.name);
    *ret = TAKE(r);
    return STATUS_OK;
}
