/* Memory that is short stops a call, or the reading of its answer: it never becomes a verdict. */
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>

#include <cmocka.h>

#include "bridge/base/crypto.h"
#include "bridge/base/scoped.h"
#include "bridge/domain/account.h"
#include "bridge/domain/integration_override.h"
#include "bridge/providers/maesn/maesn.h"
#include "bridge/providers/moneybird/moneybird.h"
#include "tests/support/alloc_fail.h"
#include "tests/support/api_text.h"

DEFINE_CLEANUP(struct arena *, arena_free)

#define URL "https://hooks.example.com/in/x"

static const char *resources_of_weclapp[] = {"INVOICE"};
static const char *events_raw[] = {"robot_hired"};
static struct integration_override items[] = {
    {.system = "weclapp", .resources = resources_of_weclapp, .resources_len = 1}};
static const struct integration_overrides overrides = {items, 1};
static struct account_subscription subscriptions[] = {{.resource = "INVOICE"},
                                                      {.resource = "INVOCE"}};

static const struct {
    const struct provider *provider;
    struct account account;
    const char *list, *create;
} cases[] = {
    {&maesn,
     {.id = "acme-42",
      .system = "weclapp",
      .company_id = "1",
      .subscriptions = subscriptions,
      .subscriptions_len = 2},
     "{\"\\u0064ata\":[{\"id\":\"\\u0031\",\"callbackUrl\":\"" URL "\"}]}",
     "{\"data\":{\"id\":\"1\",\"callbackUrl\":\"" URL "\",\"secret\":\"\\u0073\"}}"},
    {&moneybird,
     {.id = "acme-42",
      .system = "moneybird",
      .company_id = "1",
      .subscriptions = subscriptions,
      .subscriptions_len = 2,
      .events_raw = events_raw,
      .events_raw_len = 1},
     "[{\"id\":1,\"url\":\"" URL "\",\"enabled_events\":[\"a\",\"b\"]}]",
     "{\"id\":1,\"url\":\"" URL "\",\"secret\":\"s\",\"token\":\"t\",\"enabled_events\":[]}"},
};
#define CASES (sizeof(cases) / sizeof(cases[0]))

/* One pass over everything: what is wanted, how it is asked for, what came of it. */
static enum status pass(size_t n, const struct provider_credentials *c, struct arena *a,
                        struct listing *listing, struct created *created)
{
    struct account account = cases[n].account;
    const struct provider_api *api = cases[n].provider->api;
    struct provider_answer list = {PROVIDER_ANSWERED, 200, bytes_of_text(cases[n].list)};
    struct provider_answer create = {PROVIDER_ANSWERED, 201, bytes_of_text(cases[n].create)};
    struct provider_request r;
    struct expansion e;
    account.provider = cases[n].provider;
    enum status status = api->expand(&account, &overrides, a, &e);
    if (status == STATUS_OK)
        status = api->list(c, 1, a, &r, NULL);
    if (status == STATUS_OK)
        status = api->create(c, &e.wanted[0], URL, a, &r, NULL);
    if (status == STATUS_OK)
        status = api->delete (c, "1", a, &r, NULL);
    if (status == STATUS_OK)
        status = api->read_list(c, &list, a, listing);
    return status == STATUS_OK ? api->read_create(c, &create, URL, a, created) : status;
}

static void a_failed_allocation_is_told_and_nothing_else(void **state)
{
    (void)state;
    for (size_t i = 0; i < CASES; i++) {
        CLEANUP(api_text_done) struct api_text t;
        api_text_begin(&t);
        struct provider_credentials c = api_text_credentials(&t, "maesn", "https://a.b", "1", NULL);
        bool failed = true;
        long n = 0;
        for (; failed; n++) {
            CLEANUP(arena_free_scoped) struct arena *a = arena_new(1 << 20);
            CLEANUP(created_done) struct created created = {.secret = NULL};
            struct listing listing = {.trusted = false};
            alloc_fail_at(n);
            enum status status = pass(i, &c, a, &listing, &created);
            failed = alloc_fail_end();
            assert_int_equal(status, failed ? STATUS_NOMEM : STATUS_OK);
            assert_true(failed || (listing.trusted && created.outcome.verdict == VERDICT_OK));
        }
        assert_true(n > 10);
    }
}

static void an_arena_of_any_size_is_enough_or_not(void **state)
{
    (void)state;
    for (size_t i = 0; i < CASES; i++) {
        CLEANUP(api_text_done) struct api_text t;
        api_text_begin(&t);
        struct provider_credentials c = api_text_credentials(&t, "maesn", "https://a.b", "1", NULL);
        enum status status = STATUS_NOMEM;
        for (size_t max = 0; status == STATUS_NOMEM; max += 7) {
            CLEANUP(arena_free_scoped) struct arena *a = arena_new(max);
            CLEANUP(created_done) struct created created = {.secret = NULL};
            struct listing listing = {.trusted = false};
            assert_non_null(a);
            assert_true(max < 65536);
            status = pass(i, &c, a, &listing, &created);
        }
        assert_int_equal(status, STATUS_OK);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_failed_allocation_is_told_and_nothing_else),
        cmocka_unit_test(an_arena_of_any_size_is_enough_or_not),
    };
    return crypto_start() == STATUS_OK ? cmocka_run_group_tests(tests, NULL, NULL) : 1;
}
