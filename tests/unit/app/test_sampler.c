#include "bridge/app/sampler.h"

#include <math.h>
#include <poll.h>
#include <setjmp.h>
#include <stdarg.h>

#include <cmocka.h>

#include "bridge/app/metric_table.h"
#include "bridge/base/scoped.h"

DEFINE_CLEANUP(struct metrics *, metrics_free)
DEFINE_CLEANUP(struct sampler *, sampler_free)
DEFINE_CLEANUP(struct arena *, arena_free)

static struct counter *requests(struct metrics *m, const char *provider, const char *code)
{
    const struct metric_label labels[] = {{"provider", provider}, {"code", code}};
    return metrics_counter(m, "requests_total", "R.", labels, 2);
}

/* The first sample that knows of requests; more of them come until then. */
static struct history_sample await_requests(struct sampler *s, struct metrics *m,
                                            struct histogram *took)
{
    const struct history_sample none = {.at_mono_ms = 0};
    for (int tries = 0; tries < 3000; tries++) {
        struct history h;
        counter_add(requests(m, "maesn", "202"), 1);
        counter_add(requests(m, "maesn", "401"), 7000000);
        histogram_observe(took, 0.02);
        poll(NULL, 0, 20);
        sampler_read(s, &h);
        for (size_t i = 0; i < h.len; i++)
            if (history_at(&h, i)->values[0] > 0 && !isnan(history_at(&h, i)->values[2]))
                return *history_at(&h, i);
    }
    return none;
}

static void a_sample_is_what_came_since_the_last_one(void **state)
{
    static const struct sampler_column columns[] = {
        {SAMPLER_RATE, "requests_total", {"code", "2", false}, 60},
        {SAMPLER_VALUE, "waiting", {0}, 0},
        {SAMPLER_QUANTILE, "took_seconds", {0}, 0.5},
        {SAMPLER_VALUE, "no_such_metric", {0}, 0},
    };
    (void)state;
    CLEANUP(metrics_free_scoped) struct metrics *m = NULL;
    CLEANUP(sampler_free_scoped) struct sampler *s = NULL;
    assert_int_equal(metrics_new(&m), STATUS_OK);
    struct histogram *took = metrics_histogram(m, "took_seconds", "T.", NULL, 0);
    counter_add(requests(m, "maesn", "200"), 1000000); /* before: none of it is in a sample */
    gauge_set(metrics_gauge(m, "waiting", "W.", NULL, 0), 3);
    assert_int_equal(sampler_new(m, columns, 4, 10, &s), STATUS_OK);
    const struct history_sample sample = await_requests(s, m, took);
    const double *values = sample.values;
    /* Of what was there before, and of other codes, there were millions. */
    assert_true(values[0] > 0 && values[0] < 1e6);
    assert_true(values[1] == 3);
    assert_true(values[2] > 0.01 && values[2] <= 0.025);
    assert_true(isnan(values[3]));
}

static void a_table_has_a_row_for_each_series_that_is_not_zero(void **state)
{
    static const struct metric_table table = {"answers",
                                              "Answers",
                                              "requests_total",
                                              {"code", "provider"},
                                              {"Code", "Provider", "Requests"}};
    (void)state;
    CLEANUP(metrics_free_scoped) struct metrics *m = NULL;
    CLEANUP(arena_free_scoped) struct arena *arena = arena_new(1 << 20);
    assert_int_equal(metrics_new(&m), STATUS_OK);
    counter_add(requests(m, "maesn", "200"), 4);
    counter_add(requests(m, "maesn", "503"), 0);
    counter_add(requests(m, "moneybird", "200"), 2);
    struct view_table t;
    assert_int_equal(metric_table_read(&table, m, arena, &t), STATUS_OK);
    assert_int_equal(t.columns_len, 3);
    assert_int_equal(t.rows_len, 2);
    assert_string_equal(t.cells[0], "200");
    assert_string_equal(t.cells[1], "maesn");
    assert_true(t.numbers[0] == 4);
    assert_string_equal(t.cells[3], "moneybird");
    assert_true(t.numbers[1] == 2);
}

static void a_table_is_bounded(void **state)
{
    static const struct metric_table table = {
        "answers", "Answers", "requests_total", {"code"}, {"Code", "Requests"}};
    (void)state;
    CLEANUP(metrics_free_scoped) struct metrics *m = NULL;
    CLEANUP(arena_free_scoped) struct arena *arena = arena_new(1 << 20);
    assert_int_equal(metrics_new(&m), STATUS_OK);
    for (int i = 0; i < METRIC_TABLE_ROWS_MAX + 5; i++) {
        const char code[] = {(char)('a' + i / 26), (char)('a' + i % 26), '\0'};
        counter_add(requests(m, "maesn", code), 1);
    }
    struct view_table t;
    assert_int_equal(metric_table_read(&table, m, arena, &t), STATUS_OK);
    assert_int_equal(t.rows_len, METRIC_TABLE_ROWS_MAX);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_sample_is_what_came_since_the_last_one),
        cmocka_unit_test(a_table_has_a_row_for_each_series_that_is_not_zero),
        cmocka_unit_test(a_table_is_bounded),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
