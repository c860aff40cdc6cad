#include "bridge/app/reconciler_passes.h"

#include <assert.h>
#include <stdlib.h>

#include "bridge/base/clock.h"
#include "bridge/base/scoped.h"
#include "bridge/domain/log_events.h"
#include "bridge/domain/murmur2.h"

/* How soon after its last one an account may have another pass, whatever asks for it: a bound on
 * what a mistake can cost the provider. */
static const int64_t again_min_ms = 1000;

/* How often the clock is looked at anew, for it may be set. */
static const int64_t turn_max_ms = 1000;

/* How often all accounts are looked through, for the guard rail and the gauges. */
static const int64_t survey_ms = 5000;

/* So many accounts in a row that are forbidden mean the API key. */
#define FORBIDDEN_MAX 3

/* Deletes of more than this share are withheld, where it is a share of enough. */
#define GUARD_PERCENT 30
#define GUARD_FEWEST 10

struct running_pass {
    struct reconciler_passes *passes;
    struct reconciler_account *account;
    struct declaration *wants; /* a reference; NULL: it is no longer declared */
    struct pass *pass;
};

struct action_counters {
    struct counter *by_verdict[PROVIDER_VERDICTS];
};

struct reconciler_passes {
    struct reconciler_passes_options options;
    struct task_timer timer;
    atomic_size_t running;
    bool is_draining;

    int64_t surveyed_mono_ms; /* 0: the survey is to be made anew */
    bool withholds_deletes;

    unsigned forbidden;        /* in a row */
    int64_t key_tried_unix_ms; /* while the API key is taken as refused: the last test call */
    int64_t blocks_void_since_unix_ms; /* the API key was taken again; 0: never refused */

    struct counter *ends[PASS_ENDS];
    struct action_counters actions[CALL_ACTIVATE + 1];
    struct gauge *drift;
    struct gauge *days_to_expiry;
    struct gauge *accounts_by_status[ACCOUNT_INVALID + 1];
    struct gauge *withheld;
};

static void turn(struct task_timer *timer);

static int64_t now_unix_ms(void *ctx)
{
    (void)ctx;
    return clock_unix_ms();
}

/* Looks at the queue in a moment. */
static void turn_soon(struct reconciler_passes *p)
{
    task_loop_set(p->options.loop, &p->timer, clock_mono_ms());
}

/* --- the survey -------------------------------------------------------------------------------
 */

struct survey {
    const struct reconciler_passes *passes;
    size_t declared;  /* subscriptions that are wanted, led here */
    size_t active;    /* routes, led here */
    size_t undesired; /* of those */
    size_t differences;
    size_t by_status[ACCOUNT_INVALID + 1];
    int64_t soonest_expiry_unix_ms; /* 0: none expires */
};

static void survey_route(struct survey *s, const struct reconciler_account *account,
                         const struct route_record *r)
{
    if (r->state != ROUTE_ACTIVE)
        return;
    s->active++;
    if (account->declared == NULL ||
        desired_account_find(&account->declared->desired, &r->url.specification) == NULL)
        s->undesired++;
    if (r->expires_at_unix_ms > 0 &&
        (s->soonest_expiry_unix_ms == 0 || r->expires_at_unix_ms < s->soonest_expiry_unix_ms))
        s->soonest_expiry_unix_ms = r->expires_at_unix_ms;
}

static void survey_account(void *ctx, struct reconciler_account *account)
{
    struct survey *s = ctx;
    if (!reconciler_accounts_leads(s->passes->options.accounts, account->partition))
        return;
    const struct account_state *state = &account->state;
    s->by_status[state->record == NULL ? ACCOUNT_OK : state->record->status]++;
    s->differences += account->differences;
    s->declared += account->declared == NULL ? 0 : account->declared->desired.wanted_len;
    for (size_t i = 0; i < state->routes_len; i++)
        survey_route(s, account, state->routes[i].record);
}

/* Whether what is no longer wanted is so much that a mistake is likelier than a wish. */
static bool is_too_much(const struct survey *s)
{
    if (s->active > 0 && s->declared == 0)
        return true;
    return s->active >= GUARD_FEWEST && s->undesired * 100 > s->active * GUARD_PERCENT;
}

static void tell_survey(struct reconciler_passes *p, const struct survey *s)
{
    for (size_t i = 0; i < sizeof(s->by_status) / sizeof(s->by_status[0]); i++)
        gauge_set(p->accounts_by_status[i], (double)s->by_status[i]);
    gauge_set(p->drift, (double)s->differences);
    gauge_set(p->withheld, p->withholds_deletes);
    if (s->soonest_expiry_unix_ms > 0)
        gauge_set(p->days_to_expiry,
                  (double)(s->soonest_expiry_unix_ms - clock_unix_ms()) / 86400000.0);
}

static void survey(struct reconciler_passes *p)
{
    int64_t now = clock_mono_ms();
    if (p->surveyed_mono_ms != 0 && now < p->surveyed_mono_ms + survey_ms)
        return;
    p->surveyed_mono_ms = now;
    struct survey s = {.passes = p};
    reconciler_accounts_each(p->options.accounts, survey_account, &s);
    bool withholds = p->options.reconciler->policy == POLICY_SYNC && is_too_much(&s);
    if (withholds && !p->withholds_deletes)
        LOG(DELETES_SUSPENDED, log_number("active", (int64_t)s.active),
            log_number("undesired", (int64_t)s.undesired));
    p->withholds_deletes = withholds;
    tell_survey(p, &s);
}

/* --- when a pass is due -----------------------------------------------------------------------
 */

/* Its place in the interval, so that accounts are spread over it and stay where they are. */
static int64_t next_turn_unix_ms(const struct reconciler_passes *p,
                                 const struct reconciler_account *account, int64_t now)
{
    int64_t interval_ms = p->options.reconciler->interval_ms;
    int64_t phase_ms = (int64_t)murmur2(bytes_of_text(account->id)) % interval_ms;
    int64_t next = now - now % interval_ms + phase_ms;
    while (next <= now + interval_ms / 2)
        next += interval_ms;
    return next;
}

/* An account for whose records a key is missing waits for it. */
static bool may_have_passes(const struct reconciler_passes *p,
                            const struct reconciler_account *account)
{
    return reconciler_accounts_leads(p->options.accounts, account->partition) &&
           account->unreadable == 0;
}

static void schedule_next(struct reconciler_passes *p, struct reconciler_account *account)
{
    int64_t now = clock_unix_ms();
    int64_t due = next_turn_unix_ms(p, account, now);
    int64_t again = account->is_due_again ? now : account->last.again_at_unix_ms;
    if (account->last.end == PASS_NOT_OWNED)
        again = now;
    if (again != 0 && again < due)
        due = again > now + again_min_ms ? again : now + again_min_ms;
    account->is_due_again = false;
    reconciler_accounts_schedule(p->options.accounts, account,
                                 may_have_passes(p, account) ? due : 0);
}

void reconciler_passes_wake(struct reconciler_passes *p, struct reconciler_account *account)
{
    p->surveyed_mono_ms = 0;
    if (account->running != NULL) {
        account->is_due_again = true;
        return;
    }
    if (!may_have_passes(p, account))
        return;
    reconciler_accounts_schedule(p->options.accounts, account, clock_unix_ms());
    turn_soon(p);
}

/* --- the API key ------------------------------------------------------------------------------
 */

static bool key_is_refused(const struct reconciler_passes *p)
{
    return p->forbidden >= FORBIDDEN_MAX;
}

static void wake_each(void *ctx, struct reconciler_account *account)
{
    reconciler_passes_wake(ctx, account);
}

/* Three accounts in a row that may not, without one between that may, mean the API key: then only
 * one call an interval is made, until one succeeds. */
static void judge_key(struct reconciler_passes *p, const struct pass_result *result)
{
    if (result->was_listed && key_is_refused(p)) {
        p->blocks_void_since_unix_ms = clock_unix_ms();
        p->forbidden = 0;
        LOG(PROVIDER_KEY_ACCEPTED,
            log_number("accounts", (int64_t)reconciler_accounts_len(p->options.accounts)));
        reconciler_accounts_each(p->options.accounts, wake_each, p);
    } else if (result->was_listed) {
        p->forbidden = 0;
    } else if (result->end == PASS_FORBIDDEN && ++p->forbidden == FORBIDDEN_MAX) {
        p->key_tried_unix_ms = clock_unix_ms();
        LOG(PROVIDER_KEY_REFUSED, log_text("error", result->reason.text));
    }
}

/* Whether the pass may begin although the API key is taken as refused. */
static bool may_try_key(struct reconciler_passes *p, int64_t now)
{
    if (!key_is_refused(p))
        return true;
    if (now < p->key_tried_unix_ms + p->options.reconciler->interval_ms)
        return false;
    p->key_tried_unix_ms = now;
    return true;
}

/* A block from before the API key was taken again says nothing of the account. */
static bool retries_block(const struct reconciler_passes *p,
                          const struct reconciler_account *account)
{
    const struct account_record *r = account->state.record;
    return key_is_refused(p) || (r != NULL && p->blocks_void_since_unix_ms != 0 &&
                                 r->status_since_unix_ms <= p->blocks_void_since_unix_ms);
}

/* --- one pass ---------------------------------------------------------------------------------
 */

static void on_plan(void *ctx, const struct plan *plan)
{
    struct running_pass *running = ctx;
    size_t differences = 0;
    for (size_t i = 0; i < plan->len; i++)
        differences += plan_step_is_difference(&plan->steps[i]);
    running->account->differences = differences;
}

static void on_call(void *ctx, enum call_kind kind, const struct callback_url *url,
                    const struct provider_outcome *outcome)
{
    struct running_pass *running = ctx;
    struct counter *counter = running->passes->actions[kind].by_verdict[outcome->verdict];
    if (kind == CALL_LIST)
        return;
    counter_add(counter, 1);
    if (outcome->verdict == VERDICT_OK || url == NULL)
        return;
    char specification[SPECIFICATION_TEXT_SIZE];
    specification_text(&url->specification, specification);
    LOG(SUBSCRIPTION_FAILED, log_text("account", running->account->id),
        log_text("subscription", specification),
        log_text("action", kind == CALL_CREATE   ? "create"
                           : kind == CALL_DELETE ? "delete"
                                                 : "activate"),
        log_text("verdict", provider_verdict_name(outcome->verdict)),
        log_text("error", outcome->reason.text));
}

static void tell_end(struct reconciler_passes *p, const struct reconciler_account *account,
                     const struct pass_result *result)
{
    counter_add(p->ends[result->end], 1);
    if (result->creates + result->deletes + result->activates > 0)
        LOG(ACCOUNT_RECONCILED, log_text("account", account->id),
            log_number("created", result->creates), log_number("deleted", result->deletes),
            log_number("activated", result->activates));
    if (result->end == PASS_COMPLETE || result->end == PASS_BLOCKED)
        return;
    LOG(ACCOUNT_UNRECONCILED, log_text("account", account->id),
        log_text("result", pass_end_name(result->end)), log_text("error", result->reason.text));
}

/* Ends what is under way, if anything is. */
static void stop_pass(struct reconciler_passes *p, struct reconciler_account *account)
{
    struct running_pass *running = account->running;
    if (running == NULL)
        return;
    account->running = NULL;
    pass_free(running->pass);
    declaration_unref(running->wants);
    free(running);
    atomic_fetch_sub(&p->running, 1);
}

static void on_end(void *ctx, const struct pass_result *result)
{
    struct running_pass *running = ctx;
    struct reconciler_passes *p = running->passes;
    struct reconciler_account *account = running->account;
    int32_t partition = account->partition;
    account->last = *result;
    account->last_ended_unix_ms = clock_unix_ms();
    stop_pass(p, account);
    judge_key(p, &account->last);
    tell_end(p, account, &account->last);
    bool is_unknown = account->last.end == PASS_RECORDS_UNKNOWN;
    schedule_next(p, account);
    reconciler_accounts_tidy(p->options.accounts, account);
    turn_soon(p);
    if (is_unknown)
        p->options.on_records_unknown(p->options.ctx, partition);
}

static enum status start_pass(struct reconciler_passes *p, struct reconciler_account *account)
{
    struct running_pass *running = calloc(1, sizeof(*running));
    if (running == NULL)
        return STATUS_NOMEM;
    const struct pass_options opt = {
        .reconciler = p->options.reconciler,
        .calls = p->options.calls,
        .writer = p->options.writer,
        .now_unix_ms = now_unix_ms,
        .withholds_deletes = p->withholds_deletes,
        .retries_blocked = retries_block(p, account),
        .on_plan = on_plan,
        .on_call = on_call,
        .on_end = on_end,
        .ctx = running,
    };
    *running = (struct running_pass){.passes = p, .account = account};
    const struct desired_account *desired = NULL;
    if (account->declared != NULL) {
        running->wants = declaration_ref(account->declared);
        desired = &running->wants->desired;
    }
    enum status status = pass_new(&opt, account->id, desired, &account->state, &running->pass);
    if (status != STATUS_OK) {
        declaration_unref(running->wants);
        free(running);
        return status;
    }
    account->running = running;
    atomic_fetch_add(&p->running, 1);
    pass_start(running->pass);
    return STATUS_OK;
}

/* --- the turn ---------------------------------------------------------------------------------
 */

static void start_due(struct reconciler_passes *p, struct reconciler_account *account, int64_t now)
{
    struct reconciler_accounts *accounts = p->options.accounts;
    reconciler_accounts_schedule(accounts, account, 0);
    if (!may_try_key(p, now)) {
        reconciler_accounts_schedule(accounts, account, next_turn_unix_ms(p, account, now));
        return;
    }
    if (start_pass(p, account) != STATUS_OK)
        reconciler_accounts_schedule(accounts, account, now + again_min_ms);
}

static void turn(struct task_timer *timer)
{
    struct reconciler_passes *p =
        (struct reconciler_passes *)((char *)timer - offsetof(struct reconciler_passes, timer));
    survey(p);
    int64_t now = clock_unix_ms(), pause_ms = turn_max_ms;
    while (!p->is_draining && reconciler_passes_running(p) < p->options.passes_max) {
        struct reconciler_account *next = reconciler_accounts_next(p->options.accounts);
        if (next == NULL)
            break;
        if (next->due_unix_ms > now) {
            pause_ms =
                next->due_unix_ms - now < turn_max_ms ? next->due_unix_ms - now : turn_max_ms;
            break;
        }
        start_due(p, next, now);
    }
    task_loop_set(p->options.loop, timer, clock_mono_ms() + pause_ms);
}

/* --- leading ----------------------------------------------------------------------------------
 */

struct leading {
    struct reconciler_passes *passes;
    int32_t partition;
};

static void wake_led(void *ctx, struct reconciler_account *account)
{
    const struct leading *l = ctx;
    if (account->partition == l->partition)
        reconciler_passes_wake(l->passes, account);
}

static void stop_led(void *ctx, struct reconciler_account *account)
{
    const struct leading *l = ctx;
    if (account->partition == l->partition)
        stop_pass(l->passes, account);
}

void reconciler_passes_lead(struct reconciler_passes *p, int32_t partition, bool is_led)
{
    struct leading leading = {p, partition};
    p->surveyed_mono_ms = 0;
    if (!is_led)
        reconciler_accounts_each(p->options.accounts, stop_led, &leading);
    reconciler_accounts_lead(p->options.accounts, partition, is_led);
    if (is_led)
        reconciler_accounts_each(p->options.accounts, wake_led, &leading);
}

void reconciler_passes_drain(struct reconciler_passes *p)
{
    p->is_draining = true;
}

size_t reconciler_passes_running(const struct reconciler_passes *p)
{
    return atomic_load(&p->running);
}

/* --- life -------------------------------------------------------------------------------------
 */

static void make_action_counters(struct reconciler_passes *p, enum call_kind kind,
                                 const char *action)
{
    for (int verdict = 0; verdict < PROVIDER_VERDICTS; verdict++) {
        const struct metric_label labels[] = {
            {"action", action},
            {"result", provider_verdict_name((enum provider_verdict)verdict)},
        };
        p->actions[kind].by_verdict[verdict] = metrics_counter(
            p->options.metrics, "maesn_bridge_reconcile_actions_total",
            "Subscriptions created, deleted and activated at providers.", labels, 2);
    }
}

static void make_metrics(struct reconciler_passes *p)
{
    struct metrics *m = p->options.metrics;
    for (int end = 0; end < PASS_ENDS; end++) {
        const struct metric_label label = {"result", pass_end_name((enum pass_end)end)};
        p->ends[end] = metrics_counter(m, "maesn_bridge_reconcile_passes_total",
                                       "Passes over an account, by how they ended.", &label, 1);
    }
    make_action_counters(p, CALL_CREATE, "create");
    make_action_counters(p, CALL_DELETE, "delete");
    make_action_counters(p, CALL_ACTIVATE, "activate");
    for (int status = 0; status <= ACCOUNT_INVALID; status++) {
        const struct metric_label label = {"status",
                                           account_record_status_name((enum account_status)status)};
        p->accounts_by_status[status] = metrics_gauge(m, "maesn_bridge_reconcile_accounts",
                                                      "Accounts led by this process.", &label, 1);
    }
    p->drift =
        metrics_gauge(m, "maesn_bridge_reconcile_drift",
                      "What differs between declaration and provider, by the last plans.", NULL, 0);
    p->withheld = metrics_gauge(m, "maesn_bridge_reconcile_deletes_withheld",
                                "Whether the guard rail holds deletes back.", NULL, 0);
    p->days_to_expiry = metrics_gauge(m, "maesn_bridge_subscription_days_to_expiry",
                                      "Days until the first active subscription expires.", NULL, 0);
}

enum status reconciler_passes_new(const struct reconciler_passes_options *opt,
                                  struct reconciler_passes **ret)
{
    struct reconciler_passes *p = calloc(1, sizeof(*p));
    if (p == NULL)
        return STATUS_NOMEM;
    p->options = *opt;
    p->timer.run = turn;
    make_metrics(p);
    *ret = p;
    return STATUS_OK;
}

void reconciler_passes_free(struct reconciler_passes *p)
{
    if (p == NULL)
        return;
    assert(reconciler_passes_running(p) == 0);
    free(p);
}
