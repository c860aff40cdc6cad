#include "bridge/cli/report_view.h"

#include <stdio.h>

#include "bridge/base/distance.h"
#include "bridge/base/json_text.h"
#include "bridge/base/timestamp.h"
#include "bridge/cli/text_table.h"

/* --- what it comes to ------------------------------------------------------------------------ */

/* A new one in the place of one that is, or was, there. */
static bool is_replacement(const struct reported_step *step)
{
    return step->action == PLAN_CREATE && step->reason != REASON_NEW;
}

static void count_steps(const struct reported_account *account, struct report_summary *ret)
{
    size_t differences = 0;
    for (size_t i = 0; i < account->plan.len; i++) {
        const struct reported_step *step = &account->plan.steps[i];
        ret->by_action[step->action]++;
        ret->replacements += is_replacement(step);
        differences += step->is_difference;
    }
    ret->differences += differences;
    ret->settled += account->has_ended && account->end == PASS_COMPLETE && differences == 0;
}

struct report_summary report_view_summary(const struct pass_report *report)
{
    struct report_summary summary = {.accounts = report->len};
    for (size_t i = 0; i < report->len; i++) {
        const struct reported_account *account = &report->accounts[i];
        count_steps(account, &summary);
        summary.blocked += pass_report_is_blocked(account);
        summary.invalid += account->has_ended && account->end == PASS_INVALID;
        summary.unknown += pass_report_is_unknown(account);
    }
    return summary;
}

enum exit_code report_view_exit_code(const struct pass_report *report)
{
    const struct report_summary summary = report_view_summary(report);
    if (report->attempts > 0 && report->answered == 0)
        return EXIT_CODE_UNAVAILABLE;
    if (summary.unknown > 0 || report->withholds_deletes)
        return EXIT_CODE_FAILURE;
    if (summary.differences + summary.blocked + summary.invalid > 0)
        return EXIT_CODE_CHANGES_PENDING;
    return EXIT_CODE_FINE;
}

/* --- for people ------------------------------------------------------------------------------ */

/* How a step is shown. */
struct mark {
    char sign;
    enum text_colour colour;
    const char *word;
};

static struct mark mark_of(const struct reported_step *step)
{
    switch (step->action) {
    case PLAN_CREATE:
        return is_replacement(step) ? (struct mark){'~', TEXT_YELLOW, "replace"}
                                    : (struct mark){'+', TEXT_GREEN, "create"};
    case PLAN_ACTIVATE:
        return (struct mark){'~', TEXT_YELLOW, "activate"};
    case PLAN_RETIRE:
        return (struct mark){'-', TEXT_RED, "retire"};
    case PLAN_DELETE:
        return (struct mark){'-', TEXT_RED, "delete"};
    case PLAN_GONE:
        return (struct mark){'-', TEXT_RED, "gone"};
    case PLAN_WITHHOLD:
        return (struct mark){'!', TEXT_RED, "withhold"};
    case PLAN_STUCK:
        return (struct mark){'!', TEXT_RED, "refused"};
    case PLAN_LEAVE:
        return (struct mark){'.', TEXT_FAINT, "leave"};
    case PLAN_KEEP:
    case PLAN_FORGET:
    case PLAN_WAIT:
        break;
    }
    return (struct mark){'.', TEXT_FAINT, "wait"};
}

static void print_line(struct mark mark, const char *subject, const char *text, bool with_colour,
                       struct buf *ret)
{
    buf_printf(ret, "  %s%c %-9s%s", text_colour_begin(mark.colour, with_colour), mark.sign,
               mark.word, text_colour_end(mark.colour, with_colour));
    if (subject != NULL)
        buf_printf(ret, " %-26s ", subject);
    buf_printf(ret, "%s%s", subject == NULL ? " " : "", text);
}

static void print_step(const struct reported_step *step, int64_t now_unix_ms, bool with_colour,
                       struct buf *ret)
{
    char subject[2 * SPECIFICATION_PART_MAX + 2], due[DISTANCE_TEXT_SIZE];
    snprintf(subject, sizeof(subject), "%s %s", step->specification.resource,
             step->specification.event);
    print_line(mark_of(step), subject, plan_reason_text(step->reason), with_colour, ret);
    if (step->detail != NULL)
        buf_printf(ret, ": %s", step->detail);
    if (step->due_unix_ms != 0) {
        distance_text(step->due_unix_ms, now_unix_ms, due);
        buf_printf(ret, ", %s%s", step->action == PLAN_RETIRE ? "deleted " : "", due);
    }
    buf_append_text(ret, "\n");
}

const char *report_view_verdict(const struct reported_account *account)
{
    if (pass_report_is_blocked(account))
        return "blocked";
    if (pass_report_is_unknown(account))
        return "unknown";
    return account->end == PASS_INVALID ? "invalid" : NULL;
}

void report_view_print_account(const struct reported_account *account, int64_t now_unix_ms,
                               bool with_colour, struct buf *ret)
{
    const char *verdict = report_view_verdict(account);
    if (verdict == NULL && account->plan.len == 0)
        return;
    buf_printf(ret, "%s", account->id);
    if (account->provider != NULL)
        buf_printf(ret, " (%s%s%s%s)", account->provider, account->system == NULL ? "" : ", ",
                   account->system == NULL ? "" : account->system,
                   account->is_declared ? "" : ", no longer declared");
    buf_append_text(ret, "\n");
    if (verdict != NULL)
        print_line((struct mark){'!', TEXT_RED, verdict}, NULL,
                   account->reason == NULL ? pass_end_name(account->end) : account->reason,
                   with_colour, ret);
    buf_append_text(ret, verdict != NULL ? "\n" : "");
    for (size_t i = 0; i < account->plan.len; i++)
        print_step(&account->plan.steps[i], now_unix_ms, with_colour, ret);
}

void report_view_print_guard(const struct pass_report *report, bool with_colour, struct buf *ret)
{
    if (!report->withholds_deletes)
        return;
    buf_printf(ret, "%s! deletes are withheld%s: ", text_colour_begin(TEXT_RED, with_colour),
               text_colour_end(TEXT_RED, with_colour));
    if (report->guard.desired == 0)
        buf_printf(ret, "nothing at all is wanted, while %zu subscriptions are active",
                   report->guard.active);
    else
        buf_printf(ret, "%zu of %zu active subscriptions are not wanted any more",
                   report->guard.undesired, report->guard.active);
    buf_append_text(ret, "; `maesn-bridge apply --force` lets them through once\n");
}

/* "3 to create" behind what came before it, if there are any. */
static void print_count(size_t count, const char *what, const char **gap, struct buf *ret)
{
    if (count == 0)
        return;
    buf_printf(ret, "%s%zu %s", *gap, count, what);
    *gap = ", ";
}

static void print_summary(const struct report_summary *s, struct buf *ret)
{
    const char *gap = "Plan: ";
    print_count(s->by_action[PLAN_CREATE] - s->replacements, "to create", &gap, ret);
    print_count(s->replacements, "to replace", &gap, ret);
    print_count(s->by_action[PLAN_ACTIVATE], "to activate", &gap, ret);
    print_count(s->by_action[PLAN_RETIRE], "to retire", &gap, ret);
    print_count(s->by_action[PLAN_DELETE], "to delete", &gap, ret);
    print_count(s->by_action[PLAN_GONE], "gone", &gap, ret);
    print_count(s->by_action[PLAN_WITHHOLD], "withheld", &gap, ret);
    print_count(s->by_action[PLAN_STUCK], "refused", &gap, ret);
    print_count(s->by_action[PLAN_WAIT], "waiting", &gap, ret);
    print_count(s->by_action[PLAN_LEAVE], "left", &gap, ret);
    print_count(s->blocked, s->blocked == 1 ? "account blocked" : "accounts blocked", &gap, ret);
    print_count(s->invalid, s->invalid == 1 ? "account invalid" : "accounts invalid", &gap, ret);
    print_count(s->unknown, s->unknown == 1 ? "account unknown" : "accounts unknown", &gap, ret);
    buf_append_text(ret, gap[0] == ',' ? "\n" : "");
    buf_printf(ret, "%zu of %zu account%s as %s should be\n", s->settled, s->accounts,
               s->accounts == 1 ? " is" : "s are", s->accounts == 1 ? "it" : "they");
}

void report_view_print(const struct pass_report *report, int64_t now_unix_ms, bool with_colour,
                       struct buf *ret)
{
    const struct report_summary summary = report_view_summary(report);
    for (size_t i = 0; i < report->len; i++) {
        size_t before = ret->len;
        report_view_print_account(&report->accounts[i], now_unix_ms, with_colour, ret);
        buf_append_text(ret, ret->len > before ? "\n" : "");
    }
    report_view_print_guard(report, with_colour, ret);
    print_summary(&summary, ret);
}

/* --- for programs ---------------------------------------------------------------------------- */

static void json_step(struct buf *ret, const struct reported_step *step)
{
    char due[TIMESTAMP_SIZE];
    buf_printf(ret, "{\"resource\":\"%s\",\"event\":\"%s\",\"action\":\"%s\",\"difference\":%s",
               step->specification.resource, step->specification.event,
               is_replacement(step) ? "replace" : plan_action_name(step->action),
               step->is_difference ? "true" : "false");
    json_text_member(ret, "reason", plan_reason_text(step->reason));
    json_text_member(ret, "detail", step->detail);
    if (step->due_unix_ms != 0) {
        timestamp_format(step->due_unix_ms, due);
        json_text_member(ret, "due_at", due);
    }
    buf_append_text(ret, "}");
}

void report_view_print_steps_json(const struct reported_account *account, struct buf *ret)
{
    buf_append_text(ret, "[");
    for (size_t i = 0; i < account->plan.len; i++) {
        buf_append_text(ret, i == 0 ? "" : ",");
        json_step(ret, &account->plan.steps[i]);
    }
    buf_append_text(ret, "]");
}

void report_view_print_guard_json(const struct pass_report *report, struct buf *ret)
{
    if (report->withholds_deletes)
        buf_printf(ret, "{\"wanted\":%zu,\"active\":%zu,\"unwanted\":%zu}", report->guard.desired,
                   report->guard.active, report->guard.undesired);
    else
        buf_append_text(ret, "null");
}

static void json_account(struct buf *ret, const struct reported_account *account)
{
    const char *verdict = report_view_verdict(account);
    buf_printf(ret, "{\"account\":\"%s\",\"declared\":%s,\"result\":\"%s\"", account->id,
               account->is_declared ? "true" : "false", verdict == NULL ? "complete" : verdict);
    json_text_member(ret, "provider", account->provider);
    json_text_member(ret, "system", account->system);
    json_text_member(ret, "reason", account->reason);
    buf_append_text(ret, ",\"subscriptions\":");
    report_view_print_steps_json(account, ret);
    buf_append_text(ret, "}");
}

static void json_summary(struct buf *ret, const struct report_summary *s)
{
    static const enum plan_action shown[] = {PLAN_ACTIVATE, PLAN_RETIRE, PLAN_DELETE,   PLAN_GONE,
                                             PLAN_WAIT,     PLAN_LEAVE,  PLAN_WITHHOLD, PLAN_STUCK};
    buf_printf(ret, "{\"accounts\":%zu,\"settled\":%zu,\"blocked\":%zu,\"invalid\":%zu",
               s->accounts, s->settled, s->blocked, s->invalid);
    buf_printf(ret, ",\"unknown\":%zu,\"create\":%zu,\"replace\":%zu", s->unknown,
               s->by_action[PLAN_CREATE] - s->replacements, s->replacements);
    for (size_t i = 0; i < sizeof(shown) / sizeof(shown[0]); i++)
        buf_printf(ret, ",\"%s\":%zu", plan_action_name(shown[i]), s->by_action[shown[i]]);
    buf_append_text(ret, "}");
}

void report_view_print_json(const struct pass_report *report, struct buf *ret)
{
    const struct report_summary summary = report_view_summary(report);
    buf_append_text(ret, "{\"accounts\":[");
    for (size_t i = 0; i < report->len; i++) {
        buf_append_text(ret, i == 0 ? "" : ",");
        json_account(ret, &report->accounts[i]);
    }
    buf_append_text(ret, "],\"summary\":");
    json_summary(ret, &summary);
    buf_append_text(ret, ",\"deletes_withheld\":");
    report_view_print_guard_json(report, ret);
    buf_printf(ret, ",\"exit_code\":%d}\n", (int)report_view_exit_code(report));
}
