/* The whole of it starts, or leaves nothing behind. */
#include "bridge/spool/spooling.h"

#include <errno.h>
#include <pthread.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "tests/support/alloc_fail.h"
#include "tests/support/spool_fixture.h"

static struct {
    char directory[64];
    struct metrics *metrics;
    int threads_until_failure; /* negative: none fails */
} f;

int __real_pthread_create(pthread_t *ret, const pthread_attr_t *attr, void *(*run)(void *),
                          void *ctx);
int __wrap_pthread_create(pthread_t *ret, const pthread_attr_t *attr, void *(*run)(void *),
                          void *ctx);

int __wrap_pthread_create(pthread_t *ret, const pthread_attr_t *attr, void *(*run)(void *),
                          void *ctx)
{
    if (f.threads_until_failure == 0)
        return EAGAIN;
    f.threads_until_failure--;
    return __real_pthread_create(ret, attr, run, ctx);
}

static enum status publish(struct event_sink *sink, struct publication *pub)
{
    (void)sink, (void)pub;
    return STATUS_UNAVAILABLE;
}

static struct event_sink kafka = {publish};

/* Starts it, and if that works ends it. */
static enum status try_start(long failing_allocation, bool *ret_failed)
{
    struct spooling *s = NULL;
    struct diag diag = {0};
    assert_int_equal(metrics_new(&f.metrics), STATUS_OK);
    const struct spooling_options options = {.directory = f.directory,
                                             .max_bytes = 1 << 20,
                                             .deadline_ms = 1000,
                                             .inner = &kafka,
                                             .metrics = f.metrics};
    if (failing_allocation >= 0)
        alloc_fail_at(failing_allocation);
    enum status status = spooling_new(&options, &s, &diag);
    *ret_failed = alloc_fail_end();
    assert_true((s != NULL) == (status == STATUS_OK));
    if (s != NULL)
        spooling_stop(s);
    spooling_free(s);
    metrics_free(f.metrics);
    return status;
}

static int setup(void **state)
{
    (void)state;
    spool_fixture_make_directory(f.directory);
    f.threads_until_failure = -1;
    return 0;
}

static int teardown(void **state)
{
    (void)state;
    spool_fixture_remove_directory(f.directory);
    return 0;
}

/* The database can do without some of it: then it is opened again later. */
static void memory_that_runs_short_while_starting_is_told(void **state)
{
    (void)state;
    bool failed = true;
    size_t told = 0;
    for (long n = 0; failed; n++) {
        enum status status = try_start(n, &failed);
        assert_true(status == STATUS_OK || (failed && status == STATUS_NOMEM));
        told += status == STATUS_NOMEM;
    }
    assert_true(told >= 4); /* itself, the spool, the drain, the sink */
}

static void a_thread_that_cannot_be_started_is_told(void **state)
{
    (void)state;
    bool failed;
    int threads = 0;
    for (enum status status = STATUS_NOMEM; status != STATUS_OK; threads++) {
        f.threads_until_failure = threads;
        status = try_start(-1, &failed);
        assert_true(status == STATUS_OK || status == STATUS_NOMEM);
    }
    assert_true(threads > 3); /* the writer, the keeper, the drain */
}

int main(void)
{
#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)
    const struct CMUnitTest tests[] = {
        TEST(memory_that_runs_short_while_starting_is_told),
        TEST(a_thread_that_cannot_be_started_is_told),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
