#include "tests/fuzz/callback.h"

#include <jansson.h>
#include <string.h>

#include "bridge/base/crypto.h"
#include "bridge/base/scoped.h"
#include "bridge/base/utf8.h"
#include "bridge/domain/dead_letter.h"
#include "bridge/domain/envelope.h"
#include "bridge/providers/json_scan.h"
#include "bridge/spool/record_codec.h"
#include "tests/fuzz/fuzz.h"
#include "tests/support/test_route.h"

/* In both forms of records. */
static const struct envelope_options envelope = {
    .topic_template = "maesn.{resource}.{event}",
    .key_template = "{resource}:{account}:{resource_id}",
    .other_topic = "maesn.other",
    .token_topic = "maesn.token",
    .dead_letter_topic = "maesn.dead-letter",
};

struct route *callback_route(const struct provider *provider, const char *system)
{
    struct route_fields fields = {.provider = provider, .system = system, .state = ROUTE_ACTIVE};
    struct route *route = test_route(fields, CALLBACK_SECRET, CALLBACK_PREVIOUS, CALLBACK_TOKEN);
    FUZZ_ASSERT(route != NULL);
    return route;
}

/* The keys are made at the start, where no allocation fails. */
void callback_mac(const char *secret, struct bytes first, struct bytes second, char ret[65])
{
    static const struct hmac_key *keys[2];
    size_t n = strcmp(secret, CALLBACK_SECRET) == 0 ? 0 : 1;
    const struct bytes parts[] = {first, second};
    uint8_t mac[CRYPTO_SHA256_SIZE];
    struct hmac_key *key = NULL;
    if (keys[n] == NULL) {
        FUZZ_ASSERT(hmac_key_new(bytes_of_text(secret), &key) == STATUS_OK);
        keys[n] = key;
    }
    FUZZ_ASSERT(hmac_sha256(keys[n], parts, 2, mac) == STATUS_OK);
    hex_encode(bytes_of(mac, sizeof(mac)), ret);
}

/* --- the unified value ------------------------------------------------------------------------ */

static bool is_among(struct bytes key, const char *const names[])
{
    for (; *names != NULL; names++)
        if (json_scan_key_is(key, *names))
            return true;
    return false;
}

static bool has_member(struct bytes object, const struct json_member *wanted)
{
    struct json_member m;
    for (size_t at = 0; json_scan_next_member(object, &at, &m);)
        if (bytes_equal(m.key, wanted->key) && bytes_equal(m.value, wanted->value))
            return true;
    return false;
}

/* Every member of the one that may not be missing is in the other, byte by byte. */
static void check_members(struct bytes in, struct bytes other, const char *const exempt[])
{
    struct json_member m;
    for (size_t at = 0; json_scan_next_member(in, &at, &m);)
        FUZZ_ASSERT(is_among(m.key, exempt) || has_member(other, &m));
}

static void check_text(json_t *value, const char *name, const char *expected)
{
    json_t *member = json_object_get(value, name);
    FUZZ_ASSERT(json_is_string(member) && strcmp(json_string_value(member), expected) == 0);
}

/* jansson reads it, but where a text has half a surrogate pair or a number exceeds a double. */
static void check_json(const struct route *r, struct bytes value)
{
    json_error_t error;
    json_t *json =
        json_loadb((const char *)value.data, value.len,
                   JSON_REJECT_DUPLICATES | JSON_ALLOW_NUL | JSON_DECODE_INT_AS_REAL, &error);
    if (json == NULL) {
        bool is_excused = json_error_code(&error) == json_error_numeric_overflow ||
                          memmem(value.data, value.len, "\\u", 2) != NULL ||
                          json_error_code(&error) == json_error_stack_overflow;
        FUZZ_ASSERT(is_excused);
        return;
    }
    FUZZ_ASSERT(json_is_object(json));
    check_text(json, "account", r->account);
    check_text(json, "system", r->system);
    check_text(json, "provider", r->provider->name);
    json_decref(json);
}

/* --- records ---------------------------------------------------------------------------------- */

static bool is_legal_topic(const char *topic)
{
    size_t len = strspn(topic, "abcdefghijklmnopqrstuvwxyz0123456789.-_");
    return len > 0 && len <= 249 && topic[len] == '\0';
}

static bool is_utf8(struct bytes text)
{
    for (size_t len; text.len > 0; text = bytes_of(text.data + len, text.len - len))
        if ((len = utf8_sequence(text.data, text.len)) == 0)
            return false;
    return true;
}

static bool same_record(const struct record *a, const struct record *b)
{
    bool same = a->reason == b->reason && strcmp(a->topic, b->topic) == 0 &&
                bytes_equal(a->key, b->key) && bytes_equal(a->value, b->value) &&
                a->headers_len == b->headers_len;
    for (size_t i = 0; same && i < a->headers_len; i++)
        same = strcmp(a->headers[i].name, b->headers[i].name) == 0 &&
               bytes_equal(a->headers[i].value, b->headers[i].value);
    return same;
}

/* What the spool gives back is what it was given. */
static void check_codec(const struct record *rec)
{
    CLEANUP(buf_done) struct buf encoded;
    struct record read;
    buf_init(&encoded, 4U << 20);
    if (fuzz_is_nomem(record_codec_encode(rec, &encoded)))
        return;
    FUZZ_ASSERT(record_codec_decode(buf_bytes(&encoded), &read, NULL) == STATUS_OK);
    FUZZ_ASSERT(same_record(rec, &read));
    encoded.data[fuzz_choose((uint32_t)encoded.len)] ^= (uint8_t)(1 + fuzz_choose(255));
    FUZZ_ASSERT(record_codec_decode(buf_bytes(&encoded), &read, NULL) == STATUS_INVALID);
}

/* Its dead letter tells whose it is, why, and all of what came. */
static void check_dead_letter(const struct route *r, const struct record *rec)
{
    struct dead_letter letter;
    struct diag diag = {0};
    enum status status = dead_letter_read(rec, fuzz_arena(), &letter, &diag);
    if (fuzz_is_nomem(status))
        return;
    FUZZ_ASSERT(status == STATUS_OK);
    FUZZ_ASSERT(strcmp(letter.provider, r->provider->name) == 0);
    FUZZ_ASSERT(strcmp(letter.system, r->system) == 0);
    FUZZ_ASSERT(strcmp(letter.account, r->account) == 0);
    FUZZ_ASSERT(strcmp(letter.path, r->path) == 0);
    FUZZ_ASSERT(bytes_equal(letter.value, rec->value));
}

/* Once a broker has refused it for good: what it was is in its letter. */
static void check_refused(const struct route *r, const struct record *rec)
{
    struct record refused;
    struct dead_letter letter;
    if (fuzz_is_nomem(envelope_dead_letter(&envelope, rec, "too large", fuzz_arena(), &refused)))
        return;
    check_dead_letter(r, &refused);
    if (fuzz_is_nomem(dead_letter_read(&refused, fuzz_arena(), &letter, NULL)))
        return;
    FUZZ_ASSERT(letter.reason == DEAD_LETTER_REFUSED_BY_BROKER);
    FUZZ_ASSERT(same_record(&letter.refused, rec));
}

static void check_record(const struct route *r, const struct event *ev, const struct record *rec)
{
    FUZZ_ASSERT(rec->reason == ev->reason && is_legal_topic(rec->topic));
    FUZZ_ASSERT(rec->key.len > 0 && is_utf8(rec->key) && rec->value.data != NULL);
    FUZZ_ASSERT(record_header(rec, "ce_id").len > 0);
    for (size_t i = 0; i < rec->headers_len; i++)
        FUZZ_ASSERT(is_utf8(rec->headers[i].value) || rec->reason != DEAD_LETTER_NONE);
    check_codec(rec);
    if (ev->reason == DEAD_LETTER_NONE)
        check_refused(r, rec);
    else
        check_dead_letter(r, rec);
}

/* Sent again, it has the same ids. */
static void check_envelope(const struct route *r, const struct callback *cb,
                           const struct event_list *events)
{
    struct envelope_options opt = envelope;
    struct record *records, *again;
    if (fuzz_is_nomem(envelope_seal(&opt, r, cb, events, fuzz_arena(), &records)))
        return;
    for (size_t i = 0; i < events->len; i++)
        check_record(r, &events->items[i], &records[i]);
    opt.format = ENVELOPE_STRUCTURED;
    opt.trace = ENVELOPE_TRACE_CONTINUE;
    if (fuzz_is_nomem(envelope_seal(&opt, r, cb, events, fuzz_arena(), &again)))
        return;
    for (size_t i = 0; i < events->len; i++) {
        FUZZ_ASSERT(
            bytes_equal(record_header(&records[i], "ce_id"), record_header(&again[i], "ce_id")));
        for (size_t k = 0; k < i; k++)
            FUZZ_ASSERT(!bytes_equal(record_header(&records[i], "ce_id"),
                                     record_header(&records[k], "ce_id")));
    }
}

/* --- the whole ------------------------------------------------------------------------------- */

/* The body's elements as they came; one that is no array is its only one. */
static size_t split(struct bytes body, struct bytes *ret, size_t max)
{
    size_t len = 0;
    struct bytes element;
    while (body.len > 0 && strchr(" \t\r\n", body.data[0]) != NULL && body.data[0] != '\0')
        body = bytes_of(body.data + 1, body.len - 1);
    while (body.len > 0 && strchr(" \t\r\n", body.data[body.len - 1]) != NULL &&
           body.data[body.len - 1] != '\0')
        body.len--;
    if (body.len == 0 || body.data[0] != '[') {
        ret[0] = body;
        return 1;
    }
    for (size_t at = 0; len < max && json_scan_next_element(body, &at, &element);)
        ret[len++] = element;
    return len;
}

/* The length is that of the body, but for white space around it: its bytes may be masked. */
static bool is_all(struct bytes value, struct bytes body)
{
    struct bytes trimmed;
    return value.len == body.len || (split(body, &trimmed, 0) == 1 && value.len == trimmed.len);
}

void callback_check(const struct route *r, const struct callback *cb,
                    const struct provider_options *opt, const char *const dropped[],
                    const char *const renamed[])
{
    struct event_list events;
    if (fuzz_is_nomem(r->provider->unify(r, cb, opt, fuzz_arena(), &events)))
        return;
    bool is_whole = events.len == 1 && !events.items[0].is_element;
    struct bytes *elements = fuzz_alloc((events.len + 2) * sizeof(*elements));
    bool is_json = !is_whole || events.items[0].reason == DEAD_LETTER_NONE;
    size_t len = is_json ? split(cb->body, elements, events.len + 2) : 1;
    FUZZ_ASSERT(len == events.len);
    for (size_t i = 0; i < events.len; i++) {
        const struct event *ev = &events.items[i];
        FUZZ_ASSERT(ev->index == i && ev->value.data != NULL);
        if (ev->reason != DEAD_LETTER_NONE) {
            FUZZ_ASSERT(ev->detail != NULL);
            FUZZ_ASSERT(is_json ? ev->value.len == elements[i].len : is_all(ev->value, cb->body));
            continue;
        }
        FUZZ_ASSERT(ev->resource != NULL && ev->resource[0] != '\0');
        check_json(r, ev->value);
        check_members(elements[i], ev->value, dropped);
        check_members(ev->value, elements[i], renamed);
    }
    check_envelope(r, cb, &events);
}
