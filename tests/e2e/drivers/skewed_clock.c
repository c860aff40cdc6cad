/* libskewed_clock.so: a wall clock that is set below a real program, at run time.
 *
 *     LD_PRELOAD=libskewed_clock.so SKEWED_CLOCK=/tmp/seconds program
 *
 * The file holds one 64-bit integer of the machine's own byte order: the seconds that
 * CLOCK_REALTIME is early. It is mapped when the program starts; the other clocks are left alone.
 * Waits until an instant of the wall clock last as long as they would on a machine whose clock had
 * been set before they began.
 */
#include <dlfcn.h>
#include <fcntl.h>
#include <pthread.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <sys/time.h>
#include <time.h>
#include <unistd.h>

static const int64_t on_time;
static const volatile int64_t *early_s = &on_time; /* until it is mapped */

__attribute__((constructor)) static void map_seconds(void)
{
    const char *path = getenv("SKEWED_CLOCK");
    int fd = path == NULL ? -1 : open(path, O_RDONLY | O_CLOEXEC);
    void *seconds =
        fd < 0 ? MAP_FAILED : mmap(NULL, sizeof(*early_s), PROT_READ, MAP_SHARED, fd, 0);
    if (fd >= 0)
        close(fd);
    if (seconds == MAP_FAILED) {
        fprintf(stderr, "SKEWED_CLOCK does not name a file that can be read\n");
        _exit(127);
    }
    early_s = seconds;
}

int clock_gettime(clockid_t clock, struct timespec *now)
{
    static __typeof__(&clock_gettime) real;
    if (real == NULL) /* POSIX lets a data pointer carry a function */
        *(void **)&real = dlsym(RTLD_NEXT, "clock_gettime");
    int result = real(clock, now);
    if (clock == CLOCK_REALTIME || clock == CLOCK_REALTIME_COARSE)
        now->tv_sec += *early_s;
    return result;
}

int gettimeofday(struct timeval *restrict now, void *restrict zone)
{
    (void)zone;
    struct timespec exact;
    clock_gettime(CLOCK_REALTIME, &exact);
    *now = (struct timeval){.tv_sec = exact.tv_sec, .tv_usec = exact.tv_nsec / 1000};
    return 0;
}

time_t time(time_t *now)
{
    struct timespec exact;
    clock_gettime(CLOCK_REALTIME, &exact);
    if (now != NULL)
        *now = exact.tv_sec;
    return exact.tv_sec;
}

/* Instants of the monotonic clock are seconds since the machine's start, those of the wall clock
 * are beyond this. */
enum { WALL_CLOCK_BEGINS_S = 1000000000 };

int pthread_cond_timedwait(pthread_cond_t *restrict condition, pthread_mutex_t *restrict mutex,
                           const struct timespec *restrict until)
{
    if (until->tv_sec < WALL_CLOCK_BEGINS_S)
        return pthread_cond_clockwait(condition, mutex, CLOCK_MONOTONIC, until);
    struct timespec real = {.tv_sec = until->tv_sec - *early_s, .tv_nsec = until->tv_nsec};
    return pthread_cond_clockwait(condition, mutex, CLOCK_REALTIME, &real);
}
