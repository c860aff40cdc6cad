/* What librdkafka thinks of the settings, told as the settings' own problems are. */
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include <cmocka.h>
#include <librdkafka/rdkafka.h>

#include "bridge/app/cluster_settings.h"
#include "bridge/app/configuration.h"
#include "bridge/base/scoped.h"

static const struct {
    const char *yaml; /* a format of bridge.yaml */
    const char *problems;
} rows[] = {
    /* all is well */
    {"kafka: {brokers: \"a:1\", raw: {client.id: x}}\ntopics: {registry: \"\"}\n", ""},
    /* a name that librdkafka does not know, beside a key that we do not know */
    {"kafka: {brokers: \"a:1\", raw: {client.id: x, socket.timeout: 1}}\ntopics: {registry: \"\"}\n"
     "formt: binary\n",
     "bridge.yaml:1:61: kafka.raw.socket.timeout: not a property of librdkafka"},
    /* a value that it refuses */
    {"kafka: {brokers: \"a:1\", raw: {socket.timeout.ms: abc}}\ntopics: {registry: \"\"}\n",
     "bridge.yaml:1:50: kafka.raw.socket.timeout.ms: "},
    /* properties that only together make no sense */
    {"kafka: {brokers: \"a:1\", raw: {security.protocol: SASL_PLAINTEXT, sasl.mechanism: NONE}}\n"
     "topics: {registry: \"\"}\n",
     "bridge.yaml:1:30: kafka.raw: "},
};

static void what_librdkafka_refuses_is_told_at_the_place_of_the_value(void **state)
{
    (void)state;
    char directory[] = "/tmp/cluster-settings-test.XXXXXX";
    assert_non_null(mkdtemp(directory));
    assert_int_equal(chdir(directory), 0);
    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        FILE *file = fopen("bridge.yaml", "w");
        assert_non_null(file);
        assert_true(fputs(rows[i].yaml, file) >= 0);
        assert_int_equal(fclose(file), 0);

        CLEANUP(configuration_done) struct configuration configuration;
        CLEANUP(problems_done) struct problems problems;
        CLEANUP(buf_done) struct buf text;
        problems_init(&problems);
        buf_init(&text, 65536);
        enum status status =
            configuration_load("bridge.yaml", SETTINGS_INGRESS, &configuration, &problems);
        problems_print(&problems, &text);
        assert_int_equal(status, rows[i].problems[0] == '\0' ? STATUS_OK : STATUS_INVALID);
        if (strncmp(buf_text(&text), rows[i].problems, strlen(rows[i].problems)) != 0)
            assert_string_equal(buf_text(&text), rows[i].problems);
    }
    assert_int_equal(unlink("bridge.yaml"), 0);
    assert_int_equal(chdir("/"), 0);
    assert_int_equal(rmdir(directory), 0);
}

static void scram_that_kafka_4_refuses_is_warned_of(void **state)
{
    (void)state;
    struct property mechanism = {.name = "sasl.mechanism", .value = "SCRAM-SHA-512", .line = 3};
    struct property plain = {.name = "security.protocol", .value = "SASL_PLAINTEXT", .line = 2};
    struct property user = {.name = "sasl.username", .value = "bridge", .line = 4};
    struct property password = {.name = "sasl.password", .value = "s3cr3t", .line = 5};
    struct property raw[] = {plain, mechanism, user, password};
    struct settings s = {.file = "bridge.yaml", .kafka_brokers = "a:1"};
    s.kafka_raw.items = raw;
    s.kafka_raw.len = 4;
    CLEANUP(problems_done) struct problems problems;
    problems_init(&problems);
    assert_int_equal(cluster_settings_check(&s, &problems), STATUS_OK);
    assert_int_equal(problems.errors, 0);
    assert_int_equal(problems.len, rd_kafka_version() < 0x020601ff ? 1 : 0);
    if (problems.len == 1)
        assert_int_equal(problems.items[0].place.line, 3);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(scram_that_kafka_4_refuses_is_warned_of),
        cmocka_unit_test(what_librdkafka_refuses_is_told_at_the_place_of_the_value),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
