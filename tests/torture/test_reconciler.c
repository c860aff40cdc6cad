/* Passes over an account, from what the registry says to a commit: whatever fails, no promise of
 * the world is broken (tests/integration/reconciler_world.h), nothing is deleted before the secret
 * of what replaces it is committed, and later passes leave everything as declared. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

#include "bridge/base/crypto.h"
#include "tests/integration/reconciler_world.h"
#include "tests/torture/torture.h"

/* So many in which something fails, and so many after them that leave everything as declared. */
enum { PASSES_FAILING = 5, PASSES_SETTLING = 5 };

/* Longer than any pause: a second look, the overlap, the delay of deletes, a setback. */
static const int64_t long_ms = 3700 * 1000;

/* A world at its beginning, and what happens in it before the passes. */
struct beginning {
    bool is_native;
    bool is_new; /* no pass was ever made */
    void (*happen)(struct world *w, struct world_account *a);
};

static void on_program(bool is_running)
{
    if (is_running)
        torture_begin();
    else
        torture_pause();
}

static void check(const struct world *w)
{
    if (w->violated != NULL)
        fail_msg("%s: %s", w->violated, w->detail);
}

static void pass(struct world *w, struct world_account *a, int64_t later_ms)
{
    world_pass(w, a);
    check(w);
    int64_t again_ms = w->result.again_at_unix_ms - w->now_unix_ms;
    world_advance(w, again_ms > 0 && again_ms < later_ms ? again_ms : later_ms);
}

/* Another's, at a URL that is nearly ours. */
static void add_foreign(struct world *w, struct world_account *a)
{
    struct callback_url u = {.generation_unix_ms = w->now_unix_ms - 1000};
    char url[320];
    world_specification(w, a, 0, &u.specification);
    world_url(w, &u, "https://staging.example.com", url);
    world_subscribe(w, a->key_group, url, NULL, 1)->is_foreign = true;
}

static void begin(struct world *w, struct world_account *a, const struct beginning *b)
{
    static const char text[] =
        "new:00112233445566778899aabbccddeeff00112233445566778899aabbccddeeff\n";
    struct keyring *keys = NULL;
    assert_int_equal(keyring_parse(BYTES_LITERAL(text), "keys", &keys, NULL), STATUS_OK);
    world_init(w, 1, keys);
    w->is_native = b->is_native;
    a->wants[0] = true;
    a->wants[1] = !b->is_native;
    a->events = 1;
    add_foreign(w, a);
    if (!b->is_new)
        pass(w, a, long_ms);
    if (b->happen != NULL)
        b->happen(w, a);
}

static void check_foreign(const struct world *w)
{
    for (size_t i = 0; i < w->subscriptions_len; i++)
        assert_false(w->subscriptions[i].is_foreign && w->subscriptions[i].is_dead);
}

static void live(void *ctx)
{
    static struct world world;
    struct world *w = &world;
    struct world_account *a = &world.accounts[0];
    begin(w, a, ctx);
    w->on_program = on_program;
    for (unsigned i = 0; i < PASSES_FAILING; i++)
        pass(w, a, 61 * 1000);
    bool is_out_of_reach = !a->is_declared && a->record == NULL;
    w->on_program = NULL;
    for (unsigned i = 0; i < PASSES_SETTLING; i++)
        pass(w, a, long_ms);
    if (!is_out_of_reach)
        world_check_converged(w, a);
    check(w);
    check_foreign(w);
    keyring_unref(w->keys);
    world_done(w);
}

static void lose_one_and_want_another(struct world *w, struct world_account *a)
{
    w->subscriptions[1].is_dead = true; /* the first behind the foreign one */
    a->wants[1] = false;
    a->wants[2] = true;
}

static void move_to_a_company(struct world *w, struct world_account *a)
{
    (void)w;
    a->company_id = world_company("2");
}

static void find_an_orphan(struct world *w, struct world_account *a)
{
    struct callback_url u = {.generation_unix_ms = w->now_unix_ms - long_ms};
    char url[320];
    world_specification(w, a, 0, &u.specification);
    world_url(w, &u, w->bases[0], url);
    world_subscribe(w, a->key_group, url, NULL, 1);
}

static void declare_no_more(struct world *w, struct world_account *a)
{
    (void)w;
    a->is_declared = false;
}

static void want_other_events(struct world *w, struct world_account *a)
{
    a->events = 3;
    w->subscriptions[1].is_deactivated = true;
}

static void deactivate(struct world *w, struct world_account *a)
{
    (void)a;
    w->subscriptions[1].is_deactivated = true;
}

#define LIVE(test_name, ...)                                                                       \
    static void test_name(void **state)                                                            \
    {                                                                                              \
        (void)state;                                                                               \
        torture(live, &(struct beginning){__VA_ARGS__}, 100);                                      \
    }

LIVE(an_account_is_new, .is_new = true)
LIVE(an_account_is_as_declared, .is_new = false)
LIVE(one_is_gone_and_another_is_wanted, .happen = lose_one_and_want_another)
LIVE(an_account_moves_to_another_company, .happen = move_to_a_company)
LIVE(an_orphan_is_found, .is_new = true, .happen = find_an_orphan)
LIVE(an_account_is_no_longer_declared, .happen = declare_no_more)
LIVE(a_native_webhook_is_new, .is_native = true, .is_new = true)
LIVE(a_native_webhook_gets_other_events, .is_native = true, .happen = want_other_events)
LIVE(a_native_webhook_is_switched_on_again, .is_native = true, .happen = deactivate)

static int start(void **state)
{
    (void)state;
    torture_log();
    return crypto_start() == STATUS_OK ? 0 : -1;
}

int main(void)
{
#define T(name) cmocka_unit_test_teardown(name, torture_teardown)
    const struct CMUnitTest tests[] = {
        T(an_account_is_new),
        T(an_account_is_as_declared),
        T(one_is_gone_and_another_is_wanted),
        T(an_account_moves_to_another_company),
        T(an_orphan_is_found),
        T(an_account_is_no_longer_declared),
        T(a_native_webhook_is_new),
        T(a_native_webhook_gets_other_events),
        T(a_native_webhook_is_switched_on_again),
    };
    return cmocka_run_group_tests(tests, start, NULL);
}
