#include "bridge/domain/envelope.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>

#include <cmocka.h>

#include "bridge/base/buf.h"
#include "bridge/base/crypto.h"
#include "bridge/base/scoped.h"
#include "tests/support/callbacks.h"

static const struct provider provider = {.name = "maesn", .type_prefix = "com.maesn"};

#define TRACE "4bf92f3577b34da6a3ce929d0e0e4736"
#define INBOUND "00-" TRACE "-00f067aa0ba902b7-01"

static struct envelope_options options(void)
{
    return (struct envelope_options){
        .topic_template = "maesn.{resource}",
        .key_template = "{resource}:{account}",
        .other_topic = "maesn.other",
        .token_topic = "maesn.token",
        .dead_letter_topic = "maesn.dead-letter",
    };
}

/* A callback of one event, sealed. */
struct letter {
    struct callbacks callbacks;
    struct envelope_options opt;
    struct callback cb;
    struct event ev;
    struct record *records;
};

static void letter_init(struct letter *l)
{
    *l = (struct letter){
        .opt = options(),
        .cb = {.body = BYTES_LITERAL("body"), .received_at_unix_ms = 1767323046001},
        .ev = {.value = BYTES_LITERAL("{\"resource\":\"INVOICE\"}"),
               .resource = "INVOICE",
               .event_type = "CREATED",
               .resource_id = "42",
               .occurred_at_unix_ms = 1767323045000},
    };
    callbacks_reset(&l->callbacks, 1 << 20);
    callbacks_route(&l->callbacks, &provider, "xero", NULL, NULL, NULL);
}

static void letter_done(struct letter *l)
{
    callbacks_done(&l->callbacks);
}

static const struct record *seal(struct letter *l)
{
    struct event_list events = {.items = &l->ev, .len = 1};
    assert_int_equal(envelope_seal(&l->opt, l->callbacks.route, &l->cb, &events, l->callbacks.arena,
                                   &l->records),
                     STATUS_OK);
    return l->records;
}

static const char *header(struct letter *l, const char *name)
{
    struct bytes value = record_header(l->records, name);
    return value.data == NULL ? NULL : bytes_text(&l->callbacks, value);
}

/* All headers as lines, with the random part of a traceparent as "*". */
static const char *headers(struct letter *l, const struct record *r)
{
    CLEANUP(buf_done) struct buf b;
    buf_init(&b, 65536);
    for (size_t i = 0; i < r->headers_len; i++) {
        bool is_random = strcmp(r->headers[i].name, "traceparent") == 0;
        buf_printf(&b, "%s: ", r->headers[i].name);
        buf_append_bytes(&b, is_random ? BYTES_LITERAL("*") : r->headers[i].value);
        buf_append_text(&b, "\n");
    }
    return bytes_text(&l->callbacks, buf_bytes(&b));
}

static void an_event_becomes_a_binary_cloud_event(void **state)
{
    (void)state;
    CLEANUP(letter_done) struct letter l;
    letter_init(&l);
    l.cb.body = vector_bytes(&l.callbacks, "maesn/object.body");
    const struct record *r = seal(&l);
    assert_string_equal(r->topic, "maesn.invoice");
    assert_string_equal(bytes_text(&l.callbacks, r->key), "INVOICE:acme-42");
    assert_string_equal(bytes_text(&l.callbacks, r->value), "{\"resource\":\"INVOICE\"}");
    assert_string_equal(r->account, "acme-42");
    assert_string_equal(r->path, "/in/test/acme-42/by-hand");
    assert_string_equal(headers(&l, r), "content-type: application/json\n"
                                        "ce_specversion: 1.0\n"
                                        "ce_id: f40bb55dec5f11337f4be7bdd3469803\n"
                                        "ce_source: /maesn/xero/acme-42\n"
                                        "ce_type: com.maesn.invoice.created\n"
                                        "ce_subject: 42\n"
                                        "ce_time: 2026-01-02T03:04:05Z\n"
                                        "ce_recordedtime: 2026-01-02T03:04:06.001Z\n"
                                        "ce_dataschema: urn:maesn-bridge:unified-event:1\n"
                                        "traceparent: *\n");
}

static void what_is_not_known_is_left_out(void **state)
{
    (void)state;
    CLEANUP(letter_done) struct letter l;
    letter_init(&l);
    l.ev.resource_id = NULL;
    l.ev.event_type = NULL;
    l.ev.occurred_at_unix_ms = EVENT_TIME_UNKNOWN;
    seal(&l);
    assert_null(header(&l, "ce_subject"));
    assert_null(header(&l, "ce_time"));
    assert_string_equal(header(&l, "ce_type"), "com.maesn.invoice.changed");
}

static void a_structured_event_has_its_data_spliced_in(void **state)
{
    (void)state;
    CLEANUP(letter_done) struct letter l;
    letter_init(&l);
    l.opt.format = ENVELOPE_STRUCTURED;
    l.cb.delivery_id = "d\"1";
    l.ev.value = BYTES_LITERAL("{\"n\":1.10}");
    const struct record *r = seal(&l);
    assert_string_equal(header(&l, "content-type"), "application/cloudevents+json; charset=UTF-8");
    assert_string_equal(header(&l, "ce_id"), "d\"1");
    assert_string_equal(
        bytes_text(&l.callbacks, r->value),
        "{\"specversion\":\"1.0\",\"id\":\"d\\\"1\",\"source\":\"/maesn/xero/acme-42\","
        "\"type\":\"com.maesn.invoice.created\",\"subject\":\"42\",\"time\":\"2026-01-02T03:04:"
        "05Z\","
        "\"recordedtime\":\"2026-01-02T03:04:06.001Z\","
        "\"dataschema\":\"urn:maesn-bridge:unified-event:1\","
        "\"datacontenttype\":\"application/json\",\"data\":{\"n\":1.10}}");
}

static void a_resource_decides_topic_key_and_type(void **state)
{
    (void)state;
    static const struct {
        const char *resource, *event_type, *topic, *key, *type;
    } rows[] = {
        {"INVOICE", "CREATED", "maesn.invoice", "INVOICE:acme-42", "com.maesn.invoice.created"},
        {"journal_entry", "updated", "maesn.journal-entry", "JOURNAL_ENTRY:acme-42",
         "com.maesn.journal-entry.updated"},
        /* outside the list: a signed stranger cannot invent topics */
        {"LEDGER_ACCOUNT", "CREATED", "maesn.other", "LEDGER_ACCOUNT:acme-42",
         "com.maesn.ledger-account.created"},
        {"PROBE", "CREATED", "maesn.other", "PROBE:acme-42", "com.maesn.probe.created"},
        {"journal entry", NULL, "maesn.other", "JOURNAL ENTRY:acme-42",
         "com.maesn.journal-entry.changed"},
        {"../etc", "a.b", "maesn.other", "../ETC:acme-42", "com.maesn.etc.a-b"},
        {"\xc3\xa9", "\xc3\xa9", "maesn.other", "\xc3\xa9:acme-42", "com.maesn.other.other"},
        /* a control character is no text */
        {"A\nB", "X\x01", "maesn.other",
         "A\xef\xbf\xbd"
         "B:acme-42",
         "com.maesn.a-b.x"},
        /* a type is cut to 32 characters */
        {"ITEM", "abcdefghijklmnopqrstuvwxyz0123456789", "maesn.item", "ITEM:acme-42",
         "com.maesn.item.abcdefghijklmnopqrstuvwxyz012345"},
        {"TOKEN", "REVOKED", "maesn.token", "TOKEN:acme-42", "com.maesn.token.revoked"},
        {"token", NULL, "maesn.token", "TOKEN:acme-42", "com.maesn.token.changed"},
    };
    CLEANUP(letter_done) struct letter l;
    letter_init(&l);
    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        l.ev.resource = rows[i].resource;
        l.ev.event_type = rows[i].event_type;
        const struct record *r = seal(&l);
        assert_string_equal(r->topic, rows[i].topic);
        assert_string_equal(bytes_text(&l.callbacks, r->key), rows[i].key);
        assert_string_equal(header(&l, "ce_type"), rows[i].type);
    }
}

static void a_test_event_has_a_topic_only_on_a_route_declared_for_it(void **state)
{
    (void)state;
    CLEANUP(letter_done) struct letter l;
    letter_init(&l);
    const struct route_fields fields = {.path = "/in/maesn/probe/x",
                                        .provider = &provider,
                                        .account = "probe",
                                        .system = "xero",
                                        .resource = "probe"};
    struct event_list events = {.items = &l.ev, .len = 1};
    struct route *r;
    assert_int_equal(route_new(&fields, &r), STATUS_OK);
    l.ev.resource = "PROBE";
    l.opt.topic_template = "maesn.{account}.{resource}.{event}";
    assert_int_equal(envelope_seal(&l.opt, r, &l.cb, &events, l.callbacks.arena, &l.records),
                     STATUS_OK);
    assert_string_equal(l.records->topic, "maesn.probe.probe.created");
    assert_string_equal(envelope_probe_topic(&l.opt, r, l.callbacks.arena),
                        "maesn.probe.probe.created");
    assert_string_equal(seal(&l)->topic, "maesn.other");
    l.ev.resource = "PROBES";
    assert_int_equal(envelope_seal(&l.opt, r, &l.cb, &events, l.callbacks.arena, &l.records),
                     STATUS_OK);
    assert_string_equal(l.records->topic, "maesn.other");
    route_unref(r);
}

static void templates_take_every_placeholder(void **state)
{
    (void)state;
    static const struct {
        const char *event_type, *topic_template, *topic, *key_template, *key;
    } rows[] = {
        {"UPDATED", "x", "x", "k", "k"},
        {"UPDATED", "{provider}.{system}.{account}.{resource}.{event}",
         "maesn.xero.acme-42.invoice.updated", "{provider}/{system}/{event}/{resource_id}",
         "maesn/xero/UPDATED/42"},
        {NULL, "{event}", "changed", "{event}", "CHANGED"},
        {"merged", "{event}", "other", "{event}", "MERGED"},
    };
    CLEANUP(letter_done) struct letter l;
    letter_init(&l);
    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        l.ev.event_type = rows[i].event_type;
        l.opt.topic_template = rows[i].topic_template;
        l.opt.key_template = rows[i].key_template;
        const struct record *r = seal(&l);
        assert_string_equal(r->topic, rows[i].topic);
        assert_string_equal(bytes_text(&l.callbacks, r->key), rows[i].key);
    }
}

static void a_template_is_checked_before_it_is_used(void **state)
{
    (void)state;
    char long_topic[300], long_key[300];
    memset(long_topic, 'a', sizeof(long_topic) - 1);
    memset(long_key, 'k', sizeof(long_key) - 1);
    long_topic[250] = long_key[257] = '\0';
    const struct {
        enum status (*check)(const char *, struct diag *);
        const char *text, *why; /* NULL: it is fine */
    } rows[] = {
        {envelope_check_topic_template, "maesn.{resource}", NULL},
        {envelope_check_topic_template, "{provider}-{system}_{account}.{resource}.{event}", NULL},
        {envelope_check_topic_template, long_topic + 1, NULL},
        {envelope_check_topic_template, "", "\"\", a template that is not empty"},
        {envelope_check_topic_template, ".", "\".\", a name other than \".\" and \"..\""},
        {envelope_check_topic_template, "a b",
         "\"a b\", only letters, digits, \".\", \"_\" and \"-\""},
        {envelope_check_topic_template, "a.{resource_id}",
         "\"{resource_id}\", one of {provider} {system} {account} {resource} {event}"},
        {envelope_check_topic_template, "a.{tenant}.b",
         "\"{tenant}\", one of {provider} {system} {account} {resource} {event}"},
        {envelope_check_topic_template, "a.{resource",
         "\"{resource\", one of {provider} {system} {account} {resource} {event}"},
        {envelope_check_topic_template, "a.resource}", "\"a.resource}\", a { before each }"},
        {envelope_check_key_template, "{resource}:{account}:{resource_id}", NULL},
        {envelope_check_key_template, "any text \xc3\xa9", NULL},
        {envelope_check_key_template, "", "\"\", a template that is not empty"},
        {envelope_check_key_template, "{id}",
         "\"{id}\", one of {provider} {system} {account} {resource} {event} {resource_id}"},
        {envelope_check_key_template, long_key,
         "\"kkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkk...\", at most 256 characters"},
    };
    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        struct diag diag = {0};
        enum status status = rows[i].check(rows[i].text, &diag);
        assert_int_equal(status, rows[i].why == NULL ? STATUS_OK : STATUS_INVALID);
        assert_string_equal(diag.text, rows[i].why == NULL ? "" : rows[i].why);
    }
    struct diag diag = {0};
    assert_int_equal(envelope_check_topic_template(long_topic, &diag), STATUS_INVALID);
}

/* 249 is Kafka's limit, 64 that of systems and accounts; "journal-entry" has 13. */
static void a_topic_template_has_room_for_the_longest_system_and_account(void **state)
{
    (void)state;
    char template[300], id[65];
    memset(id, 'a', sizeof(id) - 1);
    id[64] = '\0';
    for (size_t fill = 249 - 64 - 64 - 13 - 2; fill <= 249 - 64 - 64 - 13 - 1; fill++) {
        struct diag diag = {0};
        bool fits = fill + 2 + 64 + 64 + 13 <= 249;
        snprintf(template, sizeof(template), "%0*d{system}.{account}.{resource}", (int)fill, 0);
        assert_int_equal(envelope_check_topic_template(template, &diag),
                         fits ? STATUS_OK : STATUS_INVALID);
        if (!fits)
            continue;
        CLEANUP(letter_done) struct letter l;
        letter_init(&l);
        l.opt.topic_template = template;
        struct topic_list topics;
        assert_int_equal(envelope_topics(&l.opt, "maesn", id, id, l.callbacks.arena, &topics),
                         STATUS_OK);
        size_t longest = 0;
        for (size_t i = 0; i < topics.len; i++)
            longest = strlen(topics.names[i]) > longest ? strlen(topics.names[i]) : longest;
        assert_int_equal(longest, 249);
    }
}

static void a_delivery_id_is_the_event_id_if_it_is_text(void **state)
{
    (void)state;
    char id128[129], id129[130];
    memset(id128, 'x', 128);
    memset(id129, 'x', 129);
    id128[128] = id129[129] = '\0';
    const struct {
        const char *delivery_id;
        bool is_taken;
    } rows[] = {{"e3b0c442-98fc", true},
                {"~!\"", true},
                {id128, true},
                {id129, false},
                {"", false},
                {"a b", false},
                {"a\t", false},
                {"a\x7f", false},
                {"\xc3\xa9", false},
                {NULL, false}};
    CLEANUP(letter_done) struct letter l;
    letter_init(&l);
    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        l.cb.delivery_id = rows[i].delivery_id;
        seal(&l);
        if (rows[i].is_taken)
            assert_string_equal(header(&l, "ce_id"), rows[i].delivery_id);
        else /* sha256("maesn/acme-42/all/all\0body\0" "0") by Python's hashlib */
            assert_string_equal(header(&l, "ce_id"), "472280c1c98edc791544c77f6bac17ea");
    }
}

static void elements_of_one_delivery_have_different_ids(void **state)
{
    (void)state;
    CLEANUP(letter_done) struct letter l;
    letter_init(&l);
    l.cb.body = vector_bytes(&l.callbacks, "maesn/array.body");
    struct event items[2] = {l.ev, l.ev};
    items[1].index = 1;
    struct event_list events = {.items = items, .len = 2};
    static const char *const ids[][2] = {
        {"cf1e883ab1578178ccaf8575a1fd60fa", "ef92f2617c1d652c949ee984539f3acb"}, {"d.0", "d.1"}};
    for (size_t i = 0; i < 2; i++) {
        l.cb.delivery_id = i == 0 ? NULL : "d";
        assert_int_equal(
            envelope_seal(&l.opt, l.callbacks.route, &l.cb, &events, l.callbacks.arena, &l.records),
            STATUS_OK);
        for (size_t k = 0; k < 2; k++) {
            struct bytes id = record_header(&l.records[k], "ce_id");
            assert_string_equal(bytes_text(&l.callbacks, id), ids[i][k]);
        }
        assert_true(bytes_equal(record_header(&l.records[0], "traceparent"),
                                record_header(&l.records[1], "traceparent")));
    }
}

static void an_inbound_trace_is_restarted_or_continued(void **state)
{
    (void)state;
    CLEANUP(letter_done) struct letter l;
    letter_init(&l);
    l.cb.traceparent = INBOUND;
    l.cb.tracestate = "rojo=1, congo=2";
    seal(&l);
    assert_string_equal(header(&l, "traceparent-in"), INBOUND);
    assert_null(header(&l, "tracestate"));
    assert_memory_not_equal(header(&l, "traceparent") + 3, TRACE, 32);

    l.opt.trace = ENVELOPE_TRACE_CONTINUE;
    seal(&l);
    assert_null(header(&l, "traceparent-in"));
    assert_string_equal(header(&l, "tracestate"), "rojo=1,congo=2");
    assert_memory_equal(header(&l, "traceparent") + 3, TRACE, 32);
    assert_string_not_equal(header(&l, "traceparent"), INBOUND);

    l.cb.traceparent = "00-nonsense";
    seal(&l);
    assert_null(header(&l, "traceparent-in"));
    assert_null(header(&l, "tracestate"));
    assert_int_equal(strlen(header(&l, "traceparent")), 55);
}

static void a_subject_is_legal_text_or_left_out(void **state)
{
    (void)state;
    char id512[513], id513[514];
    memset(id512, 'x', 512);
    memset(id513, 'x', 513);
    id512[512] = id513[513] = '\0';
    const struct {
        const char *resource_id, *subject;
    } rows[] = {
        {"\xf0\x9f\x98\x80 a/b?", "\xf0\x9f\x98\x80 a/b?"},
        {"a\r\nce_id: 1", "a\xef\xbf\xbd\xef\xbf\xbd"
                          "ce_id: 1"},
        {"\x7f\xc2\x85\xef\xbf\xbf", "\xef\xbf\xbd\xef\xbf\xbd\xef\xbf\xbd"},
        {"\xff", "\xef\xbf\xbd"},
        {id512, id512},
        {id513, NULL}, /* cut, it would be another record's id */
        {"", NULL},
    };
    CLEANUP(letter_done) struct letter l;
    letter_init(&l);
    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        l.ev.resource_id = rows[i].resource_id;
        seal(&l);
        if (rows[i].subject == NULL)
            assert_null(header(&l, "ce_subject"));
        else
            assert_string_equal(header(&l, "ce_subject"), rows[i].subject);
    }
}

static void what_was_not_understood_is_a_binary_dead_letter(void **state)
{
    (void)state;
    CLEANUP(letter_done) struct letter l;
    letter_init(&l);
    l.opt.format = ENVELOPE_STRUCTURED;
    l.cb.delivery_id = "d-1";
    l.cb.content_type = "text/plain";
    l.ev = (struct event){.reason = DEAD_LETTER_NOT_JSON,
                          .detail = "the body is not JSON at byte 0",
                          .value = BYTES_LITERAL("oops")};
    const struct record *r = seal(&l);
    assert_int_equal(r->reason, DEAD_LETTER_NOT_JSON);
    assert_string_equal(r->topic, "maesn.dead-letter");
    assert_string_equal(bytes_text(&l.callbacks, r->key), "acme-42");
    assert_string_equal(bytes_text(&l.callbacks, r->value), "oops");
    assert_string_equal(headers(&l, r), "content-type: text/plain\n"
                                        "ce_specversion: 1.0\n"
                                        "ce_id: d-1\n"
                                        "ce_source: /maesn/xero/acme-42\n"
                                        "ce_type: com.maesn.bridge.dead-letter\n"
                                        "ce_recordedtime: 2026-01-02T03:04:06.001Z\n"
                                        "traceparent: *\n"
                                        "dead-letter-reason: not-json\n"
                                        "dead-letter-detail: the body is not JSON at byte 0\n"
                                        "dead-letter-path: /in/test/acme-42/by-hand\n"
                                        "dead-letter-specification: maesn/acme-42/all/all\n");
}

static void a_dead_letter_of_one_element_says_which(void **state)
{
    (void)state;
    CLEANUP(letter_done) struct letter l;
    letter_init(&l);
    l.ev = (struct event){.reason = DEAD_LETTER_NOT_AN_OBJECT,
                          .value = BYTES_LITERAL("17"),
                          .is_element = true,
                          .index = 3};
    seal(&l);
    assert_string_equal(header(&l, "dead-letter-element"), "3");
}

static void a_dead_letter_is_never_taken_for_a_structured_event_nor_a_tombstone(void **state)
{
    (void)state;
    static const struct {
        const char *received, *content_type;
    } rows[] = {
        {NULL, "application/octet-stream"},
        {"", "application/octet-stream"},
        {"application/cloudevents+json", "application/octet-stream"},
        {"Application/CloudEvents-batch+json; charset=x", "application/octet-stream"},
        {"application/json; charset=utf-8", "application/json; charset=utf-8"},
        {"a\x01", "a\xef\xbf\xbd"},
    };
    CLEANUP(letter_done) struct letter l;
    letter_init(&l);
    l.ev = (struct event){.reason = DEAD_LETTER_EMPTY, .detail = "the body is empty"};
    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        l.cb.content_type = rows[i].received;
        const struct record *r = seal(&l);
        assert_string_equal(header(&l, "content-type"), rows[i].content_type);
        assert_non_null(r->value.data);
        assert_int_equal(r->value.len, 0);
    }
}

static void a_path_is_kept_without_its_token(void **state)
{
    (void)state;
#define TOKEN "abcdefghijklmnopqrstuvwxy2"
    static const struct {
        const char *path, *kept;
    } rows[] = {
        {"/in/maesn/a/invoice/all/1767323045000-" TOKEN, "/in/maesn/a/invoice/all/1767323045000"},
        {"/in/maesn/a/by-hand", "/in/maesn/a/by-hand"},
        {"by-hand", "by-hand"}, /* no path */
        {"/in/a-" TOKEN "/x", "/in/a-" TOKEN "/x"},
        {"/in/maesn/1-" TOKEN "3", "/in/maesn/1-" TOKEN "3"}, /* 27 characters */
        {"/in/maesn/1-abcdefghijklmnopqrstuvwxy1", "/in/maesn/1-abcdefghijklmnopqrstuvwxy1"},
    };
    CLEANUP(letter_done) struct letter l;
    letter_init(&l);
    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        struct route copy = *l.callbacks.route;
        copy.path = rows[i].path;
        struct event_list events = {.items = &l.ev, .len = 1};
        assert_int_equal(
            envelope_seal(&l.opt, &copy, &l.cb, &events, l.callbacks.arena, &l.records), STATUS_OK);
        assert_string_equal(l.records[0].path, rows[i].kept);
    }
}

static void a_refused_record_becomes_a_dead_letter_that_says_where_it_was_meant_to_go(void **state)
{
    (void)state;
    CLEANUP(letter_done) struct letter l;
    letter_init(&l);
    l.opt.format = ENVELOPE_STRUCTURED;
    l.cb.traceparent = INBOUND;
    l.cb.delivery_id = "d-1";
    const struct record *refused = seal(&l);
    struct record dead;
    assert_int_equal(
        envelope_dead_letter(&l.opt, refused, "message too large\n", l.callbacks.arena, &dead),
        STATUS_OK);
    assert_int_equal(dead.reason, DEAD_LETTER_REFUSED_BY_BROKER);
    assert_string_equal(dead.topic, "maesn.dead-letter");
    assert_string_equal(bytes_text(&l.callbacks, dead.key), "acme-42");
    assert_true(bytes_equal(dead.value, refused->value));
    assert_string_equal(headers(&l, &dead),
                        "content-type: application/json\n"
                        "ce_specversion: 1.0\n"
                        "ce_id: d-1\n"
                        "ce_source: /maesn/xero/acme-42\n"
                        "ce_subject: 42\n"
                        "ce_time: 2026-01-02T03:04:05Z\n"
                        "ce_recordedtime: 2026-01-02T03:04:06.001Z\n"
                        "traceparent: *\n"
                        "traceparent-in: " INBOUND "\n"
                        "ce_type: com.maesn.bridge.dead-letter\n"
                        "dead-letter-reason: refused-by-broker\n"
                        "dead-letter-detail: message too large\xef\xbf\xbd\n"
                        "dead-letter-path: /in/test/acme-42/by-hand\n"
                        "dead-letter-topic: maesn.invoice\n"
                        "dead-letter-key: INVOICE:acme-42\n"
                        "dead-letter-type: com.maesn.invoice.created\n"
                        "dead-letter-content-type: application/cloudevents+json; "
                        "charset=UTF-8\n"
                        "dead-letter-dataschema: "
                        "urn:maesn-bridge:unified-event:1\n");
}

static void a_record_outlives_its_route_and_its_request(void **state)
{
    (void)state;
    CLEANUP(letter_done) struct letter l;
    letter_init(&l);
    char id[] = "delivery", type[] = "text/plain";
    l.cb.delivery_id = id;
    l.cb.content_type = type;
    const struct record *r = seal(&l);
    callbacks_route(&l.callbacks, &provider, "qonto", NULL, NULL, NULL);
    memset(id, 0, sizeof(id));
    memset(type, 0, sizeof(type));
    assert_string_equal(header(&l, "ce_id"), "delivery");
    assert_string_equal(header(&l, "ce_source"), "/maesn/xero/acme-42");
    assert_string_equal(r->account, "acme-42");
}

static void the_topics_of_a_route_are_listed_once_each(void **state)
{
    (void)state;
    CLEANUP(letter_done) struct letter l;
    letter_init(&l);
    struct topic_list topics;
    assert_int_equal(
        envelope_topics(&l.opt, "maesn", "xero", "acme-42", l.callbacks.arena, &topics), STATUS_OK);
    assert_int_equal(topics.len, 16 + 3);
    assert_string_equal(topics.names[0], "maesn.account");
    assert_string_equal(topics.names[18], "maesn.dead-letter");
    l.opt.topic_template = "{account}.{event}";
    assert_int_equal(
        envelope_topics(&l.opt, "maesn", "xero", "acme-42", l.callbacks.arena, &topics), STATUS_OK);
    assert_int_equal(topics.len, 6 + 3);
    l.opt.topic_template = "maesn.other";
    assert_int_equal(
        envelope_topics(&l.opt, "maesn", "xero", "acme-42", l.callbacks.arena, &topics), STATUS_OK);
    assert_int_equal(topics.len, 3);
}

static void no_events_make_no_records(void **state)
{
    (void)state;
    CLEANUP(letter_done) struct letter l;
    letter_init(&l);
    struct event_list none = {.items = NULL, .len = 0};
    assert_int_equal(
        envelope_seal(&l.opt, l.callbacks.route, &l.cb, &none, l.callbacks.arena, &l.records),
        STATUS_OK);
}

static int start(void **state)
{
    (void)state;
    return crypto_start() == STATUS_OK ? 0 : -1;
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(an_event_becomes_a_binary_cloud_event),
        cmocka_unit_test(what_is_not_known_is_left_out),
        cmocka_unit_test(a_structured_event_has_its_data_spliced_in),
        cmocka_unit_test(a_resource_decides_topic_key_and_type),
        cmocka_unit_test(a_test_event_has_a_topic_only_on_a_route_declared_for_it),
        cmocka_unit_test(templates_take_every_placeholder),
        cmocka_unit_test(a_template_is_checked_before_it_is_used),
        cmocka_unit_test(a_topic_template_has_room_for_the_longest_system_and_account),
        cmocka_unit_test(a_delivery_id_is_the_event_id_if_it_is_text),
        cmocka_unit_test(elements_of_one_delivery_have_different_ids),
        cmocka_unit_test(an_inbound_trace_is_restarted_or_continued),
        cmocka_unit_test(a_subject_is_legal_text_or_left_out),
        cmocka_unit_test(what_was_not_understood_is_a_binary_dead_letter),
        cmocka_unit_test(a_dead_letter_of_one_element_says_which),
        cmocka_unit_test(a_dead_letter_is_never_taken_for_a_structured_event_nor_a_tombstone),
        cmocka_unit_test(a_path_is_kept_without_its_token),
        cmocka_unit_test(a_refused_record_becomes_a_dead_letter_that_says_where_it_was_meant_to_go),
        cmocka_unit_test(a_record_outlives_its_route_and_its_request),
        cmocka_unit_test(the_topics_of_a_route_are_listed_once_each),
        cmocka_unit_test(no_events_make_no_records),
    };
    return cmocka_run_group_tests(tests, start, NULL);
}
