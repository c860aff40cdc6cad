#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "bridge/base/crypto.h"
#include "bridge/base/keyring.h"
#include "bridge/reconciler/adoption.h"

static const char *const bases[] = {"https://hooks.example.com"};
static const struct desired_account desired = {
    .account = "acme",
    .provider = "maesn",
    .system = "xero",
    .company_id = "1",
};

static struct keyring *keys;
static struct reconciler_options options = {.bases = bases, .bases_len = 1};

static void url_of(const char *account, char ret[400])
{
    struct callback_url u = {.generation_unix_ms = 1795000000000};
    assert_true(specification_set(&u.specification, "maesn", account, "INVOICE", NULL));
    struct buf url;
    buf_init(&url, 399);
    assert_int_equal(callback_url_text(&u, bases[0], keys, &url), STATUS_OK);
    memcpy(ret, buf_text(&url), url.len + 1);
    buf_done(&url);
}

static void what_somebody_made_with_our_url_becomes_an_active_route(void **state)
{
    (void)state;
    char url[400];
    url_of("acme", url);
    struct account_state s;
    account_state_init(&s);
    const struct adoption adoption = {.provider_id = "id", .callback_url = url, .secret = "secret"};
    struct route_record *r = NULL;
    struct diag diag = {0};
    assert_int_equal(adoption_make(&adoption, &desired, &s, &options, 1795000001000, &r, &diag),
                     STATUS_OK);
    assert_int_equal(r->state, ROUTE_ACTIVE);
    assert_int_equal(r->origin, ROUTE_ORIGIN_ADOPTED);
    assert_string_equal(r->provider_id, "id");
    assert_string_equal(r->secret, "secret");
    assert_string_equal(r->company_id, "1");
    assert_string_equal(r->url.specification.resource, "invoice");
    assert_int_equal(r->created_at_unix_ms, 1795000001000);

    /* Once more: it is known. */
    assert_int_equal(account_state_take_route(&s, r), STATUS_OK);
    r = NULL;
    assert_int_equal(adoption_make(&adoption, &desired, &s, &options, 1795000002000, &r, &diag),
                     STATUS_INVALID);
    assert_string_equal(diag.text, "the registry has a secret for this URL, its route is active");
    assert_null(r);
    account_state_done(&s);
}

static void what_is_not_ours_is_refused(void **state)
{
    (void)state;
    char url[400];
    char others_url[400];
    url_of("acme", url);
    url_of("other", others_url);
    char *wrong_token = url + strlen(url) - 1;
    *wrong_token = *wrong_token == 'a' ? 'b' : 'a';
    const struct {
        const char *url;
        const char *expected;
    } rows[] = {
        {url, "the callback URL has not the form of ours, or not our token"},
        {"https://example.net/", "the callback URL has not the form of ours, or not our token"},
        {others_url, "the callback URL is of the account other, expected acme"},
    };
    struct account_state s;
    account_state_init(&s);
    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        struct route_record *r = NULL;
        struct diag diag = {0};
        const struct adoption adoption = {
            .provider_id = "id", .callback_url = rows[i].url, .secret = "secret"};
        assert_int_equal(adoption_make(&adoption, &desired, &s, &options, 1, &r, &diag),
                         STATUS_INVALID);
        assert_string_equal(diag.text, rows[i].expected);
    }
    account_state_done(&s);
}

int main(void)
{
    static const char text[] =
        "key:00112233445566778899aabbccddeeff00112233445566778899aabbccddeeff\n";
    if (crypto_start() != STATUS_OK ||
        keyring_parse(BYTES_LITERAL(text), "keys", &keys, NULL) != STATUS_OK)
        return 1;
    options.route_keys = keys;
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(what_somebody_made_with_our_url_becomes_an_active_route),
        cmocka_unit_test(what_is_not_ours_is_refused),
    };
    int failed = cmocka_run_group_tests(tests, NULL, NULL);
    keyring_unref(keys);
    return failed;
}
