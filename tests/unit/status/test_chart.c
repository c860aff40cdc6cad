#include "bridge/status/chart.h"

#include <math.h>
#include <setjmp.h>
#include <stdarg.h>

#include <cmocka.h>

#include "bridge/base/scoped.h"

static const int64_t now = 10 * HISTORY_SPAN_MS;

static const struct chart chart = {
    "callbacks", "Callbacks", QUANTITY_PER_SECOND, {{"taken", 0, false}, {"refused", 1, false}}};

static void add(struct history *h, int64_t age_ms, double taken, double refused)
{
    const struct history_sample sample = {now - age_ms, {taken, refused}};
    history_add(h, &sample);
}

static void print(const struct history *h, struct buf *ret)
{
    buf_init(ret, 1 << 16);
    chart_print(&chart, h, now, ret);
    assert_int_equal(ret->status, STATUS_OK);
}

static void assert_has(const struct buf *b, const char *part)
{
    if (strstr(buf_text(b), part) == NULL)
        fail_msg("no %s in %s", part, buf_text(b));
}

static void the_axis_ends_at_a_round_number_that_no_value_exceeds(void **state)
{
    static const double rows[][2] = {{0, 1},    {1, 1},     {1.01, 2},    {4.9, 5},
                                     {5.1, 10}, {0.3, 0.5}, {0.02, 0.02}, {12345, 20000}};
    (void)state;
    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++)
        assert_true(fabs(chart_ceiling(rows[i][0]) - rows[i][1]) < rows[i][1] * 1e-9);
    assert_true(chart_ceiling((double)NAN) == 1);
    assert_true(chart_ceiling((double)INFINITY) == 1);
}

static void now_is_at_the_right_edge_and_the_ceiling_on_top(void **state)
{
    (void)state;
    struct history h = {.len = 0};
    add(&h, HISTORY_INTERVAL_MS, 5, 0);
    add(&h, 0, 10, 0);
    CLEANUP(buf_done) struct buf b;
    print(&h, &b);
    assert_has(&b, "<path class=\"line line-1\" d=\"M595.0 60.0L600.0 0.0\"/>");
    assert_has(&b, "<path class=\"line line-2\" d=\"M595.0 120.0L600.0 120.0\"/>");
    assert_has(&b, "taken <b>10/s</b>");
    assert_has(&b, "refused <b>0/s</b>");
    assert_has(&b, "<span class=\"top\">10/s</span>");
}

/* Where nothing is known no line says that there was nothing. */
static void a_gap_is_a_gap(void **state)
{
    (void)state;
    struct history h = {.len = 0};
    add(&h, HISTORY_SPAN_MS + 1, 9, 9); /* beyond the left edge */
    add(&h, 20 * HISTORY_INTERVAL_MS, 1, 1);
    add(&h, 19 * HISTORY_INTERVAL_MS, (double)NAN, 2);
    add(&h, 18 * HISTORY_INTERVAL_MS, 1, 1);
    add(&h, 2 * HISTORY_INTERVAL_MS, 1, 1); /* the process stood still before */
    CLEANUP(buf_done) struct buf b;
    print(&h, &b);
    assert_has(&b, "<path class=\"line line-1\" d=\"\"/>");
    assert_has(&b, "dots line-1\" d=\"M500.0 108.0h0M510.0 108.0h0M590.0 108.0h0\"");
    assert_has(&b, "<path class=\"line line-2\" d=\"M500.0 108.0L505.0 96.0L510.0 108.0\"");
    assert_has(&b, "dots line-2\" d=\"M590.0 108.0h0\"");
}

static void before_the_first_sample_there_is_an_empty_chart(void **state)
{
    (void)state;
    const struct history h = {.len = 0};
    CLEANUP(buf_done) struct buf b;
    print(&h, &b);
    assert_has(&b, "<path class=\"line line-1\" d=\"\"/>");
    assert_has(&b, "taken <b>\xe2\x80\x93</b>");
}

/* An ingress without a spool does not tell of one. */
static void an_optional_series_is_told_of_where_it_is_known(void **state)
{
    static const struct chart waiting = {
        "waiting", "Waiting", QUANTITY_COUNT, {{"in flight", 0, false}, {"spooled", 1, true}}};
    (void)state;
    struct history h = {.len = 0};
    CLEANUP(buf_done) struct buf b;
    buf_init(&b, 1 << 16);
    add(&h, HISTORY_INTERVAL_MS, 1, (double)NAN);
    chart_print(&waiting, &h, now, &b);
    assert_null(strstr(buf_text(&b), "spooled"));
    add(&h, 0, 1, 2);
    chart_print(&waiting, &h, now, &b);
    assert_non_null(strstr(buf_text(&b), "spooled <b>2</b>"));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_axis_ends_at_a_round_number_that_no_value_exceeds),
        cmocka_unit_test(now_is_at_the_right_edge_and_the_ceiling_on_top),
        cmocka_unit_test(a_gap_is_a_gap),
        cmocka_unit_test(an_optional_series_is_told_of_where_it_is_known),
        cmocka_unit_test(before_the_first_sample_there_is_an_empty_chart),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
