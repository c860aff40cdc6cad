#include "bridge/app/probe_event.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>

#include <cmocka.h>

#include "bridge/base/scoped.h"
#include "bridge/base/secret.h"
#include "bridge/domain/route.h"
#include "bridge/providers/maesn/maesn.h"

#define MADE_AT 1767323045678
#define RECEIVED_AT 1767323046001

struct fixture {
    struct arena *arena;
    struct route *route;
    struct probe_event event;
    struct probe_event_rules rules;
    struct record record; /* as the ingress makes it */
    struct diag diag;
};

static void fixture_init(struct fixture *f)
{
    *f = (struct fixture){
        .arena = arena_new(1 << 20),
        .rules.envelope = {.topic_template = "maesn.{resource}",
                           .key_template = "{resource}:{account}",
                           .other_topic = "maesn.other",
                           .token_topic = "maesn.token",
                           .dead_letter_topic = "maesn.dead-letter"},
    };
    struct secret *secret;
    assert_int_equal(secret_new(BYTES_LITERAL("of-the-probe"), &secret, NULL), STATUS_OK);
    const struct route_fields fields = {.path = "/in/maesn/probe/x",
                                        .provider = &maesn,
                                        .account = "probe",
                                        .system = "xero",
                                        .resource = "PROBE",
                                        .state = ROUTE_ACTIVE,
                                        .current_secret = secret};
    assert_int_equal(route_new(&fields, &f->route), STATUS_OK);
    secret_unref(secret);
    assert_int_equal(probe_event_make(f->route, MADE_AT, &f->event), STATUS_OK);
    assert_int_equal(probe_event_record(&f->event, &f->rules, RECEIVED_AT, f->arena, &f->record),
                     STATUS_OK);
}

static void fixture_done(struct fixture *f)
{
    route_unref(f->route);
    arena_free(f->arena);
}

static enum status check(struct fixture *f, int64_t *ret_received_at_unix_ms)
{
    f->diag.text[0] = '\0';
    return probe_event_check(&f->event, &f->rules, &f->record, f->arena, ret_received_at_unix_ms,
                             &f->diag);
}

static void the_event_verifies_and_no_other_is_equal_to_it(void **state)
{
    (void)state;
    CLEANUP(fixture_done) struct fixture f;
    fixture_init(&f);
    const struct callback cb = {.body = bytes_of(f.event.body, f.event.body_len),
                                .signature = f.event.signature,
                                .received_at_unix_ms = MADE_AT};
    enum verification verification;
    assert_int_equal(maesn.verify(f.route, &cb, &f.rules.provider, &verification), STATUS_OK);
    assert_int_equal(verification, VERIFICATION_CURRENT);
    assert_int_equal(strlen(f.event.body), f.event.body_len);
    const char *begin = "{\"eventType\":\"CREATED\",\"filterDate\":\"2026-01-02T03:04:05.678Z\","
                        "\"resource\":\"PROBE\",\"resourceId\":\"";
    assert_memory_equal(f.event.body, begin, strlen(begin));
    struct probe_event other;
    assert_int_equal(probe_event_make(f.route, MADE_AT, &other), STATUS_OK);
    assert_string_not_equal(f.event.body, other.body);
    assert_string_not_equal(f.event.signature, other.signature);
    assert_string_not_equal(f.event.traceparent, other.traceparent);
}

static void the_record_that_the_ingress_makes_is_the_expected_one(void **state)
{
    static const struct {
        enum envelope_format format;
        enum envelope_trace trace;
    } rows[] = {
        {ENVELOPE_BINARY, ENVELOPE_TRACE_RESTART},
        {ENVELOPE_BINARY, ENVELOPE_TRACE_CONTINUE},
        {ENVELOPE_STRUCTURED, ENVELOPE_TRACE_RESTART},
    };
    (void)state;
    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        CLEANUP(fixture_done) struct fixture f;
        fixture_init(&f);
        f.rules.envelope.format = rows[i].format;
        f.rules.envelope.trace = rows[i].trace;
        assert_int_equal(probe_event_record(&f.event, &f.rules, RECEIVED_AT, f.arena, &f.record),
                         STATUS_OK);
        assert_string_equal(f.record.topic, "maesn.probe");
        assert_true(bytes_equal(f.record.key, BYTES_LITERAL("PROBE:probe")));
        int64_t received_at_unix_ms = 0;
        if (check(&f, &received_at_unix_ms) != STATUS_OK)
            fail_msg("%s", f.diag.text);
        assert_int_equal(received_at_unix_ms, RECEIVED_AT);
    }
}

static struct record_header *header(struct fixture *f, const char *name)
{
    for (size_t i = 0; i < f->record.headers_len; i++)
        if (strcmp(f->record.headers[i].name, name) == 0)
            return &f->record.headers[i];
    fail_msg("no header %s", name);
    return NULL;
}

static void a_record_that_is_another_one_is_told_apart(void **state)
{
    static const struct {
        const char *header, *value; /* NULL: it is taken away */
        const char *said;
    } rows[] = {
        {"ce_source", "/maesn/xero/other",
         "the record's header ce_source is /maesn/xero/other, expected /maesn/xero/probe"},
        {"ce_type", NULL, "the record's header ce_type is none, expected com.maesn.probe.created"},
        {"ce_recordedtime", "yesterday",
         "the record's header ce_recordedtime is yesterday, expected a date-time"},
        {"content-type", "text/\x1b[31m",
         "the record's header content-type is text/\xef\xbf\xbd[31m, expected application/json"},
    };
    (void)state;
    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        CLEANUP(fixture_done) struct fixture f;
        int64_t received_at_unix_ms;
        fixture_init(&f);
        struct record_header *h = header(&f, rows[i].header);
        if (rows[i].value == NULL)
            h->name = "x-other";
        else
            h->value = bytes_of_text(rows[i].value);
        assert_int_equal(check(&f, &received_at_unix_ms), STATUS_INVALID);
        assert_string_equal(f.diag.text, rows[i].said);
    }
}

static void key_value_and_number_of_headers_count_too(void **state)
{
    (void)state;
    CLEANUP(fixture_done) struct fixture f;
    int64_t received_at_unix_ms;
    fixture_init(&f);
    const struct record right = f.record;
    f.record.key = BYTES_LITERAL("PROBE:other");
    assert_int_equal(check(&f, &received_at_unix_ms), STATUS_INVALID);
    assert_string_equal(f.diag.text, "the record's key is PROBE:other, expected PROBE:probe");
    f.record = right;
    f.record.value.len--;
    assert_int_equal(check(&f, &received_at_unix_ms), STATUS_INVALID);
    assert_memory_equal(f.diag.text, "the record's value is {", 23);
    f.record = right;
    f.record.value = bytes_of(NULL, 0);
    assert_int_equal(check(&f, &received_at_unix_ms), STATUS_INVALID);
    f.record = right;
    record_add_header(&f.record, "x-more", BYTES_LITERAL("1"));
    assert_int_equal(check(&f, &received_at_unix_ms), STATUS_INVALID);
    assert_string_equal(f.diag.text, "the record has 12 headers, expected 11");
}

static void a_trace_must_be_the_events_where_it_is_to_be_continued(void **state)
{
    (void)state;
    CLEANUP(fixture_done) struct fixture f;
    int64_t received_at_unix_ms;
    fixture_init(&f);
    f.rules.envelope.trace = ENVELOPE_TRACE_CONTINUE;
    assert_int_equal(probe_event_record(&f.event, &f.rules, RECEIVED_AT, f.arena, &f.record),
                     STATUS_OK);
    header(&f, "traceparent")->value =
        BYTES_LITERAL("00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01");
    assert_int_equal(check(&f, &received_at_unix_ms), STATUS_INVALID);
    header(&f, "traceparent")->value = BYTES_LITERAL("none");
    assert_int_equal(check(&f, &received_at_unix_ms), STATUS_INVALID);
}

static int start(void **state)
{
    (void)state;
    return crypto_start() != STATUS_OK;
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_event_verifies_and_no_other_is_equal_to_it),
        cmocka_unit_test(the_record_that_the_ingress_makes_is_the_expected_one),
        cmocka_unit_test(a_record_that_is_another_one_is_told_apart),
        cmocka_unit_test(key_value_and_number_of_headers_count_too),
        cmocka_unit_test(a_trace_must_be_the_events_where_it_is_to_be_continued),
    };
    return cmocka_run_group_tests(tests, start, NULL);
}
