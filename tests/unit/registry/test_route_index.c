#include "bridge/registry/route_index.h"

#include <malloc.h>
#include <pthread.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdatomic.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>

#include <cmocka.h>

#include "bridge/base/clock.h"
#include "bridge/base/crypto.h"
#include "bridge/base/secret.h"
#include "bridge/domain/provider.h"
#include "tests/support/alloc_fail.h"

#define HEX_A "00112233445566778899aabbccddeeff00112233445566778899aabbccddeeff"
#define HEX_B "ffeeddccbbaa99887766554433221100ffeeddccbbaa99887766554433221100"
#define SECRET_64 "5f1d0c2b3a495867768594a3b2c1d0efe0d1c2b3a49586777685940312213041"

static const struct provider maesn = {.name = "maesn"};
static const struct provider moneybird = {.name = "moneybird", .probes_registration = true};
static const struct provider *const providers[] = {&maesn, &moneybird, NULL};

static const int64_t now = 1795293215356;
static const int64_t old = now - ROUTE_INDEX_YOUNG_MS - 1;

static struct keyring *keys_a, *keys_b, *keys_b_a;

static struct callback_url url(const char *specification, int64_t generation_unix_ms)
{
    struct callback_url u = {.generation_unix_ms = generation_unix_ms};
    assert_true(specification_parse(bytes_of_text(specification), &u.specification));
    return u;
}

static struct route_record record(const char *specification, enum route_state state)
{
    return (struct route_record){
        .url = url(specification, old),
        .state = state,
        .system = "xero",
        .secret = state == ROUTE_PENDING ? NULL : SECRET_64,
    };
}

static const char *path_of(const struct callback_url *u, const struct keyring *k)
{
    static char path[CALLBACK_URL_PATH_SIZE];
    assert_int_equal(callback_url_path(u, k, path), STATUS_OK);
    return path;
}

static struct route_index *new_index(void)
{
    struct route_index *x = NULL;
    assert_int_equal(route_index_new(providers, keys_a, &x), STATUS_OK);
    route_index_set_caught_up(x);
    return x;
}

/* Looks up and lets go of what was found. */
static enum route_lookup look_up(struct route_index *x, const char *path)
{
    struct route *r = NULL;
    enum route_lookup lookup = route_index_find(x, path, now, &r);
    assert_true(lookup != ROUTE_FOUND || r != NULL);
    assert_true(lookup != ROUTE_UNKNOWN || r == NULL);
    route_unref(r);
    return lookup;
}

static void a_route_is_made_of_its_record(void **state)
{
    (void)state;
    struct route_index *x = new_index();
    struct route_record made = record("moneybird/acme-42/invoice/all", ROUTE_RETIRED);
    made.system = "moneybird";
    made.token = "t0k3n";
    assert_int_equal(route_index_apply(x, &made), STATUS_OK);
    struct route *r = NULL;
    const char *path = path_of(&made.url, keys_a);
    assert_int_equal(route_index_find(x, path, now, &r), ROUTE_FOUND);
    assert_string_equal(r->path, path);
    assert_ptr_equal(r->provider, &moneybird);
    assert_string_equal(r->account, "acme-42");
    assert_string_equal(r->system, "moneybird");
    assert_string_equal(r->specification, "moneybird/acme-42/invoice/all");
    assert_string_equal(r->source, "/moneybird/moneybird/acme-42");
    assert_int_equal(r->state, ROUTE_RETIRED);
    assert_true(bytes_equal(secret_bytes(r->current_secret), BYTES_LITERAL(SECRET_64)));
    assert_null(r->previous_secret);
    assert_true(bytes_equal(secret_bytes(r->token), BYTES_LITERAL("t0k3n")));
    route_index_free(x); /* who holds a route keeps it */
    assert_string_equal(r->system, "moneybird");
    route_unref(r);
}

static void a_route_follows_its_records(void **state)
{
    (void)state;
    struct route_index *x = new_index();
    const enum route_state states[] = {ROUTE_PENDING, ROUTE_ACTIVE, ROUTE_RETIRING, ROUTE_RETIRED};
    struct callback_url u = url("maesn/acme-42/all/all", old);
    for (size_t i = 0; i < 4; i++) {
        struct route_record r = record("maesn/acme-42/all/all", states[i]);
        assert_int_equal(route_index_apply(x, &r), STATUS_OK);
        struct route *found = NULL;
        assert_int_equal(route_index_find(x, path_of(&u, keys_a), now, &found), ROUTE_FOUND);
        assert_int_equal(found->state, states[i]);
        assert_int_equal(route_has_secret(found), states[i] != ROUTE_PENDING);
        route_unref(found);
        assert_int_equal(route_index_count(x).routes, 1);
    }
    route_index_remove(x, &u);
    assert_int_equal(look_up(x, path_of(&u, keys_a)), ROUTE_UNKNOWN);
    assert_int_equal(route_index_count(x).routes, 0);
    route_index_remove(x, &u); /* twice is fine */
    route_index_free(x);
}

static void until_it_has_caught_up_what_was_known_before_is_found(void **state)
{
    (void)state;
    struct route_index *x = NULL, *former = new_index();
    assert_int_equal(route_index_new(providers, keys_a, &x), STATUS_OK);
    struct route_record kept = record("maesn/kept/all/all", ROUTE_ACTIVE);
    struct route_record gone = record("maesn/gone/all/all", ROUTE_ACTIVE);
    struct route_record never = record("maesn/never/all/all", ROUTE_ACTIVE);
    struct route_record unreadable = record("maesn/unreadable/all/all", ROUTE_ACTIVE);
    assert_int_equal(route_index_apply(former, &kept), STATUS_OK);
    assert_int_equal(route_index_apply(former, &gone), STATUS_OK);
    assert_int_equal(route_index_disable(former, &unreadable.url), STATUS_OK);
    route_index_set_former_take(x, former);

    assert_int_equal(look_up(x, path_of(&kept.url, keys_a)), ROUTE_FOUND);
    assert_int_equal(look_up(x, path_of(&gone.url, keys_a)), ROUTE_FOUND);
    /* It may have come meanwhile: never 404. */
    assert_int_equal(look_up(x, path_of(&never.url, keys_a)), ROUTE_NOT_YET);
    assert_int_equal(look_up(x, path_of(&unreadable.url, keys_a)), ROUTE_NOT_YET);
    assert_int_equal(look_up(x, "/in/maesn/foreign"), ROUTE_NOT_YET);

    /* An older record of the topic does not put off what is known. */
    struct route_record older = record("maesn/kept/all/all", ROUTE_PENDING);
    assert_int_equal(route_index_apply(x, &older), STATUS_OK);
    struct route *r = NULL;
    assert_int_equal(route_index_find(x, path_of(&kept.url, keys_a), now, &r), ROUTE_FOUND);
    assert_int_equal(r->state, ROUTE_ACTIVE);
    route_unref(r);

    /* The keys of its paths follow those of the index. */
    route_index_set_keys(x, keys_b);
    assert_int_equal(look_up(x, path_of(&kept.url, keys_b)), ROUTE_FOUND);
    route_index_set_keys(x, keys_a);

    assert_int_equal(route_index_apply(x, &kept), STATUS_OK);
    route_index_set_caught_up(x);
    assert_int_equal(look_up(x, path_of(&kept.url, keys_a)), ROUTE_FOUND);
    assert_int_equal(look_up(x, path_of(&gone.url, keys_a)), ROUTE_UNKNOWN);
    route_index_free(x);
}

/* Each row is a path for which there is no route. */
static void an_unknown_path_is_judged_by_its_token_and_age(void **state)
{
    static const struct {
        int64_t age_ms;
        enum route_lookup lookup;
    } rows[] = {
        {0, ROUTE_NOT_YET},
        {15 * 60 * 1000 - 1, ROUTE_NOT_YET},
        {15 * 60 * 1000, ROUTE_UNKNOWN}, /* no longer younger than 15 minutes */
        {24 * 60 * 60 * 1000, ROUTE_UNKNOWN},
        {-60 * 1000, ROUTE_NOT_YET}, /* the other's clock is ahead */
        {-60 * 1000 - 1, ROUTE_UNKNOWN},
    };
    (void)state;
    struct route_index *x = new_index();
    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        struct callback_url u = url("moneybird/acme-42/all/all", now - rows[i].age_ms);
        struct route *r = NULL;
        assert_int_equal(route_index_find(x, path_of(&u, keys_a), now, &r), rows[i].lookup);
        assert_int_equal(r != NULL, rows[i].lookup == ROUTE_NOT_YET);
        if (r != NULL) { /* the ingress learns whether the provider probes */
            assert_ptr_equal(r->provider, &moneybird);
            assert_int_equal(r->state, ROUTE_PENDING);
            assert_false(route_has_secret(r));
            route_unref(r);
        }
        assert_int_equal(look_up(x, path_of(&u, keys_b)), ROUTE_UNKNOWN); /* not our token */
    }
    assert_int_equal(look_up(x, "/in/maesn/acme-42/by-hand"), ROUTE_UNKNOWN);
    assert_int_equal(look_up(x, ""), ROUTE_UNKNOWN);
    struct callback_url u = url("quaderno/acme-42/all/all", now); /* a provider to come */
    struct route *r = NULL;
    assert_int_equal(route_index_find(x, path_of(&u, keys_a), now, &r), ROUTE_NOT_YET);
    assert_null(r);
    route_index_free(x);
}

static void nothing_is_unknown_before_the_end_of_the_topic_was_met(void **state)
{
    (void)state;
    struct route_index *x = NULL;
    assert_int_equal(route_index_new(providers, keys_a, &x), STATUS_OK);
    struct route_record r = record("maesn/acme-42/all/all", ROUTE_ACTIVE);
    assert_int_equal(look_up(x, path_of(&r.url, keys_a)), ROUTE_NOT_YET);
    assert_int_equal(look_up(x, "/in/maesn/acme-42/by-hand"), ROUTE_NOT_YET);
    assert_int_equal(route_index_apply(x, &r), STATUS_OK);
    /* A record to come may change it. */
    assert_int_equal(look_up(x, path_of(&r.url, keys_a)), ROUTE_NOT_YET);
    assert_false(route_index_count(x).caught_up);
    route_index_set_caught_up(x);
    assert_true(route_index_count(x).caught_up);
    assert_int_equal(look_up(x, path_of(&r.url, keys_a)), ROUTE_FOUND);
    assert_int_equal(look_up(x, "/in/maesn/acme-42/by-hand"), ROUTE_UNKNOWN);
    route_index_free(x);
}

static void a_known_path_with_a_wrong_token_is_unknown(void **state)
{
    (void)state;
    struct route_index *x = new_index();
    struct route_record r = record("maesn/acme-42/all/all", ROUTE_ACTIVE);
    assert_int_equal(route_index_apply(x, &r), STATUS_OK);
    assert_int_equal(look_up(x, path_of(&r.url, keys_b)), ROUTE_UNKNOWN);
    char key[CALLBACK_URL_KEY_SIZE];
    callback_url_key(&r.url, key);
    assert_int_equal(look_up(x, key), ROUTE_UNKNOWN);
    route_index_free(x);
}

static void a_changed_route_key_counts_while_it_is_in_the_ring(void **state)
{
    (void)state;
    struct route_index *x = new_index();
    struct route_record r = record("maesn/acme-42/all/all", ROUTE_ACTIVE);
    assert_int_equal(route_index_apply(x, &r), STATUS_OK);
    route_index_set_keys(x, keys_b_a);
    assert_int_equal(look_up(x, path_of(&r.url, keys_a)), ROUTE_FOUND);
    assert_int_equal(look_up(x, path_of(&r.url, keys_b)), ROUTE_FOUND);
    route_index_set_keys(x, keys_b);
    assert_int_equal(look_up(x, path_of(&r.url, keys_a)), ROUTE_UNKNOWN);
    route_index_free(x);
}

static void a_record_that_cannot_be_used_disables_its_route_only(void **state)
{
    (void)state;
    struct route_index *x = new_index();
    struct route_record good = record("maesn/acme-42/all/all", ROUTE_ACTIVE);
    struct route_record other = record("maesn/acme-43/all/all", ROUTE_ACTIVE);
    static char long_secret[SECRET_MAX + 2];
    memset(long_secret, 's', sizeof(long_secret) - 1);
    struct route_record bad[5];
    for (size_t i = 0; i < 5; i++)
        bad[i] = good;
    bad[0].secret = NULL;        /* active, and nothing to verify with */
    bad[1].secret = "";          /* an empty secret */
    bad[2].secret = long_secret; /* one that is too long */
    bad[3].token = "";
    bad[4].system = NULL;
    assert_int_equal(route_index_apply(x, &other), STATUS_OK);
    for (size_t i = 0; i < 6; i++) {
        assert_int_equal(route_index_apply(x, &good), STATUS_OK);
        assert_int_equal(route_index_count(x).disabled, 0);
        assert_int_equal(look_up(x, path_of(&good.url, keys_a)), ROUTE_FOUND);
        enum status status = i == 5 ? route_index_disable(x, &good.url) /* it cannot be opened */
                                    : route_index_apply(x, &bad[i]);
        assert_int_equal(status, STATUS_OK);
        assert_int_equal(route_index_count(x).disabled, 1);
        struct route *r = NULL;
        assert_int_equal(route_index_find(x, path_of(&good.url, keys_a), now, &r), ROUTE_NOT_YET);
        assert_null(r);
        assert_int_equal(look_up(x, path_of(&good.url, keys_b)), ROUTE_UNKNOWN);
        assert_int_equal(look_up(x, path_of(&other.url, keys_a)), ROUTE_FOUND);
    }
    route_index_remove(x, &good.url);
    assert_int_equal(route_index_count(x).disabled, 0);
    assert_int_equal(route_index_count(x).routes, 1);

    struct route_record foreign = record("quaderno/acme-42/all/all", ROUTE_ACTIVE);
    assert_int_equal(route_index_apply(x, &foreign), STATUS_OK); /* a provider to come */
    assert_int_equal(look_up(x, path_of(&foreign.url, keys_a)), ROUTE_NOT_YET);
    route_index_free(x);
}

/* What comes unsigned on an older one may be authentic by its token, and is no probe. */
static void only_a_young_route_that_is_disabled_may_be_probed(void **state)
{
    static const struct {
        int64_t age_ms;
        bool probed;
    } rows[] = {
        {0, true},
        {15 * 60 * 1000 - 1, true},
        {15 * 60 * 1000, false},
        {24 * 60 * 60 * 1000, false},
    };
    (void)state;
    struct route_index *x = new_index();
    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        struct callback_url u = url("moneybird/acme-42/all/all", now - rows[i].age_ms);
        assert_int_equal(route_index_disable(x, &u), STATUS_OK);
        struct route *r = NULL;
        assert_int_equal(route_index_find(x, path_of(&u, keys_a), now, &r), ROUTE_NOT_YET);
        assert_int_equal(r != NULL, rows[i].probed);
        assert_true(r == NULL || (r->state == ROUTE_PENDING && !route_has_secret(r)));
        route_unref(r);
    }
    route_index_free(x);
}

/* Against an array of flags, so that a removal that loses another's route shows. */
static void whatever_comes_and_goes_the_rest_is_found(void **state)
{
    enum { ACCOUNTS = 400, STEPS = 20000 };
    static bool there[ACCOUNTS];
    (void)state;
    struct route_index *x = new_index();
    uint32_t random = 1; /* a linear congruential generator: the same run each time */
    size_t len = 0;
    for (int step = 0; step < STEPS; step++) {
        random = random * 1664525 + 1013904223;
        size_t i = (random >> 8) % ACCOUNTS;
        char text[SPECIFICATION_TEXT_SIZE];
        snprintf(text, sizeof(text), "maesn/account-%zu/invoice/all", i);
        struct route_record r = record(text, ROUTE_ACTIVE);
        assert_int_equal(look_up(x, path_of(&r.url, keys_a)),
                         there[i] ? ROUTE_FOUND : ROUTE_UNKNOWN);
        bool puts = random >> 31;
        if (puts)
            assert_int_equal(route_index_apply(x, &r), STATUS_OK);
        else
            route_index_remove(x, &r.url);
        len = len + puts - there[i];
        there[i] = puts;
        assert_int_equal(route_index_count(x).routes, len);
    }
    route_index_free(x);
}

static void short_memory_leaves_the_route_as_it_was(void **state)
{
    (void)state;
    bool failed = true;
    for (long n = 0; failed; n++) {
        struct route_index *x = NULL;
        alloc_fail_at(n);
        enum status status = route_index_new(providers, keys_a, &x);
        failed = alloc_fail_end();
        assert_int_equal(status, failed ? STATUS_NOMEM : STATUS_OK);
        assert_int_equal(x == NULL, failed);
        route_index_free(x);
    }

    struct route_index *x = new_index();
    struct route_record active = record("maesn/acme-42/all/all", ROUTE_ACTIVE);
    assert_int_equal(route_index_apply(x, &active), STATUS_OK);
    struct route_record retired = record("maesn/acme-42/all/all", ROUTE_RETIRED);
    const char *path = path_of(&active.url, keys_a);
    failed = true;
    for (long n = 0; failed; n++) {
        alloc_fail_at(n);
        enum status status = route_index_apply(x, &retired);
        failed = alloc_fail_end();
        assert_int_equal(status, failed ? STATUS_NOMEM : STATUS_OK);
        struct route *r = NULL;
        assert_int_equal(route_index_find(x, path, now, &r), ROUTE_FOUND);
        assert_int_equal(r->state, failed ? ROUTE_ACTIVE : ROUTE_RETIRED);
        route_unref(r);
    }
    failed = true;
    for (long n = 0; failed; n++) { /* a callback is put off rather than refused */
        struct route *r = NULL;
        alloc_fail_at(n);
        enum route_lookup lookup = route_index_find(x, path, now, &r);
        failed = alloc_fail_end();
        assert_int_equal(lookup, failed ? ROUTE_NOT_YET : ROUTE_FOUND);
        assert_int_equal(r == NULL, failed);
        route_unref(r);
    }
    route_index_free(x);
}

static void a_table_that_cannot_grow_keeps_what_it_has(void **state)
{
    (void)state;
    struct route_index *x = new_index();
    size_t refused = 0;
    for (int i = 0; i < 200; i++) {
        char text[SPECIFICATION_TEXT_SIZE];
        snprintf(text, sizeof(text), "maesn/account-%d/invoice/all", i);
        struct route_record r = record(text, ROUTE_ACTIVE);
        alloc_fail_at(1); /* the entry is there, the larger table is not */
        enum status status = route_index_apply(x, &r);
        bool failed = alloc_fail_end();
        assert_int_equal(status, failed ? STATUS_NOMEM : STATUS_OK);
        if (!failed)
            continue;
        refused++;
        assert_int_equal(look_up(x, path_of(&r.url, keys_a)), ROUTE_UNKNOWN);
        assert_int_equal(route_index_apply(x, &r), STATUS_OK);
        assert_int_equal(look_up(x, path_of(&r.url, keys_a)), ROUTE_FOUND);
    }
    assert_int_equal(refused, 3); /* at 48, 96 and 192 */
    assert_int_equal(route_index_count(x).routes, 200);
    route_index_free(x);
}

/* --- many ---------------------------------------------------------------------------------- */

enum { MANY = 100000 };

static struct route_record nth_record(size_t i, char text[SPECIFICATION_TEXT_SIZE])
{
    snprintf(text, SPECIFICATION_TEXT_SIZE, "maesn/customer-%zu/journal-entry/created", i);
    struct route_record r = record(text, ROUTE_ACTIVE);
    r.company_id = "123456";
    r.provider_id = "0b7c1f0e-1111-4222-8333-444444444444";
    r.public_base_url = "https://hooks.example.com";
    return r;
}

static size_t heap_bytes(void)
{
    return mallinfo2().uordblks + mallinfo2().hblkhd;
}

static void a_hundred_thousand_routes_take_less_than_a_kilobyte_each(void **state)
{
    (void)state;
    char text[SPECIFICATION_TEXT_SIZE];
    size_t before = heap_bytes();
    int64_t started = clock_mono_us();
    struct route_index *x = new_index();
    for (size_t i = 0; i < MANY; i++) {
        struct route_record r = nth_record(i, text);
        assert_int_equal(route_index_apply(x, &r), STATUS_OK);
    }
    int64_t applied = clock_mono_us();
    for (size_t i = 0; i < MANY; i++) {
        struct route_record r = nth_record(i, text);
        assert_int_equal(look_up(x, path_of(&r.url, keys_a)), ROUTE_FOUND);
    }
    int64_t found = clock_mono_us();
    size_t each = (heap_bytes() - before) / MANY;
    print_message("%d routes: %zu bytes, %.1f us to apply, %.1f us to make a path and find each\n",
                  MANY, each, (double)(applied - started) / MANY, (double)(found - applied) / MANY);
    assert_int_equal(route_index_count(x).routes, MANY);
    assert_true(each < 1024);
    route_index_free(x);
}

struct finding {
    struct route_index *x;
    char paths[16][CALLBACK_URL_PATH_SIZE];
    atomic_bool stops;
    atomic_size_t wrong;
};

/* Routes 0 to 7 stay; 8 to 15 come and go. */
static void *keep_finding(void *ctx)
{
    struct finding *f = ctx;
    while (!atomic_load(&f->stops)) {
        for (size_t i = 0; i < 16; i++) {
            struct route *r = NULL;
            enum route_lookup lookup = route_index_find(f->x, f->paths[i], now, &r);
            bool right = lookup == ROUTE_FOUND ? r != NULL && r->current_secret != NULL
                                               : lookup == ROUTE_UNKNOWN && i >= 8;
            atomic_fetch_add(&f->wrong, !right);
            route_unref(r);
        }
    }
    return NULL;
}

static void routes_are_found_while_others_change(void **state)
{
    static struct finding f;
    (void)state;
    f.x = new_index();
    struct route_record records[16];
    char text[SPECIFICATION_TEXT_SIZE];
    for (size_t i = 0; i < 16; i++) {
        records[i] = nth_record(i, text);
        memcpy(f.paths[i], path_of(&records[i].url, keys_a), CALLBACK_URL_PATH_SIZE);
        assert_int_equal(route_index_apply(f.x, &records[i]), STATUS_OK);
    }
    pthread_t threads[3];
    for (size_t i = 0; i < 3; i++)
        assert_int_equal(pthread_create(&threads[i], NULL, keep_finding, &f), 0);
    for (size_t round = 0; round < 2000; round++) {
        struct route_record more = nth_record(16 + round, text);
        assert_int_equal(route_index_apply(f.x, &more), STATUS_OK); /* the table grows */
        assert_int_equal(route_index_apply(f.x, &records[round % 8]), STATUS_OK);
        route_index_remove(f.x, &records[8 + round % 8].url);
        assert_int_equal(route_index_apply(f.x, &records[8 + round % 8]), STATUS_OK);
        route_index_set_keys(f.x, round % 2 ? keys_a : keys_b_a);
    }
    atomic_store(&f.stops, true);
    for (size_t i = 0; i < 3; i++)
        pthread_join(threads[i], NULL);
    assert_int_equal(atomic_load(&f.wrong), 0);
    route_index_free(f.x);
}

static int start(void **state)
{
    (void)state;
    if (crypto_start() != STATUS_OK)
        return 1;
    return keyring_parse(BYTES_LITERAL("a:" HEX_A), "a", &keys_a, NULL) != STATUS_OK ||
           keyring_parse(BYTES_LITERAL("b:" HEX_B), "b", &keys_b, NULL) != STATUS_OK ||
           keyring_parse(BYTES_LITERAL("b:" HEX_B "\na:" HEX_A), "b, a", &keys_b_a, NULL) !=
               STATUS_OK;
}

static int stop(void **state)
{
    (void)state;
    keyring_unref(keys_a);
    keyring_unref(keys_b);
    keyring_unref(keys_b_a);
    return 0;
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_route_is_made_of_its_record),
        cmocka_unit_test(a_route_follows_its_records),
        cmocka_unit_test(until_it_has_caught_up_what_was_known_before_is_found),
        cmocka_unit_test(an_unknown_path_is_judged_by_its_token_and_age),
        cmocka_unit_test(nothing_is_unknown_before_the_end_of_the_topic_was_met),
        cmocka_unit_test(a_known_path_with_a_wrong_token_is_unknown),
        cmocka_unit_test(a_changed_route_key_counts_while_it_is_in_the_ring),
        cmocka_unit_test(a_record_that_cannot_be_used_disables_its_route_only),
        cmocka_unit_test(only_a_young_route_that_is_disabled_may_be_probed),
        cmocka_unit_test(whatever_comes_and_goes_the_rest_is_found),
        cmocka_unit_test(short_memory_leaves_the_route_as_it_was),
        cmocka_unit_test(a_table_that_cannot_grow_keeps_what_it_has),
        cmocka_unit_test(a_hundred_thousand_routes_take_less_than_a_kilobyte_each),
        cmocka_unit_test(routes_are_found_while_others_change),
    };
    return cmocka_run_group_tests(tests, start, stop);
}
