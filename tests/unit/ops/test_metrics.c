#include "bridge/ops/metrics.h"

#include <math.h>
#include <pthread.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>

#include <cmocka.h>

#include "bridge/base/scoped.h"
#include "bridge/ops/process_metrics.h"

/* What metrics_new() makes itself; the other families are named so that they come before it. */
#define OWN                                                                                        \
    "# HELP maesn_bridge_metrics_series_dropped_total Series that were asked for and not made: "   \
    "memory was short, or there are too many.\n"                                                   \
    "# TYPE maesn_bridge_metrics_series_dropped_total counter\n"                                   \
    "maesn_bridge_metrics_series_dropped_total "

static int make(void **state)
{
    struct metrics *m;
    assert_int_equal(metrics_new(&m), STATUS_OK);
    *state = m;
    return 0;
}

static int discard(void **state)
{
    metrics_free(*state);
    return 0;
}

static void assert_prints(struct metrics *m, const char *expected)
{
    CLEANUP(buf_done) struct buf text;
    buf_init(&text, 1 << 20);
    metrics_print(m, &text);
    assert_int_equal(text.status, STATUS_OK);
    assert_string_equal(buf_text(&text), expected);
}

static void families_come_in_the_order_of_names_and_series_of_labels(void **state)
{
    struct metrics *m = *state;
    const struct metric_label b[] = {{"provider", "maesn"}, {"code", "503"}};
    const struct metric_label a[] = {{"provider", "maesn"}, {"code", "200"}};
    counter_add(metrics_counter(m, "b_total", "Second.", b, 2), 2);
    counter_add(metrics_counter(m, "b_total", "Second.", a, 2), 1);
    gauge_set(metrics_gauge(m, "a", "First.", NULL, 0), -0.5);
    assert_prints(m, "# HELP a First.\n"
                     "# TYPE a gauge\n"
                     "a -0.5\n"
                     "# HELP b_total Second.\n"
                     "# TYPE b_total counter\n"
                     "b_total{provider=\"maesn\",code=\"200\"} 1\n"
                     "b_total{provider=\"maesn\",code=\"503\"} 2\n" OWN "0\n");
}

static void the_same_name_and_labels_are_the_same_series(void **state)
{
    struct metrics *m = *state;
    const struct metric_label one[] = {{"topic", "a"}}, other[] = {{"topic", "b"}};
    struct counter *c = metrics_counter(m, "x_total", "X.", one, 1);
    assert_ptr_equal(c, metrics_counter(m, "x_total", "X.", one, 1));
    assert_ptr_not_equal(c, metrics_counter(m, "x_total", "X.", other, 1));
}

static void help_and_label_values_are_escaped(void **state)
{
    struct metrics *m = *state;
    const struct metric_label labels[] = {{"topic", "a\\b\"c\nd"}};
    gauge_set(metrics_gauge(m, "a", "One\\two \"three\"\nfour.", labels, 1), 1);
    assert_prints(m, "# HELP a One\\\\two \"three\"\\nfour.\n"
                     "# TYPE a gauge\n"
                     "a{topic=\"a\\\\b\\\"c\\nd\"} 1\n" OWN "0\n");
}

static void numbers_are_printed_short_and_exact(void **state)
{
    static const struct {
        double value;
        const char *text;
    } rows[] = {
        {0, "0"},
        {0.1, "0.1"},                             /* not 0.10000000000000001 */
        {1.0 / 3, "0.33333333333333331"},         /* 15 digits would not read back */
        {1795500000.123, "1795500000.123"},       /* a time with milliseconds */
        {9007199254740993.0, "9007199254740992"}, /* what a double holds of it */
        {1e300, "1e+300"},                        /* not 301 digits */
        {(double)NAN, "NaN"},                     /* spelled as Go's parser reads it */
        {(double)INFINITY, "+Inf"},
        {-(double)INFINITY, "-Inf"},
    };
    struct metrics *m = *state;
    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        char expected[512];
        snprintf(expected, sizeof(expected), "# HELP a A.\n# TYPE a gauge\na %s\n" OWN "0\n",
                 rows[i].text);
        gauge_set(metrics_gauge(m, "a", "A.", NULL, 0), rows[i].value);
        assert_prints(m, expected);
    }
}

static void a_gauge_goes_up_and_down(void **state)
{
    struct gauge *g = metrics_gauge(*state, "a", "A.", NULL, 0);
    gauge_add(g, 3);
    gauge_add(g, -2);
    assert_true(gauge_value(g) == 1);
}

static void a_histogram_prints_cumulative_buckets(void **state)
{
    struct metrics *m = *state;
    const struct metric_label labels[] = {{"provider", "maesn"}};
    struct histogram *h = metrics_histogram(m, "a_seconds", "A.", labels, 1);
    histogram_observe(h, 0.005); /* a bound belongs to its bucket */
    histogram_observe(h, 0.006);
    histogram_observe(h, 2);
    histogram_observe(h, 11); /* beyond all bounds */
    histogram_observe(h, -1); /* a clock that went back: 0 */
    histogram_observe(h, (double)NAN);
    assert_prints(m, "# HELP a_seconds A.\n"
                     "# TYPE a_seconds histogram\n"
                     "a_seconds_bucket{provider=\"maesn\",le=\"0.005\"} 3\n"
                     "a_seconds_bucket{provider=\"maesn\",le=\"0.01\"} 4\n"
                     "a_seconds_bucket{provider=\"maesn\",le=\"0.025\"} 4\n"
                     "a_seconds_bucket{provider=\"maesn\",le=\"0.05\"} 4\n"
                     "a_seconds_bucket{provider=\"maesn\",le=\"0.075\"} 4\n"
                     "a_seconds_bucket{provider=\"maesn\",le=\"0.1\"} 4\n"
                     "a_seconds_bucket{provider=\"maesn\",le=\"0.25\"} 4\n"
                     "a_seconds_bucket{provider=\"maesn\",le=\"0.5\"} 4\n"
                     "a_seconds_bucket{provider=\"maesn\",le=\"0.75\"} 4\n"
                     "a_seconds_bucket{provider=\"maesn\",le=\"1\"} 4\n"
                     "a_seconds_bucket{provider=\"maesn\",le=\"2.5\"} 5\n"
                     "a_seconds_bucket{provider=\"maesn\",le=\"5\"} 5\n"
                     "a_seconds_bucket{provider=\"maesn\",le=\"7.5\"} 5\n"
                     "a_seconds_bucket{provider=\"maesn\",le=\"10\"} 5\n"
                     "a_seconds_bucket{provider=\"maesn\",le=\"+Inf\"} 6\n"
                     "a_seconds_sum{provider=\"maesn\"} 13.011\n"
                     "a_seconds_count{provider=\"maesn\"} 6\n" OWN "0\n");
}

static void beyond_the_bound_counting_goes_on_and_the_loss_is_shown(void **state)
{
    struct metrics *m = *state;
    for (int i = 1; i <= METRICS_SERIES_MAX; i++) { /* one place is taken by OWN */
        char value[16];
        snprintf(value, sizeof(value), "%d", i);
        const struct metric_label labels[] = {{"topic", value}};
        counter_add(metrics_counter(m, "x_total", "X.", labels, 1), 1);
    }
    CLEANUP(buf_done) struct buf text;
    buf_init(&text, 1 << 20);
    metrics_print(m, &text);
    assert_non_null(strstr(buf_text(&text), OWN "1\n"));
    assert_non_null(strstr(buf_text(&text), "x_total{topic=\"4095\"} 1\n"));
    assert_null(strstr(buf_text(&text), "x_total{topic=\"4096\"}"));
}

static void look_up(void *ctx)
{
    gauge_set(metrics_gauge(ctx, "a", "A.", NULL, 0), 7);
}

static void a_hook_runs_before_each_scrape_and_may_make_series(void **state)
{
    struct metrics *m = *state;
    metrics_on_scrape(m, look_up, m);
    assert_prints(m, "# HELP a A.\n# TYPE a gauge\na 7\n" OWN "0\n");
}

#define THREADS 4
#define ROUNDS 10000

static void *count(void *ctx)
{
    struct metrics *m = ctx;
    for (int i = 0; i < ROUNDS; i++) {
        counter_add(metrics_counter(m, "a_total", "A.", NULL, 0), 1);
        gauge_add(metrics_gauge(m, "b", "B.", NULL, 0), 1);
        histogram_observe(metrics_histogram(m, "c_seconds", "C.", NULL, 0), 1);
    }
    return NULL;
}

static void threads_count_without_losing_any(void **state)
{
    struct metrics *m = *state;
    pthread_t threads[THREADS];
    for (int i = 0; i < THREADS; i++)
        assert_int_equal(pthread_create(&threads[i], NULL, count, m), 0);
    for (int i = 0; i < THREADS; i++)
        pthread_join(threads[i], NULL);
    assert_int_equal(counter_value(metrics_counter(m, "a_total", "A.", NULL, 0)), THREADS * ROUNDS);
    assert_true(gauge_value(metrics_gauge(m, "b", "B.", NULL, 0)) == THREADS * ROUNDS);
    CLEANUP(buf_done) struct buf text;
    buf_init(&text, 1 << 20);
    metrics_print(m, &text);
    assert_non_null(strstr(buf_text(&text), "c_seconds_count 40000\n"));
    assert_non_null(strstr(buf_text(&text), "c_seconds_sum 40000\n"));
}

static double printed_value(const char *text, const char *name)
{
    char line[128];
    snprintf(line, sizeof(line), "\n%s ", name);
    const char *at = strstr(text, line);
    double value = -1;
    if (at != NULL && sscanf(at + strlen(line), "%lf", &value) != 1)
        return -1;
    return value;
}

static void the_process_tells_what_it_uses(void **state)
{
    static const struct {
        const char *name;
        double min, max;
    } rows[] = {
        {"process_cpu_seconds_total", 0, 60},
        {"process_max_fds", 4, 1e10},
        {"process_open_fds", 3, 1000},
        {"process_resident_memory_bytes", 1e5, 1e10},
        {"process_threads", 1, 8}, /* a sanitizer may add one */
        {"process_start_time_seconds", 1.7e9, 1e10},
        {"process_virtual_memory_bytes", 1e6, 1e15}, /* AddressSanitizer maps terabytes */
    };
    struct metrics *m = *state;
    process_metrics_add(m);
    CLEANUP(buf_done) struct buf text;
    buf_init(&text, 1 << 20);
    metrics_print(m, &text);
    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        double value = printed_value(buf_text(&text), rows[i].name);
        if (value < rows[i].min || value > rows[i].max)
            fail_msg("%s is %g", rows[i].name, value);
    }
    assert_non_null(strstr(buf_text(&text), "# TYPE process_cpu_seconds_total counter\n"));
}

static void series_are_summed_by_their_label(void **state)
{
    struct metrics *m = *state;
    static const char *const codes[] = {"200", "202", "401", "503"};
    for (size_t i = 0; i < 4; i++) {
        const struct metric_label labels[] = {{"provider", "a,code=\"2"}, {"code", codes[i]}};
        counter_add(metrics_counter(m, "a_total", "A.", labels, 2), (uint64_t)1 << i);
    }
    static const struct {
        struct metric_match match;
        double sum;
    } rows[] = {
        {{NULL, NULL, false}, 15},   {{"code", "2", false}, 3}, {{"code", "2", true}, 12},
        {{"code", "401", false}, 4}, {{"code", "9", true}, 15}, {{"provider", "a,", false}, 15},
    };
    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++)
        assert_true(metrics_sum(m, "a_total", &rows[i].match) == rows[i].sum);
    /* None is not 0. */
    assert_true(isnan(metrics_sum(m, "b_total", &rows[0].match)));
    assert_true(isnan(metrics_sum(m, "a_total", &(struct metric_match){"code", "9", false})));
}

static void a_label_is_found_by_its_whole_name(void **state)
{
    static const char labels[] = "decode=\"1\",code=\"a\\\"b,x=\\\\\",x=\"\"";
    static const struct {
        const char *name, *value;
    } rows[] = {{"decode", "1"}, {"code", "a\\\"b,x=\\\\"}, {"x", ""}};
    (void)state;
    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++)
        assert_true(
            bytes_equal(metric_label_find(labels, rows[i].name), bytes_of_text(rows[i].value)));
    assert_null(metric_label_find(labels, "cod").data);
    assert_null(metric_label_find("", "code").data);
}

static void a_quantile_is_of_what_was_observed_in_between(void **state)
{
    struct metrics *m = *state;
    struct histogram *h = metrics_histogram(m, "a_seconds", "A.", NULL, 0);
    struct metric_distribution before, after;
    histogram_observe(h, 9);
    metrics_distribution(m, "a_seconds", &before);
    assert_true(isnan(metric_distribution_quantile(&before, &before, 0.5)));
    for (int i = 0; i < 99; i++)
        histogram_observe(h, 0.02); /* within 10 to 25 ms */
    histogram_observe(h, 3600);
    metrics_distribution(m, "a_seconds", &after);
    /* The 50th of the 99 within that bucket. */
    assert_true(
        fabs(metric_distribution_quantile(&before, &after, 0.5) - (0.01 + 0.015 * 50 / 99)) < 1e-9);
    assert_true(metric_distribution_quantile(&before, &after, 1) == 10);
    metrics_distribution(m, "b_seconds", &after);
    assert_int_equal(after.buckets[0], 0);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, make, discard)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(families_come_in_the_order_of_names_and_series_of_labels),
        TEST(the_same_name_and_labels_are_the_same_series),
        TEST(help_and_label_values_are_escaped),
        TEST(numbers_are_printed_short_and_exact),
        TEST(a_gauge_goes_up_and_down),
        TEST(a_histogram_prints_cumulative_buckets),
        TEST(beyond_the_bound_counting_goes_on_and_the_loss_is_shown),
        TEST(a_hook_runs_before_each_scrape_and_may_make_series),
        TEST(series_are_summed_by_their_label),
        TEST(a_label_is_found_by_its_whole_name),
        TEST(a_quantile_is_of_what_was_observed_in_between),
        TEST(threads_count_without_losing_any),
        TEST(the_process_tells_what_it_uses),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
