#include "bridge/registry/account_record.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

#include "bridge/base/crypto.h"
#include "bridge/base/scoped.h"
#include "bridge/registry/record_form.h"
#include "tests/support/alloc_fail.h"

static const char full_json[] =
    "{\"version\":1,\"account\":\"acme-42\",\"provider\":\"maesn\",\"system\":\"exact-nl\","
    "\"company_id\":\"123\",\"environment_name\":\"Production\",\"account_key\":\"account-key\","
    "\"fingerprint\":\"ad8543cd8a7c0b6e\",\"key_since_unix_ms\":1795293215356,"
    "\"status\":\"blocked\",\"reason\":\"401 from the provider\","
    "\"status_since_unix_ms\":1795293215999,\"refused\":\"maesn/acme-42/invoice/all\","
    "\"configuration\":\"0123456789abcdef\"}";
static const char least_json[] = "{\"version\":1,\"account\":\"acme-42\",\"provider\":\"maesn\","
                                 "\"system\":\"exact-nl\",\"status\":\"ok\"}";

static const struct account_record full = {
    .account = "acme-42",
    .provider = "maesn",
    .system = "exact-nl",
    .company_id = "123",
    .environment_name = "Production",
    .account_key = "account-key",
    .fingerprint = "ad8543cd8a7c0b6e",
    .key_since_unix_ms = 1795293215356,
    .status = ACCOUNT_BLOCKED,
    .reason = "401 from the provider",
    .status_since_unix_ms = 1795293215999,
    .refused = "maesn/acme-42/invoice/all",
    .configuration = "0123456789abcdef",
};
static const struct account_record least = {
    .account = "acme-42", .provider = "maesn", .system = "exact-nl"};

static void assert_writes(const struct account_record *r, const char *json)
{
    CLEANUP(buf_wipe_done) struct buf text;
    buf_init(&text, 4096);
    assert_int_equal(account_record_write(r, &text), STATUS_OK);
    assert_string_equal(buf_text(&text), json);
}

static void a_record_is_written_in_one_form_and_read_back(void **state)
{
    const struct {
        const struct account_record *record;
        const char *json;
    } rows[] = {{&full, full_json}, {&least, least_json}};
    (void)state;
    for (size_t i = 0; i < 2; i++) {
        assert_writes(rows[i].record, rows[i].json);
        struct account_record *r = NULL;
        assert_int_equal(account_record_read(bytes_of_text(rows[i].json), &r, NULL), STATUS_OK);
        assert_true(account_record_equal(r, rows[i].record));
        struct account_record *copy = account_record_copy(r);
        account_record_free(r);
        assert_writes(copy, rows[i].json);
        account_record_free(copy);
    }
    assert_false(account_record_equal(&full, &least));
}

static void the_fingerprint_is_the_beginning_of_the_keys_sha256(void **state)
{
    (void)state;
    char text[ACCOUNT_FINGERPRINT_SIZE];
    assert_int_equal(account_record_fingerprint(BYTES_LITERAL("account-key"), text), STATUS_OK);
    assert_string_equal(text, full.fingerprint); /* made with Python's hashlib */
}

static void every_status_has_its_name(void **state)
{
    (void)state;
    assert_string_equal(account_record_status_name(ACCOUNT_OK), "ok");
    assert_string_equal(account_record_status_name(ACCOUNT_BLOCKED), "blocked");
    assert_string_equal(account_record_status_name(ACCOUNT_INVALID), "invalid");
}

static void what_is_no_record_of_this_version_is_refused_without_its_values(void **state)
{
    static const struct {
        const char *json, *diag;
    } rows[] = {
        {"{", "account record: expected JSON"},
        {"{\"version\":2,\"account\":\"a\",\"provider\":\"maesn\",\"system\":\"x\","
         "\"status\":\"ok\"}",
         "account record: version: expected 1"},
        {"{\"version\":1,\"provider\":\"maesn\",\"system\":\"x\",\"status\":\"ok\"}",
         "account record: account: expected it to be there"},
        {"{\"version\":1,\"account\":\"Acme\",\"provider\":\"maesn\",\"system\":\"x\","
         "\"status\":\"ok\"}",
         "account record: account: expected an account's id"},
        {"{\"version\":1,\"account\":\"a\",\"provider\":\"maesn\",\"system\":\"x\","
         "\"status\":\"tired\"}",
         "account record: status: expected a name that this version knows"},
        {"{\"version\":1,\"account\":\"a\",\"provider\":\"maesn\",\"system\":\"x\","
         "\"status\":\"ok\",\"fingerprint\":\"ad8543cd8a7c0b6e0\"}",
         "account record: fingerprint: expected a text that fits"},
    };
    (void)state;
    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        struct account_record *r = NULL;
        struct diag diag = {0};
        assert_int_equal(account_record_read(bytes_of_text(rows[i].json), &r, &diag),
                         STATUS_INVALID);
        assert_string_equal(diag.text, rows[i].diag);
        assert_null(r);
    }
}

static void a_record_is_whole_or_not_there(void **state)
{
    (void)state;
    bool failed = true;
    for (long n = 0; failed; n++) {
        struct account_record *r = NULL;
        alloc_fail_at(n);
        enum status status = account_record_read(bytes_of_text(full_json), &r, NULL);
        failed = alloc_fail_end();
        assert_int_equal(status, failed ? STATUS_NOMEM : STATUS_OK);
        assert_int_equal(r == NULL, failed);
        account_record_free(r);
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
        cmocka_unit_test(a_record_is_written_in_one_form_and_read_back),
        cmocka_unit_test(the_fingerprint_is_the_beginning_of_the_keys_sha256),
        cmocka_unit_test(every_status_has_its_name),
        cmocka_unit_test(what_is_no_record_of_this_version_is_refused_without_its_values),
        cmocka_unit_test(a_record_is_whole_or_not_there),
    };
    return cmocka_run_group_tests(tests, start, NULL);
}
