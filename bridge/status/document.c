#include "bridge/status/document.h"

#include <math.h>

#include "bridge/base/json_text.h"
#include "bridge/base/timestamp.h"

/* --- pieces, which begin with the comma before them ------------------------------------------ */

static void print_bool(struct buf *ret, const char *name, bool value)
{
    buf_printf(ret, ",\"%s\":%s", name, value ? "true" : "false");
}

static void print_count(struct buf *ret, const char *name, size_t count)
{
    buf_printf(ret, ",\"%s\":%zu", name, count);
}

/* JSON has no other numbers. */
static void print_number(struct buf *ret, double value)
{
    if (isfinite(value))
        buf_printf(ret, "%.10g", value);
    else
        buf_append_text(ret, "null");
}

/* --- the process ----------------------------------------------------------------------------- */

static void print_checks(const struct view *v, struct buf *ret)
{
    buf_append_text(ret, ",\n\"checks\":[");
    for (size_t i = 0; i < v->checks_len; i++) {
        const struct view_check *c = &v->checks[i];
        buf_append_text(ret, i == 0 ? "{\"name\":" : ",{\"name\":");
        json_text_string(ret, bytes_of_text(c->name));
        print_bool(ret, "passed", c->passed);
        print_bool(ret, "is_decisive", c->is_decisive);
        json_text_member(ret, "reason", c->passed ? NULL : c->why);
        buf_append_text(ret, "}");
    }
    buf_append_text(ret, "]");
}

static void print_figures(const struct view *v, struct buf *ret)
{
    buf_append_text(ret, ",\n\"figures\":{");
    for (size_t i = 0; i < v->figures_len; i++) {
        const struct view_figure *f = &v->figures[i];
        buf_printf(ret, "%s\"%s\":{\"value\":", i == 0 ? "" : ",", f->name);
        print_number(ret, f->value);
        json_text_member(ret, "unit", quantity_name(f->quantity));
        buf_append_text(ret, "}");
    }
    buf_append_text(ret, "}");
}

/* --- the history ----------------------------------------------------------------------------- */

static void print_times(const struct view *v, struct buf *ret)
{
    buf_append_text(ret, ",\"at\":[");
    for (size_t i = 0; i < v->history->len; i++) {
        char text[TIMESTAMP_SIZE];
        int64_t age_ms = v->now_mono_ms - history_at(v->history, i)->at_mono_ms;
        timestamp_format(v->now_unix_ms - age_ms, text);
        buf_printf(ret, "%s\"%s\"", i == 0 ? "" : ",", text);
    }
    buf_append_text(ret, "]");
}

static void print_series(const struct view *v, const struct chart_series *s, struct buf *ret)
{
    buf_append_text(ret, "{\"title\":");
    json_text_string(ret, bytes_of_text(s->title));
    buf_append_text(ret, ",\"values\":[");
    for (size_t i = 0; i < v->history->len; i++) {
        buf_append_text(ret, i == 0 ? "" : ",");
        print_number(ret, history_at(v->history, i)->values[s->column]);
    }
    buf_append_text(ret, "]}");
}

static void print_chart(const struct view *v, const struct chart *c, struct buf *ret)
{
    buf_printf(ret, "\"%s\":{\"unit\":\"%s\",\"series\":[", c->name, quantity_name(c->quantity));
    for (size_t i = 0; i < chart_series_len(c); i++) {
        buf_append_text(ret, i == 0 ? "" : ",");
        print_series(v, &c->series[i], ret);
    }
    buf_append_text(ret, "]}");
}

static void print_history(const struct view *v, struct buf *ret)
{
    buf_printf(ret, ",\n\"history\":{\"interval_s\":%d", HISTORY_INTERVAL_MS / 1000);
    print_times(v, ret);
    buf_append_text(ret, ",\"charts\":{");
    for (size_t i = 0; i < v->charts_len; i++) {
        buf_append_text(ret, i == 0 ? "" : ",");
        print_chart(v, &v->charts[i], ret);
    }
    buf_append_text(ret, "}}");
}

/* --- counts ---------------------------------------------------------------------------------- */

static void print_row(const struct view_table *t, size_t row, struct buf *ret)
{
    size_t texts = t->columns_len - 1;
    buf_append_text(ret, "[");
    for (size_t i = 0; i < texts; i++) {
        json_text_string(ret, bytes_of_text(t->cells[row * texts + i]));
        buf_append_text(ret, ",");
    }
    print_number(ret, t->numbers[row]);
    buf_append_text(ret, "]");
}

static void print_table(const struct view_table *t, struct buf *ret)
{
    buf_printf(ret, "\"%s\":{\"columns\":[", t->name);
    for (size_t i = 0; i < t->columns_len; i++) {
        buf_append_text(ret, i == 0 ? "" : ",");
        json_text_string(ret, bytes_of_text(t->columns[i]));
    }
    buf_append_text(ret, "],\"rows\":[");
    for (size_t i = 0; i < t->rows_len; i++) {
        buf_append_text(ret, i == 0 ? "" : ",");
        print_row(t, i, ret);
    }
    buf_append_text(ret, "]}");
}

static void print_tables(const struct view *v, struct buf *ret)
{
    buf_append_text(ret, ",\n\"counts\":{");
    for (size_t i = 0; i < v->tables_len; i++) {
        buf_append_text(ret, i == 0 ? "" : ",");
        print_table(&v->tables[i], ret);
    }
    buf_append_text(ret, "}");
}

/* --- accounts -------------------------------------------------------------------------------- */

static void print_step(const struct view_step *s, struct buf *ret)
{
    if (s == NULL)
        return;
    buf_append_text(ret, ",\"to_do\":{\"action\":");
    json_text_string(ret, bytes_of_text(s->action));
    json_text_member(ret, "reason", s->reason);
    json_text_member(ret, "detail", s->detail);
    print_bool(ret, "is_difference", s->is_difference);
    json_text_instant(ret, "due", s->due_unix_ms);
    buf_append_text(ret, "}");
}

static void print_subscription(const struct view_subscription *s, struct buf *ret)
{
    buf_append_text(ret, "{\"resource\":");
    json_text_string(ret, bytes_of_text(s->resource));
    json_text_member(ret, "event", s->event);
    json_text_member(ret, "state", subscription_state_name(s->state));
    json_text_instant(ret, "created_at", s->created_at_unix_ms);
    json_text_instant(ret, "expires_at", s->expires_at_unix_ms);
    json_text_instant(ret, "last_event_at", s->last_event_unix_ms);
    print_bool(ret, "is_silent", s->is_silent);
    print_step(s->step, ret);
    buf_append_text(ret, "}");
}

static void print_account(const struct view_account *a, struct buf *ret)
{
    buf_append_text(ret, "{\"account\":");
    json_text_string(ret, bytes_of_text(a->id));
    json_text_member(ret, "provider", a->provider);
    json_text_member(ret, "system", a->system);
    print_bool(ret, "is_declared", a->is_declared);
    json_text_member(ret, "condition", account_condition_name(a->condition));
    json_text_member(ret, "reason", a->reason);
    json_text_instant(ret, "since", a->since_unix_ms);
    json_text_member(ret, "last_pass", a->pass_result);
    json_text_instant(ret, "last_pass_at", a->passed_at_unix_ms);
    json_text_instant(ret, "next_pass_at", a->next_pass_unix_ms);
    print_count(ret, "differences", a->differences);
    print_count(ret, "subscriptions_total", a->subscriptions_all);
    buf_append_text(ret, ",\"subscriptions\":[");
    for (size_t i = 0; i < a->subscriptions_len; i++) {
        buf_append_text(ret, i == 0 ? "" : ",");
        print_subscription(&a->subscriptions[i], ret);
    }
    buf_append_text(ret, "]}");
}

static void print_accounts(const struct view *v, struct buf *ret)
{
    const struct view_accounts *a = v->accounts;
    buf_append_text(ret, ",\n\"accounts\":{\"page\":");
    buf_printf(ret, "%u,\"page_length\":%d", v->filter.page + 1, FILTER_PAGE_LEN);
    json_text_member(ret, "unavailable", a->unavailable);
    print_count(ret, "total", a->all);
    print_count(ret, "matching", a->matching);
    buf_append_text(ret, ",\"by_condition\":{");
    for (size_t i = 0; i < ACCOUNT_CONDITIONS; i++)
        buf_printf(ret, "%s\"%s\":%zu", i == 0 ? "" : ",",
                   account_condition_name((enum account_condition)i), a->by_condition[i]);
    buf_append_text(ret, "},\"items\":[");
    for (size_t i = 0; i < a->items_len; i++) {
        buf_append_text(ret, i == 0 ? "\n" : ",\n");
        print_account(&a->items[i], ret);
    }
    buf_append_text(ret, "]}");
}

void document_print(const struct view *v, struct buf *ret)
{
    buf_printf(ret, "{\"version\":%d", DOCUMENT_VERSION);
    json_text_member(ret, "error", v->faulty_query);
    json_text_member(ret, "process", v->process);
    json_text_member(ret, "program_version", v->version);
    json_text_member(ret, "host", v->host);
    json_text_instant(ret, "started_at", v->started_at_unix_ms);
    json_text_instant(ret, "at", v->now_unix_ms);
    print_bool(ret, "is_ready", v->is_ready);
    print_bool(ret, "is_draining", v->is_draining);
    print_checks(v, ret);
    print_figures(v, ret);
    print_history(v, ret);
    print_tables(v, ret);
    if (v->accounts != NULL)
        print_accounts(v, ret);
    buf_append_text(ret, "}\n");
}
