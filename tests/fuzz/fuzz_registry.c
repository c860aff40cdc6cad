/* Lines of `registry export`: what reads as a record is written so that it reads as the same, and
 * no line without its leave has a secret. */
#include <jansson.h>
#include <string.h>

#include "bridge/base/scoped.h"
#include "bridge/base/secret.h"
#include "bridge/providers/providers.h"
#include "bridge/registry/account_declaration.h"
#include "bridge/registry/account_record.h"
#include "bridge/registry/activity_record.h"
#include "bridge/registry/record_form.h"
#include "bridge/registry/record_line.h"
#include "bridge/registry/request_record.h"
#include "bridge/registry/route_record.h"
#include "tests/fuzz/fuzz.h"

DEFINE_CLEANUP(struct route_record *, route_record_free)
DEFINE_CLEANUP(struct account_record *, account_record_free)
DEFINE_CLEANUP(struct request_record *, request_record_free)
DEFINE_CLEANUP(struct account_declaration *, account_declaration_free)

void fuzz_start(void)
{
    record_form_start();
}

/* --- each kind -------------------------------------------------------------------------------- */

/* Whether it was written, into memory for that. */
static bool is_written(enum status status, const struct buf *text)
{
    if (fuzz_is_nomem(status))
        return false;
    FUZZ_ASSERT(status == STATUS_OK && text->len > 0);
    return true;
}

static bool check_route(struct bytes json)
{
    CLEANUP(route_record_free_scoped) struct route_record *r = NULL, *copy = NULL;
    struct route_record *again = NULL;
    CLEANUP(buf_done) struct buf text;
    buf_init(&text, 4U << 20);
    enum status status = route_record_read(json, &r, NULL);
    if (fuzz_is_nomem(status) || status != STATUS_OK)
        return false;
    if (is_written(route_record_write(r, &text), &text)) {
        status = route_record_read(buf_bytes(&text), &again, NULL);
        FUZZ_ASSERT(fuzz_is_nomem(status) || (status == STATUS_OK && route_record_equal(r, again)));
        route_record_free(again);
    }
    copy = route_record_copy(r);
    FUZZ_ASSERT(copy == NULL ? fuzz_is_short_of_memory() : route_record_equal(r, copy));
    FUZZ_ASSERT(route_record_state_name(r->state) != NULL);
    FUZZ_ASSERT(!route_record_is_silent(r, INT64_MAX / 2, 1, 0));
    return true;
}

static bool check_account(struct bytes json)
{
    CLEANUP(account_record_free_scoped) struct account_record *r = NULL, *copy = NULL;
    struct account_record *again = NULL;
    CLEANUP(buf_done) struct buf text;
    buf_init(&text, 4U << 20);
    enum status status = account_record_read(json, &r, NULL);
    if (fuzz_is_nomem(status) || status != STATUS_OK)
        return false;
    FUZZ_ASSERT(account_id_is_valid(r->account));
    FUZZ_ASSERT(account_record_status_name(r->status) != NULL);
    char fingerprint[ACCOUNT_FINGERPRINT_SIZE];
    if (!fuzz_is_nomem(account_record_fingerprint(json, fingerprint)))
        FUZZ_ASSERT(strlen(fingerprint) == ACCOUNT_FINGERPRINT_SIZE - 1);
    if (is_written(account_record_write(r, &text), &text)) {
        status = account_record_read(buf_bytes(&text), &again, NULL);
        FUZZ_ASSERT(fuzz_is_nomem(status) ||
                    (status == STATUS_OK && account_record_equal(r, again)));
        account_record_free(again);
    }
    copy = account_record_copy(r);
    FUZZ_ASSERT(copy == NULL ? fuzz_is_short_of_memory() : account_record_equal(r, copy));
    return true;
}

static bool check_request(struct bytes json)
{
    CLEANUP(request_record_free_scoped) struct request_record *r = NULL;
    struct request_record *again = NULL;
    CLEANUP(buf_done) struct buf text;
    CLEANUP(buf_done) struct buf same;
    buf_init(&text, 4U << 20);
    buf_init(&same, 4U << 20);
    enum status status = request_record_read(json, &r, NULL);
    if (fuzz_is_nomem(status) || status != STATUS_OK)
        return false;
    FUZZ_ASSERT(account_id_is_valid(r->account));
    if (is_written(request_record_write(r, &text), &text)) {
        status = request_record_read(buf_bytes(&text), &again, NULL);
        FUZZ_ASSERT(fuzz_is_nomem(status) || status == STATUS_OK);
        if (status == STATUS_OK && is_written(request_record_write(again, &same), &same))
            FUZZ_ASSERT(bytes_equal(buf_bytes(&text), buf_bytes(&same)));
        request_record_free(again);
    }
    struct request_record *copy = request_record_copy(r);
    FUZZ_ASSERT(copy != NULL || fuzz_is_short_of_memory());
    FUZZ_ASSERT(copy == NULL || strcmp(copy->account, r->account) == 0);
    request_record_free(copy);
    return true;
}

static bool check_declaration(struct bytes json)
{
    CLEANUP(account_declaration_free_scoped) struct account_declaration *d = NULL;
    struct account_declaration *again = NULL;
    CLEANUP(buf_done) struct buf text;
    CLEANUP(buf_done) struct buf same;
    buf_init(&text, 4U << 20);
    buf_init(&same, 4U << 20);
    enum status status = account_declaration_read(json, providers_all, &d, NULL);
    if (fuzz_is_nomem(status) || status != STATUS_OK)
        return false;
    FUZZ_ASSERT(account_id_is_valid(d->account.id) && d->account.account_key != NULL);
    if (is_written(account_declaration_write(&d->account, &text), &text)) {
        status = account_declaration_read(buf_bytes(&text), providers_all, &again, NULL);
        FUZZ_ASSERT(fuzz_is_nomem(status) || status == STATUS_OK);
        if (status == STATUS_OK &&
            is_written(account_declaration_write(&again->account, &same), &same))
            FUZZ_ASSERT(bytes_equal(buf_bytes(&text), buf_bytes(&same)));
        account_declaration_free(again);
    }
    return true;
}

static void check_activity(struct bytes json)
{
    struct activity_record r, again;
    CLEANUP(buf_done) struct buf text;
    buf_init(&text, 4096);
    enum status status = activity_record_read(json, &r, NULL);
    if (fuzz_is_nomem(status) || status != STATUS_OK)
        return;
    if (!is_written(activity_record_write(&r, &text), &text))
        return;
    status = activity_record_read(buf_bytes(&text), &again, NULL);
    FUZZ_ASSERT(fuzz_is_nomem(status) ||
                (status == STATUS_OK && r.first_at_unix_ms == again.first_at_unix_ms &&
                 r.last_at_unix_ms == again.last_at_unix_ms && r.callbacks == again.callbacks));
}

/* --- the line --------------------------------------------------------------------------------- */

/* The record's secrets come back with it, and are not there without. */
static void check_line(struct bytes key, struct bytes json)
{
    CLEANUP(buf_done) struct buf line;
    CLEANUP(buf_done) struct buf key_again;
    CLEANUP(buf_done) struct buf json_again;
    bool same = false;
    buf_init(&line, RECORD_LINE_MAX);
    buf_init(&key_again, 65536);
    buf_init(&json_again, 4U << 20);
    if (!is_written(record_line_write(key, json, true, &line), &line))
        return;
    FUZZ_ASSERT(memchr(line.data, '\n', line.len) == line.data + line.len - 1);
    enum status status =
        record_line_read(bytes_of(line.data, line.len - 1), &key_again, &json_again, NULL);
    if (fuzz_is_nomem(status))
        return;
    FUZZ_ASSERT(status == STATUS_OK && bytes_equal(key, buf_bytes(&key_again)));
    if (!fuzz_is_nomem(record_line_compare(json, buf_bytes(&json_again), &same)))
        FUZZ_ASSERT(same);
    line.len = 0;
    if (!is_written(record_line_write(key, json, false, &line), &line))
        return;
    json_t *read = json_loadb((const char *)line.data, line.len, JSON_REJECT_DUPLICATES, NULL);
    const json_t *record = json_object_get(read, "record");
    if (fuzz_is_short_of_memory()) {
        json_decref(read);
        return;
    }
    FUZZ_ASSERT(json_is_object(record) && json_object_get(record, "secret") == NULL);
    FUZZ_ASSERT(json_object_get(record, "token") == NULL);
    FUZZ_ASSERT(json_object_get(record, "account_key") == NULL);
    json_decref(read);
}

static void check_unreadable(struct bytes line)
{
    CLEANUP(buf_done) struct buf text;
    buf_init(&text, RECORD_LINE_MAX);
    enum status status = record_line_write_unreadable(line, "why", line, &text);
    if (!fuzz_is_nomem(status) && status == STATUS_OK)
        FUZZ_ASSERT(memchr(text.data, '\n', text.len) == text.data + text.len - 1);
}

static void check_export(struct bytes input)
{
    CLEANUP(buf_done) struct buf key;
    CLEANUP(buf_done) struct buf json;
    buf_init(&key, 65536);
    buf_init(&json, 4U << 20);
    check_unreadable(bytes_of(input.data, input.len > 300 ? 300 : input.len));
    check_activity(input);
    enum status status = record_line_read(input, &key, &json, NULL);
    if (fuzz_is_nomem(status) || status != STATUS_OK)
        return;
    struct registry_key k = registry_key_read(buf_bytes(&key));
    status = record_line_check(&k, buf_bytes(&json), providers_all, NULL);
    if (fuzz_is_nomem(status))
        return;
    bool is_read = check_route(buf_bytes(&json));
    is_read |= check_account(buf_bytes(&json));
    is_read |= check_request(buf_bytes(&json));
    is_read |= check_declaration(buf_bytes(&json));
    FUZZ_ASSERT(status != STATUS_OK || is_read || fuzz_is_short_of_memory());
    if (status == STATUS_OK && is_read)
        check_line(buf_bytes(&key), buf_bytes(&json));
}

void fuzz_one(struct bytes input)
{
    fuzz_lines(input, check_export);
}
