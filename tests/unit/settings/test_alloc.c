/* Memory runs short at every single allocation of a load. */
#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>

#include <cmocka.h>

#include "bridge/base/crypto.h"
#include "bridge/base/scoped.h"
#include "config_files.h"
#include "tests/support/alloc_fail.h"

static void write_configuration(const char *bridge_yaml)
{
    config_file("bridge.yaml", bridge_yaml);
    config_file("secret", "canary\n");
    config_file("routes.d/a.yaml",
                "routes: [{path: /in/a, provider: maesn, account: a, system: xero,\n"
                "          secret_file: ../secret, previous_secret_file: ../gone}]\n");
    config_file("accounts.d/a.yaml",
                "accounts: [{id: a, system: xero, account_key_file: ../secret, company_id: 1,\n"
                "            subscriptions: [{resource: INVOICE, events: [CREATED]}]}]\n");
}

/* Loads with the nth allocation failing. Returns whether there was an nth. */
static bool load_short_of_memory(long n, enum status expected)
{
    CLEANUP(problems_done) struct problems problems;
    CLEANUP(paths_done) struct paths paths;
    struct settings *const untouched = (struct settings *)&problems, *s = untouched;
    problems_init(&problems);
    paths_init(&paths);
    alloc_fail_at(n);
    enum status status =
        settings_load("bridge.yaml", SETTINGS_ALL, config_providers, NULL, &s, &problems, &paths);
    bool failed = alloc_fail_end();
    assert_int_equal(status, failed ? STATUS_NOMEM : expected);
    if (status == STATUS_OK)
        settings_free(s);
    else
        assert_ptr_equal(s, untouched);
    return failed;
}

static void a_load_that_runs_out_of_memory_says_so_and_leaves_nothing(void **state)
{
    (void)state;
    write_configuration("kafka: {brokers: \"a:1\", raw: {client.id: x}}\n"
                        "topics: {registry: \"\"}\n"
                        "maesn: {integrations: {weclapp: {events: [A]}}}\n"
                        "previous_public_base_urls: [\"https://a.example\"]\n");
    long n = 0;
    while (load_short_of_memory(n, STATUS_OK))
        n++;
    assert_true(n > 10);
}

static void a_wrong_configuration_is_not_called_fine_when_memory_is_short(void **state)
{
    (void)state;
    write_configuration("kafka: {broker: \"a:1\"}\nformat: avro\n");
    long n = 0;
    while (load_short_of_memory(n, STATUS_INVALID))
        n++;
    assert_true(n > 10);
}

static int start(void **state)
{
    (void)state;
    return crypto_start() == STATUS_OK ? 0 : -1;
}

int main(void)
{
    const struct CMUnitTest tests[] = {
#define TEST(name) cmocka_unit_test_setup_teardown(name, config_files_setup, config_files_teardown)
        TEST(a_load_that_runs_out_of_memory_says_so_and_leaves_nothing),
        TEST(a_wrong_configuration_is_not_called_fine_when_memory_is_short),
    };
    return cmocka_run_group_tests(tests, start, NULL);
}
