#include "bridge/base/hash64.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

/* Source: draft-eastlake-fnv-21, test vectors of FNV-1a, 64 bits. */
static const struct {
    const char *text;
    uint64_t hash;
} vectors[] = {
    {"", UINT64_C(0xcbf29ce484222325)},
    {"a", UINT64_C(0xaf63dc4c8601ec8c)},
    {"foobar", UINT64_C(0x85944171f73967e8)},
};

static void the_published_vectors_come_out(void **state)
{
    (void)state;
    for (size_t i = 0; i < sizeof(vectors) / sizeof(vectors[0]); i++)
        assert_true(hash64(HASH64_START, bytes_of_text(vectors[i].text)) == vectors[i].hash);
}

static void parts_one_after_the_other_hash_as_the_whole(void **state)
{
    (void)state;
    uint64_t first = hash64(HASH64_START, bytes_of_text("foo"));
    assert_true(hash64(first, bytes_of_text("bar")) == vectors[2].hash);
}

static void mixing_keeps_values_apart_and_reaches_the_low_bits(void **state)
{
    (void)state;
    unsigned low_bits_set = 0;
    for (uint64_t i = 0; i < 1024; i++) {
        uint64_t mixed = hash64_mix(i << 32);
        low_bits_set += mixed & 1;
        for (uint64_t k = 0; k < i; k++)
            assert_true(mixed != hash64_mix(k << 32));
    }
    assert_in_range(low_bits_set, 400, 624);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_published_vectors_come_out),
        cmocka_unit_test(parts_one_after_the_other_hash_as_the_whole),
        cmocka_unit_test(mixing_keeps_values_apart_and_reaches_the_low_bits),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
