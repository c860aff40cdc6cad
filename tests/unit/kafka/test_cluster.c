#include "bridge/kafka/cluster.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

static struct cluster cluster_of(const struct cluster_property *raw)
{
    return (struct cluster){.brokers = "127.0.0.1:9",
                            .raw = raw,
                            .raw_len = raw == NULL ? 0 : 1,
                            .sasl_password_file = "",
                            .key_password_file = ""};
}

/* The whole sentence for one property, "" when it is taken. */
static const char *complaint(const char *name, const char *value)
{
    static struct diag diag;
    diag = (struct diag){0};
    const struct cluster_property raw = {name, value};
    const struct cluster cluster = cluster_of(&raw);
    enum status status = cluster_check(&cluster, &diag);
    assert_int_equal(status, diag.text[0] == '\0' ? STATUS_OK : STATUS_INVALID);
    return diag.text;
}

static void what_the_promises_rest_on_cannot_be_overridden(void **state)
{
    (void)state;
    /* librdkafka knows each under one or two names */
    static const char *const names[] = {
        "acks",
        "request.required.acks",
        "enable.idempotence",
        "message.timeout.ms",
        "delivery.timeout.ms",
        "request.timeout.ms",
        "delivery.report.only.error",
        "partitioner",
        "linger.ms",
        "queue.buffering.max.ms",
        "bootstrap.servers",
        "metadata.broker.list",
        "allow.auto.create.topics",
        "transactional.id",
        "enable.gapless.guarantee",
        "queuing.strategy",
        "log.queue",
    };
    for (size_t i = 0; i < sizeof names / sizeof names[0]; i++) {
        char beginning[80];
        snprintf(beginning, sizeof beginning, "kafka.raw.%s: cannot be set here, ", names[i]);
        const char *text = complaint(names[i], "1");
        if (strncmp(text, beginning, strlen(beginning)) != 0)
            fail_msg("%s: %s", names[i], text);
    }
}

static void other_properties_pass_and_faults_are_named(void **state)
{
    (void)state;
    assert_string_equal(complaint("compression.type", "lz4"), "");
    assert_string_equal(complaint("max.in.flight.requests.per.connection", "1"), "");
    assert_non_null(strstr(complaint("compresion.type", "lz4"), "kafka.raw.compresion.type: not a "
                                                                "property of librdkafka"));
    assert_non_null(strstr(complaint("compression.type", "lz5"), "kafka.raw.compression.type: "));
}

static void a_refused_secret_is_not_repeated(void **state)
{
    (void)state;
    const struct cluster_property raw[] = {{"security.protocol", "ssl"}, {"ssl.key.pem", "CANARY"}};
    struct cluster cluster = cluster_of(raw);
    cluster.raw_len = 2;
    struct diag diag = {0};
    assert_int_equal(cluster_check(&cluster, &diag), STATUS_INVALID);
    assert_null(strstr(diag.text, "CANARY"));
    assert_non_null(strstr(diag.text, "ssl.key.pem"));
}

static void a_password_file_that_is_not_there_is_named(void **state)
{
    (void)state;
    struct cluster cluster = cluster_of(NULL);
    cluster.sasl_password_file = "/nowhere/password";
    struct diag diag = {0};
    assert_int_equal(cluster_check(&cluster, &diag), STATUS_INVALID);
    assert_non_null(strstr(diag.text, "/nowhere/password"));
}

static void write_file(const char *path, const char *text)
{
    FILE *file = fopen(path, "w");
    assert_non_null(file);
    fputs(text, file);
    assert_int_equal(fclose(file), 0);
}

static void the_fingerprint_changes_with_every_file(void **state)
{
    (void)state;
    write_file("password", "one");
    write_file("ca.pem", "authority");
    const struct cluster_property raw = {"ssl.ca.location", "ca.pem"};
    struct cluster cluster = cluster_of(&raw);
    cluster.sasl_password_file = "password";
    uint8_t first[CRYPTO_SHA256_SIZE];
    uint8_t again[CRYPTO_SHA256_SIZE];
    assert_int_equal(cluster_fingerprint(&cluster, first), STATUS_OK);
    assert_int_equal(cluster_fingerprint(&cluster, again), STATUS_OK);
    assert_memory_equal(first, again, sizeof first);
    write_file("password", "two");
    assert_int_equal(cluster_fingerprint(&cluster, again), STATUS_OK);
    assert_memory_not_equal(first, again, sizeof first);
    write_file("password", "one");
    write_file("ca.pem", "another");
    assert_int_equal(cluster_fingerprint(&cluster, again), STATUS_OK);
    assert_memory_not_equal(first, again, sizeof first);
    unlink("password");
    unlink("ca.pem");
}

int main(void)
{
    assert_int_equal(crypto_start(), STATUS_OK);
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(what_the_promises_rest_on_cannot_be_overridden),
        cmocka_unit_test(other_properties_pass_and_faults_are_named),
        cmocka_unit_test(a_refused_secret_is_not_repeated),
        cmocka_unit_test(a_password_file_that_is_not_there_is_named),
        cmocka_unit_test(the_fingerprint_changes_with_every_file),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
