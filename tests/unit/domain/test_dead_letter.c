#include "bridge/domain/dead_letter.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

#include "bridge/base/scoped.h"
#include "tests/support/alloc_fail.h"

DEFINE_CLEANUP(struct arena *, arena_free)

/* A letter, with one header replaced; NULL takes it away. */
static struct record letter(const char *name, const char *value)
{
    static const struct {
        const char *name, *value;
    } headers[] = {
        {"content-type", "text/plain"},
        {"ce_id", "d-1"},
        {"ce_source", "/maesn/xero/acme-42"},
        {"ce_recordedtime", "2026-01-02T03:04:06.001Z"},
        {"traceparent", "trace"},
        {"dead-letter-reason", "not-json"},
        {"dead-letter-detail", "why"},
        {"dead-letter-path", "/in/maesn/acme-42/by-hand"},
        {"dead-letter-specification", "maesn/acme-42/all/all"},
        {"dead-letter-element", "3"},
    };
    struct record r = {.topic = "maesn.dead-letter", .value = BYTES_LITERAL("oops")};
    for (size_t i = 0; i < sizeof(headers) / sizeof(headers[0]); i++) {
        bool is_changed = name != NULL && strcmp(headers[i].name, name) == 0;
        struct bytes text = bytes_of_text(is_changed ? value : headers[i].value);
        if (text.data != NULL)
            record_add_header(&r, headers[i].name, text);
    }
    return r;
}

static void what_was_written_is_read_back(void **state)
{
    (void)state;
    CLEANUP(arena_free_scoped) struct arena *a = arena_new(65536);
    const struct record r = letter(NULL, NULL);
    struct dead_letter l;
    assert_int_equal(dead_letter_read(&r, a, &l, NULL), STATUS_OK);
    assert_int_equal(l.reason, DEAD_LETTER_NOT_JSON);
    assert_string_equal(l.id, "d-1");
    assert_string_equal(l.provider, "maesn");
    assert_string_equal(l.system, "xero");
    assert_string_equal(l.account, "acme-42");
    assert_string_equal(l.path, "/in/maesn/acme-42/by-hand");
    assert_string_equal(l.detail, "why");
    assert_string_equal(l.specification, "maesn/acme-42/all/all");
    assert_string_equal(l.content_type, "text/plain");
    assert_string_equal(l.traceparent, "trace");
    assert_null(l.tracestate);
    assert_true(l.recorded_at_unix_ms == 1767323046001);
    assert_true(l.is_element);
    assert_true(bytes_equal(l.value, BYTES_LITERAL("oops")));
    assert_null(l.refused.topic);
}

static void what_an_older_version_did_not_write_may_be_missing(void **state)
{
    static const char *const rows[] = {"dead-letter-specification", "dead-letter-element",
                                       "dead-letter-detail", "content-type", "traceparent"};
    (void)state;
    CLEANUP(arena_free_scoped) struct arena *a = arena_new(65536);
    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        const struct record r = letter(rows[i], NULL);
        struct dead_letter l;
        assert_int_equal(dead_letter_read(&r, a, &l, NULL), STATUS_OK);
        assert_int_equal(l.is_element, i != 1);
    }
}

static void what_is_no_letter_says_what_it_lacks(void **state)
{
    static const struct {
        const char *name, *value, *diag;
    } rows[] = {
        {"ce_id", NULL, "it has no header ce_id"},
        {"ce_id", "", "it has no header ce_id"},
        {"ce_source", NULL, "it has no header ce_source"},
        {"ce_source", "maesn/xero/acme-42", "its ce_source is not /provider/system/account"},
        {"ce_source", "/maesn/xero", "its ce_source is not /provider/system/account"},
        {"ce_source", "/maesn/xero/a/b", "its ce_source is not /provider/system/account"},
        {"ce_source", "/maesn//a", "its ce_source is not /provider/system/account"},
        {"ce_source", "/maesn/xero/a\"b", "its ce_source is not /provider/system/account"},
        {"ce_recordedtime", NULL, "it has no header ce_recordedtime"},
        {"ce_recordedtime", "yesterday", "its ce_recordedtime is no RFC 3339 date-time"},
        {"dead-letter-reason", NULL, "it has no header dead-letter-reason"},
        {"dead-letter-reason", "none", "its dead-letter-reason is none that this version knows"},
        {"dead-letter-reason", "x", "its dead-letter-reason is none that this version knows"},
        {"dead-letter-path", NULL, "it has no header dead-letter-path"},
    };
    (void)state;
    CLEANUP(arena_free_scoped) struct arena *a = arena_new(65536);
    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        const struct record r = letter(rows[i].name, rows[i].value);
        struct dead_letter l = {.id = "untouched"};
        struct diag diag = {0};
        assert_int_equal(dead_letter_read(&r, a, &l, &diag), STATUS_INVALID);
        assert_string_equal(diag.text, rows[i].diag);
        assert_string_equal(l.id, "untouched");
    }
}

static void a_letter_without_a_value_is_an_empty_one(void **state)
{
    (void)state;
    CLEANUP(arena_free_scoped) struct arena *a = arena_new(65536);
    struct record r = letter(NULL, NULL);
    r.value = bytes_of(NULL, 0);
    struct dead_letter l;
    assert_int_equal(dead_letter_read(&r, a, &l, NULL), STATUS_OK);
    assert_non_null(l.value.data);
    assert_int_equal(l.value.len, 0);
}

static void a_refused_record_needs_its_topic_key_and_type(void **state)
{
    static const struct {
        const char *topic, *key, *type;
        bool is_whole;
    } rows[] = {
        {"maesn.invoice", "INVOICE:acme-42", "com.maesn.invoice.created", true},
        {"", "INVOICE:acme-42", "com.maesn.invoice.created", false},
        {NULL, "INVOICE:acme-42", "com.maesn.invoice.created", false},
        {"maesn.invoice", NULL, "com.maesn.invoice.created", false},
        {"maesn.invoice", "INVOICE:acme-42", NULL, false},
    };
    (void)state;
    CLEANUP(arena_free_scoped) struct arena *a = arena_new(65536);
    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        struct record r = letter("dead-letter-reason", "refused-by-broker");
        if (rows[i].topic != NULL)
            record_add_header(&r, "dead-letter-topic", bytes_of_text(rows[i].topic));
        if (rows[i].key != NULL)
            record_add_header(&r, "dead-letter-key", bytes_of_text(rows[i].key));
        if (rows[i].type != NULL)
            record_add_header(&r, "dead-letter-type", bytes_of_text(rows[i].type));
        struct dead_letter l;
        assert_int_equal(dead_letter_read(&r, a, &l, NULL), STATUS_OK);
        assert_int_equal(l.refused.topic != NULL, rows[i].is_whole);
    }
}

static void without_memory_nothing_is_read(void **state)
{
    (void)state;
    bool failed = true;
    for (long n = 0; failed; n++) {
        struct arena *a = arena_new(65536);
        const struct record r = letter(NULL, NULL);
        struct dead_letter l;
        alloc_fail_at(n);
        enum status status = dead_letter_read(&r, a, &l, NULL);
        failed = alloc_fail_end();
        assert_int_equal(status, failed ? STATUS_NOMEM : STATUS_OK);
        arena_free(a);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(what_was_written_is_read_back),
        cmocka_unit_test(what_an_older_version_did_not_write_may_be_missing),
        cmocka_unit_test(what_is_no_letter_says_what_it_lacks),
        cmocka_unit_test(a_letter_without_a_value_is_an_empty_one),
        cmocka_unit_test(a_refused_record_needs_its_topic_key_and_type),
        cmocka_unit_test(without_memory_nothing_is_read),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
