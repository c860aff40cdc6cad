/* No branch and no address depends on a secret, from the secret's text to the verdict: under
 * memcheck, to which a secret is memory that nobody has written, so that whatever is decided by it
 * is an error. A verdict is looked at only where it is handed out. The program is compiled as the
 * release is.
 * Source: A. Langley, "Checking that functions are constant time with Valgrind" (ctgrind), 2010.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>

#include <cmocka.h>
#include <valgrind/memcheck.h>

#include "bridge/base/crypto.h"
#include "bridge/base/secret.h"
#include "bridge/providers/maesn/maesn.h"
#include "bridge/providers/moneybird/moneybird.h"

static const char body[] =
    "{\"resource\":\"INVOICE\",\"webhook_token\":\"the token of a webhook\"}";

#define SENT_AT "1767322245"
static const int64_t sent_at_unix_ms = 1767322245000;
static const int64_t tolerance_ms = 300000;

/* --- signatures --------------------------------------------------------------------------------
 */

/* As the provider makes it, by a key that may be seen. */
static void sign(const struct provider *p, const char *key_text, char ret[65])
{
    struct hmac_key *key;
    uint8_t mac[CRYPTO_SHA256_SIZE];
    const struct bytes parts[] = {BYTES_LITERAL(SENT_AT "."), bytes_of_text(body)};
    bool is_timed = p == &moneybird;
    assert_int_equal(hmac_key_new(bytes_of_text(key_text), &key), STATUS_OK);
    assert_int_equal(hmac_sha256(key, is_timed ? parts : parts + 1, is_timed ? 2 : 1, mac),
                     STATUS_OK);
    hex_encode(bytes_of(mac, sizeof(mac)), ret);
    hmac_key_free(key);
}

/* --- what must not be looked at ----------------------------------------------------------------
 */

/* NULL: none. */
static struct secret *hidden_secret(const char *text)
{
    struct secret *secret = NULL;
    if (text == NULL)
        return NULL;
    assert_int_equal(secret_new(bytes_of_text(text), &secret, NULL), STATUS_OK);
    struct bytes bytes = secret_bytes(secret);
    VALGRIND_MAKE_MEM_UNDEFINED(bytes.data, bytes.len);
    return secret;
}

static struct route *route_with(const struct provider *p, struct secret *current,
                                struct secret *previous, struct secret *token)
{
    struct route *route = NULL;
    const struct route_fields fields = {
        .path = "/in/provider/acme-42/by-hand",
        .provider = p,
        .account = "acme-42",
        .system = p == &moneybird ? "moneybird" : "xero",
        .state = ROUTE_ACTIVE,
        .current_secret = current,
        .previous_secret = previous,
        .token = token,
    };
    assert_int_equal(route_new(&fields, &route), STATUS_OK);
    secret_unref(current);
    secret_unref(previous);
    secret_unref(token);
    return route;
}

static enum verification verify(const struct route *route, const char *signature,
                                int64_t received_at_unix_ms)
{
    const struct callback cb = {
        .body = bytes_of_text(body),
        .signature = signature,
        .received_at_unix_ms = received_at_unix_ms,
    };
    const struct provider_options opt = {.signature_tolerance_ms = tolerance_ms};
    enum verification verdict = VERIFICATION_MISSING;
    assert_int_equal(route->provider->verify(route, &cb, &opt, &verdict), STATUS_OK);
    VALGRIND_MAKE_MEM_DEFINED(&verdict, sizeof(verdict)); /* the sender is told */
    return verdict;
}

/* --- verdicts ----------------------------------------------------------------------------------
 */

#define FIRST "the secret since today"
#define SECOND "the secret until yesterday"
/* Its hash is the key, as it is longer than a block. */
#define LONG                                                                                       \
    "a secret that is so long that HMAC takes its hash for the key, not the sixty-four "           \
    "characters that providers make"

static const struct verdict_case {
    const char *current;
    const char *previous;
    const char *signed_by;
    size_t wrong_at; /* this digit of the signature is another; 0: none */
    enum verification verdict;
} verdict_cases[] = {
    {FIRST, NULL, FIRST, 0, VERIFICATION_CURRENT},
    {LONG, NULL, LONG, 0, VERIFICATION_CURRENT},
    {FIRST, SECOND, FIRST, 0, VERIFICATION_CURRENT},
    {FIRST, SECOND, SECOND, 0, VERIFICATION_PREVIOUS},
    {NULL, SECOND, SECOND, 0, VERIFICATION_PREVIOUS},
    {FIRST, FIRST, FIRST, 0, VERIFICATION_CURRENT}, /* both match */
    {FIRST, SECOND, "a guess", 0, VERIFICATION_BAD},
    {FIRST, SECOND, FIRST, 1, VERIFICATION_BAD},   /* the first byte is wrong, */
    {FIRST, SECOND, SECOND, 64, VERIFICATION_BAD}, /* and the last one */
};

static void check_verdict(const struct provider *p, const struct verdict_case *c)
{
    struct route *route =
        route_with(p, hidden_secret(c->current), hidden_secret(c->previous), NULL);
    char hex[65], signature[128];
    sign(p, c->signed_by, hex);
    if (c->wrong_at > 0)
        hex[c->wrong_at - 1] = hex[c->wrong_at - 1] == '0' ? '1' : '0';
    snprintf(signature, sizeof(signature), p == &moneybird ? "t=" SENT_AT ",v1=%s" : "%s", hex);
    assert_int_equal(verify(route, signature, sent_at_unix_ms), c->verdict);
    route_unref(route);
}

static void no_branch_depends_on_a_secret_whatever_the_verdict(void **state)
{
    (void)state;
    for (size_t i = 0; i < sizeof(verdict_cases) / sizeof(verdict_cases[0]); i++) {
        check_verdict(&maesn, &verdict_cases[i]);
        check_verdict(&moneybird, &verdict_cases[i]);
    }
}

static void nor_does_one_where_a_signature_is_old_or_there_are_several(void **state)
{
    (void)state;
    struct route *route = route_with(&moneybird, hidden_secret(FIRST), hidden_secret(SECOND), NULL);
    char right[65], wrong[65], signature[256];
    sign(&moneybird, SECOND, right);
    sign(&moneybird, "a guess", wrong);
    snprintf(signature, sizeof(signature), "t=" SENT_AT ",v1=%s,v1=%s", right, wrong);
    assert_int_equal(verify(route, signature, sent_at_unix_ms), VERIFICATION_PREVIOUS);
    assert_int_equal(verify(route, signature, sent_at_unix_ms + tolerance_ms + 1),
                     VERIFICATION_STALE);
    snprintf(signature, sizeof(signature), "t=" SENT_AT ",v1=%s", wrong);
    assert_int_equal(verify(route, signature, sent_at_unix_ms + tolerance_ms + 1),
                     VERIFICATION_BAD);
    route_unref(route);
}

static void nor_does_one_depend_on_a_token(void **state)
{
    (void)state;
    static const struct {
        const char *token;
        enum verification verdict;
    } cases[] = {
        {"the token of a webhook", VERIFICATION_TOKEN},
        {"The token of a webhook", VERIFICATION_BAD},
        {"the token of a webhooK", VERIFICATION_BAD},
    };
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        struct route *route = route_with(&moneybird, NULL, NULL, hidden_secret(cases[i].token));
        assert_int_equal(verify(route, NULL, sent_at_unix_ms), cases[i].verdict);
        route_unref(route);
    }
}

static int start(void **state)
{
    (void)state;
    assert_true(RUNNING_ON_VALGRIND); /* otherwise nothing is checked */
    return crypto_start() == STATUS_OK ? 0 : -1;
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(no_branch_depends_on_a_secret_whatever_the_verdict),
        cmocka_unit_test(nor_does_one_where_a_signature_is_old_or_there_are_several),
        cmocka_unit_test(nor_does_one_depend_on_a_token),
    };
    return cmocka_run_group_tests(tests, start, NULL);
}
