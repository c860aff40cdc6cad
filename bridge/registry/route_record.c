#include "bridge/registry/route_record.h"

#include <stddef.h>

#include "bridge/base/scoped.h"
#include "bridge/registry/record_form.h"

static const char *const state_names[] = {
    [ROUTE_PENDING] = "pending",
    [ROUTE_ACTIVE] = "active",
    [ROUTE_RETIRING] = "retiring",
    [ROUTE_RETIRED] = "retired",
};
static const char *const origin_names[] = {
    [ROUTE_ORIGIN_CREATED] = "created",
    [ROUTE_ORIGIN_ADOPTED] = "adopted",
};
#define STATES (sizeof(state_names) / sizeof(state_names[0]))
#define ORIGINS (sizeof(origin_names) / sizeof(origin_names[0]))

#define SPECIFICATION(member)                                                                      \
    RECORD_CHARS, offsetof(struct route_record, url.specification.member),                         \
        sizeof(((struct route_record *)0)->url.specification.member), true, NULL, 0
#define NAME(member, names, len)                                                                   \
    RECORD_NAME, offsetof(struct route_record, member), 0, true, names, len
#define TEXT(member) RECORD_TEXT, offsetof(struct route_record, member), 0, false, NULL, 0
#define INSTANT(member) RECORD_INSTANT, offsetof(struct route_record, member), 0, false, NULL, 0

static const struct record_field fields[] = {
    {"state", NAME(state, state_names, STATES)},
    {"provider", SPECIFICATION(provider)},
    {"account", SPECIFICATION(account)},
    {"resource", SPECIFICATION(resource)},
    {"event", SPECIFICATION(event)},
    {"generation_unix_ms", RECORD_INSTANT, offsetof(struct route_record, url.generation_unix_ms), 0,
     true, NULL, 0},
    {"origin", NAME(origin, origin_names, ORIGINS)},
    {"system", RECORD_TEXT, offsetof(struct route_record, system), 0, true, NULL, 0},
    {"company_id", TEXT(company_id)},
    {"environment_name", TEXT(environment_name)},
    {"public_base_url", TEXT(public_base_url)},
    {"provider_id", TEXT(provider_id)},
    {"secret", TEXT(secret)},
    {"token", TEXT(token)},
    {"created_at_unix_ms", INSTANT(created_at_unix_ms)},
    {"subscribed_since_unix_ms", INSTANT(subscribed_since_unix_ms)},
    {"expires_at_unix_ms", INSTANT(expires_at_unix_ms)},
    {"delete_after_unix_ms", INSTANT(delete_after_unix_ms)},
    {"gone_after_unix_ms", INSTANT(gone_after_unix_ms)},
    {"undesired_since_unix_ms", INSTANT(undesired_since_unix_ms)},
    {"missing_since_unix_ms", INSTANT(missing_since_unix_ms)},
};

static const struct record_form form = {"route record", sizeof(struct route_record), fields,
                                        sizeof(fields) / sizeof(fields[0])};

struct route_record *route_record_copy(const struct route_record *r)
{
    return record_form_copy(&form, r);
}

void route_record_free(struct route_record *r)
{
    record_form_free(r);
}

bool route_record_equal(const struct route_record *a, const struct route_record *b)
{
    return record_form_equal(&form, a, b);
}

static int64_t later(int64_t a, int64_t b)
{
    return a > b ? a : b;
}

bool route_record_is_silent(const struct route_record *r, int64_t last_event_unix_ms,
                            int64_t silent_after_ms, int64_t now_unix_ms)
{
    int64_t since_unix_ms =
        r->subscribed_since_unix_ms == 0 ? r->created_at_unix_ms : r->subscribed_since_unix_ms;
    return r->state == ROUTE_ACTIVE &&
           later(last_event_unix_ms, since_unix_ms) + silent_after_ms < now_unix_ms;
}

const char *route_record_state_name(enum route_state state)
{
    return state_names[state];
}

enum status route_record_write(const struct route_record *r, struct buf *ret)
{
    return record_form_write(&form, r, ret);
}

DEFINE_CLEANUP(struct route_record *, route_record_free)

enum status route_record_read(struct bytes json, struct route_record **ret, struct diag *diag)
{
    void *read = NULL;
    enum status status = record_form_read(&form, json, &read, diag);
    if (status != STATUS_OK)
        return status;
    CLEANUP(route_record_free_scoped) struct route_record *r = read;
    char key[CALLBACK_URL_KEY_SIZE];
    struct callback_url same;
    callback_url_key(&r->url, key);
    if (!callback_url_read_key(bytes_of_text(key), &same))
        return diag_set(diag, STATUS_INVALID, "%s: its names and generation make no path",
                        form.name);
    *ret = TAKE(r);
    return STATUS_OK;
}
