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

static void want_contacts(struct world *w, int32_t leaders)
{
    for (int32_t id = 1; id <= leaders; id++)
        scout_want_contact(w->scout, id, "maesn.invoice", id, clock_mono_ms());
}

/* Wants it again and again, as a paused partition does, and contacts as well. */
static bool is_probed(struct world *w, int32_t contacts)
{
    for (int64_t until = clock_mono_ms() + PATIENCE_MS; clock_mono_ms() < until;) {
        want_contacts(w, contacts);
        scout_want_probe(w->scout, PROBED, "maesn.invoice", 0, clock_mono_ms());
        if (scout_findings(w->scout, PROBED).failed_at_mono_ms != 0)
            return true;
        nanosleep(&(const struct timespec){.tv_nsec = 2000000}, NULL);
    }
    return false;
}

static void wait_for_waiting(struct world *w, unsigned waiting)
{
    pthread_mutex_lock(&w->lock);
    while (w->waiting < waiting)
        pthread_cond_wait(&w->changed, &w->lock);
    pthread_mutex_unlock(&w->lock);
    nanosleep(&(const struct timespec){.tv_nsec = 50000000}, NULL); /* whoever would wait, waits */
}

static void a_probe_does_not_wait_for_contacts_that_are_not_answered(void **state)
{
    (void)state;
    struct world w;
    start(&w);
    w.is_mute = true;
    want_contacts(&w, 8);
    wait_for_waiting(&w, 2);
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
    int64_t now = clock_mono_ms();
    scout_avoid_contact(w.scout, 1, now);
    scout_want_contact(w.scout, 1, "maesn.invoice", 1, now);
    scout_want_contact(w.scout, 2, "maesn.invoice", 2, now);
    wait_for_waiting(&w, 1);
    pthread_mutex_lock(&w.lock);
    assert_int_equal(w.waiting, 1);
    pthread_mutex_unlock(&w.lock);
    now = clock_mono_ms() + 1000;
    scout_want_contact(w.scout, 1, "maesn.invoice", 1, now);
    wait_for_waiting(&w, 2);
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
