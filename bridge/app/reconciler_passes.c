#include "bridge/app/reconciler_passes.h"

#include <assert.h>
#include <stdlib.h>

#include "bridge/app/subscription_gauges.h"
#include "bridge/base/clock.h"
#include "bridge/base/scoped.h"
#include "bridge/domain/log_events.h"
#include "bridge/reconciler/api_key_watch.h"

/* How soon after its last one an account may have another pass, whatever asks for it: a bound on
 * what a mistake can cost the provider. */
static const int64_t again_min_ms = 1000;

/* How often the clock is looked at anew, for it may be set. */
static const int64_t turn_max_ms = 1000;

/* How often all accounts are looked through, for the guard rail and the gauges. */
static const int64_t survey_ms = 5000;

struct running_pass {
    struct reconciler_passes *passes;
    struct reconciler_account *account;
    struct declaration *wants;      /* a reference; NULL: it is no longer declared */
    struct request_record *request; /* a copy: another one may come meanwhile; NULL: none */
    struct adoption adoption;       /* borrows from it */
    int64_t rotates_at_unix_ms;     /* it asks for a rotation, and is not due; 0: no */
    struct reconciler_options options;
    struct keyring *route_keys; /* a reference: of the options */
    struct pass *pass;
};

struct action_counters {
    struct counter *by_verdict[PROVIDER_VERDICTS];
};

struct reconciler_passes {
    struct reconciler_passes_options options;
    struct keyring *route_keys; /* of passes to come */
    struct schedule schedule;   /* of the accounts that are led here */
    struct task_timer timer;
    atomic_size_t running;
    bool is_draining;
    bool has_begun; /* PASSES_PLAN: what is to be known is known */

    int64_t surveyed_mono_ms; /* 0: the survey is to be made anew */
    struct guard_count guard; /* by the last one */
    bool withholds_deletes;

    struct api_key_watch maesn_key;    /* the one API key there is */
    int64_t blocks_void_since_unix_ms; /* the API key was taken again; 0: never refused */

    struct counter *ends[PASS_ENDS];
    struct action_counters actions[CALL_ACTIVATE + 1];
    struct gauge *drift;
    struct subscription_gauges subscriptions;
    struct gauge *accounts_by_status[ACCOUNT_INVALID + 1];
    struct gauge *withheld;
};

static void turn(struct task_timer *timer);

static const struct pass_listener nobody;

static const struct pass_listener *listener_of(const struct reconciler_passes *p)
{
    return p->options.listener == NULL ? &nobody : p->options.listener;
}

/* Whether the account is looked after here: the partition is led, or it is only looked at. */
static bool looks_after(const struct reconciler_passes *p, const struct reconciler_account *account)
{
    return p->options.purpose == PASSES_PLAN
               ? p->has_begun
               : reconciler_accounts_leads(p->options.accounts, account->partition);
}

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
    struct guard_count guard;
    size_t differences;
    size_t by_status[ACCOUNT_INVALID + 1];
    struct subscription_count subscriptions;
};

static const struct desired_account *desired_of(const struct reconciler_account *account)
{
    return account->declared == NULL ? NULL : &account->declared->desired;
}

/* Whether the account counts here. A partition is led one after another, and what the first of them
 * holds may be too little for the guard rail: all that is ours counts from the beginning. */
static bool is_counted(const struct reconciler_passes *p, const struct reconciler_account *account)
{
    return p->options.purpose == PASSES_PLAN
               ? p->has_begun
               : reconciler_accounts_owns(p->options.accounts, account->partition);
}

static void survey_account(void *ctx, struct reconciler_account *account)
{
    struct survey *s = ctx;
    const struct account_state *state = &account->state;
    if (!is_counted(s->passes, account)) {
        s->guard.desired += account->declared == NULL ? 0 : account->declared->desired.wanted_len;
        return;
    }
    guard_add(&s->guard, desired_of(account), state);
    s->by_status[state->record == NULL ? ACCOUNT_OK : state->record->status]++;
    s->differences += account->differences;
    size_t silent_before = s->subscriptions.silent;
    subscription_count_add(&s->subscriptions, state);
    account->silent = s->subscriptions.silent - silent_before;
}

static void tell_survey(struct reconciler_passes *p, const struct survey *s)
{
    for (size_t i = 0; i < sizeof(s->by_status) / sizeof(s->by_status[0]); i++)
        gauge_set(p->accounts_by_status[i], (double)s->by_status[i]);
    gauge_set(p->drift, (double)s->differences);
    gauge_set(p->withheld, p->withholds_deletes);
    subscription_gauges_set(&p->subscriptions, &s->subscriptions);
}

static void survey(struct reconciler_passes *p)
{
    int64_t now = clock_mono_ms();
    if (p->surveyed_mono_ms != 0 && now < p->surveyed_mono_ms + survey_ms)
        return;
    p->surveyed_mono_ms = now;
    struct survey s = {.passes = p,
                       .subscriptions = {.last_events = p->options.last_events(p->options.ctx),
                                         .now_unix_ms = clock_unix_ms(),
                                         .silent_after_ms = p->options.silent_after_ms}};
    reconciler_accounts_each(p->options.accounts, survey_account, &s);
    p->guard = s.guard;
    bool withholds = p->options.reconciler->policy == POLICY_SYNC && guard_holds(&s.guard);
    if (withholds && !p->withholds_deletes)
        LOG(DELETES_SUSPENDED, log_number("active", (int64_t)s.guard.active),
            log_number("undesired", (int64_t)s.guard.undesired));
    p->withholds_deletes = withholds;
    tell_survey(p, &s);
}

bool reconciler_passes_withhold(struct reconciler_passes *p, struct guard_count *ret)
{
    p->surveyed_mono_ms = 0;
    survey(p);
    *ret = p->guard;
    return p->withholds_deletes;
}

/* --- when a pass is due -----------------------------------------------------------------------
 */

static bool is_meant(const struct reconciler_passes *p, const struct reconciler_account *account)
{
    return p->options.only_account == NULL || strcmp(p->options.only_account, account->id) == 0;
}

/* An account for whose records a key is missing waits for it. */
static bool may_have_passes(const struct reconciler_passes *p,
                            const struct reconciler_account *account)
{
    return is_meant(p, account) && looks_after(p, account) &&
           reconciler_accounts_can_read(account, NULL);
}

/* Whether its pass has come to an end that another one would not change. */
static bool had_its_pass(const struct reconciler_account *account)
{
    return account->last_ended_unix_ms != 0 && account->last.end != PASS_NOT_OWNED &&
           account->last.end != PASS_RECORDS_UNKNOWN && account->state.unsaved == NULL;
}

/* Whether a pass is to follow on the last one, by itself. */
static bool has_more(const struct reconciler_passes *p, const struct reconciler_account *account)
{
    return p->options.purpose == PASSES_KEEP || account->slot.is_nudged || !had_its_pass(account);
}

/* When the next pass is wanted, on the monotonic clock; 0: in its turn. */
static int64_t again_at_mono_ms(const struct pass_result *result, int64_t now_mono_ms)
{
    if (result->end == PASS_NOT_OWNED)
        return now_mono_ms + again_min_ms;
    if (result->again_at_unix_ms == 0)
        return 0;
    /* One more, for the two clocks turn to their next millisecond at different times, and a pass
     * that comes too soon does not yet find what it came for. */
    int64_t left_ms = result->again_at_unix_ms - clock_unix_ms() + 1;
    return now_mono_ms + (left_ms > again_min_ms ? left_ms : again_min_ms);
}

static void schedule_next(struct reconciler_passes *p, struct reconciler_account *account)
{
    int64_t now = clock_mono_ms();
    if (may_have_passes(p, account) && has_more(p, account))
        schedule_put_back(&p->schedule, &account->slot, now, again_at_mono_ms(&account->last, now));
    else
        schedule_remove(&p->schedule, &account->slot);
}

void reconciler_passes_wake(struct reconciler_passes *p, struct reconciler_account *account)
{
    int64_t now = clock_mono_ms();
    p->surveyed_mono_ms = 0;
    if (!may_have_passes(p, account))
        return;
    if (account->slot.is_scheduled)
        schedule_nudge(&p->schedule, &account->slot, now);
    else if (schedule_add(&p->schedule, &account->slot, account->id, now) != STATUS_OK)
        LOG(ACCOUNT_UNRECONCILED, log_text("account", account->id),
            log_text("error", "out of memory"));
    turn_soon(p);
}

/* --- the API key ------------------------------------------------------------------------------
 */

static void wake_each(void *ctx, struct reconciler_account *account)
{
    reconciler_passes_wake(ctx, account);
}

static bool needs_api_key(const struct reconciler_account *account)
{
    const struct account_record *r = account->state.record;
    const char *provider = account->declared != NULL ? account->declared->desired.provider
                           : r != NULL               ? r->provider
                                                     : NULL;
    return provider != NULL && strcmp(provider, "maesn") == 0;
}

static void judge_key(struct reconciler_passes *p, const struct reconciler_account *account,
                      const struct pass_result *result)
{
    if (!needs_api_key(account))
        return;
    if (result->was_listed && api_key_watch_succeeded(&p->maesn_key)) {
        p->blocks_void_since_unix_ms = clock_unix_ms();
        LOG(PROVIDER_KEY_ACCEPTED, log_text("provider", "maesn"));
        reconciler_accounts_each(p->options.accounts, wake_each, p);
    } else if (!result->was_listed && result->end == PASS_FORBIDDEN &&
               api_key_watch_forbidden(&p->maesn_key, account->id)) {
        LOG(PROVIDER_KEY_REFUSED, log_text("provider", "maesn"),
            log_text("error", result->reason.text));
    }
}

/* A block from before the API key was taken again says nothing of the account. */
static bool retries_block(const struct reconciler_passes *p,
                          const struct reconciler_account *account)
{
    const struct account_record *r = account->state.record;
    return p->maesn_key.is_refused || (r != NULL && p->blocks_void_since_unix_ms != 0 &&
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
    /* Commands have their report. Only people would miss what memory is short for. */
    if (running->passes->options.purpose == PASSES_KEEP)
        (void)!reported_plan_take(&running->account->plan, &running->account->state, plan);
    const struct pass_listener *listener = listener_of(running->passes);
    if (listener->on_plan != NULL)
        listener->on_plan(listener->ctx, running->account, plan);
}

static void on_call(void *ctx, enum call_kind kind, const struct callback_url *url,
                    const struct provider_outcome *outcome)
{
    struct running_pass *running = ctx;
    const struct pass_listener *listener = listener_of(running->passes);
    struct counter *counter = running->passes->actions[kind].by_verdict[outcome->verdict];
    if (listener->on_call != NULL)
        listener->on_call(listener->ctx, running->account, kind, url, outcome);
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
    if (result->is_forgotten)
        LOG(ACCOUNT_DROPPED, log_text("account", account->id));
    if (result->end == PASS_COMPLETE || result->end == PASS_BLOCKED)
        return;
    LOG(ACCOUNT_UNRECONCILED, log_text("account", account->id),
        log_text("result", pass_end_name(result->end)), log_text("error", result->reason.text));
}

static void running_pass_free(struct running_pass *running)
{
    pass_free(running->pass);
    declaration_unref(running->wants);
    request_record_free(running->request);
    keyring_unref(running->route_keys);
    free(running);
}

/* Ends what is under way, if anything is. */
static void stop_pass(struct reconciler_passes *p, struct reconciler_account *account)
{
    struct running_pass *running = account->running;
    if (running == NULL)
        return;
    account->running = NULL;
    running_pass_free(running);
    atomic_fetch_sub(&p->running, 1);
}

/* What came of the pass that is over, or of the one that may not begin. */
static void note_end(struct reconciler_passes *p, struct reconciler_account *account,
                     const struct pass_result *result)
{
    const struct pass_listener *listener = listener_of(p);
    account->last = *result;
    account->last_ended_unix_ms = clock_unix_ms();
    if (listener->on_end != NULL)
        listener->on_end(listener->ctx, account);
}

/* What came of the pass, and that a request still waits for its time. */
static struct pass_result result_of(const struct running_pass *running,
                                    const struct pass_result *result)
{
    struct pass_result ret = *result;
    int64_t rotates_at_unix_ms = running->rotates_at_unix_ms;
    if (rotates_at_unix_ms != 0 &&
        (ret.again_at_unix_ms == 0 || ret.again_at_unix_ms > rotates_at_unix_ms))
        ret.again_at_unix_ms = rotates_at_unix_ms;
    return ret;
}

static void on_end(void *ctx, const struct pass_result *result)
{
    struct running_pass *running = ctx;
    const struct pass_result ended = result_of(running, result);
    struct reconciler_passes *p = running->passes;
    struct reconciler_account *account = running->account;
    int32_t partition = account->partition;
    note_end(p, account, &ended);
    stop_pass(p, account);
    schedule_next(p, account);
    judge_key(p, account, &account->last);
    tell_end(p, account, &account->last);
    bool is_unknown = account->last.end == PASS_RECORDS_UNKNOWN;
    if (reconciler_accounts_is_gone(account))
        schedule_remove(&p->schedule, &account->slot);
    reconciler_accounts_tidy(p->options.accounts, account);
    turn_soon(p);
    if (is_unknown)
        p->options.on_records_unknown(p->options.ctx, partition);
}

/* The sender's clock may be ahead: what was made now, every pass until then would make anew. */
static void heed_rotation(struct running_pass *running, const struct rotation *asked,
                          struct rotation *ret)
{
    if (clock_unix_ms() >= asked->before_unix_ms)
        *ret = *asked;
    else if (running->rotates_at_unix_ms == 0 ||
             asked->before_unix_ms < running->rotates_at_unix_ms)
        running->rotates_at_unix_ms = asked->before_unix_ms;
}

static bool is_fresh(int64_t requested_at_unix_ms)
{
    return clock_unix_ms() < requested_at_unix_ms + REQUEST_FORCE_MS;
}

/* What a command has asked for: it may be read again at any time, and then does nothing more. */
static void heed_request(struct running_pass *running, struct pass_options *opt)
{
    const struct request_record *r = running->request;
    if (r == NULL)
        return;
    heed_rotation(running, &(struct rotation){r->former_rotate_unix_ms, r->former_resource},
                  &opt->rotations[1]);
    if (is_fresh(r->former_force_unix_ms))
        opt->force_unix_ms = r->former_force_unix_ms;
    switch (r->kind) {
    case REQUEST_PASS:
        return;
    case REQUEST_FORCE:
        opt->force_unix_ms = is_fresh(r->requested_at_unix_ms) ? r->requested_at_unix_ms : 0;
        return;
    case REQUEST_ROTATE:
        heed_rotation(running, &(struct rotation){r->requested_at_unix_ms, r->resource},
                      &opt->rotations[0]);
        return;
    case REQUEST_ADOPT:
        running->adoption = (struct adoption){r->provider_id, r->callback_url, r->secret, r->token};
        opt->adoption = is_fresh(r->requested_at_unix_ms) ? &running->adoption : NULL;
        return;
    case REQUEST_FORGET:
        opt->forget_before_unix_ms =
            is_fresh(r->requested_at_unix_ms) ? r->requested_at_unix_ms : 0;
        return;
    }
}

static enum status start_pass(struct reconciler_passes *p, struct reconciler_account *account)
{
    struct running_pass *running = calloc(1, sizeof(*running));
    if (running == NULL)
        return STATUS_NOMEM;
    struct pass_options opt = {
        .reconciler = &running->options,
        .calls = p->options.calls,
        .writer = p->options.writer,
        .now_unix_ms = now_unix_ms,
        .only_plans = p->options.purpose == PASSES_PLAN,
        .withholds_deletes = p->withholds_deletes,
        .retries_blocked = retries_block(p, account),
        .on_plan = on_plan,
        .on_call = on_call,
        .on_end = on_end,
        .ctx = running,
    };
    *running = (struct running_pass){.passes = p,
                                     .account = account,
                                     .options = *p->options.reconciler,
                                     .route_keys = keyring_ref(p->route_keys)};
    running->options.route_keys = running->route_keys;
    if (account->request != NULL &&
        (running->request = request_record_copy(account->request)) == NULL) {
        running_pass_free(running);
        return STATUS_NOMEM;
    }
    heed_request(running, &opt);
    const struct desired_account *desired = NULL;
    if (account->declared != NULL) {
        running->wants = declaration_ref(account->declared);
        desired = &running->wants->desired;
    }
    enum status status = pass_new(&opt, account->id, desired, &account->state, &running->pass);
    if (status != STATUS_OK) {
        running_pass_free(running);
        return status;
    }
    account->running = running;
    atomic_fetch_add(&p->running, 1);
    pass_start(running->pass);
    return STATUS_OK;
}

/* --- the turn ---------------------------------------------------------------------------------
 */

/* Where no turn comes again, that is the end. */
static void put_off(struct reconciler_passes *p, struct reconciler_account *account)
{
    struct pass_result result = {.end = PASS_RETRY_LATER};
    if (p->options.purpose == PASSES_KEEP) {
        schedule_put_back(&p->schedule, &account->slot, clock_mono_ms(), 0);
        return;
    }
    diag_set(&result.reason, STATUS_UNAUTHENTIC,
             "not asked for: the provider refuses the API key on other accounts");
    note_end(p, account, &result);
    schedule_remove(&p->schedule, &account->slot);
}

/* Puts off what cannot begin now: the API key is refused, or memory is short. */
static void start_due(struct reconciler_passes *p, struct reconciler_account *account)
{
    int64_t now = clock_mono_ms();
    if (needs_api_key(account) &&
        !api_key_watch_may_call(&p->maesn_key, now, p->options.reconciler->interval_ms))
        put_off(p, account);
    else if (start_pass(p, account) != STATUS_OK)
        schedule_put_back(&p->schedule, &account->slot, now, now + again_min_ms);
}

static struct reconciler_account *account_of(struct schedule_slot *slot)
{
    return (struct reconciler_account *)((char *)slot - offsetof(struct reconciler_account, slot));
}

static void turn(struct task_timer *timer)
{
    struct reconciler_passes *p =
        (struct reconciler_passes *)((char *)timer - offsetof(struct reconciler_passes, timer));
    survey(p);
    struct schedule_slot *slot;
    while (!p->is_draining && reconciler_passes_running(p) < p->options.passes_max &&
           (slot = schedule_take(&p->schedule, clock_mono_ms())) != NULL)
        start_due(p, account_of(slot));
    int64_t now = clock_mono_ms(), next = schedule_next_mono_ms(&p->schedule);
    bool is_full = reconciler_passes_running(p) >= p->options.passes_max || p->is_draining;
    task_loop_set(p->options.loop, timer,
                  is_full || next > now + turn_max_ms ? now + turn_max_ms : next);
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
    bool is_due = l->passes->options.purpose == PASSES_KEEP || !had_its_pass(account);
    if (account->partition == l->partition && is_due)
        reconciler_passes_wake(l->passes, account);
}

static void stop_each(void *ctx, struct reconciler_account *account)
{
    struct reconciler_passes *p = ctx;
    stop_pass(p, account);
    schedule_remove(&p->schedule, &account->slot);
}

static void stop_led(void *ctx, struct reconciler_account *account)
{
    const struct leading *l = ctx;
    if (account->partition == l->partition)
        stop_each(l->passes, account);
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

void reconciler_passes_begin(struct reconciler_passes *p)
{
    p->has_begun = true;
    p->surveyed_mono_ms = 0;
    reconciler_accounts_each(p->options.accounts, wake_each, p);
}

void reconciler_passes_end(struct reconciler_passes *p)
{
    p->has_begun = false;
    reconciler_accounts_each(p->options.accounts, stop_each, p);
}

void reconciler_passes_set_route_keys(struct reconciler_passes *p, const struct keyring *route_keys)
{
    keyring_unref(p->route_keys);
    p->route_keys = keyring_ref(route_keys);
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
    subscription_gauges_init(&p->subscriptions, m);
}

enum status reconciler_passes_new(const struct reconciler_passes_options *opt,
                                  struct reconciler_passes **ret)
{
    struct reconciler_passes *p = calloc(1, sizeof(*p));
    if (p == NULL)
        return STATUS_NOMEM;
    p->options = *opt;
    p->route_keys = keyring_ref(opt->reconciler->route_keys);
    p->timer.run = turn;
    schedule_init(&p->schedule, opt->reconciler->interval_ms);
    make_metrics(p);
    *ret = p;
    return STATUS_OK;
}

void reconciler_passes_free(struct reconciler_passes *p)
{
    if (p == NULL)
        return;
    assert(reconciler_passes_running(p) == 0);
    schedule_done(&p->schedule);
    keyring_unref(p->route_keys);
    free(p);
}
