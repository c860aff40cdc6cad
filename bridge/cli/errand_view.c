#include "bridge/cli/errand_view.h"

#include "bridge/base/json_text.h"
#include "bridge/cli/report_view.h"
#include "bridge/cli/text_table.h"

/* --- what it comes to ------------------------------------------------------------------------- */

enum outcome {
    OUTCOME_UNCHANGED = 0,
    OUTCOME_DONE,
    OUTCOME_FAILED, /* a call did not do what it was to do */
    OUTCOME_UNFINISHED,
    OUTCOME_VERDICT, /* the account's own */
};

static size_t count_failures(const struct reported_account *account)
{
    size_t failures = 0;
    for (size_t i = 0; i < account->calls_len; i++)
        failures += account->calls[i].verdict != VERDICT_OK;
    return failures;
}

static enum outcome outcome_of(const struct reported_account *account,
                               const struct errand_account *mark)
{
    if (report_view_verdict(account) != NULL)
        return OUTCOME_VERDICT;
    if (mark->is_awaited)
        return OUTCOME_UNFINISHED;
    if (count_failures(account) > 0)
        return OUTCOME_FAILED;
    return mark->created + mark->deleted + mark->activated > 0 ? OUTCOME_DONE : OUTCOME_UNCHANGED;
}

static const char *outcome_name(const struct reported_account *account,
                                const struct errand_account *mark)
{
    switch (outcome_of(account, mark)) {
    case OUTCOME_UNCHANGED:
        return "unchanged";
    case OUTCOME_DONE:
        return "done";
    case OUTCOME_FAILED:
        return "failed";
    case OUTCOME_UNFINISHED:
        return "unfinished";
    case OUTCOME_VERDICT:
        break;
    }
    return report_view_verdict(account);
}

/* `apply` brings about what can be; who asks for a certain thing wants to know that it was done. */
static bool is_missed(const struct errand *e, const struct reported_account *account,
                      const struct errand_account *mark)
{
    enum outcome outcome = outcome_of(account, mark);
    if (e->request.kind == REQUEST_PASS || e->request.kind == REQUEST_FORCE)
        return outcome == OUTCOME_UNFINISHED || pass_report_is_unknown(account);
    return outcome != OUTCOME_DONE && outcome != OUTCOME_UNCHANGED;
}

enum exit_code errand_view_exit_code(const struct errand *e, const struct pass_report *report)
{
    if (report->attempts > 0 && report->answered == 0)
        return EXIT_CODE_UNAVAILABLE;
    for (size_t i = 0; i < report->len; i++)
        if (is_missed(e, &report->accounts[i], &e->accounts[i]))
            return EXIT_CODE_FAILURE;
    return report->withholds_deletes || e->lacks_resource ? EXIT_CODE_FAILURE : EXIT_CODE_FINE;
}

/* --- for people ------------------------------------------------------------------------------- */

static const char *const kind_names[] = {[CALL_LIST] = "list",
                                         [CALL_CREATE] = "create",
                                         [CALL_DELETE] = "delete",
                                         [CALL_ACTIVATE] = "activate"};

static void print_failures(const struct reported_account *account, bool with_colour,
                           struct buf *ret)
{
    for (size_t i = 0; i < account->calls_len; i++) {
        const struct reported_call *call = &account->calls[i];
        if (call->verdict == VERDICT_OK)
            continue;
        buf_printf(ret, "  %s! failed%s    %s %s: %s: %s\n",
                   text_colour_begin(TEXT_RED, with_colour), text_colour_end(TEXT_RED, with_colour),
                   call->specification.resource, call->specification.event, kind_names[call->kind],
                   call->reason == NULL ? provider_verdict_name(call->verdict) : call->reason);
    }
}

static void print_count(size_t count, const char *what, const char **gap, struct buf *ret)
{
    if (count == 0)
        return;
    buf_printf(ret, "%s%zu %s", *gap, count, what);
    *gap = ", ";
}

void errand_view_print_line(const struct reported_account *account,
                            const struct errand_account *mark, bool with_colour, struct buf *ret)
{
    enum outcome outcome = outcome_of(account, mark);
    const char *gap = "";
    if (outcome == OUTCOME_UNCHANGED)
        return;
    buf_printf(ret, "%s: ", account->id);
    if (outcome == OUTCOME_VERDICT)
        buf_printf(ret, "%s%s%s%s%s", text_colour_begin(TEXT_RED, with_colour),
                   report_view_verdict(account), text_colour_end(TEXT_RED, with_colour),
                   account->reason == NULL ? "" : ": ",
                   account->reason == NULL ? "" : account->reason);
    buf_append_text(ret, text_colour_begin(TEXT_GREEN, with_colour));
    gap = outcome == OUTCOME_VERDICT ? ", " : "";
    print_count(mark->created, "created", &gap, ret);
    print_count(mark->deleted, "deleted", &gap, ret);
    print_count(mark->activated, "activated", &gap, ret);
    buf_append_text(ret, text_colour_end(TEXT_GREEN, with_colour));
    if (gap[0] == '\0')
        buf_append_text(ret, outcome == OUTCOME_FAILED ? "failed" : "done");
    buf_append_text(ret, "\n");
    print_failures(account, with_colour, ret);
}

static void print_stalled(const struct errand *e, size_t unfinished, struct buf *ret)
{
    if (e->is_stalled)
        buf_printf(ret,
                   "%s! no progress for %lld s%s: %zu account%s not finished; see the reconcilers' "
                   "logs\n",
                   text_colour_begin(TEXT_RED, e->with_colour),
                   2 * (long long)e->access->settings->http_timeout_ms / 1000,
                   text_colour_end(TEXT_RED, e->with_colour), unfinished,
                   unfinished == 1 ? " is" : "s are");
}

static void print_sum(const struct errand *e, const struct pass_report *report, struct buf *ret)
{
    size_t created = 0, deleted = 0, activated = 0, failed = 0, unfinished = 0, told = 0;
    for (size_t i = 0; i < report->len; i++) {
        enum outcome outcome = outcome_of(&report->accounts[i], &e->accounts[i]);
        bool counts = outcome != OUTCOME_UNFINISHED;
        created += counts ? e->accounts[i].created : 0;
        deleted += counts ? e->accounts[i].deleted : 0;
        activated += counts ? e->accounts[i].activated : 0;
        failed += count_failures(&report->accounts[i]);
        unfinished += outcome == OUTCOME_UNFINISHED;
        told += outcome == OUTCOME_VERDICT;
    }
    print_stalled(e, unfinished, ret);
    if (e->members == 0)
        buf_append_text(ret, "Applied: ");
    else
        buf_printf(ret, "Applied by %zu reconciler%s: ", e->members, e->members == 1 ? "" : "s");
    const char *gap = "";
    print_count(created, "created", &gap, ret);
    print_count(deleted, "deleted", &gap, ret);
    print_count(activated, "activated", &gap, ret);
    print_count(failed, "failed", &gap, ret);
    print_count(unfinished, unfinished == 1 ? "account unfinished" : "accounts unfinished", &gap,
                ret);
    print_count(told, told == 1 ? "account not worked on" : "accounts not worked on", &gap, ret);
    buf_append_text(ret, gap[0] == '\0' ? "nothing had to be done\n" : "\n");
}

void errand_view_print(const struct errand *e, const struct pass_report *report,
                       int64_t now_unix_ms, struct buf *ret)
{
    for (size_t i = 0; i < report->len; i++) {
        size_t before = ret->len;
        if (pass_report_has_difference(&report->accounts[i]))
            report_view_print_account(&report->accounts[i], now_unix_ms, e->with_colour, ret);
        buf_append_text(ret, ret->len > before ? "\n" : "");
    }
    report_view_print_guard(report, e->with_colour, ret);
    print_sum(e, report, ret);
}

/* --- for programs ----------------------------------------------------------------------------- */

static void json_failures(const struct reported_account *account, struct buf *ret)
{
    const char *gap = "";
    buf_append_text(ret, ",\"failures\":[");
    for (size_t i = 0; i < account->calls_len; i++) {
        const struct reported_call *call = &account->calls[i];
        if (call->verdict == VERDICT_OK)
            continue;
        buf_printf(ret, "%s{\"resource\":\"%s\",\"event\":\"%s\",\"action\":\"%s\"", gap,
                   call->specification.resource, call->specification.event, kind_names[call->kind]);
        json_text_member(ret, "result", provider_verdict_name(call->verdict));
        json_text_member(ret, "reason", call->reason);
        buf_append_text(ret, "}");
        gap = ",";
    }
    buf_append_text(ret, "]");
}

static void json_account(const struct reported_account *account, const struct errand_account *mark,
                         struct buf *ret)
{
    buf_printf(ret, "{\"account\":\"%s\",\"declared\":%s,\"result\":\"%s\"", account->id,
               account->is_declared ? "true" : "false", outcome_name(account, mark));
    json_text_member(ret, "provider", account->provider);
    json_text_member(ret, "system", account->system);
    json_text_member(ret, "reason", account->reason);
    buf_printf(ret, ",\"created\":%zu,\"deleted\":%zu,\"activated\":%zu", mark->created,
               mark->deleted, mark->activated);
    json_failures(account, ret);
    buf_append_text(ret, ",\"subscriptions\":");
    report_view_print_steps_json(account, ret);
    buf_append_text(ret, "}");
}

void errand_view_print_json(const struct errand *e, const struct pass_report *report,
                            struct buf *ret)
{
    buf_printf(ret, "{\"reconcilers\":%zu,\"stalled\":%s,\"accounts\":[", e->members,
               e->is_stalled ? "true" : "false");
    for (size_t i = 0; i < report->len; i++) {
        buf_append_text(ret, i == 0 ? "" : ",");
        json_account(&report->accounts[i], &e->accounts[i], ret);
    }
    buf_append_text(ret, "],\"deletes_withheld\":");
    report_view_print_guard_json(report, ret);
    buf_printf(ret, ",\"exit_code\":%d}\n", (int)errand_view_exit_code(e, report));
}
