#include "bridge/registry/record_line.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

#include "bridge/base/crypto.h"
#include "bridge/base/scoped.h"
#include "bridge/domain/provider.h"
#include "bridge/registry/record_form.h"
#include "tests/support/alloc_fail.h"

static const struct provider maesn = {.name = "maesn"};
static const struct provider *const providers[] = {&maesn, NULL};

#define ROUTE_KEY "/in/maesn/acme-42/invoice/created/1795293215356"
#define ROUTE                                                                                      \
    "{\"version\":1,\"state\":\"active\",\"provider\":\"maesn\",\"account\":\"acme-42\","          \
    "\"resource\":\"invoice\",\"event\":\"created\",\"generation_unix_ms\":1795293215356,"         \
    "\"origin\":\"created\",\"system\":\"xero\""
#define ACCOUNT "{\"version\":1,\"account\":\"acme-42\",\"provider\":\"maesn\",\"system\":\"xero\""

static void a_line_has_secrets_only_when_it_is_to(void **state)
{
    static const struct {
        const char *key, *json, *whole, *redacted;
    } rows[] = {
        {ROUTE_KEY, ROUTE ",\"secret\":\"s3\",\"token\":\"t0\",\"later\":7}",
         "{\"key\":\"" ROUTE_KEY "\",\"record\":" ROUTE
         ",\"secret\":\"s3\",\"token\":\"t0\",\"later\":7}}\n",
         "{\"key\":\"" ROUTE_KEY "\",\"record\":" ROUTE
         ",\"later\":7},\"redacted\":[\"secret\",\"token\"]}\n"},
        {ROUTE_KEY, ROUTE "}", "{\"key\":\"" ROUTE_KEY "\",\"record\":" ROUTE "}}\n",
         "{\"key\":\"" ROUTE_KEY "\",\"record\":" ROUTE "}}\n"},
        {"/account/acme-42", ACCOUNT ",\"account_key\":\"k\",\"status\":\"ok\"}",
         "{\"key\":\"/account/acme-42\",\"record\":" ACCOUNT
         ",\"account_key\":\"k\",\"status\":\"ok\"}}\n",
         "{\"key\":\"/account/acme-42\",\"record\":" ACCOUNT
         ",\"status\":\"ok\"},\"redacted\":[\"account_key\"]}\n"},
    };
    (void)state;
    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        CLEANUP(buf_wipe_done) struct buf whole;
        CLEANUP(buf_wipe_done) struct buf redacted;
        buf_init(&whole, RECORD_LINE_MAX);
        buf_init(&redacted, RECORD_LINE_MAX);
        struct bytes key = bytes_of_text(rows[i].key), json = bytes_of_text(rows[i].json);
        assert_int_equal(record_line_write(key, json, true, &whole), STATUS_OK);
        assert_int_equal(record_line_write(key, json, false, &redacted), STATUS_OK);
        assert_string_equal(buf_text(&whole), rows[i].whole);
        assert_string_equal(buf_text(&redacted), rows[i].redacted);
    }
}

static void a_whole_line_is_read_back(void **state)
{
    (void)state;
    CLEANUP(buf_wipe_done) struct buf line;
    CLEANUP(buf_done) struct buf key;
    CLEANUP(buf_wipe_done) struct buf json;
    buf_init(&line, RECORD_LINE_MAX);
    buf_init(&key, REGISTRY_KEY_SIZE);
    buf_init(&json, 4096);
    const char *record = ROUTE ",\"secret\":\"\\u0007 \xc3\xa9\"}";
    assert_int_equal(
        record_line_write(BYTES_LITERAL(ROUTE_KEY), bytes_of_text(record), true, &line), STATUS_OK);
    assert_int_equal(record_line_read(buf_bytes(&line), &key, &json, NULL), STATUS_OK);
    assert_string_equal(buf_text(&key), ROUTE_KEY);
    bool same = false;
    assert_int_equal(record_line_compare(buf_bytes(&json), bytes_of_text(record), &same),
                     STATUS_OK);
    assert_true(same);
    assert_int_equal(record_line_compare(buf_bytes(&json), BYTES_LITERAL(ROUTE "}"), &same),
                     STATUS_OK);
    assert_false(same);
}

static void what_cannot_be_opened_has_a_line_too(void **state)
{
    (void)state;
    CLEANUP(buf_done) struct buf line;
    buf_init(&line, 4096);
    assert_int_equal(record_line_write_unreadable(BYTES_LITERAL("/account/a"), "it was changed",
                                                  BYTES_LITERAL("k1"), &line),
                     STATUS_OK);
    assert_int_equal(record_line_write_unreadable(BYTES_LITERAL("/account/b"), "no form",
                                                  bytes_of(NULL, 0), &line),
                     STATUS_OK);
    assert_string_equal(buf_text(&line),
                        "{\"key\":\"/account/a\",\"unreadable\":\"it was changed\","
                        "\"sealed_under\":\"k1\"}\n"
                        "{\"key\":\"/account/b\",\"unreadable\":\"no form\"}\n");
}

static void a_line_that_is_not_whole_is_refused(void **state)
{
    static const struct {
        const char *line, *diag;
    } rows[] = {
        {"{", "line: expected JSON"},
        {"[]", "key: expected a text that is not empty"},
        {"{\"key\":\"a\"}", "record: expected a record"},
        {"{\"key\":\"a\",\"record\":{},\"redacted\":[\"secret\"]}",
         "its secrets were left out: export with --with-secrets"},
        {"{\"key\":\"a\",\"unreadable\":\"why\"}", "it could not be read when it was exported"},
    };
    (void)state;
    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        CLEANUP(buf_done) struct buf key;
        CLEANUP(buf_done) struct buf json;
        struct diag diag = {0};
        buf_init(&key, 64);
        buf_init(&json, 64);
        assert_int_equal(record_line_read(bytes_of_text(rows[i].line), &key, &json, &diag),
                         STATUS_INVALID);
        assert_string_equal(diag.text, rows[i].diag);
    }
}

static void a_record_is_what_its_key_says_or_refused(void **state)
{
    static const struct {
        const char *key, *json, *diag;
    } rows[] = {
        {ROUTE_KEY, ROUTE "}", ""},
        {"/account/acme-42", ACCOUNT ",\"status\":\"ok\"}", ""},
        {"acme-42", ACCOUNT ",\"account_key\":\"k\",\"subscriptions\":\"all\"}", ""},
        /* another generation */
        {"/in/maesn/acme-42/invoice/created/1795293215357", ROUTE "}",
         "route record: it is of another route than its key"},
        {"/account/beta", ACCOUNT ",\"status\":\"ok\"}",
         "account record: it is of another account than its key"},
        {"beta", ACCOUNT ",\"account_key\":\"k\",\"subscriptions\":\"all\"}",
         "account declaration: it is of another account than its key"},
        {"/request/acme-42", "{\"version\":1}", "its key is none of a route or an account"},
        {"Acme", "{\"version\":1}", "its key is none of a route or an account"},
    };
    (void)state;
    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        struct registry_key key = registry_key_read(bytes_of_text(rows[i].key));
        struct diag diag = {0};
        enum status status = record_line_check(&key, bytes_of_text(rows[i].json), providers, &diag);
        assert_string_equal(diag.text, rows[i].diag);
        assert_int_equal(status, rows[i].diag[0] == '\0' ? STATUS_OK : STATUS_INVALID);
    }
}

static void short_memory_makes_no_other_line(void **state)
{
    (void)state;
    bool failed = true;
    for (long n = 0; failed; n++) {
        CLEANUP(buf_wipe_done) struct buf line;
        buf_init(&line, RECORD_LINE_MAX);
        alloc_fail_at(n);
        enum status status = record_line_write(
            BYTES_LITERAL(ROUTE_KEY), BYTES_LITERAL(ROUTE ",\"secret\":\"s3\"}"), false, &line);
        failed = alloc_fail_end();
        assert_int_equal(status, failed ? STATUS_NOMEM : STATUS_OK);
        assert_null(strstr(buf_text(&line), "s3"));
    }
}

static int start(void **state)
{
    (void)state;
    record_form_start();
    return crypto_start() != STATUS_OK;
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_line_has_secrets_only_when_it_is_to),
        cmocka_unit_test(a_whole_line_is_read_back),
        cmocka_unit_test(what_cannot_be_opened_has_a_line_too),
        cmocka_unit_test(a_line_that_is_not_whole_is_refused),
        cmocka_unit_test(a_record_is_what_its_key_says_or_refused),
        cmocka_unit_test(short_memory_makes_no_other_line),
    };
    return cmocka_run_group_tests(tests, start, NULL);
}
