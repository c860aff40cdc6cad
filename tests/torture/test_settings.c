/* Settings that are loaded, and loaded again while they are in force: whatever fails, the load says
 * so or is right, and what was in force stays until something whole takes its place. */
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "bridge/app/live_settings.h"
#include "bridge/base/crypto.h"
#include "bridge/base/scoped.h"
#include "tests/torture/torture.h"
#include "tests/unit/settings/config_files.h"

static void write_files(const char *broker)
{
    char text[512];
    snprintf(text, sizeof(text),
             "kafka: {brokers: \"%s\", raw: {client.id: x}}\n"
             "topics: {registry: \"\"}\n"
             "maesn: {integrations: {weclapp: {events: [A]}}}\n",
             broker);
    config_file("bridge.yaml", text);
    config_file("secret", "canary\n");
    config_file("routes.d/a.yaml",
                "routes: [{path: /in/a, provider: maesn, account: a, system: xero,\n"
                "          secret_file: ../secret}]\n");
}

static enum status load(struct configuration *ret)
{
    CLEANUP(problems_done) struct problems problems;
    problems_init(&problems);
    enum status status = configuration_load("bridge.yaml", SETTINGS_INGRESS, ret, &problems);
    assert_true(status != STATUS_INVALID || problems.errors > 0);
    return status;
}

static void load_once(void *ctx)
{
    (void)ctx;
    CLEANUP(configuration_done) struct configuration c = {0};
    torture_begin();
    enum status status = load(&c);
    torture_pause();
    assert_true(status == STATUS_OK || torture_has_failed());
    assert_int_equal(c.settings != NULL, status == STATUS_OK);
    if (status == STATUS_OK) {
        assert_string_equal(c.settings->kafka_brokers, "one:9092");
        assert_int_equal(c.settings->routes_len, 1);
    }
}

static void whatever_fails_while_settings_are_loaded(void **state)
{
    (void)state;
    write_files("one:9092");
    torture(load_once, NULL, 100);
}

static enum status put_in_force(void *ctx, const struct settings *s, struct diag *diag)
{
    (void)diag;
    assert_string_equal(s->kafka_brokers, "two:9092");
    assert_int_equal(s->routes_len, 1);
    *(bool *)ctx = true;
    return STATUS_OK;
}

/* The settings in force, as they are printed, name this broker. */
static bool name(struct live_settings *l, const char *broker)
{
    CLEANUP(buf_done) struct buf text;
    buf_init(&text, 1 << 20);
    live_settings_print(l, &text);
    assert_int_equal(text.status, STATUS_OK);
    return strstr(buf_text(&text), broker) != NULL;
}

static void reload(void *ctx)
{
    (void)ctx;
    struct metrics *metrics = NULL;
    struct live_settings *live = NULL;
    struct configuration c = {0};
    bool is_in_force = false;
    write_files("one:9092");
    assert_int_equal(metrics_new(&metrics), STATUS_OK);
    assert_int_equal(load(&c), STATUS_OK);
    assert_int_equal(live_settings_new_take(&c, SETTINGS_INGRESS, metrics, &live), STATUS_OK);
    write_files("two:9092");

    torture_begin();
    live_settings_reload(live, put_in_force, &is_in_force);
    torture_pause();
    assert_true(is_in_force || torture_has_failed());
    assert_true(name(live, is_in_force ? "two:9092" : "one:9092"));
    live_settings_reload(live, put_in_force, &is_in_force);
    assert_true(is_in_force && name(live, "two:9092"));

    live_settings_free(live);
    metrics_free(metrics);
}

static void whatever_fails_while_settings_are_loaded_again(void **state)
{
    (void)state;
    torture(reload, NULL, 80);
}

static int start(void **state)
{
    (void)state;
    torture_log();
    return crypto_start() == STATUS_OK ? 0 : -1;
}

static int tear_down(void **state)
{
    torture_teardown(state);
    return config_files_teardown(state);
}

int main(void)
{
#define T(name) cmocka_unit_test_setup_teardown(name, config_files_setup, tear_down)
    const struct CMUnitTest tests[] = {
        T(whatever_fails_while_settings_are_loaded),
        T(whatever_fails_while_settings_are_loaded_again),
    };
    return cmocka_run_group_tests(tests, start, NULL);
}
