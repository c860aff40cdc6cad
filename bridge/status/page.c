#include "bridge/status/page.h"

#include <ctype.h>
#include <stdio.h>

#include "bridge/base/crypto.h"
#include "bridge/base/timestamp.h"
#include "bridge/status/assets.h"
#include "bridge/status/html.h"
#include "bridge/status/page_accounts.h"

/* --- the policy ------------------------------------------------------------------------------ */

static enum status hash_of(const char *text, char ret[BASE64_LEN(CRYPTO_SHA256_SIZE) + 1])
{
    const struct bytes part = bytes_of_text(text);
    uint8_t hash[CRYPTO_SHA256_SIZE];
    enum status status = sha256(&part, 1, hash);
    if (status == STATUS_OK)
        base64_encode(bytes_of(hash, sizeof(hash)), ret);
    return status;
}

enum status page_policy(char ret[PAGE_POLICY_SIZE])
{
    char style[BASE64_LEN(CRYPTO_SHA256_SIZE) + 1], script[BASE64_LEN(CRYPTO_SHA256_SIZE) + 1];
    enum status status = hash_of(page_css, style);
    if (status == STATUS_OK)
        status = hash_of(page_js, script);
    if (status != STATUS_OK)
        return status;
    snprintf(ret, PAGE_POLICY_SIZE,
             "default-src 'none'; style-src 'sha256-%s'; script-src 'sha256-%s'; "
             "connect-src 'self'; img-src data:; base-uri 'none'; form-action 'self'; "
             "frame-ancestors 'none'",
             style, script);
    return STATUS_OK;
}

/* --- pieces ---------------------------------------------------------------------------------- */

static const char *tone_name(enum tone tone)
{
    switch (tone) {
    case TONE_PLAIN:
        return "plain";
    case TONE_GOOD:
        return "good";
    case TONE_WARN:
        return "warn";
    case TONE_BAD:
        return "bad";
    }
    return "plain";
}

/* "Reconciler" of "reconciler". */
static void print_name(const char *name, struct buf *ret)
{
    const char first[] = {(char)toupper((unsigned char)name[0]), '\0'};
    html_text(ret, first);
    html_text(ret, name + 1);
}

static void print_fact(const char *term, const char *text, struct buf *ret)
{
    buf_printf(ret, "<div><dt>%s</dt><dd>", term);
    html_text(ret, text);
    buf_append_text(ret, "</dd></div>");
}

static void print_head(const struct view *v, struct buf *ret)
{
    buf_append_text(ret,
                    "<!doctype html>\n<html lang=\"en\">\n<head>\n<meta charset=\"utf-8\">\n"
                    "<meta name=\"viewport\" content=\"width=device-width, initial-scale=1\">\n"
                    "<meta name=\"color-scheme\" content=\"light dark\">\n"
                    "<link rel=\"icon\" href=\"data:,\">\n<title>");
    print_name(v->process, ret);
    buf_append_text(ret, ": ");
    html_text(ret, v->host);
    buf_append_text(ret, " \xc2\xb7 maesn-bridge</title>\n<style>");
    buf_append_text(ret, page_css);
    buf_append_text(ret, "</style>\n</head>\n");
}

static void print_state(const struct view *v, struct buf *ret)
{
    if (v->is_draining)
        buf_append_text(ret, "<p class=\"pill warn\">Stopping</p>");
    else if (v->is_ready)
        buf_append_text(ret, "<p class=\"pill good\">Ready</p>");
    else
        buf_append_text(ret, "<p class=\"pill bad\">Not ready</p>");
}

static void print_header(const struct view *v, struct buf *ret)
{
    char now[TIMESTAMP_SIZE];
    timestamp_format(v->now_unix_ms, now);
    buf_append_text(ret, "<header>\n<div class=\"title\"><p class=\"brand\">maesn-bridge</p><h1>");
    print_name(v->process, ret);
    buf_append_text(ret, "</h1>");
    print_state(v, ret);
    buf_append_text(ret, "</div>\n<dl class=\"about\">");
    print_fact("Host", v->host, ret);
    print_fact("Version", v->version, ret);
    buf_append_text(ret, "<div><dt>Started</dt><dd>");
    html_distance(ret, v->started_at_unix_ms, v->now_unix_ms);
    buf_printf(ret,
               "</dd></div><div><dt>As of</dt><dd><time datetime=\"%s\">%.10s %.8s UTC</time>"
               "</dd></div></dl>\n<p id=\"stale\" class=\"reason bad\" role=\"status\" hidden>This "
               "process "
               "does not answer; what you see is old.</p>\n</header>\n",
               now, now, now + 11);
}

static void print_jumps(const struct view *v, struct buf *ret)
{
    const struct {
        const char *id, *title;
        bool is_there;
    } sections[] = {
        {"accounts", "Accounts", v->accounts != NULL},
        {"charts", "The last minutes", v->charts_len > 0},
        {"health", "Health", true},
        {"counts", "Since the start", v->tables_len > 0},
    };
    buf_append_text(ret, "<nav class=\"jump\" aria-label=\"On this page\"><ul>");
    for (size_t i = 0; i < sizeof(sections) / sizeof(sections[0]); i++)
        if (sections[i].is_there)
            buf_printf(ret, "<li><a href=\"#%s\">%s</a></li>", sections[i].id, sections[i].title);
    buf_append_text(ret, "</ul></nav>\n");
}

/* --- sections -------------------------------------------------------------------------------- */

static void print_figure(const struct view_figure *f, struct buf *ret)
{
    char value[QUANTITY_TEXT_SIZE];
    quantity_text(f->value, f->quantity, value);
    buf_printf(ret, "<div class=\"figure %s\"><dt>", tone_name(f->tone));
    html_text(ret, f->title);
    buf_append_text(ret, "</dt><dd><b>");
    html_text(ret, value);
    buf_append_text(ret, "</b>");
    if (f->note != NULL) {
        buf_append_text(ret, "<span>");
        html_text(ret, f->note);
        buf_append_text(ret, "</span>");
    }
    buf_append_text(ret, "</dd></div>\n");
}

static void print_figures(const struct view *v, struct buf *ret)
{
    buf_append_text(ret, "<section id=\"figures\" aria-labelledby=\"figures-title\">\n"
                         "<h2 id=\"figures-title\" class=\"unseen\">At a glance</h2>\n"
                         "<dl class=\"figures\">\n");
    for (size_t i = 0; i < v->figures_len; i++)
        print_figure(&v->figures[i], ret);
    buf_append_text(ret, "</dl>\n</section>\n");
}

static void print_charts(const struct view *v, struct buf *ret)
{
    buf_printf(ret,
               "<section id=\"charts\" aria-labelledby=\"charts-title\">\n"
               "<h2 id=\"charts-title\">The last %d minutes</h2>\n",
               (int)(HISTORY_SPAN_MS / 60000));
    if (v->now_unix_ms - v->started_at_unix_ms < HISTORY_SPAN_MS) {
        buf_append_text(ret, "<p class=\"hint\">This process started ");
        html_distance(ret, v->started_at_unix_ms, v->now_unix_ms);
        buf_append_text(ret, ": nothing from before is known here.</p>\n");
    }
    buf_append_text(ret, "<div class=\"charts\">\n");
    for (size_t i = 0; i < v->charts_len; i++)
        chart_print(&v->charts[i], v->history, v->now_mono_ms, ret);
    buf_append_text(ret, "</div>\n</section>\n");
}

static void print_check(const struct view_check *c, struct buf *ret)
{
    buf_append_text(ret, "<tr><th scope=\"row\">");
    html_text(ret, c->name);
    buf_printf(ret, "</th><td><span class=\"mark %s\">%s</span></td><td>",
               c->passed        ? "good"
               : c->is_decisive ? "bad"
                                : "warn",
               c->passed ? "ok" : "failed");
    html_text(ret, c->passed ? "" : c->why);
    buf_append_text(ret, "</td></tr>\n");
}

static void print_checks(const struct view *v, struct buf *ret)
{
    buf_append_text(ret, "<section id=\"health\" aria-labelledby=\"health-title\">\n"
                         "<h2 id=\"health-title\">Health</h2>\n<table class=\"plain-table\">\n"
                         "<thead><tr><th scope=\"col\">Check</th><th scope=\"col\">Result</th>"
                         "<th scope=\"col\">Why</th></tr></thead>\n<tbody>\n");
    for (size_t i = 0; i < v->checks_len; i++)
        print_check(&v->checks[i], ret);
    buf_append_text(ret, "</tbody>\n</table>\n</section>\n");
}

static void print_row(const struct view_table *t, size_t row, struct buf *ret)
{
    char number[QUANTITY_TEXT_SIZE];
    size_t texts = t->columns_len - 1;
    buf_append_text(ret, "<tr>");
    for (size_t i = 0; i < texts; i++) {
        buf_append_text(ret, i == 0 ? "<th scope=\"row\">" : "<td>");
        html_text(ret, t->cells[row * texts + i]);
        buf_append_text(ret, i == 0 ? "</th>" : "</td>");
    }
    quantity_text(t->numbers[row], QUANTITY_COUNT, number);
    buf_append_text(ret, "<td class=\"number\">");
    html_text(ret, number);
    buf_append_text(ret, "</td></tr>\n");
}

static void print_table(const struct view_table *t, struct buf *ret)
{
    buf_append_text(ret, "<section class=\"counts\"><table class=\"plain-table\">\n<caption>");
    html_text(ret, t->title);
    buf_append_text(ret, "</caption>\n<thead><tr>");
    for (size_t i = 0; i < t->columns_len; i++) {
        buf_append_text(ret, i + 1 == t->columns_len ? "<th scope=\"col\" class=\"number\">"
                                                     : "<th scope=\"col\">");
        html_text(ret, t->columns[i]);
        buf_append_text(ret, "</th>");
    }
    buf_append_text(ret, "</tr></thead>\n<tbody>\n");
    for (size_t i = 0; i < t->rows_len; i++)
        print_row(t, i, ret);
    if (t->rows_len == 0)
        buf_printf(ret, "<tr><td colspan=\"%zu\">none yet</td></tr>\n", t->columns_len);
    buf_append_text(ret, "</tbody>\n</table></section>\n");
}

static void print_tables(const struct view *v, struct buf *ret)
{
    buf_append_text(ret, "<section id=\"counts\" aria-labelledby=\"counts-title\">\n"
                         "<h2 id=\"counts-title\">Since the start</h2>\n<div class=\"tables\">\n");
    for (size_t i = 0; i < v->tables_len; i++)
        print_table(&v->tables[i], ret);
    buf_append_text(ret, "</div>\n</section>\n");
}

static void print_footer(struct buf *ret)
{
    static const char *const paths[] = {"/status.json", "/metrics",      "/readyz?verbose",
                                        "/version",     "/debug/config", "/rejections.json"};
    buf_append_text(ret, "<footer><nav aria-label=\"More of this process\"><ul>");
    for (size_t i = 0; i < sizeof(paths) / sizeof(paths[0]); i++)
        buf_printf(ret, "<li><a href=\"%s\">%s</a></li>", paths[i], paths[i]);
    buf_append_text(ret, "</ul></nav></footer>\n");
}

void page_print(const struct view *v, struct buf *ret)
{
    print_head(v, ret);
    buf_append_text(ret, "<body>\n");
    print_header(v, ret);
    print_jumps(v, ret);
    buf_append_text(ret, "<main>\n");
    print_figures(v, ret);
    if (v->accounts != NULL)
        page_accounts_print(v, ret);
    if (v->charts_len > 0)
        print_charts(v, ret);
    print_checks(v, ret);
    if (v->tables_len > 0)
        print_tables(v, ret);
    buf_append_text(ret, "</main>\n");
    print_footer(ret);
    buf_append_text(ret, "<script>");
    buf_append_text(ret, page_js);
    buf_append_text(ret, "</script>\n</body>\n</html>\n");
}
