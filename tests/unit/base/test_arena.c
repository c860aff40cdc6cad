#include "bridge/base/arena.h"

#include <pthread.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

static int make(void **state)
{
    *state = arena_new(100000);
    return *state == NULL;
}

static int discard(void **state)
{
    arena_free(*state);
    return 0;
}

static void memory_is_aligned_and_does_not_overlap(void **state)
{
    static const size_t sizes[] = {1, 3, 16, 17, 100, 3000, 3072, 5000, 1, 20000, 8};
    unsigned char *pieces[sizeof(sizes) / sizeof(sizes[0])];
    for (size_t i = 0; i < sizeof(sizes) / sizeof(sizes[0]); i++) {
        pieces[i] = arena_alloc(*state, sizes[i]);
        assert_non_null(pieces[i]);
        assert_int_equal((uintptr_t)pieces[i] % _Alignof(max_align_t), 0);
        memset(pieces[i], (int)i + 1, sizes[i]);
    }
    for (size_t i = 0; i < sizeof(sizes) / sizeof(sizes[0]); i++)
        for (size_t k = 0; k < sizes[i]; k++)
            assert_int_equal(pieces[i][k], i + 1);
}

static void the_bound_holds_for_all_together(void **state)
{
    assert_non_null(arena_alloc(*state, 60000));
    assert_null(arena_alloc(*state, 40001));
    assert_non_null(arena_alloc(*state, 40000));
    assert_null(arena_alloc(*state, 1));
    assert_non_null(arena_alloc(*state, 0));
}

static void sizes_that_would_overflow_are_refused(void **state)
{
    (void)state;
    struct arena *a = arena_new(SIZE_MAX);
    assert_null(arena_alloc(a, SIZE_MAX));
    assert_null(arena_alloc(a, SIZE_MAX - sizeof(max_align_t)));
    assert_null(arena_alloc(a, SIZE_MAX - 40)); /* with a chunk's head it would be small again */
    arena_free(a);
}

static void a_copy_has_a_nul_behind_it(void **state)
{
    assert_string_equal(arena_dup(*state, bytes_of("abcdef", 3)), "abc");
    assert_string_equal(arena_dup(*state, bytes_of("", 0)), "");
    assert_null(arena_dup(*state, bytes_of(NULL, 0)));
}

static void text_is_printed_whole_or_not_at_all(void **state)
{
    assert_string_equal(arena_printf(*state, "%s/%d", "a", 42), "a/42");
    assert_null(arena_printf(*state, "%100000d", 1));
}

static void parts_are_joined_with_a_nul_behind_them(void **state)
{
    const struct bytes parts[] = {BYTES_LITERAL("ab"), BYTES_LITERAL(""), BYTES_LITERAL("c\0d")};
    assert_memory_equal(arena_join(*state, parts, 3), "abc\0d", 6);
    assert_string_equal(arena_join(*state, NULL, 0), "");
    const struct bytes large = bytes_of("", 100000);
    assert_null(arena_join(*state, &large, 1));
}

/* More of them at once than are kept. */
static void an_arena_is_as_new_after_others_were_freed(void **state)
{
    (void)state;
    struct arena *arenas[600];
    for (int round = 0; round < 2; round++) {
        for (size_t i = 0; i < 600; i++) {
            arenas[i] = arena_new(5000 + i);
            void *all = arena_alloc(arenas[i], 5000 + i);
            assert_non_null(all);
            memset(all, 0xff, 5000 + i);
            assert_null(arena_alloc(arenas[i], 1));
        }
        for (size_t i = 0; i < 600; i++)
            arena_free(arenas[i]);
    }
}

static void *make_and_free_many(void *arg)
{
    for (int i = 0; i < 20000; i++) {
        struct arena *two[] = {arena_new(100), arena_new(100)};
        int *marks[] = {arena_alloc(two[0], sizeof(int)), arena_alloc(two[1], sizeof(int))};
        *marks[0] = *marks[1] = *(int *)arg;
        for (int k = 0; k < 2; k++) {
            assert_int_equal(*marks[k], *(int *)arg);
            arena_free(two[k]);
        }
    }
    return NULL;
}

static void threads_never_get_the_same_one(void **state)
{
    (void)state;
    pthread_t threads[4];
    int marks[4] = {1, 2, 3, 4};
    for (int i = 0; i < 4; i++)
        assert_int_equal(pthread_create(&threads[i], NULL, make_and_free_many, &marks[i]), 0);
    for (int i = 0; i < 4; i++)
        pthread_join(threads[i], NULL);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, make, discard)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(memory_is_aligned_and_does_not_overlap),
        TEST(the_bound_holds_for_all_together),
        TEST(sizes_that_would_overflow_are_refused),
        TEST(a_copy_has_a_nul_behind_it),
        TEST(text_is_printed_whole_or_not_at_all),
        TEST(parts_are_joined_with_a_nul_behind_them),
        cmocka_unit_test(an_arena_is_as_new_after_others_were_freed),
        cmocka_unit_test(threads_never_get_the_same_one),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
