#include "bridge/domain/route.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>

#include <cmocka.h>

#include "bridge/base/crypto.h"
#include "bridge/base/secret.h"
#include "bridge/domain/provider.h"
#include "bridge/domain/slug.h"
#include "tests/support/alloc_fail.h"

static const struct provider fake = {.name = "fake"};

static int start(void **state)
{
    (void)state;
    return crypto_start() != STATUS_OK;
}

static struct secret *new_secret(const char *text)
{
    struct secret *s;
    assert_int_equal(secret_new(bytes_of_text(text), &s, NULL), STATUS_OK);
    return s;
}

static void a_slug_is_lower_kebab_case(void **state)
{
    static const struct {
        const char *text;
        size_t max_len;
        const char *slug;
    } rows[] = {
        {"INVOICE", 64, "invoice"},
        {"JOURNAL_ENTRY", 64, "journal-entry"},
        {"journal entry", 64, "journal-entry"},
        {"a__--  b", 64, "a-b"}, /* a run is one "-" */
        {"--a--", 64, "a"},      /* none at the ends */
        {"v2.1", 64, "v2-1"},
        {"r\xc3\xa9sum\xc3\xa9", 64, "r-sum"}, /* only ASCII letters are letters */
        {"", 64, ""},
        {"***", 64, ""},
        {"abcdef", 3, "abc"},
        {"abc-def", 5, "abc-d"},
        {"abc-def", 4, "abc"}, /* no "-" at the end for want of room */
        {"abc-def", 3, "abc"},
        {"abc", 0, ""},
        {"../etc/passwd", 64, "etc-passwd"},
    };
    (void)state;
    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        char text[65];
        slug_write(rows[i].text, rows[i].max_len, text);
        assert_string_equal(text, rows[i].slug);
    }
}

static void the_specification_and_the_source_name_no_generation(void **state)
{
    static const struct {
        const char *resource, *event, *specification;
    } rows[] = {
        {NULL, NULL, "fake/acme-42/all/all"},
        {"INVOICE", NULL, "fake/acme-42/invoice/all"},
        {"Journal_Entry", "CREATED", "fake/acme-42/journal-entry/created"},
        {NULL, "deleted", "fake/acme-42/all/deleted"},
    };
    (void)state;
    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        const struct route_fields fields = {
            .path = "/in/fake/acme-42/x/y/1767225600000-abc",
            .provider = &fake,
            .account = "acme-42",
            .system = "xero",
            .resource = rows[i].resource,
            .event = rows[i].event,
            .state = ROUTE_RETIRING,
        };
        struct route *r;
        assert_int_equal(route_new(&fields, &r), STATUS_OK);
        assert_string_equal(r->specification, rows[i].specification);
        assert_string_equal(r->source, "/fake/xero/acme-42");
        assert_int_equal(r->state, ROUTE_RETIRING);
        route_unref(r);
    }
}

static void a_route_declared_for_the_test_event_is_one_of_probe(void **state)
{
    static const struct {
        const char *resource, *event;
        bool is_probe;
    } rows[] = {
        {"PROBE", NULL, true},    {"probe", "CREATED", true}, {"PROBES", NULL, false},
        {"INVOICE", NULL, false}, {NULL, NULL, false}, /* of all resources */
        {NULL, "PROBE", false},
    };
    (void)state;
    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        const struct route_fields fields = {.path = "/in/a",
                                            .provider = &fake,
                                            .account = "probe",
                                            .system = "xero",
                                            .resource = rows[i].resource,
                                            .event = rows[i].event};
        struct route *r;
        assert_int_equal(route_new(&fields, &r), STATUS_OK);
        assert_int_equal(route_is_probe(r), rows[i].is_probe);
        route_unref(r);
    }
}

static void texts_are_copied_and_secrets_are_held(void **state)
{
    (void)state;
    char path[] = "/in/a", account[] = "acme", system[] = "xero";
    struct secret *current = new_secret("one"), *previous = new_secret("two");
    struct route *r;
    const struct route_fields fields = {.path = path,
                                        .provider = &fake,
                                        .account = account,
                                        .system = system,
                                        .current_secret = current,
                                        .previous_secret = previous};
    assert_int_equal(route_new(&fields, &r), STATUS_OK);
    path[0] = account[0] = system[0] = '?';
    secret_unref(current);
    secret_unref(previous);
    struct route *other = route_ref(r);
    assert_ptr_equal(other, r);
    route_unref(r);
    assert_string_equal(other->path, "/in/a");
    assert_string_equal(other->account, "acme");
    assert_string_equal(other->system, "xero");
    assert_true(bytes_equal(secret_bytes(other->current_secret), BYTES_LITERAL("one")));
    assert_true(bytes_equal(secret_bytes(other->previous_secret), BYTES_LITERAL("two")));
    route_unref(other);
    route_unref(NULL);
}

static void any_secret_or_token_secures_a_route(void **state)
{
    (void)state;
    struct secret *s = new_secret("one");
    const struct {
        struct secret *current, *previous, *token;
        bool has;
    } rows[] = {
        {NULL, NULL, NULL, false},
        {s, NULL, NULL, true},
        {NULL, s, NULL, true},
        {NULL, NULL, s, true},
    };
    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        const struct route_fields fields = {.path = "/in/a",
                                            .provider = &fake,
                                            .account = "acme",
                                            .system = "xero",
                                            .current_secret = rows[i].current,
                                            .previous_secret = rows[i].previous,
                                            .token = rows[i].token};
        struct route *r;
        assert_int_equal(route_new(&fields, &r), STATUS_OK);
        assert_int_equal(route_has_secret(r), rows[i].has);
        route_unref(r);
    }
    secret_unref(s);
}

static void a_route_is_whole_or_not_there(void **state)
{
    (void)state;
    struct secret *s = new_secret("one");
    const struct route_fields fields = {.path = "/in/a",
                                        .provider = &fake,
                                        .account = "acme",
                                        .system = "xero",
                                        .current_secret = s,
                                        .token = s};
    bool failed = true;
    for (long n = 0; failed; n++) {
        struct route *r = NULL;
        alloc_fail_at(n);
        enum status status = route_new(&fields, &r);
        failed = alloc_fail_end();
        assert_int_equal(status, failed ? STATUS_NOMEM : STATUS_OK);
        assert_int_equal(r == NULL, failed);
        route_unref(r);
    }
    secret_unref(s);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_slug_is_lower_kebab_case),
        cmocka_unit_test(the_specification_and_the_source_name_no_generation),
        cmocka_unit_test(a_route_declared_for_the_test_event_is_one_of_probe),
        cmocka_unit_test(texts_are_copied_and_secrets_are_held),
        cmocka_unit_test(any_secret_or_token_secures_a_route),
        cmocka_unit_test(a_route_is_whole_or_not_there),
    };
    return cmocka_run_group_tests(tests, start, NULL);
}
