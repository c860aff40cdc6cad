#include "bridge/app/reconciler_status.h"

#include <math.h>
#include <stdlib.h>

#include "bridge/app/account_views.h"
#include "bridge/app/loop_question.h"
#include "bridge/base/clock.h"
#include "bridge/base/scoped.h"

/* The loop answers within milliseconds, with 100,000 accounts in some hundred turns of a
 * millisecond or two. A probe, whose kubelet waits a second, waits behind it. */
static const int64_t patience_ms = 800;

static const size_t arena_max = 64 << 20;

/* What is told of the present is of the last minute. */
static const int64_t present_ms = 60000;

#define CALLS "maesn_bridge_provider_api_requests_total"
#define CALL_SECONDS "maesn_bridge_provider_api_request_duration_seconds"
#define PASSES "maesn_bridge_reconcile_passes_total"

enum column {
    COLUMN_CALLS_ANSWERED = 0,
    COLUMN_CALLS_FAILED,
    COLUMN_CALL_MEDIAN,
    COLUMN_CALL_P99,
    COLUMN_PASSES_COMPLETE,
    COLUMN_PASSES_OTHER,
    COLUMN_DRIFT,
};

static const struct sampler_column columns[] = {
    [COLUMN_CALLS_ANSWERED] = {SAMPLER_RATE, CALLS, {"code", "2", false}, 60},
    [COLUMN_CALLS_FAILED] = {SAMPLER_RATE, CALLS, {"code", "2", true}, 60},
    [COLUMN_CALL_MEDIAN] = {SAMPLER_QUANTILE, CALL_SECONDS, {0}, 0.5},
    [COLUMN_CALL_P99] = {SAMPLER_QUANTILE, CALL_SECONDS, {0}, 0.99},
    [COLUMN_PASSES_COMPLETE] = {SAMPLER_RATE, PASSES, {"result", "complete", false}, 60},
    [COLUMN_PASSES_OTHER] = {SAMPLER_RATE, PASSES, {"result", "complete", true}, 60},
    [COLUMN_DRIFT] = {SAMPLER_VALUE, "maesn_bridge_reconcile_drift", {0}, 0},
};

static const struct chart charts[] = {
    {"provider-calls",
     "Calls to providers",
     QUANTITY_PER_MINUTE,
     {{"answered", COLUMN_CALLS_ANSWERED, false}, {"failed", COLUMN_CALLS_FAILED, false}}},
    {"provider-call-duration",
     "How long a provider takes",
     QUANTITY_SECONDS,
     {{"median", COLUMN_CALL_MEDIAN, false}, {"99th percentile", COLUMN_CALL_P99, false}}},
    {"passes",
     "Passes over accounts",
     QUANTITY_PER_MINUTE,
     {{"complete", COLUMN_PASSES_COMPLETE, false}, {"not complete", COLUMN_PASSES_OTHER, false}}},
    {"drift", "Drift", QUANTITY_COUNT, {{"differences", COLUMN_DRIFT, false}}},
};

static const struct metric_table tables[] = {
    {"provider-calls",
     "Calls to providers",
     CALLS,
     {"provider", "operation", "code"},
     {"Provider", "Call", "Answer", "Calls"}},
    {"actions",
     "Subscriptions changed at providers",
     "maesn_bridge_reconcile_actions_total",
     {"action", "result"},
     {"Action", "Result", "Times"}},
    {"passes", "Passes over accounts", PASSES, {"result"}, {"Result", "Passes"}},
};

/* What the loop is asked, and its answer. */
struct question {
    struct account_views *views; /* NULL: it has not begun, or is over */
    struct account_views_options options;
    struct arena *arena; /* of the answer */
    struct view_accounts accounts;
    enum status status;
};

struct reconciler_status {
    const struct reconciler_modules *modules;
    struct process_status_source source;
    struct loop_question *loop_question;
    struct question question; /* the loop's while the question is open */
};

/* --- the accounts ----------------------------------------------------------------------------- */

static enum status begin(struct reconciler_status *s)
{
    struct question *q = &s->question;
    const struct reconciler_activity_topic *activity = s->modules->activity_topic;
    q->options.last_events =
        activity == NULL ? NULL : reconciler_activity_topic_events(s->modules->activity_topic);
    return account_views_new(&q->options, q->arena, &q->views);
}

/* In the loop's thread, a turn. */
static bool gather(void *ctx)
{
    struct reconciler_status *s = ctx;
    struct question *q = &s->question;
    q->status = q->views == NULL ? begin(s) : STATUS_OK;
    if (q->status == STATUS_OK)
        q->status = account_views_turn(q->views, &q->accounts);
    if (q->status == STATUS_BUSY)
        return false;
    account_views_free(TAKE(q->views));
    return true;
}

static enum status ask(struct reconciler_status *s, const struct view *v)
{
    struct question *q = &s->question;
    if (loop_question_is_open(s->loop_question))
        return STATUS_BUSY;
    arena_free(q->arena);
    *q = (struct question){
        .options =
            {
                .accounts = s->modules->accounts,
                .filter = v->filter,
                .silent_after_ms = (int64_t)s->modules->settings->reconciler_silent_after_s * 1000,
                .now_unix_ms = v->now_unix_ms,
                .now_mono_ms = v->now_mono_ms,
            },
        .arena = arena_new(arena_max),
    };
    if (q->arena == NULL)
        return STATUS_NOMEM;
    enum status status = loop_question_ask(s->loop_question, gather, s, patience_ms);
    return status == STATUS_OK ? q->status : status;
}

static enum status add_accounts(struct reconciler_status *s, struct arena *arena, struct view *v)
{
    struct view_accounts *accounts = arena_alloc(arena, sizeof(*accounts));
    if (accounts == NULL)
        return STATUS_NOMEM;
    enum status status = ask(s, v);
    if (status == STATUS_BUSY)
        *accounts = (struct view_accounts){
            .unavailable = "The passes' thread did not answer in time, so that nothing can be told "
                           "of accounts "
                           "now. If it goes on, see the check \"passes\" below."};
    else if (status == STATUS_OK)
        *accounts = s->question.accounts; /* whose arena stays until the next question */
    else
        return status;
    if (v->faulty_query != NULL)
        accounts->matching = accounts->items_len = 0;
    v->accounts = accounts;
    return STATUS_OK;
}

/* --- the figures ------------------------------------------------------------------------------ */

/* Of the accounts; NaN while they cannot be told. */
static double told(const struct view *v, size_t count)
{
    return v->accounts->unavailable != NULL ? (double)NAN : (double)count;
}

static size_t need_attention(const struct view *v)
{
    size_t count = 0;
    for (size_t i = 0; i < ACCOUNT_IS_AWAITED; i++)
        count += v->accounts->by_condition[i];
    return count;
}

static struct view_figure accounts_figure(struct arena *arena, const struct view *v)
{
    size_t attention = need_attention(v);
    size_t elsewhere = v->accounts->by_condition[ACCOUNT_IS_ELSEWHERE];
    return (struct view_figure){
        .name = "accounts",
        .title = "Accounts",
        .value = told(v, v->accounts->all - elsewhere),
        .tone = attention == 0 ? TONE_PLAIN : TONE_WARN,
        .note = v->accounts->unavailable != NULL ? "not known"
                : attention == 0                 ? "none needs attention"
                : attention == 1                 ? "1 needs attention"
                                 : arena_printf(arena, "%zu need attention", attention),
    };
}

static struct view_figure subscriptions_figure(struct arena *arena, const struct view *v)
{
    size_t pending = v->accounts->subscriptions[SUBSCRIPTION_PENDING];
    return (struct view_figure){
        .name = "subscriptions-active",
        .title = "Active subscriptions",
        .value = told(v, v->accounts->subscriptions[SUBSCRIPTION_ACTIVE]),
        .note = pending > 0 ? arena_printf(arena, "%zu pending", pending) : NULL,
    };
}

static struct view_figure drift_figure(struct metrics *m, const struct view *v)
{
    bool withholds = metrics_sum(m, "maesn_bridge_reconcile_deletes_withheld", NULL) > 0;
    return (struct view_figure){
        .name = "drift",
        .title = "Drift",
        .value = told(v, v->accounts->differences),
        .tone = v->accounts->differences > 0 || withholds ? TONE_WARN : TONE_PLAIN,
        .note = withholds                       ? "deletes are withheld"
                : v->accounts->differences == 0 ? "as declared"
                                                : "from what is declared",
    };
}

static struct view_figure expiry_figure(const struct view *v)
{
    static const double day_ms = 86400000;
    int64_t expires = v->accounts->soonest_expiry_unix_ms;
    double days = expires == 0 ? (double)INFINITY : (double)(expires - v->now_unix_ms) / day_ms;
    return (struct view_figure){
        .name = "days-to-expiry",
        .title = "First expiry in",
        .value = v->accounts->unavailable != NULL ? (double)NAN
                 : days < 0                       ? 0
                                                  : days,
        .quantity = QUANTITY_DAYS,
        .tone = days < 1 ? TONE_BAD : TONE_PLAIN,
        .note = days < 0 ? "one has expired" : NULL,
    };
}

static struct view_figure silent_figure(struct metrics *m, const struct view *v)
{
    bool is_known = !isnan(metrics_sum(m, "maesn_bridge_subscriptions_silent", NULL));
    return (struct view_figure){
        .name = "silent",
        .title = "Silent subscriptions",
        .value = is_known ? told(v, v->accounts->silent) : (double)NAN,
        .tone = v->accounts->silent > 0 ? TONE_WARN : TONE_PLAIN,
        .note = is_known ? NULL : "last events are not known",
    };
}

static struct view_figure partitions_figure(struct metrics *m)
{
    double led = metrics_sum(m, "maesn_bridge_reconciler_partitions", NULL);
    return (struct view_figure){
        .name = "partitions",
        .title = "Partitions led",
        .value = led,
        .note = led > 0 ? NULL : "another replica leads",
    };
}

static struct view_figure calls_figure(const struct view *v)
{
    int64_t since_mono_ms = v->now_mono_ms - present_ms;
    double failed = history_mean(v->history, COLUMN_CALLS_FAILED, since_mono_ms);
    return (struct view_figure){
        .name = "provider-calls",
        .title = "Calls to providers",
        .value = failed + history_mean(v->history, COLUMN_CALLS_ANSWERED, since_mono_ms),
        .quantity = QUANTITY_PER_MINUTE,
        .tone = failed > 0 ? TONE_WARN : TONE_PLAIN,
        .note = failed > 0 ? "some fail" : NULL,
    };
}

static enum status add_figures(struct metrics *m, struct arena *arena, struct view *v)
{
    const struct view_figure figures[] = {
        accounts_figure(arena, v), subscriptions_figure(arena, v),
        drift_figure(m, v),        expiry_figure(v),
        silent_figure(m, v),       calls_figure(v),
        partitions_figure(m),
    };
    struct view_figure *copy = arena_alloc(arena, sizeof(figures));
    if (copy == NULL)
        return STATUS_NOMEM;
    memcpy(copy, figures, sizeof(figures));
    v->figures = copy;
    v->figures_len = sizeof(figures) / sizeof(figures[0]);
    return STATUS_OK;
}

static enum status tell(void *ctx, struct metrics *m, struct arena *arena, struct view *v)
{
    enum status status = add_accounts(ctx, arena, v);
    return status == STATUS_OK ? add_figures(m, arena, v) : status;
}

/* --- life ------------------------------------------------------------------------------------- */

enum status reconciler_status_new(const struct reconciler_modules *modules,
                                  struct reconciler_status **ret)
{
    struct reconciler_status *s = calloc(1, sizeof(*s));
    if (s == NULL)
        return STATUS_NOMEM;
    s->modules = modules;
    s->source = (struct process_status_source){
        .process = "reconciler",
        .columns = columns,
        .columns_len = sizeof(columns) / sizeof(columns[0]),
        .charts = charts,
        .charts_len = sizeof(charts) / sizeof(charts[0]),
        .tables = tables,
        .tables_len = sizeof(tables) / sizeof(tables[0]),
        .tell = tell,
        .ctx = s,
    };
    if (loop_question_new(modules->loop, &s->loop_question) != STATUS_OK) {
        free(s);
        return STATUS_NOMEM;
    }
    *ret = s;
    return STATUS_OK;
}

void reconciler_status_free(struct reconciler_status *s)
{
    if (s == NULL)
        return;
    loop_question_free(s->loop_question);
    account_views_free(s->question.views);
    arena_free(s->question.arena);
    free(s);
}

const struct process_status_source *reconciler_status_source(const struct reconciler_status *s)
{
    return &s->source;
}
