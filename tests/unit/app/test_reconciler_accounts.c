#include "bridge/app/reconciler_accounts.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

#include "bridge/base/crypto.h"
#include "bridge/base/scoped.h"
#include "bridge/base/secret.h"
#include "bridge/domain/integration_override.h"
#include "bridge/providers/providers.h"
#include "bridge/registry/record_form.h"
#include "bridge/registry/registry_key.h"
#include "bridge/registry/sealed.h"

#define TOPIC "t.registry"
#define PARTITIONS 4
#define KEY_A "a:000102030405060708090a0b0c0d0e0f101112131415161718191a1b1c1d1e1f\n"
#define KEY_B "b:f0e0d0c0b0a090807060504030201000f0e0d0c0b0a090807060504030201000\n"

struct bench {
    struct reconciler_accounts *accounts;
    struct keyring *keyring; /* of the table: key a */
    struct keyring *other;   /* key b */
};

static struct keyring *ring(const char *text)
{
    struct keyring *k = NULL;
    assert_int_equal(keyring_parse(bytes_of_text(text), "test", &k, NULL), STATUS_OK);
    return k;
}

static int setup(void **state)
{
    static struct bench b;
    b = (struct bench){.keyring = ring(KEY_A), .other = ring(KEY_B)};
    assert_int_equal(reconciler_accounts_new(TOPIC, b.keyring, &b.accounts), STATUS_OK);
    assert_int_equal(reconciler_accounts_set_partitions(b.accounts, PARTITIONS), STATUS_OK);
    *state = &b;
    return 0;
}

static int teardown(void **state)
{
    struct bench *b = *state;
    reconciler_accounts_free(b->accounts);
    keyring_unref(b->keyring);
    keyring_unref(b->other);
    return 0;
}

/* --- records --- */

static struct route_record route_of(const char *account, enum route_state state)
{
    struct route_record r = {
        .state = state, .system = "xero", .public_base_url = "https://h.example"};
    assert_true(specification_set(&r.url.specification, "maesn", account, "INVOICE", NULL));
    r.url.generation_unix_ms = 1795293215356;
    if (state != ROUTE_PENDING) {
        r.secret = "s3cr3t";
        r.provider_id = "7";
    }
    return r;
}

/* Gives the table a record as the topic would; r NULL: a tombstone of the route. */
static enum account_reading give(struct bench *b, const struct keyring *k,
                                 const struct route_record *r, const char *account,
                                 int32_t partition, bool is_changed)
{
    struct route_record any = route_of(account, ROUTE_ACTIVE);
    char key[CALLBACK_URL_KEY_SIZE];
    callback_url_key(&any.url, key);
    CLEANUP(buf_done) struct buf json;
    CLEANUP(buf_done) struct buf value;
    buf_init(&json, SEALED_PLAINTEXT_MAX);
    buf_init(&value, SEALED_MAX);
    struct bytes sealed = {0};
    if (r != NULL) {
        assert_int_equal(route_record_write(r, &json), STATUS_OK);
        assert_int_equal(sealed_seal(k, TOPIC, bytes_of_text(key), buf_bytes(&json), &value),
                         STATUS_OK);
        if (is_changed)
            value.data[value.len - 1] ^= 1;
        sealed = buf_bytes(&value);
    }
    struct diag diag = {0};
    return reconciler_accounts_take(b->accounts, partition, bytes_of_text(key), sealed, &diag);
}

static int32_t partition_of(const char *account)
{
    return registry_key_partition(account, PARTITIONS);
}

static enum account_reading put(struct bench *b, const char *account, enum route_state state)
{
    struct route_record r = route_of(account, state);
    return give(b, b->keyring, &r, account, partition_of(account), false);
}

static enum account_reading put_tombstone(struct bench *b, const char *account)
{
    return give(b, b->keyring, NULL, account, partition_of(account), false);
}

static struct reconciler_account *find(struct bench *b, const char *account)
{
    return reconciler_accounts_find(b->accounts, account);
}

static enum route_state state_of(struct bench *b, const char *account)
{
    struct reconciler_account *a = find(b, account);
    assert_non_null(a);
    assert_int_equal(a->state.routes_len, 1);
    return a->state.routes[0].record->state;
}

static void records_become_states_and_a_tombstone_forgets_them(void **state)
{
    struct bench *b = *state;
    assert_int_equal(put(b, "acme", ROUTE_PENDING), ACCOUNT_READING_TAKEN);
    assert_int_equal(put(b, "acme", ROUTE_ACTIVE), ACCOUNT_READING_TAKEN);
    assert_int_equal(state_of(b, "acme"), ROUTE_ACTIVE);
    assert_string_equal(find(b, "acme")->state.routes[0].record->secret, "s3cr3t");
    assert_int_equal(put_tombstone(b, "acme"), ACCOUNT_READING_TAKEN);
    assert_null(find(b, "acme")); /* nothing is known of it any more */
}

static void a_record_in_another_partition_than_its_accounts_is_told(void **state)
{
    struct bench *b = *state;
    struct route_record r = route_of("acme", ROUTE_ACTIVE);
    int32_t wrong = (partition_of("acme") + 1) % PARTITIONS;
    assert_int_equal(give(b, b->keyring, &r, "acme", wrong, false), ACCOUNT_READING_MISPLACED);
    assert_null(find(b, "acme"));
}

static void a_key_that_is_none_of_ours_is_left_alone(void **state)
{
    struct bench *b = *state;
    struct diag diag = {0};
    assert_int_equal(reconciler_accounts_take(b->accounts, 0, BYTES_LITERAL("something"),
                                              BYTES_LITERAL("else"), &diag),
                     ACCOUNT_READING_IGNORED);
    assert_int_equal(reconciler_accounts_len(b->accounts), 0);
}

/* --- leading --- */

static void what_a_pass_has_written_is_not_undone_by_the_topics_late_word(void **state)
{
    struct bench *b = *state;
    put(b, "acme", ROUTE_PENDING);
    reconciler_accounts_lead(b->accounts, partition_of("acme"), true);
    /* A pass commits the active record: the state says so at once. */
    struct route_record active = route_of("acme", ROUTE_ACTIVE);
    assert_int_equal(account_state_take_route(&find(b, "acme")->state, route_record_copy(&active)),
                     STATUS_OK);
    /* The topic tells the intent once more, then the active record. */
    assert_int_equal(put(b, "acme", ROUTE_PENDING), ACCOUNT_READING_TAKEN);
    assert_int_equal(state_of(b, "acme"), ROUTE_ACTIVE);
    assert_non_null(find(b, "acme")->kept);
    assert_int_equal(put(b, "acme", ROUTE_ACTIVE), ACCOUNT_READING_TAKEN);
    assert_int_equal(state_of(b, "acme"), ROUTE_ACTIVE);
    assert_null(find(b, "acme")->kept);
}

static void what_differs_counts_once_the_partition_is_no_longer_led(void **state)
{
    struct bench *b = *state;
    put(b, "acme", ROUTE_PENDING);
    reconciler_accounts_lead(b->accounts, partition_of("acme"), true);
    /* A commit whose end was never told: the state does not know of it. */
    put(b, "acme", ROUTE_ACTIVE);
    assert_int_equal(state_of(b, "acme"), ROUTE_PENDING);
    reconciler_accounts_lead(b->accounts, partition_of("acme"), false);
    assert_int_equal(state_of(b, "acme"), ROUTE_ACTIVE);
    assert_null(find(b, "acme")->kept);
}

static void a_new_owner_may_have_sent_what_was_unsent(void **state)
{
    struct bench *b = *state;
    put(b, "acme", ROUTE_PENDING);
    reconciler_accounts_lead(b->accounts, partition_of("acme"), true);
    find(b, "acme")->state.routes[0].is_unsent = true;
    put(b, "acme", ROUTE_PENDING); /* as it was written: no news */
    assert_true(find(b, "acme")->state.routes[0].is_unsent);
    reconciler_accounts_lead(b->accounts, partition_of("acme"), false);
    assert_false(find(b, "acme")->state.routes[0].is_unsent);
}

/* --- what cannot be read --- */

static void a_record_whose_key_is_missing_waits_for_it(void **state)
{
    struct bench *b = *state;
    struct route_record r = route_of("acme", ROUTE_ACTIVE);
    assert_int_equal(give(b, b->other, &r, "acme", partition_of("acme"), false),
                     ACCOUNT_READING_UNREADABLE);
    assert_int_equal(find(b, "acme")->unreadable, 1);
    struct keyring *both = ring(KEY_A KEY_B);
    reconciler_accounts_lead(b->accounts, partition_of("acme"), true);
    reconciler_accounts_set_keyring(b->accounts, both);
    keyring_unref(both);
    assert_int_equal(find(b, "acme")->unreadable, 0);
    assert_int_equal(state_of(b, "acme"), ROUTE_ACTIVE);
}

static void a_later_record_that_can_be_read_ends_the_wait(void **state)
{
    struct bench *b = *state;
    struct route_record r = route_of("acme", ROUTE_ACTIVE);
    (void)give(b, b->other, &r, "acme", partition_of("acme"), false);
    assert_int_equal(put(b, "acme", ROUTE_ACTIVE), ACCOUNT_READING_TAKEN);
    assert_int_equal(find(b, "acme")->unreadable, 0);
    assert_int_equal(state_of(b, "acme"), ROUTE_ACTIVE);
}

static void a_record_that_was_changed_is_none(void **state)
{
    struct bench *b = *state;
    struct route_record r = route_of("acme", ROUTE_ACTIVE);
    put(b, "acme", ROUTE_PENDING);
    assert_int_equal(give(b, b->keyring, &r, "acme", partition_of("acme"), true),
                     ACCOUNT_READING_UNREADABLE);
    assert_null(find(b, "acme"));
}

/* --- declarations --- */

static struct declaration *declare(const char *id, const char *key)
{
    struct declaration *d = NULL;
    struct account account = {
        .id = id, .provider = providers_find("maesn"), .system = "xero", .wants_all = true};
    assert_int_equal(secret_new(bytes_of_text(key), &account.account_key, NULL), STATUS_OK);
    assert_int_equal(declaration_new(&account, &(struct integration_overrides){0}, &d), STATUS_OK);
    secret_unref(account.account_key);
    return d;
}

static void count(void *ctx, struct reconciler_account *account)
{
    (void)account;
    ++*(int *)ctx;
}

static void only_accounts_that_are_declared_otherwise_are_told(void **state)
{
    struct bench *b = *state;
    int changes = 0;
    struct declaration *first[] = {declare("b", "k1"), declare("a", "k1"), declare("c", "k1")};
    assert_int_equal(reconciler_accounts_declare(b->accounts, first, 3, count, &changes),
                     STATUS_OK);
    assert_int_equal(changes, 3);
    assert_string_equal(find(b, "a")->declared->desired.account_key, "k1");
    /* a stays, b has another key, c goes, d is new */
    changes = 0;
    struct declaration *second[] = {declare("a", "k1"), declare("b", "k2"), declare("d", "k1")};
    assert_int_equal(reconciler_accounts_declare(b->accounts, second, 3, count, &changes),
                     STATUS_OK);
    assert_int_equal(changes, 3);
    assert_null(find(b, "c"));
    assert_string_equal(find(b, "b")->declared->desired.account_key, "k2");
    assert_int_equal(find(b, "a")->declared->desired.wanted_len, 1);
}

#define TEST(f) cmocka_unit_test_setup_teardown(f, setup, teardown)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(records_become_states_and_a_tombstone_forgets_them),
        TEST(a_record_in_another_partition_than_its_accounts_is_told),
        TEST(a_key_that_is_none_of_ours_is_left_alone),
        TEST(what_a_pass_has_written_is_not_undone_by_the_topics_late_word),
        TEST(what_differs_counts_once_the_partition_is_no_longer_led),
        TEST(a_new_owner_may_have_sent_what_was_unsent),
        TEST(a_record_whose_key_is_missing_waits_for_it),
        TEST(a_later_record_that_can_be_read_ends_the_wait),
        TEST(a_record_that_was_changed_is_none),
        TEST(only_accounts_that_are_declared_otherwise_are_told),
    };
    if (crypto_start() != STATUS_OK)
        return 1;
    record_form_start();
    return cmocka_run_group_tests(tests, NULL, NULL);
}
