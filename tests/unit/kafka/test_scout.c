/* Whom the scout asks, and when; there is no instance to ask with, so that nothing answers. */
#include "bridge/kafka/scout.h"

#include <pthread.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <time.h>

#include <cmocka.h>

#include "bridge/base/clock.h"

#define PATIENCE_MS 20000

/* More leaders than it has places for contacts. */
#define LEADERS 1000

/* A leader that nobody but a probe is for. */
#define PROBED (LEADERS + 1)

struct world {
    struct scout *scout;
    pthread_mutex_t lock;
    pthread_cond_t changed;
    bool is_mute; /* a question that begins now waits until the end */
    bool is_over;
    unsigned waiting;
};

/* What each question begins with. */
static struct instance *no_instance(void *ctx)
{
    struct world *w = ctx;
    pthread_mutex_lock(&w->lock);
    if (w->is_mute) {
        w->waiting++;
        pthread_cond_broadcast(&w->changed);
        while (!w->is_over)
            pthread_cond_wait(&w->changed, &w->lock);
    }
    pthread_mutex_unlock(&w->lock);
    return NULL;
}

static void start(struct world *w)
{
    *w = (struct world){0};
    pthread_mutex_init(&w->lock, NULL);
    pthread_cond_init(&w->changed, NULL);
    assert_int_equal(
        scout_new(&(const struct scout_callbacks){.ctx = w, .instance = no_instance}, &w->scout),
        STATUS_OK);
}

static void stop(struct world *w)
{
    pthread_mutex_lock(&w->lock);
    w->is_over = true;
    pthread_cond_broadcast(&w->changed);
    pthread_mutex_unlock(&w->lock);
    scout_stop(w->scout);
    scout_free(w->scout);
    pthread_cond_destroy(&w->changed);
    pthread_mutex_destroy(&w->lock);
}

static void wait_ms(int64_t ms)
{
    nanosleep(&(const struct timespec){.tv_nsec = ms * 1000000}, NULL);
}

static void want_contacts_at(struct world *w, int32_t leaders, int64_t now)
{
    for (int32_t id = 1; id <= leaders; id++)
        scout_want_contact(w->scout, id, "maesn.invoice", id, now);
}

static void want_contacts(struct world *w, int32_t leaders)
{
    want_contacts_at(w, leaders, clock_mono_ms());
}

/* Wants it again and again, as a paused partition does, and contacts as well. */
static bool is_probed(struct world *w, int32_t contacts)
{
    for (int64_t until = clock_mono_ms() + PATIENCE_MS; clock_mono_ms() < until;) {
        want_contacts(w, contacts);
        scout_want_probe(w->scout, PROBED, "maesn.invoice", 0, clock_mono_ms());
        if (scout_findings(w->scout, PROBED).failed_at_mono_ms != 0)
            return true;
        wait_ms(2);
    }
    return false;
}

static unsigned waiting_of(struct world *w)
{
    pthread_mutex_lock(&w->lock);
    unsigned waiting = w->waiting;
    pthread_mutex_unlock(&w->lock);
    return waiting;
}

/* want is called again and again: what was wanted is soon forgotten. */
static void want_until_waiting(struct world *w, void (*want)(struct world *w), unsigned waiting)
{
    int64_t until = clock_mono_ms() + PATIENCE_MS;
    while (waiting_of(w) < waiting) {
        if (clock_mono_ms() > until)
            fail_msg("%u questions wait instead of %u", waiting_of(w), waiting);
        want(w);
        wait_ms(2);
    }
    wait_ms(50); /* whoever would wait, waits */
}

static void want_some(struct world *w)
{
    want_contacts(w, 8);
}

static void avoid_the_first_and_want_two(struct world *w)
{
    int64_t now = clock_mono_ms();
    scout_avoid_contact(w->scout, 1, now);
    want_contacts_at(w, 2, now);
}

static void want_two(struct world *w)
{
    want_contacts_at(w, 2, clock_mono_ms() + 1000);
}

static void a_probe_does_not_wait_for_contacts_that_are_not_answered(void **state)
{
    (void)state;
    struct world w;
    start(&w);
    w.is_mute = true;
    want_until_waiting(&w, want_some, 2);
    pthread_mutex_lock(&w.lock);
    w.is_mute = false;
    pthread_mutex_unlock(&w.lock);
    assert_true(is_probed(&w, 8));
    stop(&w);
}

static void contacts_take_no_place_of_a_probe(void **state)
{
    (void)state;
    struct world w;
    start(&w);
    want_contacts(&w, LEADERS);
    assert_true(is_probed(&w, LEADERS));
    stop(&w);
}

static void a_leader_that_a_record_is_on_its_way_to_is_not_contacted(void **state)
{
    (void)state;
    struct world w;
    start(&w);
    w.is_mute = true;
    want_until_waiting(&w, avoid_the_first_and_want_two, 1);
    assert_int_equal(waiting_of(&w), 1);
    want_until_waiting(&w, want_two, 2);
    stop(&w);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_probe_does_not_wait_for_contacts_that_are_not_answered),
        cmocka_unit_test(contacts_take_no_place_of_a_probe),
        cmocka_unit_test(a_leader_that_a_record_is_on_its_way_to_is_not_contacted),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
