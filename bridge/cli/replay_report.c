#include "bridge/cli/replay_report.h"

#include <inttypes.h>

#include "bridge/base/json_text.h"
#include "bridge/base/scoped.h"
#include "bridge/base/timestamp.h"
#include "bridge/cli/text_table.h"

/* Groups of which people are shown an example. */
#define EXAMPLES_MAX 10

static const char *plural(size_t n)
{
    return n == 1 ? "" : "s";
}

/* --- for people ------------------------------------------------------------------------------- */

static const char *outcome_text(const struct replay_report_view *v, enum replay_outcome outcome)
{
    if (outcome == REPLAY_REPLAYED && !v->is_executed)
        return "would be replayed";
    return replay_outcome_name(outcome);
}

static enum text_colour outcome_colour(enum replay_outcome outcome)
{
    switch (outcome) {
    case REPLAY_UNREADABLE:
    case REPLAY_NO_TOPIC:
    case REPLAY_REFUSED:
        return TEXT_RED;
    case REPLAY_NOT_UNDERSTOOD:
        return TEXT_YELLOW;
    case REPLAY_REPLAYED:
        return TEXT_GREEN;
    }
    return TEXT_PLAIN;
}

static const char *reason_text(const struct tally_group *g)
{
    return g->reason == DEAD_LETTER_NONE ? "" : dead_letter_reason_name(g->reason);
}

static void print_groups(const struct replay_report_view *v, bool with_colour, struct buf *ret)
{
    static const char *const headings[] = {"OUTCOME", "REASON",  "ACCOUNT",
                                           "TOPIC",   "LETTERS", "RECORDS"};
    CLEANUP(text_table_done) struct text_table table;
    text_table_init(&table, headings, sizeof(headings) / sizeof(headings[0]));
    for (size_t i = 0; i < v->report->tally.groups_len; i++) {
        const struct tally_group *g = &v->report->tally.groups[i];
        text_table_add(&table, outcome_colour(g->outcome), "%s", outcome_text(v, g->outcome));
        text_table_add(&table, TEXT_PLAIN, "%s", reason_text(g));
        text_table_add(&table, TEXT_PLAIN, "%s", g->account);
        text_table_add(&table, TEXT_PLAIN, "%s", g->topic);
        text_table_add(&table, TEXT_PLAIN, "%zu", g->letters);
        text_table_add(&table, TEXT_PLAIN, "%zu", g->records);
    }
    text_table_print(&table, with_colour, ret);
}

static void print_examples(const struct replay_report_view *v, bool with_colour, struct buf *ret)
{
    static const char *const headings[] = {"FOR EXAMPLE", "LETTER", "RECEIVED",
                                           "CE_ID",       "KEY",    "DETAIL"};
    CLEANUP(text_table_done) struct text_table table;
    text_table_init(&table, headings, sizeof(headings) / sizeof(headings[0]));
    for (size_t i = 0; i < v->report->tally.groups_len && i < EXAMPLES_MAX; i++) {
        const struct tally_group *g = &v->report->tally.groups[i];
        char received[TIMESTAMP_SIZE];
        timestamp_format(g->sample.recorded_at_unix_ms, received);
        text_table_add(&table, outcome_colour(g->outcome), "%s", outcome_text(v, g->outcome));
        text_table_add(&table, TEXT_PLAIN, "%" PRId32 "/%" PRId64, g->sample.partition,
                       g->sample.offset);
        text_table_add(&table, TEXT_PLAIN, "%s", received);
        text_table_add(&table, TEXT_PLAIN, "%s", g->sample.id);
        text_table_add(&table, TEXT_PLAIN, "%s", g->sample.key);
        text_table_add(&table, TEXT_PLAIN, "%s", g->sample.detail);
    }
    buf_append_text(ret, "\n");
    text_table_print(&table, with_colour, ret);
}

static void print_sum(const struct replay_report_view *v, struct buf *ret)
{
    const struct replay_report *r = v->report;
    const struct tally *t = &r->tally;
    size_t replayed = t->letters[REPLAY_REPLAYED], stays = 0;
    for (int i = 0; i < REPLAY_OUTCOMES; i++)
        stays += i == REPLAY_REPLAYED ? 0 : t->letters[i];
    buf_printf(ret, "%s%s: %zu letter%s, %zu replayed before, %zu not selected\n",
               t->groups_len > 0 ? "\n" : "", v->topic, r->letters, plural(r->letters), r->already,
               r->not_selected);
    if (r->is_interrupted)
        buf_append_text(ret, "interrupted: another run goes on\n");
    if (replayed == 0)
        buf_printf(ret, "nothing to replay, %zu stay%s dead letters\n", stays,
                   stays == 1 ? "s" : "");
    else if (v->is_executed)
        buf_printf(ret, "%zu letter%s replayed as %zu record%s, %zu stay%s\n", replayed,
                   plural(replayed), t->records, plural(t->records), stays, stays == 1 ? "s" : "");
    else
        buf_printf(ret,
                   "%zu letter%s would be replayed as %zu record%s, %zu stay%s; nothing was "
                   "written, --execute does it\n",
                   replayed, plural(replayed), t->records, plural(t->records), stays,
                   stays == 1 ? "s" : "");
}

void replay_report_print(const struct replay_report_view *v, bool with_colour, struct buf *ret)
{
    if (v->report->tally.groups_len > 0) {
        print_groups(v, with_colour, ret);
        print_examples(v, with_colour, ret);
    }
    print_sum(v, ret);
}

void replay_report_print_progress(const struct replay_report_view *v, struct buf *ret)
{
    const struct replay_report *r = v->report;
    unsigned percent = r->total == 0 ? 100 : (unsigned)(r->passed * 100 / r->total);
    buf_printf(ret, "\r%3u %%  %zu letter%s read, %zu %s\033[K", percent, r->letters,
               plural(r->letters), r->tally.letters[REPLAY_REPLAYED],
               v->is_executed ? "replayed" : "to replay");
}

/* --- for programs ------------------------------------------------------------------------------
 */

/* Nothing for an empty text: what is not known is left out. */
static void json_member(struct buf *out, const char *name, const char *text)
{
    if (text[0] == '\0')
        return;
    buf_printf(out, ",\"%s\":", name);
    json_text_string(out, bytes_of_text(text));
}

static void json_group(struct buf *out, const struct tally_group *g)
{
    char received[TIMESTAMP_SIZE];
    timestamp_format(g->sample.recorded_at_unix_ms, received);
    buf_printf(out, "{\"outcome\":\"%s\"", replay_outcome_name(g->outcome));
    json_member(out, "reason", reason_text(g));
    json_member(out, "account", g->account);
    json_member(out, "topic", g->topic);
    buf_printf(out,
               ",\"letters\":%zu,\"records\":%zu,\"example\":{\"partition\":%" PRId32
               ",\"offset\":%" PRId64,
               g->letters, g->records, g->sample.partition, g->sample.offset);
    json_member(out, "received_at", received);
    json_member(out, "ce_id", g->sample.id);
    json_member(out, "key", g->sample.key);
    json_member(out, "detail", g->sample.detail);
    buf_append_text(out, "}}");
}

void replay_report_print_json(const struct replay_report_view *v, struct buf *ret)
{
    const struct replay_report *r = v->report;
    const struct tally *t = &r->tally;
    buf_printf(ret,
               "{\"executed\":%s,\"interrupted\":%s,\"topic\":", v->is_executed ? "true" : "false",
               r->is_interrupted ? "true" : "false");
    json_text_string(ret, bytes_of_text(v->topic));
    buf_printf(ret,
               ",\"letters\":%zu,\"replayed_before\":%zu,\"not_selected\":%zu,\"replayed\":%zu,"
               "\"records\":%zu,\"not_understood\":%zu,\"no_topic\":%zu,\"refused\":%zu,"
               "\"unreadable\":%zu,\"groups\":[",
               r->letters, r->already, r->not_selected, t->letters[REPLAY_REPLAYED], t->records,
               t->letters[REPLAY_NOT_UNDERSTOOD], t->letters[REPLAY_NO_TOPIC],
               t->letters[REPLAY_REFUSED], t->letters[REPLAY_UNREADABLE]);
    for (size_t i = 0; i < t->groups_len; i++) {
        buf_append_text(ret, i == 0 ? "" : ",");
        json_group(ret, &t->groups[i]);
    }
    buf_append_text(ret, "]}\n");
}
