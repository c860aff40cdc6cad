#include "bridge/status/page_accounts.h"

#include "bridge/base/scoped.h"
#include "bridge/status/html.h"

/* A line shows at most so many subscriptions as marks; beyond it, the numbers say it alone. */
static const size_t marks_max = 40;

static const char *condition_tone(enum account_condition condition)
{
    switch (condition) {
    case ACCOUNT_IS_BLOCKED:
    case ACCOUNT_IS_INVALID:
    case ACCOUNT_IS_UNREADABLE:
        return "bad";
    case ACCOUNT_IS_FAILING:
    case ACCOUNT_IS_DRIFTING:
    case ACCOUNT_IS_SILENT:
        return "warn";
    case ACCOUNT_IS_FINE:
        return "good";
    case ACCOUNT_IS_AWAITED:
    case ACCOUNT_IS_ELSEWHERE:
        break;
    }
    return "faint";
}

/* --- the form -------------------------------------------------------------------------------- */

/* How many accounts an option stands for; those that ask for subscriptions are not counted. */
static size_t count_of(const struct view_accounts *a, const struct filter_state *s)
{
    size_t count = 0;
    for (size_t i = 0; i < ACCOUNT_CONDITIONS; i++)
        if ((s->conditions & 1U << i) != 0)
            count += a->by_condition[i];
    return count;
}

static void print_option(const struct view *v, const struct filter_state *s, struct buf *ret)
{
    buf_printf(ret, "<option value=\"%s\"%s>%s", s->name,
               v->filter.state == s->name ? " selected" : "", s->title);
    if (s->conditions != 0)
        buf_printf(ret, " (%zu)", count_of(v->accounts, s));
    buf_append_text(ret, "</option>\n");
}

static void print_form(const struct view *v, struct buf *ret)
{
    buf_append_text(
        ret, "<form id=\"filter\" method=\"get\" action=\"/status\" role=\"search\" "
             "aria-label=\"Accounts\">\n<div><label for=\"account\">Account or system</label>"
             "<input id=\"account\" name=\"account\" type=\"search\" autocomplete=\"off\" "
             "spellcheck=\"false\" maxlength=\"63\" value=\"");
    html_text(ret, v->filter.account);
    buf_append_text(ret, "\"></div>\n<div><label for=\"state\">State</label>"
                         "<select id=\"state\" name=\"state\">\n<option value=\"\">All</option>\n");
    for (size_t i = 0; i < filter_states_len; i++)
        print_option(v, &filter_states[i], ret);
    buf_append_text(ret, "</select></div>\n<button type=\"submit\">Show</button>\n</form>\n");
}

/* --- a subscription -------------------------------------------------------------------------- */

static const char *subscription_tone(const struct view_subscription *s)
{
    if (s->is_silent || (s->step != NULL && s->step->is_difference))
        return "warn";
    switch (s->state) {
    case SUBSCRIPTION_MISSING:
    case SUBSCRIPTION_PENDING:
        return "warn";
    case SUBSCRIPTION_ACTIVE:
        return "good";
    case SUBSCRIPTION_RETIRING:
    case SUBSCRIPTION_RETIRED:
        break;
    }
    return "faint";
}

static void print_step(const struct view_subscription *s, int64_t now_unix_ms, struct buf *ret)
{
    const struct view_step *step = s->step;
    if (step == NULL)
        return;
    html_text(ret, step->action);
    if (step->reason != NULL && step->reason[0] != '\0') {
        buf_append_text(ret, ": ");
        html_text(ret, step->reason);
    }
    if (step->due_unix_ms != 0) {
        buf_append_text(ret, ", ");
        html_distance(ret, step->due_unix_ms, now_unix_ms);
    }
    if (step->detail != NULL) {
        buf_append_text(ret, "<span class=\"detail\">");
        html_text(ret, step->detail);
        buf_append_text(ret, "</span>");
    }
}

static void print_subscription(const struct view_subscription *s, int64_t now_unix_ms,
                               struct buf *ret)
{
    buf_append_text(ret, "<tr role=\"row\"><th scope=\"row\" role=\"rowheader\">");
    html_text(ret, s->resource);
    buf_append_text(ret, "</th><td role=\"cell\" data-label=\"Event\">");
    html_text(ret, s->event);
    buf_printf(ret,
               "</td><td role=\"cell\" data-label=\"State\"><span class=\"mark %s\">%s</span></td>"
               "<td role=\"cell\" data-label=\"Expires\">",
               subscription_tone(s), subscription_state_name(s->state));
    html_distance(ret, s->expires_at_unix_ms, now_unix_ms);
    buf_append_text(ret, "</td><td role=\"cell\" data-label=\"Last event\">");
    html_distance(ret, s->last_event_unix_ms, now_unix_ms);
    buf_append_text(ret, s->is_silent ? ", <em>silent</em>" : "");
    buf_append_text(ret, "</td><td role=\"cell\" data-label=\"To do\">");
    print_step(s, now_unix_ms, ret);
    buf_append_text(ret, "</td></tr>\n");
}

static void print_subscriptions(const struct view_account *a, int64_t now_unix_ms, struct buf *ret)
{
    static const char *const columns[] = {"Resource", "Event",      "State",
                                          "Expires",  "Last event", "To do"};
    if (a->subscriptions_len == 0) {
        buf_append_text(ret, "<p class=\"hint\">No subscriptions.</p>\n");
        return;
    }
    /* The roles stay when a narrow page lays the cells out below each other. */
    buf_append_text(ret, "<table class=\"subscriptions\" role=\"table\"><caption class=\"unseen\">"
                         "Subscriptions of ");
    html_text(ret, a->id);
    buf_append_text(ret, "</caption>\n<thead role=\"rowgroup\"><tr role=\"row\">");
    for (size_t i = 0; i < sizeof(columns) / sizeof(columns[0]); i++)
        buf_printf(ret, "<th scope=\"col\" role=\"columnheader\">%s</th>", columns[i]);
    buf_append_text(ret, "</tr></thead>\n<tbody role=\"rowgroup\">\n");
    for (size_t i = 0; i < a->subscriptions_len; i++)
        print_subscription(&a->subscriptions[i], now_unix_ms, ret);
    buf_append_text(ret, "</tbody></table>\n");
    if (a->subscriptions_len == a->subscriptions_all)
        return;
    buf_printf(ret, "<p class=\"hint\">Showing %zu of %zu; <a href=\"/status?account=",
               a->subscriptions_len, a->subscriptions_all);
    html_query_value(ret, a->id);
    buf_append_text(ret, "\">all of this account</a>.</p>\n");
}

/* --- an account ------------------------------------------------------------------------------ */

static void print_marks(const struct view_account *a, struct buf *ret)
{
    buf_append_text(ret, "<span class=\"marks\" aria-hidden=\"true\">");
    for (size_t i = 0; a->subscriptions_all <= marks_max && i < a->subscriptions_len; i++) {
        const struct view_subscription *s = &a->subscriptions[i];
        if (s->state != SUBSCRIPTION_RETIRED)
            buf_printf(ret, "<i class=\"%s %s\"></i>", subscription_state_name(s->state),
                       subscription_tone(s));
    }
    buf_append_text(ret, "</span>");
}

/* "12 active, 1 pending" */
static void print_states(const struct view_account *a, struct buf *ret)
{
    static const enum subscription_state order[] = {SUBSCRIPTION_ACTIVE, SUBSCRIPTION_MISSING,
                                                    SUBSCRIPTION_PENDING, SUBSCRIPTION_RETIRING};
    const char *comma = "";
    for (size_t i = 0; i < sizeof(order) / sizeof(order[0]); i++) {
        if (a->by_state[order[i]] == 0)
            continue;
        buf_printf(ret, "%s%zu %s", comma, a->by_state[order[i]],
                   subscription_state_name(order[i]));
        comma = ", ";
    }
    if (comma[0] == '\0')
        buf_append_text(ret, "none");
}

static void print_summary(const struct view_account *a, int64_t now_unix_ms, struct buf *ret)
{
    buf_append_text(ret, "<summary><span class=\"id\"><b>");
    html_text(ret, a->id);
    buf_append_text(ret, "</b> <span>");
    html_text(ret, a->system);
    buf_printf(ret, "</span></span> <span class=\"condition\"><span class=\"mark %s\">%s</span>",
               condition_tone(a->condition), account_condition_name(a->condition));
    if (a->condition == ACCOUNT_IS_DRIFTING)
        buf_printf(ret, " <span>%zu</span>", a->differences);
    buf_append_text(ret, "</span> <span class=\"held\"><span class=\"states\">");
    print_states(a, ret);
    buf_append_text(ret, "</span>");
    print_marks(a, ret);
    buf_append_text(ret, "</span> <span class=\"expires\"><span class=\"label\">expires </span>");
    if (a->by_state[SUBSCRIPTION_ACTIVE] == 0)
        buf_append_text(ret, "\xe2\x80\x93");
    else
        html_distance(ret, a->soonest_expiry_unix_ms, now_unix_ms);
    buf_append_text(ret, "</span> <span class=\"heard\"><span class=\"label\">last event </span>");
    html_distance(ret, a->last_event_unix_ms, now_unix_ms);
    buf_append_text(ret, "</span></summary>\n");
}

static void print_instant(const char *term, int64_t unix_ms, int64_t now_unix_ms, struct buf *ret)
{
    if (unix_ms == 0)
        return;
    buf_printf(ret, "<div><dt>%s</dt><dd>", term);
    html_distance(ret, unix_ms, now_unix_ms);
    buf_append_text(ret, "</dd></div>");
}

static void print_facts(const struct view_account *a, int64_t now_unix_ms, struct buf *ret)
{
    buf_append_text(ret, "<dl class=\"facts\"><div><dt>Provider</dt><dd>");
    html_text(ret, a->provider == NULL ? "not known" : a->provider);
    buf_append_text(ret, "</dd></div>");
    if (!a->is_declared)
        buf_append_text(ret, "<div><dt>Declared</dt><dd>no longer</dd></div>");
    print_instant("Since", a->since_unix_ms, now_unix_ms, ret);
    if (a->pass_result != NULL) {
        buf_append_text(ret, "<div><dt>Last pass</dt><dd>");
        html_text(ret, a->pass_result);
        buf_append_text(ret, ", ");
        html_distance(ret, a->passed_at_unix_ms, now_unix_ms);
        buf_append_text(ret, "</dd></div>");
    }
    print_instant("Next pass", a->next_pass_unix_ms, now_unix_ms, ret);
    buf_append_text(ret, "</dl>\n");
}

static void print_account(const struct view_account *a, bool is_open, int64_t now_unix_ms,
                          struct buf *ret)
{
    buf_append_text(ret, "<li><details id=\"account-");
    html_text(ret, a->id);
    buf_append_text(ret, is_open ? "\" open>" : "\">");
    print_summary(a, now_unix_ms, ret);
    buf_append_text(ret, "<div class=\"more\">\n");
    if (a->reason != NULL) {
        buf_printf(ret, "<p class=\"reason %s\">", condition_tone(a->condition));
        html_text(ret, a->reason);
        buf_append_text(ret, "</p>\n");
    }
    print_facts(a, now_unix_ms, ret);
    print_subscriptions(a, now_unix_ms, ret);
    buf_append_text(ret, "</div></details></li>\n");
}

/* --- the section ----------------------------------------------------------------------------- */

static void print_count(const struct view *v, struct buf *ret)
{
    const struct view_accounts *a = v->accounts;
    size_t first = (size_t)v->filter.page * FILTER_PAGE_LEN;
    if (a->unavailable != NULL)
        return;
    buf_append_text(ret, "<p id=\"count\" class=\"count\" role=\"status\">");
    if (a->items_len == 0)
        buf_printf(ret, "Showing none of %zu accounts", a->all);
    else
        buf_printf(ret, "Showing %zu\xe2\x80\x93%zu of %zu", first + 1, first + a->items_len,
                   a->matching);
    if (a->items_len > 0 && a->matching < a->all)
        buf_printf(ret, " that match, of %zu accounts", a->all);
    else if (a->items_len > 0)
        buf_append_text(ret, a->all == 1 ? " account" : " accounts");
    buf_append_text(ret, "</p>\n");
}

static void print_turn(const struct view *v, unsigned page, const char *text, const char *rel,
                       struct buf *ret)
{
    CLEANUP(buf_done) struct buf query;
    buf_init(&query, 1024);
    filter_print(&v->filter, page, &query);
    buf_append_text(ret, "<a href=\"/status");
    html_text(ret, buf_text(&query));
    buf_printf(ret, "#accounts\" rel=\"%s\">%s</a>", rel, text);
}

static void print_turns(const struct view *v, struct buf *ret)
{
    size_t shown = ((size_t)v->filter.page + 1) * FILTER_PAGE_LEN;
    bool has_next = shown < v->accounts->matching;
    if (v->filter.page == 0 && !has_next)
        return;
    buf_append_text(ret, "<nav class=\"turns\" aria-label=\"Pages of accounts\">");
    if (v->filter.page > 0)
        print_turn(v, v->filter.page - 1, "Previous", "prev", ret);
    buf_printf(ret, "<span>Page %u of %zu</span>", v->filter.page + 1,
               (v->accounts->matching + FILTER_PAGE_LEN - 1) / FILTER_PAGE_LEN);
    if (has_next)
        print_turn(v, v->filter.page + 1, "Next", "next", ret);
    buf_append_text(ret, "</nav>\n");
}

static void print_list(const struct view *v, struct buf *ret)
{
    const struct view_accounts *a = v->accounts;
    if (a->items_len == 0) {
        print_turns(v, ret);
        return;
    }
    buf_append_text(ret, "<div class=\"columns\" aria-hidden=\"true\"><span>Account</span>"
                         "<span>State</span><span>Subscriptions</span><span>First expiry</span>"
                         "<span>Last event</span></div>\n<ol class=\"accounts\">\n");
    for (size_t i = 0; i < a->items_len; i++)
        print_account(&a->items[i], a->items_len == 1, v->now_unix_ms, ret);
    buf_append_text(ret, "</ol>\n");
    print_turns(v, ret);
}

void page_accounts_print(const struct view *v, struct buf *ret)
{
    const struct view_accounts *a = v->accounts;
    buf_append_text(ret, "<section id=\"accounts\" aria-labelledby=\"accounts-title\">\n"
                         "<h2 id=\"accounts-title\">Accounts</h2>\n");
    if (a->scope != NULL) {
        buf_append_text(ret, "<p class=\"hint\">");
        html_text(ret, a->scope);
        buf_append_text(ret, "</p>\n");
    }
    print_form(v, ret);
    print_count(v, ret);
    buf_append_text(ret, "<div id=\"list\">\n");
    const char *instead = v->faulty_query != NULL ? v->faulty_query : a->unavailable;
    if (instead != NULL) {
        buf_append_text(ret, "<p class=\"reason bad\" role=\"alert\">");
        html_text(ret, instead);
        buf_append_text(ret, "</p>\n");
    } else {
        print_list(v, ret);
    }
    buf_append_text(ret, "</div>\n</section>\n");
}
