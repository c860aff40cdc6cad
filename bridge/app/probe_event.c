#include "bridge/app/probe_event.h"

#include <assert.h>
#include <stdio.h>

#include "bridge/base/secret.h"
#include "bridge/base/timestamp.h"
#include "bridge/domain/header_text.h"
#include "bridge/domain/resource.h"

/* Random bytes of an event's resourceId: ce_id hashes the body, so that every probe's is its own.
 */
#define ID_SIZE 16

/* --- making it --------------------------------------------------------------------------------
 */

static enum status write_body(struct probe_event *e)
{
    uint8_t random[ID_SIZE];
    char id[2 * ID_SIZE + 1], now[TIMESTAMP_SIZE];
    enum status status = crypto_random(random, sizeof(random));
    if (status != STATUS_OK)
        return status;
    hex_encode(bytes_of(random, sizeof(random)), id);
    timestamp_format(e->made_at_unix_ms, now);
    int len = snprintf(e->body, sizeof(e->body),
                       "{\"eventType\":\"%s\",\"filterDate\":\"%s\",\"resource\":\"%s\","
                       "\"resourceId\":\"%s\"}",
                       RESOURCE_PROBE_EVENT_TYPE, now, RESOURCE_PROBE, id);
    assert(len > 0 && (size_t)len < sizeof(e->body));
    e->body_len = (size_t)len;
    return STATUS_OK;
}

/* Source: as maesn_verify(). */
static enum status sign(struct probe_event *e)
{
    const struct hmac_key *key = NULL;
    const struct bytes body = bytes_of(e->body, e->body_len);
    uint8_t mac[CRYPTO_SHA256_SIZE];
    enum status status = secret_hmac_key(e->route->current_secret, &key);
    if (status == STATUS_OK)
        status = hmac_sha256(key, &body, 1, mac);
    if (status == STATUS_OK)
        hex_encode(bytes_of(mac, sizeof(mac)), e->signature);
    return status;
}

enum status probe_event_make(const struct route *r, int64_t now_unix_ms, struct probe_event *ret)
{
    struct traceparent trace;
    *ret = (struct probe_event){.route = r, .made_at_unix_ms = now_unix_ms};
    enum status status = write_body(ret);
    if (status == STATUS_OK)
        status = sign(ret);
    if (status == STATUS_OK)
        status = traceparent_restart(&trace);
    if (status == STATUS_OK)
        traceparent_format(&trace, ret->traceparent);
    return status;
}

/* --- what it must become ----------------------------------------------------------------------
 */

enum status probe_event_record(const struct probe_event *e, const struct probe_event_rules *rules,
                               int64_t received_at_unix_ms, struct arena *a, struct record *ret)
{
    const struct callback cb = {
        .body = bytes_of(e->body, e->body_len),
        .signature = e->signature,
        .traceparent = e->traceparent,
        .received_at_unix_ms = received_at_unix_ms,
    };
    struct event_list events;
    struct record *records;
    enum status status = e->route->provider->unify(e->route, &cb, &rules->provider, a, &events);
    if (status == STATUS_OK)
        status = envelope_seal(&rules->envelope, e->route, &cb, &events, a, &records);
    if (status != STATUS_OK)
        return status;
    assert(events.len == 1 && records->reason == DEAD_LETTER_NONE);
    *ret = *records;
    return STATUS_OK;
}

/* A comparison under way. */
struct check {
    const struct probe_event_rules *rules;
    const struct record *found, *expected;
    struct arena *arena;
    struct diag *diag;
};

/* What of a record a person is shown. */
static const char *shown(struct check *c, struct bytes text)
{
    const char *copy = text.data == NULL ? "none" : arena_dup(c->arena, text);
    const char *clean = copy == NULL ? NULL : header_text(copy, c->arena);
    return clean == NULL ? "?" : clean;
}

static enum status differs(struct check *c, const char *what, const char *name, struct bytes found,
                           struct bytes expected)
{
    return diag_set(c->diag, STATUS_INVALID, "the record's %s%s is %.150s, expected %.150s", what,
                    name, shown(c, found), shown(c, expected));
}

/* The ids are random; the trace is ours if the ingress is to continue it. */
static bool traces_agree(const struct check *c, struct bytes found, struct bytes expected)
{
    struct traceparent theirs, ours;
    const char *text = arena_dup(c->arena, found);
    if (!traceparent_parse(text, &theirs) || !traceparent_parse((const char *)expected.data, &ours))
        return false;
    return c->rules->envelope.trace == ENVELOPE_TRACE_RESTART ||
           strcmp(theirs.trace_id, ours.trace_id) == 0;
}

static enum status check_headers(struct check *c)
{
    size_t len = c->expected->headers_len;
    for (size_t i = 0; i < len; i++) {
        const struct record_header *h = &c->expected->headers[i];
        struct bytes found = record_header(c->found, h->name);
        bool agree = strcmp(h->name, "traceparent") == 0 ? traces_agree(c, found, h->value)
                                                         : bytes_equal(found, h->value);
        if (found.data == NULL || !agree)
            return differs(c, "header ", h->name, found, h->value);
    }
    if (c->found->headers_len != len)
        return diag_set(c->diag, STATUS_INVALID, "the record has %zu headers, expected %zu",
                        c->found->headers_len, len);
    return STATUS_OK;
}

enum status probe_event_check(const struct probe_event *e, const struct probe_event_rules *rules,
                              const struct record *found, struct arena *a,
                              int64_t *ret_received_at_unix_ms, struct diag *diag)
{
    struct record expected;
    struct check c = {rules, found, &expected, a, diag};
    struct bytes recorded = record_header(found, "ce_recordedtime");
    int64_t received_at_unix_ms;
    if (!timestamp_parse(recorded, &received_at_unix_ms))
        return differs(&c, "header ", "ce_recordedtime", recorded, BYTES_LITERAL("a date-time"));
    enum status status = probe_event_record(e, rules, received_at_unix_ms, a, &expected);
    if (status != STATUS_OK)
        return status;
    if (!bytes_equal(found->key, expected.key))
        return differs(&c, "key", "", found->key, expected.key);
    status = check_headers(&c); /* before the value: in a structured one they come again */
    if (status == STATUS_OK && !bytes_equal(found->value, expected.value))
        return differs(&c, "value", "", found->value, expected.value);
    if (status == STATUS_OK)
        *ret_received_at_unix_ms = received_at_unix_ms;
    return status;
}
