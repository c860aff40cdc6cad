#include "bridge/cli/probe_report.h"

#include <inttypes.h>
#include <stdio.h>

#include "bridge/base/json_text.h"
#include "bridge/base/scoped.h"
#include "bridge/base/timestamp.h"
#include "bridge/cli/text_table.h"

/* "12.345" and its NUL, of any int64_t. */
#define NUMBER_SIZE 32

static bool is_ok(const struct probe_report_view *v)
{
    return v->report->failed == PROBE_HOPS;
}

/* Whether this hop has a time to tell. */
static bool has_time(const struct probe_report *r, int hop)
{
    return r->hops_us[hop] != PROBE_NOT_REACHED;
}

/* Thousandths as a decimal number, whatever the locale. */
static const char *thousandths(int64_t n, char ret[NUMBER_SIZE])
{
    snprintf(ret, NUMBER_SIZE, "%" PRId64 ".%03d", n / 1000, (int)(n % 1000));
    return ret;
}

/* --- for people ------------------------------------------------------------------------------- */

/* What a hop that was come through has found. */
static void describe(const struct probe_report_view *v, int hop, char *ret, size_t ret_size)
{
    const struct probe_report *r = v->report;
    ret[0] = '\0';
    if (hop == PROBE_KAFKA && r->partition >= 0)
        snprintf(ret, ret_size, "%s, partition %" PRId32, r->topic, r->partition);
    else if (hop == PROBE_DNS)
        snprintf(ret, ret_size, "%s", v->base_url);
    else if (hop == PROBE_ANSWER && r->code != 0)
        snprintf(ret, ret_size, "%u", r->code);
    else if (hop == PROBE_RECORD && r->offset >= 0 && r->timestamp_unix_ms != 0)
        snprintf(ret, ret_size, "offset %" PRId64 ", met %" PRId64 " ms after its timestamp",
                 r->offset, r->met_at_unix_ms - r->timestamp_unix_ms);
    else if (hop == PROBE_RECORD && r->offset >= 0)
        snprintf(ret, ret_size, "offset %" PRId64, r->offset);
}

static void add_hop(const struct probe_report_view *v, int hop, struct text_table *table)
{
    const struct probe_report *r = v->report;
    char ms[NUMBER_SIZE], detail[1536];
    bool has_failed = (int)r->failed == hop;
    describe(v, hop, detail, sizeof(detail));
    enum text_colour colour = has_failed ? TEXT_RED : has_time(r, hop) ? TEXT_GREEN : TEXT_FAINT;
    text_table_add(table, colour, "%s", probe_hop_name((enum probe_hop)hop));
    if (has_failed)
        text_table_add(table, colour, "failed");
    else if (has_time(r, hop))
        text_table_add(table, TEXT_PLAIN, "%s ms", thousandths(r->hops_us[hop], ms));
    else
        text_table_add(table, TEXT_FAINT, "%s", "");
    text_table_add(table, TEXT_PLAIN, "%s", detail);
}

void probe_report_print(const struct probe_report_view *v, bool with_colour, struct buf *ret)
{
    static const char *const headings[] = {"HOP", "TIME", "DETAIL"};
    const struct probe_report *r = v->report;
    char ms[NUMBER_SIZE];
    CLEANUP(text_table_done) struct text_table table;
    text_table_init(&table, headings, sizeof(headings) / sizeof(headings[0]));
    for (int hop = 0; hop < PROBE_HOPS; hop++)
        if (hop != PROBE_TLS || r->is_secured)
            add_hop(v, hop, &table);
    text_table_print(&table, with_colour, ret);
    if (is_ok(v))
        buf_printf(ret, "\nthe test event %s came through in %s ms\n", r->id,
                   thousandths(r->total_us, ms));
}

/* --- for programs ------------------------------------------------------------------------------
 */

static void json_known(struct buf *out, const char *name, const char *text)
{
    json_text_member(out, name, text[0] == '\0' ? NULL : text);
}

void probe_report_print_json(const struct probe_report_view *v, struct buf *ret)
{
    const struct probe_report *r = v->report;
    char ms[NUMBER_SIZE];
    buf_printf(ret, "{\"ok\":%s", is_ok(v) ? "true" : "false");
    json_known(ret, "failed_hop", is_ok(v) ? "" : probe_hop_name(r->failed));
    json_known(ret, "problem", r->problem.text);
    json_known(ret, "account", v->account);
    json_known(ret, "url", v->base_url);
    json_known(ret, "topic", r->topic);
    if (r->partition >= 0)
        buf_printf(ret, ",\"partition\":%" PRId32, r->partition);
    if (r->offset >= 0)
        buf_printf(ret, ",\"offset\":%" PRId64, r->offset);
    json_known(ret, "ce_id", r->id);
    if (r->code != 0)
        buf_printf(ret, ",\"http_status\":%u", r->code);
    json_text_instant(ret, "sent_at", r->sent_at_unix_ms);
    json_text_instant(ret, "received_at", r->received_at_unix_ms);
    json_text_instant(ret, "record_timestamp", r->timestamp_unix_ms);
    json_text_instant(ret, "met_at", r->met_at_unix_ms);
    buf_append_text(ret, ",\"hops_ms\":{");
    const char *comma = "";
    for (int hop = 0; hop < PROBE_HOPS; hop++) {
        if (!has_time(r, hop))
            continue;
        buf_printf(ret, "%s\"%s\":%s", comma, probe_hop_name((enum probe_hop)hop),
                   thousandths(r->hops_us[hop], ms));
        comma = ",";
    }
    buf_printf(ret, "},\"total_ms\":%s}\n", thousandths(r->total_us, ms));
}

/* --- for Prometheus ----------------------------------------------------------------------------
 */

static void metric_head(struct buf *out, const char *name, const char *help)
{
    buf_printf(out, "# HELP %s %s\n# TYPE %s gauge\n", name, help, name);
}

static void metric_seconds(struct buf *out, const char *name, const char *labels, int64_t us)
{
    buf_printf(out, "%s{%s} %" PRId64 ".%06d\n", name, labels, us / 1000000, (int)(us % 1000000));
}

/* An account's name needs no escape. */
void probe_report_print_metrics(const struct probe_report_view *v, struct buf *ret)
{
    const struct probe_report *r = v->report;
    char account[128], labels[192];
    snprintf(account, sizeof(account), "account=\"%s\"", v->account);
    metric_head(ret, "maesn_bridge_probe_success", "Whether the last test event came through.");
    buf_printf(ret, "maesn_bridge_probe_success{%s} %d\n", account, is_ok(v));
    metric_head(ret, "maesn_bridge_probe_hop_failed", "The hop at which the last one failed.");
    for (int hop = 0; hop < PROBE_HOPS; hop++)
        buf_printf(ret, "maesn_bridge_probe_hop_failed{%s,hop=\"%s\"} %d\n", account,
                   probe_hop_name((enum probe_hop)hop), (int)r->failed == hop);
    metric_head(ret, "maesn_bridge_probe_hop_seconds", "How long each hop of the last one took.");
    for (int hop = 0; hop < PROBE_HOPS; hop++) {
        snprintf(labels, sizeof(labels), "%s,hop=\"%s\"", account,
                 probe_hop_name((enum probe_hop)hop));
        if (has_time(r, hop))
            metric_seconds(ret, "maesn_bridge_probe_hop_seconds", labels, r->hops_us[hop]);
    }
    metric_head(ret, "maesn_bridge_probe_seconds",
                "From the first step towards the URL to the record, or to where it failed.");
    metric_seconds(ret, "maesn_bridge_probe_seconds", account, r->total_us);
    metric_head(ret, "maesn_bridge_probe_timestamp_seconds", "When the last one ended.");
    metric_seconds(ret, "maesn_bridge_probe_timestamp_seconds", account,
                   v->ended_at_unix_ms * 1000);
}
