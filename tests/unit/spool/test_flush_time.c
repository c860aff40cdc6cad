#include "bridge/spool/flush_time.h"

#include <errno.h>
#include <poll.h>
#include <pthread.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <unistd.h>

#include <cmocka.h>

#include "bridge/base/clock.h"

/* The disk: stands in for the C library's function of this name. */
static struct {
    pthread_mutex_t lock;
    pthread_cond_t changed;
    bool is_stuck;
    int error;
    size_t ended;
} disk = {.lock = PTHREAD_MUTEX_INITIALIZER, .changed = PTHREAD_COND_INITIALIZER};

enum { FLUSH_MS = 3 };

int fdatasync(int fd)
{
    (void)fd;
    poll(NULL, 0, FLUSH_MS);
    pthread_mutex_lock(&disk.lock);
    while (disk.is_stuck)
        pthread_cond_wait(&disk.changed, &disk.lock);
    errno = disk.error;
    disk.ended++;
    pthread_cond_broadcast(&disk.changed);
    pthread_mutex_unlock(&disk.lock);
    return errno == 0 ? 0 : -1;
}

static void the_time_of_a_flush_is_measured(void **state)
{
    (void)state;
    double seconds = 0;
    struct diag diag = {0};
    assert_int_equal(flush_time_measure(".", 60000, &seconds, &diag), STATUS_OK);
    assert_true(seconds >= FLUSH_MS / 1e3 && seconds < 10);
    assert_int_not_equal(access("spool.flush", F_OK), 0);
}

static void a_stuck_disk_is_waited_for_no_longer_than_it_is_given(void **state)
{
    (void)state;
    double seconds = 0;
    struct diag diag = {0};
    size_t ended = disk.ended;
    disk.is_stuck = true;
    int64_t began = clock_mono_ms();
    assert_int_equal(flush_time_measure(".", 50, &seconds, &diag), STATUS_OK);
    assert_true(clock_mono_ms() - began >= 50);
    assert_true(seconds > 0.049 && seconds < 0.051); /* that, or more */
    pthread_mutex_lock(&disk.lock);
    disk.is_stuck = false;
    pthread_cond_broadcast(&disk.changed);
    while (disk.ended == ended)
        pthread_cond_wait(&disk.changed, &disk.lock);
    pthread_mutex_unlock(&disk.lock);
}

static void a_disk_that_fails_is_told(void **state)
{
    (void)state;
    double seconds = 0;
    struct diag diag = {0};
    disk.error = EIO;
    assert_int_equal(flush_time_measure(".", 60000, &seconds, &diag), STATUS_UNAVAILABLE);
    assert_string_equal(diag.text, ".: Input/output error");
    disk.error = 0;
}

static void a_directory_that_is_not_there_is_told(void **state)
{
    (void)state;
    double seconds = 0;
    struct diag diag = {0};
    assert_int_equal(flush_time_measure("not-there", 60000, &seconds, &diag), STATUS_UNAVAILABLE);
    assert_string_equal(diag.text, "not-there: No such file or directory");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_time_of_a_flush_is_measured),
        cmocka_unit_test(a_stuck_disk_is_waited_for_no_longer_than_it_is_given),
        cmocka_unit_test(a_disk_that_fails_is_told),
        cmocka_unit_test(a_directory_that_is_not_there_is_told),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
