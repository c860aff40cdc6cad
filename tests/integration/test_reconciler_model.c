/* Random histories of what is wanted, what the providers do and what the process survives, through
 * the real plan and the real pass. In each, faults come first; then they stop, and three passes
 * over each account must leave everything as declared.
 *
 *     MODEL_HISTORIES=N  how many (100,000)
 *     MODEL_SEED=S       the first one's seed; each history's is one more than the one before
 *     MODEL_TRACE=1      tells each history: MODEL_SEED=S MODEL_HISTORIES=1 MODEL_TRACE=1 replays S
 *     MODEL_PROMISE=P    only this promise counts
 *
 * A mutant of the plan or the pass (tests/integration/reconciler_mutants.cmake) makes the promise
 * fail that it is made for.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "bridge/base/crypto.h"
#include "tests/integration/reconciler_world.h"

static const char *const companies[] = {NULL, "1", "2"};

static struct keyring *route_keys(void)
{
    struct keyring *keys = NULL;
    static const char text[] =
        "new:00112233445566778899aabbccddeeff00112233445566778899aabbccddeeff\n";
    assert_int_equal(keyring_parse(BYTES_LITERAL(text), "keys", &keys, NULL), STATUS_OK);
    return keys;
}

/* A ring that writes with another key and reads the first ring's. */
static struct keyring *other_route_keys(void)
{
    struct keyring *keys = NULL;
    static const char text[] =
        "newer:ffeeddccbbaa99887766554433221100ffeeddccbbaa99887766554433221100\n"
        "new:00112233445566778899aabbccddeeff00112233445566778899aabbccddeeff\n";
    assert_int_equal(keyring_parse(BYTES_LITERAL(text), "keys", &keys, NULL), STATUS_OK);
    return keys;
}

/* --- beginnings ---------------------------------------------------------------------------------
 */

static void want_something(struct world *w, struct world_account *a)
{
    for (unsigned i = 0; i < WORLD_SPECIFICATIONS; i++) {
        a->wants[i] = !chance_one_in(&w->chance, 3) && (!w->is_native || i == 0);
    }
    world_trace(w, "%s: wants %d%d%d%d", a->id, a->wants[0], a->wants[1], a->wants[2], a->wants[3]);
}

/* What others have at the provider, some of it as like ours as it can be. */
static void add_foreign(struct world *w)
{
    static const char *const urls[] = {
        "https://example.net/hook",
        "https://hooks.example.com/in/maesn/acme-0/invoice/all/1794999999000-"
        "aaaaaaaaaaaaaaaaaaaaaaaaaa",
        "https://hooks.example.com/in/maesn/acme-0/invoice/all/1794999999000",
        "https://hooks.example.com/",
        "",
    };
    unsigned n = chance_below(&w->chance, 4);
    for (unsigned i = 0; i < n; i++)
        world_subscribe(w, chance_below(&w->chance, WORLD_ACCOUNTS),
                        urls[chance_below(&w->chance, 5)], NULL, 1)
            ->is_foreign = true;
    if (!chance_one_in(&w->chance, 4))
        return;
    /* Another bridge, with our account's names and its own public base URL. */
    struct callback_url u = {.generation_unix_ms = w->now_unix_ms - 1000};
    world_specification(w, &w->accounts[0], 0, &u.specification);
    char url[320];
    world_url(w, &u, "https://staging.example.com", url);
    world_subscribe(w, 0, url, NULL, 1)->is_foreign = true;
}

static void begin(struct world *w)
{
    w->is_native = chance_one_in(&w->chance, 5);
    w->merges = !w->is_native && chance_one_in(&w->chance, 10);
    w->filters_company = chance_one_in(&w->chance, 2);
    w->expiry = chance_below(&w->chance, 4);
    w->options.policy = chance_one_in(&w->chance, 3) ? POLICY_UPSERT_ONLY : POLICY_SYNC;
    w->has_faults = true;
    bool is_shared = chance_one_in(&w->chance, 4);
    for (unsigned i = 0; i < WORLD_ACCOUNTS; i++) {
        struct world_account *a = &w->accounts[i];
        a->events = 1 + chance_below(&w->chance, 7);
        a->company_id = world_company(companies[chance_below(&w->chance, 2)]);
        if (is_shared)
            a->key_group = 0;
        want_something(w, a);
    }
    add_foreign(w);
}

/* --- what happens -------------------------------------------------------------------------------
 */

static void lose_subscription(struct world *w)
{
    if (w->subscriptions_len == 0)
        return;
    struct subscription *s =
        &w->subscriptions[chance_below(&w->chance, (unsigned)w->subscriptions_len)];
    s->is_dead = true;
    world_trace(w, "provider: %s is lost", s->id);
}

static void deactivate_subscription(struct world *w)
{
    if (w->subscriptions_len > 0 && w->is_native)
        w->subscriptions[chance_below(&w->chance, (unsigned)w->subscriptions_len)].is_deactivated =
            true;
}

/* What was made long ago and never written down. */
static void add_orphan(struct world *w, const struct world_account *a)
{
    struct callback_url u = {.generation_unix_ms =
                                 w->now_unix_ms - 1000 * (1 + chance_below(&w->chance, 100000))};
    world_specification(w, a, chance_below(&w->chance, w->is_native ? 1 : 3), &u.specification);
    char url[320];
    world_url(w, &u, w->bases[chance_below(&w->chance, 2)], url);
    struct subscription *s = world_subscribe(w, a->key_group, url, a->company_id, 1);
    world_trace(w, "provider: %s is an orphan", s->id);
}

static void lose_registry(struct world *w)
{
    world_trace(w, "the registry is lost");
    for (size_t i = 0; i < w->routes_len; i++) {
        if (!chance_one_in(&w->chance, 2))
            continue;
        route_record_free(w->routes[i].record);
        w->routes[i].record = NULL;
    }
    for (unsigned i = 0; i < WORLD_ACCOUNTS; i++) {
        memset(w->accounts[i].uncertain, 0, sizeof(w->accounts[i].uncertain)); /* nobody knows */
        world_restart(w, &w->accounts[i]);
    }
}

static void move(struct world *w)
{
    if (chance_one_in(&w->chance, 3)) {
        struct keyring *newer = other_route_keys();
        keyring_unref(w->keys);
        w->keys = newer;
        w->options.route_keys = newer;
        world_trace(w, "another route key");
        return;
    }
    const char *base = w->bases[0];
    w->bases[0] = w->bases[1];
    w->bases[1] = base;
    world_trace(w, "the public base URL is %s", w->bases[0]);
}

static void declare(struct world *w, struct world_account *a, bool is_declared)
{
    a->is_declared = is_declared;
    world_trace(w, "%s is %sdeclared", a->id, is_declared ? "" : "not ");
}

static void let_time_pass(struct world *w)
{
    static const int64_t spans_s[] = {1,   5,   29,   31,    61,     300,
                                      601, 900, 3600, 86400, 200000, 20000000};
    world_advance(w, 1000 * spans_s[chance_below(&w->chance, 12)]);
}

static void happen(struct world *w)
{
    struct world_account *a = &w->accounts[chance_below(&w->chance, WORLD_ACCOUNTS)];
    switch (chance_below(&w->chance, 24)) {
    case 0:
    case 1:
        want_something(w, a);
        break;
    case 2:
        lose_subscription(w);
        break;
    case 3:
        add_orphan(w, a);
        break;
    case 4:
        if (chance_one_in(&w->chance, 4))
            lose_registry(w);
        break;
    case 5:
        if (chance_one_in(&w->chance, 2))
            move(w);
        break;
    case 6:
        declare(w, a, chance_one_in(&w->chance, 2));
        break;
    case 7:
        a->company_id = world_company(companies[chance_below(&w->chance, 3)]);
        world_trace(w, "%s: its company is %s", a->id, a->company_id);
        break;
    case 8:
        a->events = 1 + chance_below(&w->chance, 7);
        deactivate_subscription(w);
        break;
    case 9:
        snprintf(a->key, sizeof(a->key), "key-%u", chance_below(&w->chance, 1000));
        break;
    case 10:
        w->withholds = chance_one_in(&w->chance, 2);
        break;
    case 11:
        a->state.revoked_at_unix_ms = w->now_unix_ms;
        break;
    case 12:
        world_restart(w, a);
        break;
    case 13:
    case 14:
    case 15:
    case 16:
        let_time_pass(w);
        break;
    default:
        world_pass(w, a);
        if (w->result.again_at_unix_ms > w->now_unix_ms && chance_one_in(&w->chance, 2))
            world_advance(w, w->result.again_at_unix_ms - w->now_unix_ms);
        break;
    }
}

/* --- the end ------------------------------------------------------------------------------------
 */

/* Longer than any pause: a second look, the overlap, the delay of deletes, a setback, a block. */
static const int64_t long_ms = 3700 * 1000;

/* A refusal is final until the configuration or the key changes. */
static void renew_keys(struct world *w)
{
    for (unsigned i = 0; i < WORLD_ACCOUNTS; i++) {
        struct world_account *a = &w->accounts[i];
        a->state.revoked_at_unix_ms = 0; /* what was not acted upon yet, was taken back */
        /* The state may know no record yet, right after a restart. */
        const struct account_record *r = a->state.record != NULL ? a->state.record : a->record;
        bool is_refused = r != NULL && r->refused != NULL;
        for (size_t k = 0; k < a->state.setbacks_len; k++)
            is_refused |= a->state.setbacks[k].is_refused;
        if (is_refused)
            snprintf(a->key, sizeof(a->key), "key-again-%u", i);
    }
}

/* A pass that finds everything as it should be makes one GET for each company, and no write. */
static void check_steady(struct world *w, struct world_account *a)
{
    bool is_listed[3] = {false};
    for (size_t i = 0; i < a->state.routes_len; i++) {
        const char *id = world_company(a->state.routes[i].record->company_id);
        is_listed[id == NULL ? 0 : id[0] - '0'] = true;
    }
    const char *present = a->is_declared ? a->company_id : world_company(a->record->company_id);
    is_listed[present == NULL ? 0 : present[0] - '0'] = true;
    unsigned companies_listed = is_listed[0] + is_listed[1] + is_listed[2];
    world_pass(w, a);
    if (w->posts + w->deletes + w->commits > 0 || w->lists != companies_listed)
        world_violate(w, "steady", "%s: %u lists, %u POSTs, %u DELETEs, %u commits", a->id,
                      w->lists, w->posts, w->deletes, w->commits);
}

static void settle(struct world *w)
{
    /* Whose key is nowhere is not cleaned up after. */
    bool is_out_of_reach[WORLD_ACCOUNTS];
    for (unsigned k = 0; k < WORLD_ACCOUNTS; k++)
        is_out_of_reach[k] = !w->accounts[k].is_declared && w->accounts[k].record == NULL;
    world_trace(w, "the faults stop");
    w->has_faults = false;
    w->withholds = false;
    renew_keys(w);
    world_advance(w, 100 * 1000); /* what was late has come */
    for (unsigned i = 0; i < 3; i++) {
        world_advance(w, long_ms);
        for (unsigned k = 0; k < WORLD_ACCOUNTS; k++)
            world_pass(w, &w->accounts[k]);
    }
    for (unsigned k = 0; k < WORLD_ACCOUNTS; k++) {
        struct world_account *a = &w->accounts[k];
        if (is_out_of_reach[k])
            continue;
        world_check_converged(w, a);
        if (a->is_declared || a->record != NULL)
            check_steady(w, a);
    }
}

/* For six days without faults, each subscription lives three: it is renewed in time, once. */
static void grow_old(struct world *w)
{
    const int64_t span_ms = 6 * 86400 * 1000;
    w->options.interval_ms = 6 * 3600 * 1000;
    unsigned posts = 0;
    for (int64_t past_ms = 0; past_ms < span_ms && w->violated == NULL;
         past_ms += w->options.interval_ms) {
        world_advance(w, w->options.interval_ms);
        for (unsigned k = 0; k < WORLD_ACCOUNTS; k++) {
            struct world_account *a = &w->accounts[k];
            for (unsigned i = 0; i < WORLD_SPECIFICATIONS; i++) {
                if (a->is_declared && a->wants[i] && !world_is_covered(w, a, i, 0))
                    world_violate(w, "lapse", "%s %u is not renewed in time", a->id, i);
            }
            world_pass(w, a);
            posts += w->posts;
        }
    }
    /* At most one create in 0.3 lifetimes, of each; none where no lifetime is known. */
    unsigned posts_max = w->expiry == 1 ? 7 * WORLD_ACCOUNTS * WORLD_SPECIFICATIONS : 0;
    if (posts > posts_max)
        world_violate(w, "storm", "%u POSTs in six days", posts);
}

static void live(struct world *w)
{
    begin(w);
    unsigned n = 6 + chance_below(&w->chance, 14);
    for (unsigned i = 0; i < n && w->violated == NULL; i++)
        happen(w);
    if (w->violated == NULL)
        settle(w);
    if (w->violated == NULL && w->expiry != 2 && chance_one_in(&w->chance, 4))
        grow_old(w);
}

static uint64_t number(const char *name, uint64_t otherwise)
{
    const char *text = getenv(name);
    if (text == NULL)
        return otherwise;
    uint64_t value = 0;
    for (; *text >= '0' && *text <= '9' && value < UINT64_MAX / 10 - 9; text++)
        value = 10 * value + (uint64_t)(*text - '0');
    assert_int_equal(*text, '\0');
    return value;
}

static void every_history_keeps_the_promises(void **state)
{
    (void)state;
    uint64_t histories = number("MODEL_HISTORIES", 100000);
    uint64_t first = number("MODEL_SEED", 1);
    struct world *w = malloc(sizeof(*w));
    assert_non_null(w);
    for (uint64_t i = 0; i < histories; i++) {
        world_init(w, first + i, route_keys());
        w->is_traced = getenv("MODEL_TRACE") != NULL;
        w->only = getenv("MODEL_PROMISE");
        live(w);
        bool is_fine = w->violated == NULL;
        if (!is_fine)
            printf("seed %llu violates %s: %s\n", (unsigned long long)(first + i), w->violated,
                   w->detail);
        world_done(w);
        keyring_unref(w->keys);
        if (!is_fine)
            fail();
    }
    printf("%llu histories from seed %llu\n", (unsigned long long)histories,
           (unsigned long long)first);
    free(w);
}

int main(void)
{
    if (crypto_start() != STATUS_OK)
        return 1;
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_history_keeps_the_promises),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
