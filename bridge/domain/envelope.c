#include "bridge/domain/envelope.h"

#include <strings.h>

#include "bridge/base/crypto.h"
#include "bridge/base/json_text.h"
#include "bridge/base/scoped.h"
#include "bridge/base/timestamp.h"
#include "bridge/domain/dead_letter.h"
#include "bridge/domain/header_text.h"
#include "bridge/domain/naming.h"
#include "bridge/domain/resource.h"
#include "bridge/domain/slug.h"
#include "bridge/domain/trace_context.h"

/* Source: CloudEvents 1.0.2, Kafka protocol binding, sections 3.2.1 and 3.3.1. */
#define CONTENT_TYPE_DATA "application/json"
#define CONTENT_TYPE_STRUCTURED "application/cloudevents+json; charset=UTF-8"
#define CONTENT_TYPE_CLOUDEVENTS "application/cloudevents"
#define CONTENT_TYPE_UNKNOWN "application/octet-stream"

#define DATA_SCHEMA "urn:maesn-bridge:unified-event:1"

/* The longest parts of ce_type: of the mapped resources the longest has 46 characters
 * ("COMPANY_ASSETS_VALUE_CHANGES_FULL_DEPRECIATION"); an unknown event type is cut to 32. */
#define TYPE_RESOURCE_MAX 64
#define TYPE_EVENT_MAX 32

/* A ce_id made of a hash: half of SHA-256 in hex. */
#define HASH_ID_LEN 32

/* The digits of SIZE_MAX. */
#define DECIMAL_MAX 20

/* The longest delivery id that is taken for a ce_id. */
static const size_t delivery_id_max = 128;

/* The texts of one record that do not grow with its element: topic 250, type 110, ids and times
 * 200, the attributes of a structured event 700; and the alignment of a dozen allocations. */
static const size_t record_texts_max = 2048;

/* How often an element's bytes are copied at most: its value twice, its names into headers and into
 * a key of up to 19 "{resource_id}". */
static const size_t element_copies_max = 32;

/* What all records of one callback share. */
struct sealing {
    const struct envelope_options *opt;
    const struct route *route;
    const struct callback *cb;
    const struct dead_letter *letter; /* that is sealed again; NULL: it is sealed first */
    struct arena *arena;
    const char *delivery_id;        /* what ce_id is made of; NULL: a hash */
    struct sha256_prefix *identity; /* the hash's beginning, where many events share it */
    bool has_many_events;
    const char *account; /* copies: a record may outlive its route and its request */
    const char *source;
    const char *path;
    const char *recorded;
    const char *traceparent;
    const char *tracestate;     /* NULL: none */
    const char *traceparent_in; /* NULL: none */
};

enum status envelope_check_topic_template(const char *text, struct diag *diag)
{
    return naming_check_topic(text, diag);
}

enum status envelope_check_key_template(const char *text, struct diag *diag)
{
    return naming_check_key(text, diag);
}

size_t envelope_arena_max(size_t body_len)
{
    size_t events = body_len / 2 + 1; /* "[1,1,1]" */
    if (events > EVENTS_MAX)
        events = EVENTS_MAX;
    size_t each = sizeof(struct record) + sizeof(struct event) + record_texts_max;
    return 65536 + body_len * element_copies_max + events * each;
}

static void add_text(struct record *rec, const char *name, const char *text)
{
    if (text != NULL)
        record_add_header(rec, name, bytes_of_text(text));
}

static const char *timestamp_text(int64_t unix_ms, struct arena *a)
{
    char text[TIMESTAMP_SIZE];
    timestamp_format(unix_ms, text);
    return arena_dup(a, bytes_of_text(text));
}

/* --- ce_id ---------------------------------------------------------------------------------- */

static bool is_delivery_id(const char *text)
{
    if (text == NULL || *text == '\0' || strlen(text) > delivery_id_max)
        return false;
    for (; *text != '\0'; text++)
        if (*text <= ' ' || *text > '~')
            return false;
    return true;
}

/* What is hashed: the delivery and, behind it, the element's index in decimal. */
enum { HASHED_DELIVERY = 4, HASHED_ALL };

static void hashed_parts(const struct sealing *s, struct bytes index, struct bytes ret[HASHED_ALL])
{
    ret[0] = bytes_of_text(s->route->specification);
    ret[1] = bytes_of("", 1);
    ret[2] = s->cb->body;
    ret[3] = bytes_of("", 1);
    ret[HASHED_DELIVERY] = index;
}

static enum status hash_begin(struct sealing *s)
{
    struct bytes parts[HASHED_ALL];
    hashed_parts(s, bytes_of(NULL, 0), parts);
    return sha256_prefix_new(parts, HASHED_DELIVERY, &s->identity);
}

static struct bytes decimal(size_t n, char room[DECIMAL_MAX])
{
    size_t start = DECIMAL_MAX;
    do
        room[--start] = (char)('0' + n % 10);
    while ((n /= 10) > 0);
    return bytes_of(room + start, DECIMAL_MAX - start);
}

static enum status hash(const struct sealing *s, size_t index, uint8_t ret[CRYPTO_SHA256_SIZE])
{
    char room[DECIMAL_MAX];
    struct bytes parts[HASHED_ALL], text = decimal(index, room);
    if (s->identity != NULL)
        return sha256_finish(s->identity, text, ret);
    hashed_parts(s, text, parts);
    return sha256(parts, HASHED_ALL, ret);
}

static enum status hash_id(const struct sealing *s, size_t index, const char **ret)
{
    char *hex = arena_alloc(s->arena, HASH_ID_LEN + 1);
    uint8_t hash_of_all[CRYPTO_SHA256_SIZE];
    if (hex == NULL)
        return STATUS_NOMEM;
    enum status status = hash(s, index, hash_of_all);
    if (status != STATUS_OK)
        return status;
    hex_encode(bytes_of(hash_of_all, HASH_ID_LEN / 2), hex);
    *ret = hex;
    return STATUS_OK;
}

/* A dead letter's id is that of its one event. Of several events each gets what the ingress would
 * have given it: by the hash, if the hash of this very body is the letter's id; otherwise the id is
 * the provider's, or the bytes are no longer those that came (Moneybird's token is masked).
 */
static enum status identity_resume(struct sealing *s)
{
    s->delivery_id = s->letter->id;
    if (!s->has_many_events)
        return STATUS_OK;
    const char *id;
    enum status status = hash_begin(s);
    if (status == STATUS_OK)
        status = hash_id(s, 0, &id);
    if (status == STATUS_OK && strcmp(id, s->letter->id) == 0)
        s->delivery_id = NULL;
    return status;
}

static enum status identity_begin(struct sealing *s)
{
    if (s->letter != NULL)
        return identity_resume(s);
    if (is_delivery_id(s->cb->delivery_id))
        s->delivery_id = s->cb->delivery_id;
    return s->delivery_id == NULL && s->has_many_events ? hash_begin(s) : STATUS_OK;
}

/* A delivery id names the whole delivery: of several events each gets its index behind it, or a
 * consumer would take the second for a duplicate of the first. */
static const char *delivery_event_id(const struct sealing *s, size_t index)
{
    if (!s->has_many_events)
        return arena_dup(s->arena, bytes_of_text(s->delivery_id));
    return arena_printf(s->arena, "%s.%zu", s->delivery_id, index);
}

static enum status event_id(const struct sealing *s, size_t index, const char **ret)
{
    if (s->delivery_id == NULL)
        return hash_id(s, index, ret);
    *ret = delivery_event_id(s, index);
    return *ret == NULL ? STATUS_NOMEM : STATUS_OK;
}

/* --- what the records share ----------------------------------------------------------------- */

static enum status trace_begin(struct sealing *s)
{
    if (s->letter != NULL) { /* the delivery had a trace, and is still that delivery */
        s->traceparent = s->letter->traceparent;
        s->tracestate = s->letter->tracestate;
        s->traceparent_in = s->letter->traceparent_in;
        return STATUS_OK;
    }
    struct traceparent trace;
    bool has_inbound = traceparent_parse(s->cb->traceparent, &trace);
    bool goes_on = has_inbound && s->opt->trace == ENVELOPE_TRACE_CONTINUE;
    enum status status = STATUS_OK;
    if (has_inbound && !goes_on) {
        s->traceparent_in = header_text(s->cb->traceparent, s->arena);
        if (s->traceparent_in == NULL)
            return STATUS_NOMEM;
    }
    if (goes_on)
        status = tracestate_forward(s->cb->tracestate, s->arena, &s->tracestate);
    if (status == STATUS_OK)
        status = goes_on ? traceparent_continue(&trace) : traceparent_restart(&trace);
    if (status != STATUS_OK)
        return status;

    char text[TRACEPARENT_SIZE];
    traceparent_format(&trace, text);
    s->traceparent = arena_dup(s->arena, bytes_of_text(text));
    return s->traceparent == NULL ? STATUS_NOMEM : STATUS_OK;
}

/* Whether the path's last segment ends in "-" and a token: base32 of 128 bits (RFC 4648). */
static bool ends_in_token(const char *path, size_t *ret_len)
{
    static const char base32[] = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ234567";
    const char *slash = strrchr(path, '/');
    const char *dash = strrchr(path, '-');
    if (slash == NULL || dash == NULL || dash < slash)
        return false;
    *ret_len = (size_t)(dash - path);
    return strlen(dash + 1) == 26 && strspn(dash + 1, base32) == 26;
}

static const char *path_without_token(const char *path, struct arena *a)
{
    size_t len;
    if (ends_in_token(path, &len))
        path = arena_dup(a, bytes_of(path, len));
    return path == NULL ? NULL : header_text(path, a);
}

static enum status sealing_begin(struct sealing *s)
{
    s->account = arena_dup(s->arena, bytes_of_text(s->route->account));
    s->source = arena_dup(s->arena, bytes_of_text(s->route->source));
    s->path = path_without_token(s->route->path, s->arena);
    s->recorded = timestamp_text(s->cb->received_at_unix_ms, s->arena);
    if (s->account == NULL || s->source == NULL || s->path == NULL || s->recorded == NULL)
        return STATUS_NOMEM;
    enum status status = trace_begin(s);
    return status == STATUS_OK ? identity_begin(s) : status;
}

static void add_trace(struct record *rec, const struct sealing *s)
{
    add_text(rec, "traceparent", s->traceparent);
    add_text(rec, "tracestate", s->tracestate);
    add_text(rec, "traceparent-in", s->traceparent_in);
}

/* --- an event ------------------------------------------------------------------------------- */

/* An event's text, fit for headers and keys; NULL when memory is short. */
static const char *fit(const char *text, struct arena *a)
{
    return header_text_is_fit(text) ? text : header_text(text, a);
}

static enum status name_event(const struct sealing *s, const struct event *ev, struct naming *ret)
{
    *ret = (struct naming){
        .provider = s->route->provider->name,
        .system = s->route->system,
        .account = s->route->account,
        .resource = fit(ev->resource, s->arena),
    };
    if (ev->event_type != NULL)
        ret->event_type = fit(ev->event_type, s->arena);
    if (ev->resource_id != NULL)
        ret->resource_id = fit(ev->resource_id, s->arena);
    bool is_short = ret->resource == NULL || (ev->event_type != NULL && ret->event_type == NULL) ||
                    (ev->resource_id != NULL && ret->resource_id == NULL);
    return is_short ? STATUS_NOMEM : STATUS_OK;
}

/* A signed stranger cannot invent topics. */
static bool has_topic(const struct route *r, const char *resource)
{
    return resource_is_known(resource) || (resource_is_probe(resource) && route_is_probe(r));
}

static const char *event_topic(const struct sealing *s, const struct naming *n)
{
    if (resource_is_token(n->resource))
        return arena_dup(s->arena, bytes_of_text(s->opt->token_topic));
    if (!has_topic(s->route, n->resource))
        return arena_dup(s->arena, bytes_of_text(s->opt->other_topic));
    return naming_topic(s->opt->topic_template, n, s->arena);
}

/* A text without a letter or digit still needs a name in ce_type. */
static const char *or_other(const char *slugged)
{
    return *slugged == '\0' ? "other" : slugged;
}

static const char *event_type_text(const struct sealing *s, const struct naming *n)
{
    char resource[TYPE_RESOURCE_MAX + 1], event[TYPE_EVENT_MAX + 1];
    slug_write(n->resource, TYPE_RESOURCE_MAX, resource);
    slug_write(n->event_type == NULL ? NAMING_NO_EVENT_TYPE : n->event_type, TYPE_EVENT_MAX, event);
    const struct bytes parts[] = {
        bytes_of_text(s->route->provider->type_prefix),
        BYTES_LITERAL("."),
        bytes_of_text(or_other(resource)),
        BYTES_LITERAL("."),
        bytes_of_text(or_other(event)),
    };
    return arena_join(s->arena, parts, sizeof(parts) / sizeof(parts[0]));
}

/* An id that had to be cut is no id: ce_subject is left out, the value still holds it. */
static const char *event_subject(const struct event *ev, const struct naming *n)
{
    bool is_id = ev->resource_id != NULL && *ev->resource_id != '\0' &&
                 strlen(ev->resource_id) <= HEADER_TEXT_MAX;
    return is_id ? n->resource_id : NULL;
}

static void append_attribute(struct buf *b, const char *name, struct bytes value)
{
    if (value.data == NULL)
        return;
    buf_printf(b, "%c\"%s\":", b->len == 0 ? '{' : ',', name);
    json_text_string(b, value);
}

/* Puts the whole event into the value. The headers stay: a consumer may still filter by them.
 * Source: CloudEvents 1.0.2, JSON format, section 3; Kafka protocol binding, section 3.3.3.
 */
static enum status make_structured(const struct sealing *s, struct record *rec)
{
    static const char *const attributes[] = {"specversion", "id",   "source",       "type",
                                             "subject",     "time", "recordedtime", "dataschema"};
    CLEANUP(buf_done) struct buf head;
    buf_init(&head, 32 * HEADER_TEXT_MAX);
    for (size_t i = 0; i < sizeof(attributes) / sizeof(attributes[0]); i++) {
        char header[32] = "ce_";
        memcpy(header + 3, attributes[i], strlen(attributes[i]) + 1);
        append_attribute(&head, attributes[i], record_header(rec, header));
    }
    append_attribute(&head, "datacontenttype", BYTES_LITERAL(CONTENT_TYPE_DATA));
    buf_append_text(&head, ",\"data\":");
    if (head.status != STATUS_OK)
        return STATUS_NOMEM;

    size_t len = head.len + rec->value.len + 1;
    uint8_t *value = arena_alloc(s->arena, len);
    if (value == NULL)
        return STATUS_NOMEM;
    memcpy(value, head.data, head.len);
    memcpy(value + head.len, rec->value.data, rec->value.len);
    value[len - 1] = '}';
    rec->value = bytes_of(value, len);
    return STATUS_OK;
}

static enum status seal_event(const struct sealing *s, const struct event *ev, struct record *rec)
{
    struct naming names;
    const char *id;
    enum status status = name_event(s, ev, &names);
    if (status == STATUS_OK)
        status = event_id(s, ev->index, &id);
    if (status != STATUS_OK)
        return status;

    bool has_time = ev->occurred_at_unix_ms != EVENT_TIME_UNKNOWN;
    const char *key = naming_key(s->opt->key_template, &names, s->arena);
    const char *type = event_type_text(s, &names);
    const char *time = has_time ? timestamp_text(ev->occurred_at_unix_ms, s->arena) : "";
    rec->topic = event_topic(s, &names);
    if (rec->topic == NULL || key == NULL || type == NULL || time == NULL)
        return STATUS_NOMEM;

    rec->key = bytes_of_text(key);
    rec->value = ev->value;
    bool is_structured = s->opt->format == ENVELOPE_STRUCTURED;
    add_text(rec, "content-type", is_structured ? CONTENT_TYPE_STRUCTURED : CONTENT_TYPE_DATA);
    add_text(rec, "ce_specversion", "1.0");
    add_text(rec, "ce_id", id);
    add_text(rec, "ce_source", s->source);
    add_text(rec, "ce_type", type);
    add_text(rec, "ce_subject", event_subject(ev, &names));
    add_text(rec, "ce_time", *time == '\0' ? NULL : time); /* empty: a year beyond 9999 */
    add_text(rec, "ce_recordedtime", s->recorded);
    add_text(rec, "ce_dataschema", DATA_SCHEMA);
    add_trace(rec, s);
    return is_structured ? make_structured(s, rec) : STATUS_OK;
}

/* --- a dead letter -------------------------------------------------------------------------- */

/* A received content type that says "structured CloudEvent" would make consumers read the raw bytes
 * as an event. Source: CloudEvents 1.0.2, Kafka protocol binding, section 3. */
static const char *dead_letter_content_type(const char *received)
{
    bool is_misleading =
        received == NULL || *received == '\0' ||
        strncasecmp(received, CONTENT_TYPE_CLOUDEVENTS, strlen(CONTENT_TYPE_CLOUDEVENTS)) == 0;
    return is_misleading ? CONTENT_TYPE_UNKNOWN : received;
}

static enum status seal_dead_letter(const struct sealing *s, const struct event *ev,
                                    struct record *rec)
{
    const char *id;
    enum status status = event_id(s, ev->index, &id);
    if (status != STATUS_OK)
        return status;
    const char *content_type = header_text(dead_letter_content_type(s->cb->content_type), s->arena);
    const char *detail = header_text(ev->detail == NULL ? "" : ev->detail, s->arena);
    const char *specification = arena_dup(s->arena, bytes_of_text(s->route->specification));
    const char *element = ev->is_element ? arena_printf(s->arena, "%zu", ev->index) : NULL;
    rec->topic = arena_dup(s->arena, bytes_of_text(s->opt->dead_letter_topic));
    if (content_type == NULL || detail == NULL || specification == NULL ||
        (ev->is_element && element == NULL) || rec->topic == NULL)
        return STATUS_NOMEM;
    rec->key = bytes_of_text(s->account);
    rec->value = ev->value.data == NULL ? BYTES_LITERAL("") : ev->value;
    add_text(rec, "content-type", content_type);
    add_text(rec, "ce_specversion", "1.0");
    add_text(rec, "ce_id", id);
    add_text(rec, "ce_source", s->source);
    add_text(rec, "ce_type", DEAD_LETTER_TYPE);
    add_text(rec, "ce_recordedtime", s->recorded);
    add_trace(rec, s);
    add_text(rec, "dead-letter-reason", dead_letter_reason_name(ev->reason));
    add_text(rec, "dead-letter-detail", detail);
    add_text(rec, "dead-letter-path", s->path);
    add_text(rec, "dead-letter-specification", specification);
    add_text(rec, "dead-letter-element", element);
    return STATUS_OK;
}

static enum status seal(const struct sealing *s, const struct event *ev, struct record *rec)
{
    *rec = (struct record){
        .reason = ev->reason,
        .account = s->account,
        .path = s->path,
    };
    return ev->reason == DEAD_LETTER_NONE ? seal_event(s, ev, rec) : seal_dead_letter(s, ev, rec);
}

static void sealing_done(struct sealing *s)
{
    sha256_prefix_free(s->identity);
}

static enum status seal_all(struct sealing *s, const struct event_list *events, struct record **ret)
{
    s->has_many_events = events->len > 1;
    struct record *records = arena_alloc(s->arena, events->len * sizeof(*records));
    if (records == NULL)
        return STATUS_NOMEM;
    enum status status = sealing_begin(s);
    for (size_t i = 0; status == STATUS_OK && i < events->len; i++)
        status = seal(s, &events->items[i], &records[i]);
    if (status == STATUS_OK)
        *ret = records;
    return status;
}

enum status envelope_seal(const struct envelope_options *opt, const struct route *r,
                          const struct callback *cb, const struct event_list *events,
                          struct arena *a, struct record **ret)
{
    CLEANUP(sealing_done) struct sealing s = {.opt = opt, .route = r, .cb = cb, .arena = a};
    return seal_all(&s, events, ret);
}

enum status envelope_seal_again(const struct envelope_options *opt, const struct route *r,
                                const struct callback *cb, const struct dead_letter *letter,
                                const struct event_list *events, struct arena *a,
                                struct record **ret)
{
    CLEANUP(sealing_done)
    struct sealing s = {.opt = opt, .route = r, .cb = cb, .letter = letter, .arena = a};
    return seal_all(&s, events, ret);
}

struct copied_header {
    const char *name, *as;
};

static void copy_headers(const struct record *from, const struct copied_header names[], size_t len,
                         struct record *to)
{
    for (size_t i = 0; i < len; i++) {
        struct bytes value = record_header(from, names[i].name);
        if (value.data != NULL)
            record_add_header(to, names[i].as, value);
    }
}

enum status envelope_dead_letter(const struct envelope_options *opt, const struct record *refused,
                                 const char *detail, struct arena *a, struct record *ret)
{
    static const struct copied_header kept[] = {
        {"ce_specversion", "ce_specversion"},
        {"ce_id", "ce_id"},
        {"ce_source", "ce_source"},
        {"ce_subject", "ce_subject"},
        {"ce_time", "ce_time"},
        {"ce_recordedtime", "ce_recordedtime"},
        {"traceparent", "traceparent"},
        {"tracestate", "tracestate"},
        {"traceparent-in", "traceparent-in"},
    };
    /* What the letter itself has another one of. */
    static const struct copied_header set_aside[] = {
        {"ce_type", "dead-letter-type"},
        {"content-type", "dead-letter-content-type"},
        {"ce_dataschema", "dead-letter-dataschema"},
    };
    const char *why = header_text(detail, a);
    const char *topic = arena_dup(a, bytes_of_text(opt->dead_letter_topic));
    if (why == NULL || topic == NULL)
        return STATUS_NOMEM;
    *ret = (struct record){
        .topic = topic,
        .key = bytes_of_text(refused->account),
        .value = refused->value,
        .reason = DEAD_LETTER_REFUSED_BY_BROKER,
        .account = refused->account,
        .path = refused->path,
    };
    /* The value is JSON in either format; a structured event's own type would make it an event. */
    add_text(ret, "content-type", CONTENT_TYPE_DATA);
    copy_headers(refused, kept, sizeof(kept) / sizeof(kept[0]), ret);
    add_text(ret, "ce_type", DEAD_LETTER_TYPE);
    add_text(ret, "dead-letter-reason", dead_letter_reason_name(ret->reason));
    add_text(ret, "dead-letter-detail", why);
    add_text(ret, "dead-letter-path", refused->path);
    add_text(ret, "dead-letter-topic", refused->topic);
    record_add_header(ret, "dead-letter-key", refused->key);
    copy_headers(refused, set_aside, sizeof(set_aside) / sizeof(set_aside[0]), ret);
    return STATUS_OK;
}

/* --- the topics ----------------------------------------------------------------------------- */

static void topic_list_add(struct topic_list *list, const char *topic)
{
    for (size_t i = 0; i < list->len; i++)
        if (strcmp(list->names[i], topic) == 0)
            return;
    list->names[list->len++] = topic;
}

/* What an event type can become in a topic: a known one, none, an unknown one. */
static const char *const event_types[] = {"CREATED", "DELETED", "REVOKED", "UPDATED", NULL, "?"};
#define EVENT_TYPES (sizeof(event_types) / sizeof(event_types[0]))

enum status envelope_topics(const struct envelope_options *opt, const char *provider,
                            const char *system, const char *account, struct arena *a,
                            struct topic_list *ret)
{
    size_t resources_len = 0;
    while (resources[resources_len] != NULL)
        resources_len++;
    const size_t fixed = 3;
    struct topic_list list = {
        .names = arena_alloc(a, (resources_len * EVENT_TYPES + fixed) * sizeof(list.names[0])),
    };
    if (list.names == NULL)
        return STATUS_NOMEM;

    for (size_t i = 0; i < resources_len * EVENT_TYPES; i++) {
        struct naming names = {.provider = provider,
                               .system = system,
                               .account = account,
                               .resource = resources[i / EVENT_TYPES],
                               .event_type = event_types[i % EVENT_TYPES]};
        if (resource_is_token(names.resource))
            continue;
        const char *topic = naming_topic(opt->topic_template, &names, a);
        if (topic == NULL)
            return STATUS_NOMEM;
        topic_list_add(&list, topic);
    }
    topic_list_add(&list, opt->token_topic);
    topic_list_add(&list, opt->other_topic);
    topic_list_add(&list, opt->dead_letter_topic);
    *ret = list;
    return STATUS_OK;
}

const char *envelope_probe_topic(const struct envelope_options *opt, const struct route *r,
                                 struct arena *a)
{
    const struct naming names = {.provider = r->provider->name,
                                 .system = r->system,
                                 .account = r->account,
                                 .resource = RESOURCE_PROBE,
                                 .event_type = RESOURCE_PROBE_EVENT_TYPE};
    return naming_topic(opt->topic_template, &names, a);
}
