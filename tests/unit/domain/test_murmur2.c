#include "bridge/domain/murmur2.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

/* Source: Apache Kafka, clients, UtilsTest.testMurmur2(). */
static void the_hash_is_the_java_clients(void **state)
{
    static const struct {
        const char *key;
        int32_t hash;
    } rows[] = {
        {"21", -973932308},
        {"foobar", -790332482},
        {"a-little-bit-long-string", -985981536},
        {"a-little-bit-longer-string", -1486304829},
        {"lkjh234lh9fiuh90y23oiuhsafujhadof229phr9h19h89h8", -58897971},
        {"abc", 479470107},
    };
    (void)state;
    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++)
        assert_int_equal((int32_t)murmur2(bytes_of_text(rows[i].key)), rows[i].hash);
}

static void the_partition_is_the_positive_remainder(void **state)
{
    static const struct {
        const char *key;
        int32_t partitions, partition;
    } rows[] = {
        {"abc", 1, 0},                   /* the only one */
        {"abc", 12, 479470107 % 12},     /* a positive hash */
        {"21", 12, 1173551340 % 12},     /* -973932308 without its sign bit */
        {"foobar", 50, 1357151166 % 50}, /* -790332482 */
        {"", 7, 275646681 % 7},          /* nothing is a key too */
    };
    (void)state;
    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++)
        assert_int_equal(murmur2_partition(bytes_of_text(rows[i].key), rows[i].partitions),
                         rows[i].partition);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_hash_is_the_java_clients),
        cmocka_unit_test(the_partition_is_the_positive_remainder),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
