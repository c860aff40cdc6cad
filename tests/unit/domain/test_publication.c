#include "bridge/domain/publication.h"

#include <pthread.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

static atomic_int releases;

static void count_release(struct publication *pub)
{
    (void)pub;
    atomic_fetch_add(&releases, 1);
}

static void the_last_reference_releases(void **state)
{
    (void)state;
    struct publication pub;
    publication_init(&pub);
    pub.on_release = count_release;
    atomic_store(&releases, 0);
    assert_ptr_equal(publication_ref(&pub), &pub);
    publication_unref(&pub);
    assert_int_equal(atomic_load(&releases), 0);
    publication_unref(&pub);
    assert_int_equal(atomic_load(&releases), 1);
    publication_unref(NULL);
}

#define THREADS 4
#define ROUNDS 10000

static void *hold_and_let_go(void *ctx)
{
    for (int i = 0; i < ROUNDS; i++)
        publication_unref(publication_ref(ctx));
    publication_unref(ctx);
    return NULL;
}

static void threads_release_it_once(void **state)
{
    (void)state;
    struct publication pub;
    pthread_t threads[THREADS];
    publication_init(&pub);
    pub.on_release = count_release;
    atomic_store(&releases, 0);
    for (int i = 0; i < THREADS; i++)
        assert_int_equal(pthread_create(&threads[i], NULL, hold_and_let_go, publication_ref(&pub)),
                         0);
    publication_unref(&pub);
    for (int i = 0; i < THREADS; i++)
        pthread_join(threads[i], NULL);
    assert_int_equal(atomic_load(&releases), 1);
}

static void a_publication_is_abandoned_for_good(void **state)
{
    (void)state;
    struct publication pub;
    publication_init(&pub);
    assert_false(publication_is_abandoned(&pub));
    publication_abandon(&pub);
    publication_abandon(&pub);
    assert_true(publication_is_abandoned(&pub));
}

static void what_shares_anothers_records_is_abandoned_with_it(void **state)
{
    (void)state;
    struct publication origin, attempt;
    publication_init(&origin);
    publication_init(&attempt);
    attempt.origin = &origin;
    assert_false(publication_is_abandoned(&attempt));
    publication_abandon(&attempt);
    assert_true(publication_is_abandoned(&attempt));
    assert_false(publication_is_abandoned(&origin));
    publication_init(&attempt);
    attempt.origin = &origin;
    publication_abandon(&origin);
    assert_true(publication_is_abandoned(&attempt));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_last_reference_releases),
        cmocka_unit_test(threads_release_it_once),
        cmocka_unit_test(a_publication_is_abandoned_for_good),
        cmocka_unit_test(what_shares_anothers_records_is_abandoned_with_it),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
