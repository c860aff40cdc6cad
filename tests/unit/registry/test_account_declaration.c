#include "bridge/registry/account_declaration.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

#include "bridge/base/crypto.h"
#include "bridge/base/scoped.h"
#include "bridge/base/secret.h"
#include "bridge/domain/provider.h"
#include "bridge/registry/record_form.h"
#include "tests/support/alloc_fail.h"

static const struct provider maesn = {.name = "maesn"}, moneybird = {.name = "moneybird"};
static const struct provider *const providers[] = {&maesn, &moneybird, NULL};

static const char full_json[] =
    "{\"version\":1,\"account\":\"acme-42\",\"provider\":\"maesn\",\"system\":\"exact-nl\","
    "\"company_id\":\"123\",\"environment_name\":\"Production\",\"account_key\":\"key \\\"1\\\"\","
    "\"subscriptions\":[{\"resource\":\"INVOICE\",\"events\":[\"CREATED\",\"UPDATED\"]},"
    "{\"resource\":\"CUSTOMER\"}]}";
static const char all_json[] =
    "{\"version\":1,\"account\":\"m\",\"provider\":\"moneybird\",\"system\":\"moneybird\","
    "\"account_key\":\"token\",\"subscriptions\":\"all\",\"events_raw\":[\"contact_created\"]}";
static const char none_json[] =
    "{\"version\":1,\"account\":\"m\",\"provider\":\"moneybird\",\"system\":\"moneybird\","
    "\"account_key\":\"token\",\"subscriptions\":[]}";

static void a_declaration_is_read_and_written_in_one_form(void **state)
{
    static const char *const rows[] = {full_json, all_json, none_json};
    (void)state;
    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        struct account_declaration *d = NULL;
        assert_int_equal(account_declaration_read(bytes_of_text(rows[i]), providers, &d, NULL),
                         STATUS_OK);
        CLEANUP(buf_wipe_done) struct buf text;
        buf_init(&text, 4096);
        assert_int_equal(account_declaration_write(&d->account, &text), STATUS_OK);
        assert_string_equal(buf_text(&text), rows[i]);
        account_declaration_free(d);
    }
}

static void an_account_has_what_its_declaration_says(void **state)
{
    (void)state;
    struct account_declaration *d = NULL;
    assert_int_equal(account_declaration_read(bytes_of_text(full_json), providers, &d, NULL),
                     STATUS_OK);
    const struct account *a = &d->account;
    assert_string_equal(a->id, "acme-42");
    assert_ptr_equal(a->provider, &maesn);
    assert_string_equal(a->system, "exact-nl");
    assert_string_equal(a->company_id, "123");
    assert_string_equal(a->environment_name, "Production");
    assert_true(bytes_equal(secret_bytes(a->account_key), BYTES_LITERAL("key \"1\"")));
    assert_false(a->wants_all);
    assert_int_equal(a->subscriptions_len, 2);
    assert_string_equal(a->subscriptions[0].events[1], "UPDATED");
    assert_int_equal(a->subscriptions[1].events_len, 0);
    account_declaration_free(d);
}

#define BEGIN "{\"version\":1,\"account\":\"a\",\"provider\":\"maesn\",\"system\":\"xero\","
#define KEY "\"account_key\":\"hush\","

static void what_is_no_declaration_of_this_version_is_refused_without_its_values(void **state)
{
    static const struct {
        const char *json, *diag;
    } rows[] = {
        {"[", "account declaration: expected JSON"},
        {"{\"version\":2}", "account declaration: version: expected 1"},
        {"{\"version\":1}", "account declaration: account: expected a text that is not empty"},
        {"{\"version\":1,\"account\":\"A\"}",
         "account declaration: account: expected an account's id"},
        {"{\"version\":1,\"account\":\"a\",\"provider\":\"paypal\"}",
         "account declaration: provider: expected one that this version knows"},
        {BEGIN "\"account_key\":\"\"}",
         "account declaration: account_key: expected a text that is not empty, nor too long"},
        {BEGIN KEY "\"company_id\":7}",
         "account declaration: company_id: expected a text that is not empty"},
        {BEGIN KEY "\"subscriptions\":\"some\"}",
         "account declaration: subscriptions: expected a list that is not too long"},
        {BEGIN KEY "\"subscriptions\":[7]}",
         "account declaration: resource: expected a text that is not empty"},
        {BEGIN KEY "\"subscriptions\":[{\"resource\":\"INVOICE\",\"events\":[7]}]}",
         "account declaration: events: expected texts that are not empty"},
        {BEGIN KEY "\"subscriptions\":[],\"events_raw\":{}}",
         "account declaration: events_raw: expected a list that is not too long"},
    };
    (void)state;
    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        struct account_declaration *d = NULL;
        struct diag diag = {0};
        assert_int_equal(
            account_declaration_read(bytes_of_text(rows[i].json), providers, &d, &diag),
            STATUS_INVALID);
        assert_string_equal(diag.text, rows[i].diag);
        assert_null(d);
    }
}

static void a_key_that_is_no_utf8_is_not_written_as_another(void **state)
{
    (void)state;
    struct secret *key = NULL;
    assert_int_equal(secret_new(BYTES_LITERAL("\xff"), &key, NULL), STATUS_OK);
    const struct account a = {
        .id = "a", .provider = &maesn, .system = "xero", .account_key = key, .wants_all = true};
    struct buf text;
    buf_init(&text, 4096);
    assert_int_equal(account_declaration_write(&a, &text), STATUS_INVALID);
    buf_done(&text);
    secret_unref(key);
}

static void a_declaration_is_whole_or_not_there(void **state)
{
    (void)state;
    bool failed = true;
    for (long n = 0; failed; n++) {
        struct account_declaration *d = NULL;
        alloc_fail_at(n);
        enum status status =
            account_declaration_read(bytes_of_text(full_json), providers, &d, NULL);
        failed = alloc_fail_end();
        assert_int_equal(status, failed ? STATUS_NOMEM : STATUS_OK);
        assert_int_equal(d == NULL, failed);
        account_declaration_free(d);
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
        cmocka_unit_test(a_declaration_is_read_and_written_in_one_form),
        cmocka_unit_test(an_account_has_what_its_declaration_says),
        cmocka_unit_test(what_is_no_declaration_of_this_version_is_refused_without_its_values),
        cmocka_unit_test(a_key_that_is_no_utf8_is_not_written_as_another),
        cmocka_unit_test(a_declaration_is_whole_or_not_there),
    };
    return cmocka_run_group_tests(tests, start, NULL);
}
