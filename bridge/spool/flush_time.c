#include "bridge/spool/flush_time.h"

#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "bridge/base/clock.h"

enum { ROUNDS = 9, BLOCK_SIZE = 4096 };

/* Shared with the thread that waits for the disk, which may outlive the one that asked. */
struct measurement {
    pthread_mutex_t lock; /* guards what follows */
    pthread_cond_t changed;
    unsigned holders;
    bool is_over;
    int64_t rounds_us[ROUNDS];
    size_t rounds;
    int error;   /* errno */
    int max_ms;  /* constant */
    char path[]; /* constant */
};

static void release(struct measurement *m)
{
    pthread_mutex_lock(&m->lock);
    unsigned holders = --m->holders;
    pthread_mutex_unlock(&m->lock);
    if (holders > 0)
        return;
    pthread_cond_destroy(&m->changed);
    pthread_mutex_destroy(&m->lock);
    free(m);
}

/* One write, flushed; negative: errno. */
static int64_t measure_once(int fd, size_t round)
{
    static const uint8_t block[BLOCK_SIZE];
    int64_t began_us = clock_mono_us();
    if (pwrite(fd, block, sizeof(block), (off_t)(round * sizeof(block))) != BLOCK_SIZE ||
        fdatasync(fd) != 0)
        return errno == 0 ? -EIO : -errno;
    return clock_mono_us() - began_us;
}

static void *measure(void *arg)
{
    struct measurement *m = arg;
    int64_t until = clock_mono_ms() + m->max_ms;
    int fd = open(m->path, O_RDWR | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);
    int64_t took_us = fd < 0 ? -errno : 0;
    if (fd >= 0)
        unlink(m->path);
    for (size_t i = 0; i < ROUNDS && took_us >= 0 && clock_mono_ms() < until; i++) {
        took_us = measure_once(fd, i);
        pthread_mutex_lock(&m->lock);
        if (took_us >= 0)
            m->rounds_us[m->rounds++] = took_us;
        pthread_mutex_unlock(&m->lock);
    }
    if (fd >= 0)
        close(fd);
    pthread_mutex_lock(&m->lock);
    m->error = took_us < 0 ? (int)-took_us : 0;
    m->is_over = true;
    pthread_cond_signal(&m->changed);
    pthread_mutex_unlock(&m->lock);
    release(m);
    return NULL;
}

static struct measurement *measurement_new(const char *directory, int max_ms)
{
    static const char name[] = "/spool.flush";
    struct measurement *m = calloc(1, sizeof(*m) + strlen(directory) + sizeof(name));
    if (m == NULL)
        return NULL;
    pthread_condattr_t monotonic;
    pthread_condattr_init(&monotonic);
    pthread_condattr_setclock(&monotonic, CLOCK_MONOTONIC);
    pthread_cond_init(&m->changed, &monotonic);
    pthread_condattr_destroy(&monotonic);
    pthread_mutex_init(&m->lock, NULL);
    m->holders = 2;
    m->max_ms = max_ms;
    snprintf(m->path, strlen(directory) + sizeof(name), "%s%s", directory, name);
    return m;
}

static int compare(const void *a, const void *b)
{
    int64_t x = *(const int64_t *)a, y = *(const int64_t *)b;
    return (x > y) - (x < y);
}

/* m->lock is held. */
static void wait_for(struct measurement *m)
{
    int64_t until = clock_mono_ms() + m->max_ms;
    struct timespec deadline = {.tv_sec = until / 1000, .tv_nsec = until % 1000 * 1000000};
    while (!m->is_over && pthread_cond_timedwait(&m->changed, &m->lock, &deadline) == 0)
        ;
}

enum status flush_time_measure(const char *directory, int max_ms, double *ret_seconds,
                               struct diag *diag)
{
    struct measurement *m = measurement_new(directory, max_ms);
    pthread_t thread;
    if (m == NULL)
        return STATUS_NOMEM;
    if (pthread_create(&thread, NULL, measure, m) != 0) {
        m->holders = 1;
        release(m);
        return STATUS_NOMEM;
    }
    pthread_detach(thread);
    enum status status = STATUS_OK;
    pthread_mutex_lock(&m->lock);
    wait_for(m);
    qsort(m->rounds_us, m->rounds, sizeof(m->rounds_us[0]), compare);
    const int64_t *median = &m->rounds_us[m->rounds / 2];
    if (m->rounds > 0)
        *ret_seconds = 1e-6 * (double)*median;
    else if (m->error == 0)
        *ret_seconds = (double)max_ms / 1e3;
    else
        status = diag_set(diag, STATUS_UNAVAILABLE, "%s: %s", directory, strerror(m->error));
    pthread_mutex_unlock(&m->lock);
    release(m);
    return status;
}
