#include "bridge/ops/health.h"

#include <setjmp.h>
#include <stdarg.h>

#include <cmocka.h>

#include "bridge/base/scoped.h"

/* A check whose result the test sets. */
struct fake {
    bool passes;
    const char *why; /* NULL: it does not say */
    int asked;
};

static bool ask(void *ctx, struct diag *diag)
{
    struct fake *fake = ctx;
    fake->asked++;
    if (!fake->passes && fake->why != NULL)
        (void)diag_set(diag, STATUS_UNAVAILABLE, "%s", fake->why);
    return fake->passes;
}

struct fixture {
    struct health *health;
    struct fake live, ready, reported;
};

static int make(void **state)
{
    static struct fixture f;
    f = (struct fixture){.live.passes = true, .ready.passes = true, .reported.passes = true};
    assert_int_equal(health_new(&f.health), STATUS_OK);
    health_add(f.health, "loops", HEALTH_LIVE, ask, &f.live);
    health_add(f.health, "draining", HEALTH_READY, ask, &f.ready);
    health_add(f.health, "kafka", HEALTH_REPORTED, ask, &f.reported);
    *state = &f;
    return 0;
}

static int discard(void **state)
{
    struct fixture *f = *state;
    health_free(f->health);
    return 0;
}

static void assert_answers(struct fixture *f, enum health_kind kind, bool verbose, bool passed,
                           const char *expected)
{
    CLEANUP(buf_done) struct buf text;
    buf_init(&text, 4096);
    assert_int_equal(health_ask(f->health, kind, verbose, &text), passed);
    assert_string_equal(buf_text(&text), expected);
}

static void all_well_is_ok(void **state)
{
    assert_answers(*state, HEALTH_LIVE, false, true, "ok\n");
    assert_answers(*state, HEALTH_READY, false, true, "ok\n");
}

static void liveness_asks_only_live_checks(void **state)
{
    struct fixture *f = *state;
    f->ready.passes = f->reported.passes = false;
    assert_answers(f, HEALTH_LIVE, false, true, "ok\n");
    assert_int_equal(f->ready.asked, 0);
    assert_int_equal(f->reported.asked, 0);
}

static void readiness_fails_with_a_live_check(void **state)
{
    struct fixture *f = *state;
    f->live = (struct fake){.why = "loop 2 has not turned for 12 s"};
    assert_answers(f, HEALTH_READY, false, false,
                   "[-]loops failed: loop 2 has not turned for 12 s\n"
                   "[+]draining ok\n"
                   "readyz check failed\n");
}

static void a_reported_check_never_fails_an_endpoint(void **state)
{
    struct fixture *f = *state;
    f->reported = (struct fake){.why = "no broker is up"};
    assert_answers(f, HEALTH_READY, false, true, "ok\n");
    assert_answers(f, HEALTH_READY, true, true,
                   "[+]loops ok\n"
                   "[+]draining ok\n"
                   "[-]kafka failed: no broker is up\n"
                   "readyz check passed\n");
}

static void a_check_need_not_say_why(void **state)
{
    struct fixture *f = *state;
    f->live = (struct fake){0};
    assert_answers(f, HEALTH_LIVE, false, false, "[-]loops failed\nlivez check failed\n");
}

static void what_was_in_the_buffer_stays(void **state)
{
    struct fixture *f = *state;
    CLEANUP(buf_done) struct buf text;
    buf_init(&text, 4096);
    buf_append_text(&text, "before ");
    assert_true(health_ask(f->health, HEALTH_LIVE, false, &text));
    assert_string_equal(buf_text(&text), "before ok\n");
}

static void all_checks_are_told_one_by_one(void **state)
{
    struct fixture *f = *state;
    struct health_result results[HEALTH_CHECKS_MAX];
    f->ready = (struct fake){.why = "the process is stopping"};
    assert_int_equal(health_check_all(f->health, results), 3);
    assert_string_equal(results[0].name, "loops");
    assert_true(results[0].passed);
    assert_int_equal(results[1].kind, HEALTH_READY);
    assert_false(results[1].passed);
    assert_string_equal(results[1].why.text, "the process is stopping");
    assert_true(results[2].passed);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, make, discard)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(all_well_is_ok),
        TEST(liveness_asks_only_live_checks),
        TEST(readiness_fails_with_a_live_check),
        TEST(a_reported_check_never_fails_an_endpoint),
        TEST(a_check_need_not_say_why),
        TEST(what_was_in_the_buffer_stays),
        TEST(all_checks_are_told_one_by_one),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
