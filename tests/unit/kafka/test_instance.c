#include "bridge/kafka/instance.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

/* Source: apache/kafka clients/src/test/java/org/apache/kafka/common/utils/UtilsTest.java,
 * testMurmur2. */
static const struct {
    const char *key;
    int32_t murmur2;
} vectors[] = {
    {"21", -973932308},
    {"foobar", -790332482},
    {"a-little-bit-long-string", -985981536},
    {"a-little-bit-longer-string", -1486304829},
    {"lkjh234lh9fiuh90y23oiuhsafujhadof229phr9h19h89h8", -58897971},
    {"abc", 479470107},
};

static void a_key_meets_the_partition_of_a_java_client(void **state)
{
    (void)state;
    for (size_t i = 0; i < sizeof vectors / sizeof vectors[0]; i++)
        for (int32_t partitions = 1; partitions < 50; partitions++)
            assert_int_equal(instance_partition(bytes_of_text(vectors[i].key), partitions),
                             (vectors[i].murmur2 & 0x7fffffff) % partitions);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_key_meets_the_partition_of_a_java_client),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
