#include "bridge/registry/registry_key.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

#define A_63 "aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa"

static void a_key_tells_its_kind_and_its_account(void **state)
{
    static const struct {
        const char *key;
        enum registry_key_kind kind;
        const char *account;
    } rows[] = {
        {"/in/maesn/acme-42/invoice/all/1", REGISTRY_KEY_ROUTE, "acme-42"},
        {"/account/acme-42", REGISTRY_KEY_ACCOUNT, "acme-42"},
        {"/account/" A_63, REGISTRY_KEY_ACCOUNT, A_63},
        {"/request/acme-42", REGISTRY_KEY_REQUEST, "acme-42"},
        {"acme-42", REGISTRY_KEY_DECLARATION, "acme-42"},
        {"/account/" A_63 "a", REGISTRY_KEY_UNKNOWN, ""}, /* too long an id */
        {"/account/", REGISTRY_KEY_UNKNOWN, ""},          /* none */
        {"/account/Acme", REGISTRY_KEY_UNKNOWN, ""},      /* not its form */
        {"/account/a/b", REGISTRY_KEY_UNKNOWN, ""},       /* more behind it */
        {"/accounts/a", REGISTRY_KEY_UNKNOWN, ""},        /* a kind to come */
        {"/in/maesn/acme-42/invoice/1", REGISTRY_KEY_UNKNOWN, ""},
        {"", REGISTRY_KEY_UNKNOWN, ""},
    };
    (void)state;
    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        const struct registry_key key = registry_key_read(bytes_of_text(rows[i].key));
        assert_int_equal(key.kind, rows[i].kind);
        assert_string_equal(key.account, rows[i].account);
    }
    const struct registry_key route =
        registry_key_read(BYTES_LITERAL("/in/maesn/acme-42/invoice/all/1795293215356"));
    assert_string_equal(route.url.specification.resource, "invoice");
    assert_int_equal(route.url.generation_unix_ms, 1795293215356);
    assert_int_equal(registry_key_read(BYTES_LITERAL("/account/a\0b")).kind, REGISTRY_KEY_UNKNOWN);
}

static void a_key_that_is_written_is_read(void **state)
{
    (void)state;
    char key[REGISTRY_KEY_SIZE];
    registry_key_of_account("acme-42", key);
    assert_string_equal(key, "/account/acme-42");
    registry_key_of_request("acme-42", key);
    assert_string_equal(key, "/request/acme-42");
}

/* Source: UtilsTest.testMurmur2() of Apache Kafka: "21" hashes to -973932308, which is 1173551340
 * without its sign. */
static void an_accounts_records_are_where_its_id_hashes_to(void **state)
{
    (void)state;
    assert_int_equal(registry_key_partition("21", 12), 1173551340 % 12);
    assert_int_equal(registry_key_partition("21", 1), 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_key_tells_its_kind_and_its_account),
        cmocka_unit_test(a_key_that_is_written_is_read),
        cmocka_unit_test(an_accounts_records_are_where_its_id_hashes_to),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
