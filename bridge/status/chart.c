#include "bridge/status/chart.h"

#include <math.h>

#include "bridge/status/html.h"

/* The drawing's own units: it is stretched to the width there is. */
static const double width = 600, height = 120;

/* Samples further apart than this leave a gap: the process stood still. */
static const int64_t gap_ms = 3 * HISTORY_INTERVAL_MS;

/* "Now" is what was measured within this time. */
static const int64_t fresh_ms = 2 * HISTORY_INTERVAL_MS;

size_t chart_series_len(const struct chart *c)
{
    size_t len = 0;
    while (len < CHART_SERIES_MAX && c->series[len].title != NULL)
        len++;
    return len;
}

static bool is_told(const struct chart_series *s, const struct history *h)
{
    return !s->is_optional || !isnan(history_latest(h, s->column, INT64_MIN));
}

double chart_ceiling(double largest)
{
    if (!(largest > 0) || !isfinite(largest))
        return 1;
    double power = pow(10, floor(log10(largest)));
    static const double steps[] = {1, 2, 5, 10};
    for (size_t i = 0; i < sizeof(steps) / sizeof(steps[0]); i++)
        if (largest <= steps[i] * power)
            return steps[i] * power;
    return 10 * power;
}

static double largest_of(const struct chart *c, const struct history *h)
{
    double largest = 0;
    for (size_t i = 0; i < h->len; i++)
        for (size_t s = 0; s < chart_series_len(c); s++)
            largest = fmax(largest, history_at(h, i)->values[c->series[s].column]);
    return largest;
}

/* --- one line -------------------------------------------------------------------------------- */

struct line {
    const struct history *history;
    size_t column;
    double ceiling;
    int64_t now_mono_ms;
};

static bool is_drawn(const struct line *l, size_t i)
{
    const struct history_sample *sample = history_at(l->history, i);
    return !isnan(sample->values[l->column]) &&
           l->now_mono_ms - sample->at_mono_ms <= HISTORY_SPAN_MS;
}

/* Whether a line leads from the ith sample to the next one. */
static bool goes_on(const struct line *l, size_t i)
{
    return i + 1 < l->history->len && is_drawn(l, i) && is_drawn(l, i + 1) &&
           history_at(l->history, i + 1)->at_mono_ms - history_at(l->history, i)->at_mono_ms <=
               gap_ms;
}

static void print_point(const struct line *l, char command, size_t i, struct buf *ret)
{
    const struct history_sample *sample = history_at(l->history, i);
    double age = (double)(l->now_mono_ms - sample->at_mono_ms);
    double x = width * (1 - age / (double)HISTORY_SPAN_MS);
    double y = height * (1 - fmin(sample->values[l->column] / l->ceiling, 1));
    buf_printf(ret, "%c%.1f %.1f", command, x, y);
}

static void print_lines(const struct line *l, struct buf *ret)
{
    for (size_t i = 0; i < l->history->len; i++) {
        bool came_on = i > 0 && goes_on(l, i - 1);
        if (came_on)
            print_point(l, 'L', i, ret);
        else if (goes_on(l, i))
            print_point(l, 'M', i, ret);
    }
}

/* A sample between two gaps; a line of no length has round ends all the same. */
static void print_dots(const struct line *l, struct buf *ret)
{
    for (size_t i = 0; i < l->history->len; i++) {
        bool came_on = i > 0 && goes_on(l, i - 1);
        if (!is_drawn(l, i) || came_on || goes_on(l, i))
            continue;
        print_point(l, 'M', i, ret);
        buf_append_text(ret, "h0");
    }
}

static void print_drawing(const struct chart *c, const struct history *h, double ceiling,
                          int64_t now_mono_ms, struct buf *ret)
{
    buf_printf(ret,
               "<svg viewBox=\"0 0 %.0f %.0f\" preserveAspectRatio=\"none\" aria-hidden=\"true\">"
               "<path class=\"grid\" d=\"M0 0H%.0fM0 %.0fH%.0fM0 %.0fH%.0f\"/>",
               width, height, width, height / 2, width, height, width);
    for (size_t s = chart_series_len(c); s-- > 0;) {
        const struct line line = {h, c->series[s].column, ceiling, now_mono_ms};
        buf_printf(ret, "<path class=\"line line-%zu\" d=\"", s + 1);
        print_lines(&line, ret);
        buf_printf(ret, "\"/><path class=\"line dots line-%zu\" d=\"", s + 1);
        print_dots(&line, ret);
        buf_append_text(ret, "\"/>");
    }
    buf_append_text(ret, "</svg>");
}

/* --- the figure ------------------------------------------------------------------------------ */

static void print_legend(const struct chart *c, const struct history *h, int64_t now_mono_ms,
                         struct buf *ret)
{
    buf_append_text(ret, "<ul class=\"legend\">");
    for (size_t s = 0; s < chart_series_len(c); s++) {
        char now[QUANTITY_TEXT_SIZE];
        if (!is_told(&c->series[s], h))
            continue;
        quantity_text(history_latest(h, c->series[s].column, now_mono_ms - fresh_ms), c->quantity,
                      now);
        buf_printf(ret, "<li class=\"key-%zu\">", s + 1);
        html_text(ret, c->series[s].title);
        buf_append_text(ret, " <b>");
        html_text(ret, now);
        buf_append_text(ret, "</b></li>");
    }
    buf_append_text(ret, "</ul>");
}

void chart_print(const struct chart *c, const struct history *h, int64_t now_mono_ms,
                 struct buf *ret)
{
    char top[QUANTITY_TEXT_SIZE];
    double ceiling = chart_ceiling(largest_of(c, h));
    quantity_text(ceiling, c->quantity, top);
    buf_append_text(ret, "<figure class=\"chart\"><figcaption>");
    html_text(ret, c->title);
    buf_append_text(ret, "</figcaption>");
    print_legend(c, h, now_mono_ms, ret);
    buf_append_text(ret, "<div class=\"plot\"><span class=\"top\">");
    html_text(ret, top);
    buf_append_text(ret, "</span>");
    print_drawing(c, h, ceiling, now_mono_ms, ret);
    buf_printf(ret,
               "</div><p class=\"axis\"><span>%d min ago</span><span>now</span></p></figure>\n",
               (int)(HISTORY_SPAN_MS / 60000));
}
