/* The spool's process is killed at any moment, again and again: what it said is stored is there.
 *
 * The child, this program with arguments, puts and deletes, and says on its standard output what
 * came of it: "S <thread> <n> <records>" when publication n of a thread is stored, "D <thread> <n>
 * <index>" before one of its records is handed in to be deleted. The parent kills it and looks.
 */
#include <errno.h>
#include <poll.h>
#include <pthread.h>
#include <setjmp.h>
#include <signal.h>
#include <spawn.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cmocka.h>

#include "bridge/base/clock.h"
#include "bridge/base/log.h"
#include "bridge/ops/metrics.h"
#include "tests/support/faulty_disk.h"
#include "tests/support/spool_fixture.h"

enum {
    KILLS = 200, /* KILLS=1000 for more */
    LIVES = 10,  /* killed so often, a directory is left for a new one */
    THREADS = 4,
    RECORDS_MAX = 3,
    PUTS_MAX = 20000, /* of a thread in one directory */
    QUOTA = 1 << 20,  /* small: its log is cut, and checkpoints come, often */
};

extern char **environ;

static size_t number_from(const char *text)
{
    size_t n = 0;
    for (; text != NULL && *text >= '0' && *text <= '9' && n < 1000000000; text++)
        n = n * 10 + (size_t)(*text - '0');
    return n;
}

/* --- the child ------------------------------------------------------------------------------ */

struct putter {
    struct spool *spool;
    size_t thread;
    size_t first;       /* the first publication's number */
    bool reports_early; /* the mutant: says that it is stored before it is */
};

/* One write, which a pipe does not tear apart. */
static void say(const char *format, ...)
{
    char line[64];
    va_list args;
    va_start(args, format);
    int len = vsnprintf(line, sizeof(line), format, args);
    va_end(args);
    if (write(1, line, (size_t)len) != len)
        _exit(1);
}

static void put_one(const struct putter *p, struct test_wait *w, size_t n, uint64_t *seed)
{
    char name[32];
    size_t records = 1 + faulty_disk_random(seed) % RECORDS_MAX;
    snprintf(name, sizeof(name), "%zu.%zu", p->thread, n);
    struct test_entry *e = test_entry_new(w, name, records, faulty_disk_random(seed) % 3000);
    size_t ended = w->ended;
    while (spool_put(p->spool, &e->entry) != STATUS_OK)
        poll(NULL, 0, 1); /* until some of it is deleted */
    if (p->reports_early)
        say("S %zu %zu %zu\n", p->thread, n, records);
    test_wait_for(w, ended + 1);
    if (e->outcome == SPOOL_STORED)
        say("S %zu %zu %zu\n", p->thread, n, records);
    test_entry_unref(e);
}

static void *put_for_ever(void *arg)
{
    const struct putter *p = arg;
    struct test_wait w;
    uint64_t seed = p->thread * 7919 + p->first + 1;
    test_wait_init(&w);
    for (size_t n = p->first; n < PUTS_MAX; n++)
        put_one(p, &w, n, &seed);
    return NULL;
}

/* All but one in sixteen, which stay to be looked for. */
static int64_t delete_some(struct spool *s, int64_t after)
{
    struct spooled_record *records = NULL;
    size_t len = 0;
    struct arena *a = arena_new(1 << 26);
    assert_non_null(a);
    assert_int_equal(spool_read(s, after, 64, 1 << 20, a, &records, &len), STATUS_OK);
    for (size_t i = 0; i < len; i++) {
        after = records[i].sequence;
        size_t thread = 0, n = 0, index = 0;
        char id[64];
        struct bytes bytes = record_header(&records[i].record, "ce_id");
        snprintf(id, sizeof(id), "%.*s", (int)bytes.len, (const char *)bytes.data);
        thread = number_from(id);
        n = number_from(strchr(id, '.') + 1);
        index = number_from(strchr(id, '-') + 1);
        if (after % 16 == 0)
            continue;
        say("D %zu %zu %zu\n", thread, n, index);
        assert_int_equal(spool_delete(s, &after, 1), STATUS_OK);
    }
    arena_free(a);
    if (len == 0)
        poll(NULL, 0, 1);
    return after;
}

static int live(char **argv)
{
    struct metrics *m = NULL;
    struct putter putters[THREADS];
    pthread_t threads[THREADS];
    log_set_level(LOG_ERROR);
    if (metrics_new(&m) != STATUS_OK)
        return 1;
    struct spool *s = test_spool_open(argv[2], QUOTA, m, NULL);
    for (size_t i = 0; i < THREADS; i++) {
        putters[i] =
            (struct putter){s, i, number_from(argv[3 + i]), strcmp(argv[1], "live-and-lie") == 0};
        if (pthread_create(&threads[i], NULL, put_for_ever, &putters[i]) != 0)
            return 1;
    }
    int64_t after = 0;
    for (;;)
        after = delete_some(s, after);
}

/* --- the parent ----------------------------------------------------------------------------- */

/* What was said of one publication. */
struct said {
    uint8_t stored; /* a bit a record */
    uint8_t deleted;
    uint8_t found;
};

static struct {
    char directory[64];
    struct metrics *metrics;
    struct said said[THREADS][PUTS_MAX];
    size_t next[THREADS]; /* of the coming life */
    uint64_t seed;
} f;

static void start_directory(void)
{
    memset(f.said, 0, sizeof(f.said));
    memset(f.next, 0, sizeof(f.next));
    spool_fixture_make_directory(f.directory);
}

static void hear(const char *line)
{
    char what = line[0];
    size_t numbers[3] = {0};
    for (size_t i = 0; i < 3; i++) {
        line = strchr(line, ' ');
        assert_non_null(line);
        numbers[i] = number_from(++line);
    }
    assert_true(numbers[0] < THREADS && numbers[1] < PUTS_MAX && numbers[2] <= RECORDS_MAX);
    struct said *said = &f.said[numbers[0]][numbers[1]];
    if (what == 'S')
        said->stored = (uint8_t)((1U << numbers[2]) - 1);
    else
        said->deleted |= (uint8_t)(1U << numbers[2]);
    if (numbers[1] >= f.next[numbers[0]])
        f.next[numbers[0]] = numbers[1] + 1;
}

/* Hears whole lines until the instant, or, when killed, all that is left. */
static void listen_until(int fd, int64_t until_mono_ms, struct buf *rest)
{
    char block[4096];
    for (;;) {
        int64_t left = until_mono_ms - clock_mono_ms();
        struct pollfd p = {.fd = fd, .events = POLLIN};
        if (left <= 0 || poll(&p, 1, left > 60000 ? 60000 : (int)left) <= 0)
            return;
        ssize_t len = read(fd, block, sizeof(block));
        if (len <= 0)
            return;
        buf_append(rest, block, (size_t)len);
        char *line = (char *)rest->data;
        for (char *end; (end = strchr(line, '\n')) != NULL; line = end + 1) {
            *end = '\0';
            hear(line);
        }
        rest->len -= (size_t)(line - (char *)rest->data);
        memmove(rest->data, line, rest->len + 1);
    }
}

static pid_t start_child(const char *mode, int *ret_fd)
{
    char firsts[THREADS][24];
    char *argv[4 + THREADS] = {(char *)"test_spool_kill", (char *)mode, f.directory};
    for (size_t i = 0; i < THREADS; i++) {
        snprintf(firsts[i], sizeof(firsts[i]), "%zu", f.next[i]);
        argv[3 + i] = firsts[i];
    }
    int fds[2];
    pid_t child = 0;
    posix_spawn_file_actions_t actions;
    assert_int_equal(pipe(fds), 0);
    posix_spawn_file_actions_init(&actions);
    posix_spawn_file_actions_adddup2(&actions, fds[1], 1);
    posix_spawn_file_actions_addclose(&actions, fds[0]);
    posix_spawn_file_actions_addclose(&actions, fds[1]);
    assert_int_equal(posix_spawn(&child, "/proc/self/exe", &actions, NULL, argv, environ), 0);
    posix_spawn_file_actions_destroy(&actions);
    close(fds[1]);
    *ret_fd = fds[0];
    return child;
}

static void kill_after(pid_t child, int fd, int64_t life_ms)
{
    struct buf rest;
    int status = 0;
    buf_init(&rest, 1 << 20);
    struct pollfd first = {.fd = fd, .events = POLLIN};
    assert_int_equal(poll(&first, 1, 60000), 1); /* it has begun */
    listen_until(fd, clock_mono_ms() + life_ms, &rest);
    assert_int_equal(kill(child, SIGKILL), 0);
    listen_until(fd, INT64_MAX, &rest);
    assert_int_equal(waitpid(child, &status, 0), child);
    assert_true(WIFSIGNALED(status) && WTERMSIG(status) == SIGKILL);
    close(fd);
    buf_done(&rest);
}

/* Notes what is there; asserts that each thread's records are in their order, none twice. */
static void note_found(const char *ids)
{
    size_t last[THREADS] = {0}; /* and one */
    for (const char *id = ids; *id != '\0'; id = strchr(id, ' ') + 1) {
        size_t thread = number_from(id);
        size_t n = number_from(strchr(id, '.') + 1);
        size_t index = number_from(strchr(id, '-') + 1);
        assert_true(thread < THREADS && n < PUTS_MAX && index < RECORDS_MAX);
        assert_true(n * RECORDS_MAX + index >= last[thread]);
        last[thread] = n * RECORDS_MAX + index + 1;
        f.said[thread][n].found |= (uint8_t)(1U << index);
        if (n >= f.next[thread])
            f.next[thread] = n + 1;
    }
}

/* What was not said to be stored is there whole or not at all, deleted ones apart: a run of records
 * from index 0. */
static bool is_missing(const struct said *said)
{
    uint8_t known = said->found | said->deleted;
    bool has_gap = (known & (known + 1)) != 0;
    return has_gap || (said->stored & ~known) != 0;
}

static size_t count_missing(void)
{
    size_t missing = 0;
    struct spool *s = test_spool_open(f.directory, QUOTA, f.metrics, NULL);
    char *ids = test_spool_ids(s);
    for (size_t i = 0; i < THREADS; i++)
        for (size_t n = 0; n < f.next[i]; n++)
            f.said[i][n].found = 0;
    note_found(ids);
    for (size_t i = 0; i < THREADS; i++)
        for (size_t n = 0; n < f.next[i]; n++)
            missing += is_missing(&f.said[i][n]);
    free(ids);
    spool_close(s);
    return missing;
}

static size_t live_and_die(const char *mode)
{
    int fd = -1;
    pid_t child = start_child(mode, &fd);
    kill_after(child, fd, (int64_t)(faulty_disk_random(&f.seed) % 60));
    return count_missing();
}

static size_t kill_often(const char *mode, size_t kills)
{
    size_t missing = 0, stored = 0;
    f.seed = 1;
    for (size_t i = 0; i < kills; i++) {
        if (i % LIVES == 0)
            start_directory();
        missing += live_and_die(mode);
        if (i % LIVES < LIVES - 1 && i + 1 < kills)
            continue;
        for (size_t t = 0; t < THREADS; t++)
            stored += f.next[t];
        spool_fixture_remove_directory(f.directory);
    }
    printf("%zu kills, %zu publications\n", kills, stored);
    return missing;
}

static int setup(void **state)
{
    (void)state;
    return metrics_new(&f.metrics) == STATUS_OK ? 0 : -1;
}

static int teardown(void **state)
{
    (void)state;
    metrics_free(f.metrics);
    return 0;
}

static void nothing_stored_is_missing_after_a_kill(void **state)
{
    (void)state;
    char value[32];
    size_t wanted = number_from(getenv("KILLS"));
    assert_int_equal(kill_often("live", wanted == 0 ? KILLS : wanted), 0);
    assert_string_equal(test_metric(f.metrics, "maesn_bridge_spool_quarantined_total", value), "0");
    assert_string_equal(test_metric(f.metrics, "maesn_bridge_spool_damaged_records_total", value),
                        "0");
}

/* The test of the test. */
static void a_spool_that_says_stored_too_early_is_found_out(void **state)
{
    (void)state;
    assert_true(kill_often("live-and-lie", 30) > 0);
}

int main(int argc, char **argv)
{
    if (argc == 3 + THREADS)
        return live(argv);
    log_set_level(LOG_WARN);
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(nothing_stored_is_missing_after_a_kill, setup, teardown),
        cmocka_unit_test_setup_teardown(a_spool_that_says_stored_too_early_is_found_out, setup,
                                        teardown),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
