#include "tests/torture/torture.h"

#include <dirent.h>
#include <fcntl.h>
#include <poll.h>
#include <pthread.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

#include "bridge/base/clock.h"
#include "bridge/base/log.h"
#include "tests/torture/place.h"

enum {
    FRAMES = 6,        /* of the program's, that tell one place from another */
    PLACES_MAX = 8192, /* of a scenario */
    CALLERS_MAX = 256, /* in shared libraries */
    CALLS_MAX = 8,     /* each of which is a place, from one caller in a shared library */
    TRIES = 3,         /* runs in which a place that was once come to is not */
    RUN_MAX_S = 120,
};

struct place {
    const char *name;
    const struct way *way;
    uintptr_t frames[FRAMES]; /* return addresses; 0 behind the last. In a shared library: the
                                 first, and how many calls came from there before */
    bool has_failed;
    unsigned tries;
};

/* Who calls from a shared library, whose way there is not known: there each call is a place. */
struct caller {
    const struct way *ways;
    uintptr_t address;
    size_t calls; /* in this run */
};

static struct {
    pthread_mutex_t lock; /* guards what follows */
    struct caller callers[CALLERS_MAX];
    size_t callers_len;
    struct place places[PLACES_MAX];
    size_t places_len;
    struct place *aim;   /* whose first call fails; NULL: see left */
    long left;           /* calls until the one that fails, with no aim; negative: none does */
    struct place failed; /* the call that did; its name NULL: none yet */
    bool is_running;
    size_t descriptors; /* that are open between runs: the fewest there were */
} state = {.lock = PTHREAD_MUTEX_INITIALIZER};

/* --- where a call comes from ----------------------------------------------------------------- */

extern const char __executable_start[], etext[]; /* the linker's */

bool place_is_of_the_program(const void *address)
{
    return (const char *)address >= __executable_start && (const char *)address < etext;
}

/* The end of this thread's stack. */
static uintptr_t stack_end(void)
{
    static _Thread_local uintptr_t end;
    if (end != 0)
        return end;
    pthread_attr_t attr;
    void *start;
    size_t size;
    if (pthread_getattr_np(pthread_self(), &attr) != 0)
        abort();
    pthread_attr_getstack(&attr, &start, &size);
    pthread_attr_destroy(&attr);
    end = (uintptr_t)start + size;
    return end;
}

/* The frame below which a scenario is: on its own thread the way to a call is told from there. */
static _Thread_local uintptr_t base;

/* Frame pointers are the program's as far as return addresses are: libraries have none. */
__attribute__((no_sanitize("address"))) static void walk(const void *frame, uintptr_t *ret)
{
    const uintptr_t *at = frame;
    for (size_t i = 0; i < FRAMES; i++) {
        ret[i] = at[1];
        if (!place_is_of_the_program((const void *)at[1]))
            return;
        uintptr_t next = at[0];
        if (next <= (uintptr_t)at || next % sizeof(next) != 0 || next == base ||
            next > stack_end() - 2 * sizeof(next))
            return;
        at = (const uintptr_t *)next;
    }
}

static bool is_same(const struct place *a, const struct place *b)
{
    return a->way == b->way && memcmp(a->frames, b->frames, sizeof(a->frames)) == 0;
}

/* The lock is held. Returns how many calls of this run came from there before. */
static size_t count_call(const struct way *ways, uintptr_t address)
{
    struct caller *c = state.callers;
    while (c < state.callers + state.callers_len && (c->ways != ways || c->address != address))
        c++;
    if (c == state.callers + CALLERS_MAX)
        abort();
    if (c == state.callers + state.callers_len) {
        *c = (struct caller){ways, address, 0};
        state.callers_len++;
    }
    return c->calls++;
}

/* The lock is held. Returns NULL for the later calls from a library. */
static struct place *note(const struct place *place)
{
    if (!place_is_of_the_program((const void *)place->frames[0]) && place->frames[1] >= CALLS_MAX)
        return NULL;
    for (size_t i = 0; i < state.places_len; i++)
        if (is_same(&state.places[i], place))
            return &state.places[i];
    if (state.places_len == PLACES_MAX)
        abort();
    state.places[state.places_len] = *place;
    return &state.places[state.places_len++];
}

/* The lock is held, and nothing has failed in this run. */
static bool is_to_fail(const struct place *place)
{
    if (state.aim != NULL)
        return is_same(state.aim, place);
    return state.left >= 0 && state.left-- == 0;
}

/* The lock is held. */
static bool fails_at(const struct place *place)
{
    struct place *known = note(place);
    if (!is_to_fail(place))
        return false;
    if (known != NULL)
        known->has_failed = true;
    state.failed = *place;
    return true;
}

const struct way *place_way(const char *name, const void *frame, const struct way *ways,
                            size_t ways_len)
{
    const struct way *way = NULL;
    struct place place = {.name = name};
    walk(frame, place.frames);
    pthread_mutex_lock(&state.lock);
    if (state.is_running && !place_is_of_the_program((const void *)place.frames[0]))
        place.frames[1] = count_call(ways, place.frames[0]);
    for (size_t i = 0; i < ways_len && state.is_running && state.failed.name == NULL; i++) {
        place.way = &ways[i];
        if (fails_at(&place))
            way = place.way;
    }
    pthread_mutex_unlock(&state.lock);
    return way;
}

bool torture_has_failed(void)
{
    pthread_mutex_lock(&state.lock);
    bool has_failed = state.failed.name != NULL;
    pthread_mutex_unlock(&state.lock);
    return has_failed;
}

static void set_running(bool is_running)
{
    pthread_mutex_lock(&state.lock);
    state.is_running = is_running;
    pthread_mutex_unlock(&state.lock);
}

void torture_begin(void)
{
    set_running(true);
}

void torture_pause(void)
{
    set_running(false);
}

/* --- telling --------------------------------------------------------------------------------- */

/* The sanitizers'; absent without them. */
void __sanitizer_symbolize_pc(uintptr_t pc, const char *format, char *ret, size_t ret_size)
    __attribute__((weak));
int __lsan_do_recoverable_leak_check(void) __attribute__((weak));
void __sanitizer_set_death_callback(void (*callback)(void)) __attribute__((weak));

static void tell_frame(uintptr_t pc)
{
    char text[256] = "";
    if (__sanitizer_symbolize_pc != NULL)
        __sanitizer_symbolize_pc(pc - 1, "%f %s:%l", text, sizeof(text));
    fprintf(stderr, "    %s [%#zx]\n", text, (size_t)(pc - 1 - (uintptr_t)__executable_start));
}

/* Without the lock: it may be told from where nothing goes on. */
static void tell(const char *what)
{
    const struct place *p = &state.failed;
    if (p->name == NULL) {
        fprintf(stderr, "torture: %s, and nothing had failed\n", what);
        return;
    }
    fprintf(stderr, "torture: %s, after %s had returned %zd (errno %d), called by\n", what, p->name,
            (ssize_t)p->way->value, p->way->error);
    for (size_t i = 0; i < FRAMES && p->frames[i] >= 4096; i++)
        tell_frame(p->frames[i]);
}

static void on_death(void)
{
    tell("a sanitizer complains");
}

static void on_signal(int signal)
{
    tell(signal == SIGALRM ? "a run does not end, or leaves descriptors open" : "a run aborts");
    struct sigaction by_default = {.sa_handler = SIG_DFL};
    sigaction(SIGABRT, &by_default, NULL);
    abort();
}

void torture_log(void)
{
    log_set_level(LOG_DEBUG);
    log_set_fd(open("/dev/null", O_WRONLY | O_CLOEXEC));
}

int torture_teardown(void **test_state)
{
    (void)test_state;
    alarm(0);
    if (state.is_running || state.failed.name != NULL)
        tell("a run fails");
    return 0;
}

/* --- runs ------------------------------------------------------------------------------------ */

/* The file descriptors that are open. */
static size_t count_descriptors(void)
{
    size_t count = 0;
    DIR *directory = opendir("/proc/self/fd");
    assert_non_null(directory);
    while (readdir(directory) != NULL)
        count++;
    closedir(directory);
    return count;
}

static void set(struct place *aim, long left)
{
    pthread_mutex_lock(&state.lock);
    state.aim = aim;
    state.left = left;
    state.failed.name = NULL;
    state.is_running = false;
    state.callers_len = 0;
    pthread_mutex_unlock(&state.lock);
}

/* Returns whether the call failed that was to. */
static bool run(void (*scenario)(void *ctx), void *ctx, struct place *aim, long left)
{
    set(aim, left);
    alarm(RUN_MAX_S);
    base = (uintptr_t)__builtin_frame_address(0);
    scenario(ctx);
    base = 0;
    torture_pause();
    size_t descriptors = count_descriptors();
    for (; descriptors > state.descriptors; descriptors = count_descriptors())
        poll(NULL, 0, 1); /* threads may be about to close theirs */
    state.descriptors = descriptors;
    alarm(0);
    if (__lsan_do_recoverable_leak_check != NULL && __lsan_do_recoverable_leak_check() != 0)
        fail_msg("memory leaks");
    bool has_failed = torture_has_failed();
    set(NULL, -1);
    return has_failed;
}

/* A place that no call has come to, by luck of the threads, is tried again. */
static struct place *next_aim(void)
{
    for (unsigned tries = 0; tries < TRIES; tries++)
        for (size_t i = 0; i < state.places_len; i++)
            if (!state.places[i].has_failed && state.places[i].tries == tries)
                return &state.places[i];
    return NULL;
}

static size_t count_failed(void)
{
    size_t count = 0;
    for (size_t i = 0; i < state.places_len; i++)
        count += state.places[i].has_failed;
    return count;
}

void torture(void (*scenario)(void *ctx), void *ctx, unsigned percent_min)
{
    const struct sigaction action = {.sa_handler = on_signal};
    sigaction(SIGALRM, &action, NULL);
    sigaction(SIGABRT, &action, NULL);
    if (__sanitizer_set_death_callback != NULL)
        __sanitizer_set_death_callback(on_death);
    state.places_len = 0;
    state.descriptors = count_descriptors();
    size_t runs = 1, misses = 0;
    run(scenario, ctx, NULL, -1);
    for (struct place *aim; (aim = next_aim()) != NULL; runs++) {
        aim->tries++;
        run(scenario, ctx, aim, -1);
    }
    const char *how = getenv("TORTURE");
    for (long n = 0; how != NULL && strcmp(how, "all") == 0 && misses < TRIES; n++, runs++)
        misses = run(scenario, ctx, NULL, n) ? 0 : misses + 1;
    print_message("%zu places, %zu of them failed, in %zu runs\n", state.places_len, count_failed(),
                  runs);
    assert_true(count_failed() > 0);
    assert_in_range(100 * count_failed() / state.places_len, percent_min, 100);
}
