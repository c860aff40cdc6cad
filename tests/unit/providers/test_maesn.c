#include "bridge/providers/maesn/maesn.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>

#include <cmocka.h>

#include "bridge/base/buf.h"
#include "bridge/base/crypto.h"
#include "bridge/base/scoped.h"
#include "bridge/domain/envelope.h"
#include "bridge/providers/maesn/integrations.h"
#include "tests/support/callbacks.h"

static const struct provider_options options = {.signature_tolerance_ms = 300000};

static enum verification verify(const struct route *r, struct bytes body, const char *signature)
{
    struct callback cb = {.body = body, .signature = signature};
    enum verification verification;
    assert_int_equal(maesn.verify(r, &cb, &options, &verification), STATUS_OK);
    return verification;
}

static void a_vector_verifies_with_its_secret_and_not_with_the_hex_decoded_key(void **state)
{
    (void)state;
    static const char *const names[] = {"object", "array", "empty"};
    CLEANUP(callbacks_done) struct callbacks c = {0};
    for (size_t i = 0; i < 3; i++) {
        callbacks_reset(&c, 65536);
        char body[64], right[64], wrong[64];
        snprintf(body, sizeof(body), "maesn/%s.body", names[i]);
        snprintf(right, sizeof(right), "maesn/%s.signature", names[i]);
        snprintf(wrong, sizeof(wrong), "maesn/%s.hex-key.signature", names[i]);
        const struct route *r =
            callbacks_route(&c, &maesn, "xero", vector_text(&c, "maesn/secret"), NULL, NULL);
        struct bytes bytes = vector_bytes(&c, body);
        assert_int_equal(verify(r, bytes, vector_text(&c, right)), VERIFICATION_CURRENT);
        assert_int_equal(verify(r, bytes, vector_text(&c, wrong)), VERIFICATION_BAD);
    }
}

#define GOOD "f11cd6dbe7a1f38123fd9f510bdc4823dc85c5c8987e5f44f88f1800692e2117"

static void a_signature_is_judged_by_its_form_first(void **state)
{
    (void)state;
    static const struct {
        const char *signature;
        enum verification verification;
    } rows[] = {
        {GOOD, VERIFICATION_CURRENT},
        /* upper and mixed case are the same digits */
        {"F11CD6DBE7A1F38123FD9F510BDC4823DC85C5C8987E5F44F88F1800692E2117", VERIFICATION_CURRENT},
        {"F11cd6dbe7a1f38123fd9f510bdc4823dc85c5c8987e5f44f88f1800692e2117", VERIFICATION_CURRENT},
        /* one digit is another one: first, last */
        {"011cd6dbe7a1f38123fd9f510bdc4823dc85c5c8987e5f44f88f1800692e2117", VERIFICATION_BAD},
        {"f11cd6dbe7a1f38123fd9f510bdc4823dc85c5c8987e5f44f88f1800692e2118", VERIFICATION_BAD},
        /* nothing, one digit short, one too many */
        {NULL, VERIFICATION_MISSING},
        {"", VERIFICATION_MISSING},
        {"f11cd6dbe7a1f38123fd9f510bdc4823dc85c5c8987e5f44f88f1800692e211", VERIFICATION_MISSING},
        {GOOD "0", VERIFICATION_MISSING},
        /* no hex, a prefix, white space, base64 */
        {"g11cd6dbe7a1f38123fd9f510bdc4823dc85c5c8987e5f44f88f1800692e2117", VERIFICATION_MISSING},
        {"sha256=" GOOD, VERIFICATION_MISSING},
        {" " GOOD, VERIFICATION_MISSING},
        {"8RzW2+eh84Ej/Z9RC9xII9yFxciYfl9E+I8YAGkuIRc=", VERIFICATION_MISSING},
    };
    CLEANUP(callbacks_done) struct callbacks c = {0};
    callbacks_reset(&c, 65536);
    const struct route *r =
        callbacks_route(&c, &maesn, "xero", vector_text(&c, "maesn/secret"), NULL, NULL);
    struct bytes body = vector_bytes(&c, "maesn/object.body");
    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++)
        if (verify(r, body, rows[i].signature) != rows[i].verification)
            fail_msg("row %zu", i);
}

static void either_secret_of_a_route_verifies(void **state)
{
    (void)state;
    CLEANUP(callbacks_done) struct callbacks c = {0};
    callbacks_reset(&c, 65536);
    struct bytes body = vector_bytes(&c, "maesn/object.body");
    const char *secret = vector_text(&c, "maesn/secret");
    const struct route *r = callbacks_route(&c, &maesn, "xero", "another", secret, NULL);
    assert_int_equal(verify(r, body, GOOD), VERIFICATION_PREVIOUS);
    r = callbacks_route(&c, &maesn, "xero", secret, "another", NULL);
    assert_int_equal(verify(r, body, GOOD), VERIFICATION_CURRENT);
    r = callbacks_route(&c, &maesn, "xero", "another", "and another", NULL);
    assert_int_equal(verify(r, body, GOOD), VERIFICATION_BAD);
    r = callbacks_route(&c, &maesn, "xero", NULL, NULL, NULL);
    assert_int_equal(verify(r, body, GOOD), VERIFICATION_BAD);
}

#define OURS "\"account\":\"acme-42\",\"system\":\"xero\",\"provider\":\"maesn\"}"

/* One event: its names and value as text. */
struct expected {
    enum dead_letter_reason reason;
    const char *resource, *event_type, *resource_id, *value;
};

static const struct {
    const char *body;
    struct expected expected;
} objects[] = {
    /* the published sample's keys */
    {"{\"eventType\":\"UPDATED\",\"filterDate\":\"2026-01-02T03:04:05Z\",\"resource\":\"INVOICE\","
     "\"resourceId\":\"1\"}",
     {0, "INVOICE", "UPDATED", "1",
      "{\"eventType\":\"UPDATED\",\"filterDate\":\"2026-01-02T03:04:05Z\",\"resource\":\"INVOICE\","
      "\"resourceId\":\"1\"," OURS}},
    /* only a resource; white space around and before the brace stays where it was */
    {" \r\n\t{\"resource\":\"X\" } ", {0, "X", NULL, NULL, "{\"resource\":\"X\" ," OURS}},
    /* any case, any word */
    {"{\"resource\":\"invoice\"}", {0, "invoice", NULL, NULL, "{\"resource\":\"invoice\"," OURS}},
    {"{\"resource\":\"\\u0049NV\"}", {0, "INV", NULL, NULL, "{\"resource\":\"\\u0049NV\"," OURS}},
    {"{\"r\\u0065source\":\"A\"}", {0, "A", NULL, NULL, "{\"r\\u0065source\":\"A\"," OURS}},
    /* numbers keep their digits: beyond 2^53, trailing zero, beyond a double */
    {"{\"resource\":\"A\",\"resourceId\":123456789012345678901234567890}",
     {0, "A", NULL, "123456789012345678901234567890",
      "{\"resource\":\"A\",\"resourceId\":123456789012345678901234567890," OURS}},
    {"{\"resource\":\"A\",\"n\":1.10}",
     {0, "A", NULL, NULL, "{\"resource\":\"A\",\"n\":1.10," OURS}},
    {"{\"resource\":\"A\",\"n\":1e400}",
     {0, "A", NULL, NULL, "{\"resource\":\"A\",\"n\":1e400," OURS}},
    {"{\"resource\":\"A\",\"n\":-0}", {0, "A", NULL, NULL, "{\"resource\":\"A\",\"n\":-0," OURS}},
    {"{\"resource\":\"A\",\"resourceId\":-1.5E+3}",
     {0, "A", NULL, "-1.5E+3", "{\"resource\":\"A\",\"resourceId\":-1.5E+3," OURS}},
    /* an id that is neither text nor number is none; the value keeps it */
    {"{\"resource\":\"A\",\"resourceId\":null}",
     {0, "A", NULL, NULL, "{\"resource\":\"A\",\"resourceId\":null," OURS}},
    {"{\"resource\":\"A\",\"resourceId\":[1]}",
     {0, "A", NULL, NULL, "{\"resource\":\"A\",\"resourceId\":[1]," OURS}},
    {"{\"resource\":\"A\",\"eventType\":7}",
     {0, "A", NULL, NULL, "{\"resource\":\"A\",\"eventType\":7," OURS}},
    {"{\"resource\":\"A\",\"eventType\":\"\"}",
     {0, "A", NULL, NULL, "{\"resource\":\"A\",\"eventType\":\"\"," OURS}},
    /* unknown keys, nested ones of the same name, order */
    {"{\"z\":{\"resource\":\"no\",\"a\":[{}]},\"resource\":\"A\",\"b\":true}",
     {0, "A", NULL, NULL,
      "{\"z\":{\"resource\":\"no\",\"a\":[{}]},\"resource\":\"A\",\"b\":true," OURS}},
    /* braces, quotes and commas inside strings */
    {"{\"a\":\"},{\\\"\\\\\",\"resource\":\"A\"}",
     {0, "A", NULL, NULL, "{\"a\":\"},{\\\"\\\\\",\"resource\":\"A\"," OURS}},
    /* a key of ours that the element brings is ours: first, middle, last, escaped, of any type */
    {"{\"account\":\"evil\",\"resource\":\"A\"}",
     {0, "A", NULL, NULL, "{\"resource\":\"A\"," OURS}},
    {"{\"resource\":\"A\" , \"system\" : {\"a\":[1,2]} , \"n\" : 1.10 }",
     {0, "A", NULL, NULL, "{\"resource\":\"A\",\"n\" : 1.10," OURS}},
    {"{\"resource\":\"A\",\"\\u0061ccount\":1}", {0, "A", NULL, NULL, "{\"resource\":\"A\"," OURS}},
    {"{\"provider\":1,\"account\":2,\"system\":3,\"resource\":\"A\"}",
     {0, "A", NULL, NULL, "{\"resource\":\"A\"," OURS}},
    /* keys that only begin like ours stay */
    {"{\"accounts\":1,\"resource\":\"A\"}",
     {0, "A", NULL, NULL, "{\"accounts\":1,\"resource\":\"A\"," OURS}},
    /* U+0000 and a lone surrogate are JSON; they have no place in a name */
    {"{\"resource\":\"A\\u0000B\"}",
     {0,
      "A\xef\xbf\xbd"
      "B",
      NULL, NULL, "{\"resource\":\"A\\u0000B\"," OURS}},
    {"{\"resource\":\"A\\ud800\"}",
     {0, "A\xef\xbf\xbd", NULL, NULL, "{\"resource\":\"A\\ud800\"," OURS}},
    {"{\"resource\":\"\\ud83d\\ude00\"}",
     {0, "\xf0\x9f\x98\x80", NULL, NULL, "{\"resource\":\"\\ud83d\\ude00\"," OURS}},
    /* no text resource */
    {"{}", {DEAD_LETTER_NO_RESOURCE, NULL, NULL, NULL, "{}"}},
    {"{\"resource\":1}", {DEAD_LETTER_NO_RESOURCE, NULL, NULL, NULL, "{\"resource\":1}"}},
    {"{\"resource\":null}", {DEAD_LETTER_NO_RESOURCE, NULL, NULL, NULL, "{\"resource\":null}"}},
    {"{\"resource\":\"\"}", {DEAD_LETTER_NO_RESOURCE, NULL, NULL, NULL, "{\"resource\":\"\"}"}},
    {"{\"a\":{\"resource\":\"A\"}}",
     {DEAD_LETTER_NO_RESOURCE, NULL, NULL, NULL, "{\"a\":{\"resource\":\"A\"}}"}},
    /* no object */
    {"42", {DEAD_LETTER_NOT_AN_OBJECT, NULL, NULL, NULL, "42"}},
    {"\"x\"", {DEAD_LETTER_NOT_AN_OBJECT, NULL, NULL, NULL, "\"x\""}},
    {" null ", {DEAD_LETTER_NOT_AN_OBJECT, NULL, NULL, NULL, "null"}},
    {"[[]]", {DEAD_LETTER_NOT_AN_OBJECT, NULL, NULL, NULL, "[]"}},
    {"[1]", {DEAD_LETTER_NOT_AN_OBJECT, NULL, NULL, NULL, "1"}},
    /* the same key twice, at any depth, however spelled */
    {"{\"resource\":\"A\",\"resource\":\"A\"}",
     {DEAD_LETTER_DUPLICATE_KEYS, NULL, NULL, NULL, "{\"resource\":\"A\",\"resource\":\"A\"}"}},
    {"{\"resource\":\"A\",\"b\":[{\"c\":1,\"\\u0063\":2}]}",
     {DEAD_LETTER_DUPLICATE_KEYS, NULL, NULL, NULL,
      "{\"resource\":\"A\",\"b\":[{\"c\":1,\"\\u0063\":2}]}"}},
    {"{\"resource\":\"A\",\"\":1,\"\":2}",
     {DEAD_LETTER_DUPLICATE_KEYS, NULL, NULL, NULL, "{\"resource\":\"A\",\"\":1,\"\":2}"}},
    /* no JSON: the whole body, as it came */
    {" ", {DEAD_LETTER_NOT_JSON, NULL, NULL, NULL, " "}},
    {"{", {DEAD_LETTER_NOT_JSON, NULL, NULL, NULL, "{"}},
    {"{\"resource\":\"A\"} x", {DEAD_LETTER_NOT_JSON, NULL, NULL, NULL, "{\"resource\":\"A\"} x"}},
    {"{\"resource\":\"A\"}{}", {DEAD_LETTER_NOT_JSON, NULL, NULL, NULL, "{\"resource\":\"A\"}{}"}},
    {"{\"resource\":\"A\",}", {DEAD_LETTER_NOT_JSON, NULL, NULL, NULL, "{\"resource\":\"A\",}"}},
    {"{'resource':'A'}", {DEAD_LETTER_NOT_JSON, NULL, NULL, NULL, "{'resource':'A'}"}},
    {"[{\"resource\":\"A\"},]",
     {DEAD_LETTER_NOT_JSON, NULL, NULL, NULL, "[{\"resource\":\"A\"},]"}},
    {"[{\"resource\":\"A\"}", {DEAD_LETTER_NOT_JSON, NULL, NULL, NULL, "[{\"resource\":\"A\"}"}},
    {"[1 2]", {DEAD_LETTER_NOT_JSON, NULL, NULL, NULL, "[1 2]"}},
    {"{\"n\":01}", {DEAD_LETTER_NOT_JSON, NULL, NULL, NULL, "{\"n\":01}"}},
    {"{\"n\":1.}", {DEAD_LETTER_NOT_JSON, NULL, NULL, NULL, "{\"n\":1.}"}},
    {"{\"n\":NaN}", {DEAD_LETTER_NOT_JSON, NULL, NULL, NULL, "{\"n\":NaN}"}},
    {"{\"s\":\"\t\"}", {DEAD_LETTER_NOT_JSON, NULL, NULL, NULL, "{\"s\":\"\t\"}"}},
    {"{\"s\":\"\\x\"}", {DEAD_LETTER_NOT_JSON, NULL, NULL, NULL, "{\"s\":\"\\x\"}"}},
    {"\xef\xbb\xbf{}", {DEAD_LETTER_NOT_JSON, NULL, NULL, NULL, "\xef\xbb\xbf{}"}}, /* a BOM */
    {"{\"s\":\"\xff\"}", {DEAD_LETTER_NOT_JSON, NULL, NULL, NULL, "{\"s\":\"\xff\"}"}},
    {"eventType=UPDATED", {DEAD_LETTER_NOT_JSON, NULL, NULL, NULL, "eventType=UPDATED"}},
    {"", {DEAD_LETTER_EMPTY, NULL, NULL, NULL, ""}},
};

static bool same_text(const char *a, const char *b)
{
    return a == b || (a != NULL && b != NULL && strcmp(a, b) == 0);
}

static void check_event(struct callbacks *c, const struct event *ev, const struct expected *e)
{
    assert_int_equal(ev->reason, e->reason);
    assert_string_equal(bytes_text(c, ev->value), e->value);
    assert_true((ev->detail == NULL) == (e->reason == DEAD_LETTER_NONE));
    if (e->reason != DEAD_LETTER_NONE)
        return;
    assert_true(same_text(ev->resource, e->resource));
    assert_true(same_text(ev->event_type, e->event_type));
    assert_true(same_text(ev->resource_id, e->resource_id));
}

static struct event_list unify(struct callbacks *c, struct bytes body)
{
    struct callback cb = {.body = body};
    struct event_list events;
    assert_int_equal(maesn.unify(c->route, &cb, &options, c->arena, &events), STATUS_OK);
    return events;
}

static void an_element_becomes_an_event_or_a_dead_letter_with_its_own_bytes(void **state)
{
    (void)state;
    CLEANUP(callbacks_done) struct callbacks c = {0};
    callbacks_route(&c, &maesn, "xero", NULL, NULL, NULL);
    for (size_t i = 0; i < sizeof(objects) / sizeof(objects[0]); i++) {
        struct bytes body = bytes_of_text(objects[i].body);
        callbacks_reset(&c, envelope_arena_max(body.len));
        struct event_list events = unify(&c, body);
        assert_int_equal(events.len, 1);
        check_event(&c, &events.items[0], &objects[i].expected);
    }
}

static void each_bad_element_of_an_array_goes_alone_and_the_good_ones_are_events(void **state)
{
    (void)state;
    static const struct expected expected[] = {
        {0, "A", NULL, NULL, "{\"resource\":\"A\"," OURS},
        {DEAD_LETTER_NOT_AN_OBJECT, NULL, NULL, NULL, "7"},
        {DEAD_LETTER_DUPLICATE_KEYS, NULL, NULL, NULL, "{\"a\":1,\"a\":1}"},
        {DEAD_LETTER_NO_RESOURCE, NULL, NULL, NULL, "{}"},
        {0, "B", "X", NULL, "{\"resource\":\"B\",\"eventType\":\"X\"," OURS},
    };
    CLEANUP(callbacks_done) struct callbacks c = {0};
    callbacks_reset(&c, 65536);
    callbacks_route(&c, &maesn, "xero", NULL, NULL, NULL);
    struct event_list events =
        unify(&c, bytes_of_text(" [ {\"resource\":\"A\"} , 7,{\"a\":1,\"a\":1},{}\n,"
                                "{\"resource\":\"B\",\"eventType\":\"X\"}] \n"));
    assert_int_equal(events.len, 5);
    for (size_t i = 0; i < events.len; i++) {
        assert_int_equal(events.items[i].index, i);
        check_event(&c, &events.items[i], &expected[i]);
    }
}

static void an_empty_array_has_no_events(void **state)
{
    (void)state;
    CLEANUP(callbacks_done) struct callbacks c = {0};
    callbacks_reset(&c, 65536);
    callbacks_route(&c, &maesn, "xero", NULL, NULL, NULL);
    assert_int_equal(unify(&c, BYTES_LITERAL(" [ ] ")).len, 0);
}

static void the_time_comes_from_a_filter_date_with_a_zone(void **state)
{
    (void)state;
    static const struct {
        const char *body;
        int64_t unix_ms;
    } rows[] = {
        {"{\"resource\":\"A\",\"filterDate\":\"2026-01-02T03:04:05Z\"}", 1767323045000},
        {"{\"resource\":\"A\",\"filterDate\":\"2026-01-02T04:04:05.1239+01:00\"}", 1767323045123},
        {"{\"resource\":\"A\",\"filterDate\":\"2026-01-02T03:04:05\"}", EVENT_TIME_UNKNOWN},
        {"{\"resource\":\"A\",\"filterDate\":\"2026-01-02\"}", EVENT_TIME_UNKNOWN},
        {"{\"resource\":\"A\",\"filterDate\":1767323045}", EVENT_TIME_UNKNOWN},
        {"{\"resource\":\"A\"}", EVENT_TIME_UNKNOWN},
    };
    CLEANUP(callbacks_done) struct callbacks c = {0};
    callbacks_reset(&c, 65536);
    callbacks_route(&c, &maesn, "xero", NULL, NULL, NULL);
    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        struct event_list events = unify(&c, bytes_of_text(rows[i].body));
        assert_true(events.items[0].occurred_at_unix_ms == rows[i].unix_ms);
    }
}

static void nesting_beyond_the_limit_is_a_dead_letter_of_its_own(void **state)
{
    (void)state;
    CLEANUP(callbacks_done) struct callbacks c = {0};
    callbacks_route(&c, &maesn, "xero", NULL, NULL, NULL);
    for (size_t depth = 2047; depth <= 2048; depth++) {
        callbacks_reset(&c, 1 << 20);
        CLEANUP(buf_done) struct buf body;
        buf_init(&body, 65536);
        buf_append_text(&body, "[{\"resource\":\"A\",\"a\":");
        for (size_t i = 0; i < depth; i++)
            buf_append_text(&body, "[");
        for (size_t i = 0; i < depth; i++)
            buf_append_text(&body, "]");
        buf_append_text(&body, "},{\"resource\":\"B\"}]");
        struct event_list events = unify(&c, buf_bytes(&body));
        assert_int_equal(events.len, 2);
        assert_int_equal(events.items[0].reason,
                         depth == 2047 ? DEAD_LETTER_NONE : DEAD_LETTER_TOO_DEEP);
        assert_int_equal(events.items[1].reason, DEAD_LETTER_NONE);
    }
}

static void a_number_of_400_digits_survives(void **state)
{
    (void)state;
    CLEANUP(callbacks_done) struct callbacks c = {0};
    callbacks_reset(&c, 65536);
    callbacks_route(&c, &maesn, "xero", NULL, NULL, NULL);
    char digits[401], body[512], value[1024];
    memset(digits, '7', 400);
    digits[400] = '\0';
    snprintf(body, sizeof(body), "{\"resource\":\"A\",\"n\":%s}", digits);
    snprintf(value, sizeof(value), "{\"resource\":\"A\",\"n\":%s," OURS, digits);
    struct event_list events = unify(&c, bytes_of_text(body));
    assert_string_equal(bytes_text(&c, events.items[0].value), value);
}

static void an_array_beyond_the_limit_is_kept_as_one_dead_letter(void **state)
{
    (void)state;
    CLEANUP(callbacks_done) struct callbacks c = {0};
    callbacks_route(&c, &maesn, "xero", NULL, NULL, NULL);
    for (size_t len = EVENTS_MAX; len <= EVENTS_MAX + 1; len++) {
        CLEANUP(buf_done) struct buf body;
        buf_init(&body, 65536);
        buf_append_text(&body, "[1");
        for (size_t i = 1; i < len; i++)
            buf_append_text(&body, ",1");
        buf_append_text(&body, "]");
        callbacks_reset(&c, envelope_arena_max(body.len));
        struct event_list events = unify(&c, buf_bytes(&body));
        assert_int_equal(events.len, len == EVENTS_MAX ? EVENTS_MAX : 1);
        if (len > EVENTS_MAX)
            assert_true(bytes_equal(events.items[0].value, buf_bytes(&body)));
    }
}

static void each_integration_is_known_by_its_name(void **state)
{
    (void)state;
    static const char *const systems[] = {"businesscentral", "exact-nl",  "freshbooks",
                                          "lexware-office",  "moneybird", "qonto",
                                          "quickbooks",      "weclapp",   "xero"};
    size_t rows = 0;
    while (integrations[rows].system != NULL)
        rows++;
    assert_int_equal(rows, sizeof(systems) / sizeof(systems[0]));
    for (size_t i = 0; i < rows; i++)
        assert_true(maesn.knows_system(systems[i]));
    assert_false(maesn.knows_system("sap"));
    assert_false(maesn.knows_system(""));
    assert_false(maesn.knows_system("Xero"));
}

static int start(void **state)
{
    (void)state;
    return crypto_start() == STATUS_OK ? 0 : -1;
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_vector_verifies_with_its_secret_and_not_with_the_hex_decoded_key),
        cmocka_unit_test(a_signature_is_judged_by_its_form_first),
        cmocka_unit_test(either_secret_of_a_route_verifies),
        cmocka_unit_test(an_element_becomes_an_event_or_a_dead_letter_with_its_own_bytes),
        cmocka_unit_test(each_bad_element_of_an_array_goes_alone_and_the_good_ones_are_events),
        cmocka_unit_test(an_empty_array_has_no_events),
        cmocka_unit_test(the_time_comes_from_a_filter_date_with_a_zone),
        cmocka_unit_test(nesting_beyond_the_limit_is_a_dead_letter_of_its_own),
        cmocka_unit_test(a_number_of_400_digits_survives),
        cmocka_unit_test(an_array_beyond_the_limit_is_kept_as_one_dead_letter),
        cmocka_unit_test(each_integration_is_known_by_its_name),
    };
    return cmocka_run_group_tests(tests, start, NULL);
}
