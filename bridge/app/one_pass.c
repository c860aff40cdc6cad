#include "bridge/app/one_pass.h"

#include <pthread.h>
#include <stdlib.h>
#include <time.h>

#include "bridge/app/reconciler_modules.h"
#include "bridge/base/clock.h"
#include "bridge/base/scoped.h"
#include "bridge/ops/metrics.h"

/* How often whoever waits looks around. */
static const int64_t turn_ms = 200;

/* How long reading the topics may take: a million accounts were measured at less than one. */
static const int64_t reading_max_ms = 10 * 60 * 1000;

/* How long joining the group may take beyond a session of somebody who has just left it. */
static const int64_t joining_max_ms = 20000;

/* A partition's records are read again at most so often; see PASS_RECORDS_UNKNOWN. */
#define TRIES_MAX 3

struct one_pass {
    struct one_pass_options options;
    struct metrics *metrics;
    struct pass_listener listener;
    struct reconciler_modules modules;

    pthread_mutex_t lock; /* guards what follows */
    struct pass_report report;
    bool is_known;         /* the report has its accounts */
    bool is_shared;        /* others are in the group */
    int64_t heard_mono_ms; /* when something was last heard of passes */
};

/* --- in the loop's thread -------------------------------------------------------------------- */

static struct pass_report *begin_report(struct one_pass *p)
{
    pthread_mutex_lock(&p->lock);
    p->heard_mono_ms = clock_mono_ms();
    return &p->report;
}

static void end_report(struct one_pass *p)
{
    pthread_mutex_unlock(&p->lock);
}

static void on_plan(void *ctx, const struct reconciler_account *account, const struct plan *plan)
{
    pass_report_take_plan(begin_report(ctx), account, plan);
    end_report(ctx);
}

static void on_call(void *ctx, const struct reconciler_account *account, enum call_kind kind,
                    const struct callback_url *url, const struct provider_outcome *outcome)
{
    pass_report_take_call(begin_report(ctx), account, kind, url, outcome);
    end_report(ctx);
}

static void on_end(void *ctx, const struct reconciler_account *account)
{
    struct one_pass *p = ctx;
    struct pass_report *report = begin_report(p);
    struct reported_account *reported = pass_report_find(report, account->id);
    bool has_another = account->last.end == PASS_NOT_OWNED ||
                       account->last.end == PASS_RECORDS_UNKNOWN || account->state.unsaved != NULL;
    if (reported != NULL && !p->options.only_plans)
        pass_report_drop_work(reported);
    if (reported != NULL)
        pass_report_take_end(report, account, !has_another || reported->tries >= TRIES_MAX);
    end_report(ctx);
}

/* Memory that is short is told by the report. */
static void request(struct one_pass *p, const char *account)
{
    struct request_record wanted = *p->options.request;
    memcpy(wanted.account, account, strlen(account) + 1);
    struct request_record *r = request_record_copy(&wanted);
    if (r == NULL)
        p->report.status = STATUS_NOMEM;
    else
        (void)reconciler_accounts_request_take(p->modules.accounts, r);
}

static void expect(void *ctx, struct reconciler_account *account)
{
    struct one_pass *p = ctx;
    const char *only = p->options.account;
    if (reconciler_accounts_is_gone(account) && reconciler_accounts_can_read(account, NULL))
        return;
    if (only != NULL && strcmp(only, account->id) != 0)
        return;
    pass_report_add(&p->report, account);
    if (p->options.request != NULL)
        request(p, account->id);
}

static void tell_unreadable(void *ctx, struct reconciler_account *account)
{
    struct one_pass *p = ctx;
    struct diag why = {0};
    if (!reconciler_accounts_can_read(account, &why))
        pass_report_take_unreadable(&p->report, account, &why);
}

/* Everything is read: now it is known whose passes are to be waited for. */
static void on_known(void *ctx)
{
    struct one_pass *p = ctx;
    struct pass_report *report = begin_report(p);
    reconciler_accounts_each(p->modules.accounts, expect, p);
    pass_report_sort(report);
    reconciler_accounts_each(p->modules.accounts, tell_unreadable, p);
    p->is_known = true;
    bool has_passes = report->ended < report->len;
    end_report(p);
    if (has_passes)
        reconciler_modules_begin(&p->modules);
}

static void survey(void *ctx)
{
    struct one_pass *p = ctx;
    struct pass_report *report = begin_report(p);
    report->withholds_deletes = reconciler_passes_withhold(p->modules.passes, &report->guard);
    end_report(p);
}

/* --- in the membership's thread --------------------------------------------------------------- */

static void on_share(void *ctx, size_t partitions, size_t all)
{
    struct one_pass *p = ctx;
    (void)begin_report(p);
    p->is_shared = p->is_shared || partitions < all;
    end_report(p);
}

/* --- waiting ---------------------------------------------------------------------------------- */

/* How long silence is no reason to give up: while passes are under way each ends by itself. */
static int64_t patience_ms(const struct one_pass *p)
{
    if (!p->is_known)
        return reading_max_ms;
    return joining_max_ms + p->options.settings->reconciler_session_timeout_ms;
}

static bool is_cancelled(const struct one_pass *p)
{
    return p->options.is_cancelled != NULL && p->options.is_cancelled(p->options.ctx);
}

/* Whether there is nothing left to wait for. Errors: as one_pass_await(). */
static enum status look(struct one_pass *p, bool *ret_is_done, struct diag *diag)
{
    enum status status = reconciler_modules_refusal(&p->modules, diag);
    if (status != STATUS_OK)
        return status;
    pthread_mutex_lock(&p->lock);
    *ret_is_done = p->is_known && p->report.ended == p->report.len;
    bool is_silent = clock_mono_ms() > p->heard_mono_ms + patience_ms(p) &&
                     reconciler_passes_running(p->modules.passes) == 0;
    if (p->report.status != STATUS_OK)
        status = p->report.status;
    else if (*ret_is_done)
        status = STATUS_OK;
    else if (is_cancelled(p))
        status = diag_set(diag, STATUS_BUSY, "interrupted");
    else if (p->is_shared)
        status = diag_set(diag, STATUS_BUSY, "a reconciler, or another command, has joined");
    else if (is_silent && p->is_known && !reconciler_feed_has_joined(p->modules.feed, diag))
        status = STATUS_UNAVAILABLE;
    else if (is_silent)
        status = diag_set(diag, STATUS_UNAVAILABLE, "%s",
                          p->is_known ? "the group of the reconcilers could not be joined"
                                      : "the topics could not be read to their end");
    pthread_mutex_unlock(&p->lock);
    return status;
}

static void tell_progress(struct one_pass *p)
{
    pthread_mutex_lock(&p->lock);
    size_t ended = p->report.ended, all = p->report.len;
    pthread_mutex_unlock(&p->lock);
    if (p->options.on_progress != NULL)
        p->options.on_progress(p->options.ctx, ended, all);
}

enum status one_pass_await(struct one_pass *p, struct diag *diag)
{
    const struct timespec turn = {.tv_nsec = turn_ms * 1000000};
    bool is_done = false;
    for (enum status status; !is_done; (void)nanosleep(&turn, NULL)) {
        status = look(p, &is_done, diag);
        if (status != STATUS_OK)
            return status;
        tell_progress(p);
        if (is_done)
            break;
    }
    task_loop_call(p->modules.loop, survey, p);
    pthread_mutex_lock(&p->lock);
    provider_http_count(p->modules.http, &p->report.attempts, &p->report.answered);
    pthread_mutex_unlock(&p->lock);
    return STATUS_OK;
}

/* --- once more -------------------------------------------------------------------------------- */

struct again {
    struct one_pass *pass;
    enum one_pass_again (*wants)(void *ctx, size_t index);
    void *ctx;
    size_t changed;
};

static void wake(struct again *a, size_t index)
{
    struct one_pass *p = a->pass;
    struct reported_account *reported = &p->report.accounts[index];
    struct reconciler_account *account =
        reconciler_accounts_find(p->modules.accounts, reported->id);
    enum one_pass_again when = a->wants(a->ctx, index);
    if (when == ONE_PASS_NOT_AGAIN)
        return;
    if (account == NULL) {
        pass_report_take_gone(&p->report, reported);
        a->changed++;
        return;
    }
    bool is_changed = account->changes != reported->changes;
    a->changed += is_changed;
    if (!is_changed && when == ONE_PASS_AGAIN_IF_CHANGED)
        return;
    reported->changes = account->changes;
    if (!reconciler_accounts_can_read(account, NULL))
        return;
    pass_report_expect_again(&p->report, reported);
    reconciler_passes_wake(p->modules.passes, account);
}

static void wake_all(void *ctx)
{
    struct again *a = ctx;
    struct pass_report *report = begin_report(a->pass);
    for (size_t i = 0; i < report->len; i++)
        wake(a, i);
    end_report(a->pass);
}

size_t one_pass_again(struct one_pass *p, enum one_pass_again (*wants)(void *ctx, size_t index),
                      void *ctx)
{
    struct again a = {p, wants, ctx, 0};
    task_loop_call(p->modules.loop, wake_all, &a);
    return a.changed;
}

/* --- adoption --------------------------------------------------------------------------------- */

struct adopting {
    struct one_pass *pass;
    const char *account;
    const struct adoption *adoption;
    struct callback_url url;
    enum status status;
    struct diag *diag;
    bool is_held;
};

DEFINE_CLEANUP(struct route_record *, route_record_free)

static void check_adoption(void *ctx)
{
    struct adopting *a = ctx;
    struct one_pass *p = a->pass;
    CLEANUP(route_record_free_scoped) struct route_record *made = NULL;
    const struct reconciler_account *account =
        reconciler_accounts_find(p->modules.accounts, a->account);
    if (account == NULL || account->declared == NULL) {
        a->status = diag_set(a->diag, STATUS_INVALID, "account %s is not declared", a->account);
        return;
    }
    a->status = adoption_make(a->adoption, &account->declared->desired, &account->state,
                              &p->modules.options, clock_unix_ms(), &made, a->diag);
    if (a->status == STATUS_OK)
        a->url = made->url;
}

enum status one_pass_check_adoption(struct one_pass *p, const char *account,
                                    const struct adoption *adoption, struct callback_url *ret_url,
                                    struct diag *diag)
{
    struct adopting a = {.pass = p, .account = account, .adoption = adoption, .diag = diag};
    task_loop_call(p->modules.loop, check_adoption, &a);
    *ret_url = a.url;
    return a.status;
}

static void look_for_id(void *ctx)
{
    struct adopting *a = ctx;
    const struct reconciler_account *account =
        reconciler_accounts_find(a->pass->modules.accounts, a->account);
    for (size_t i = 0; account != NULL && i < account->state.routes_len; i++) {
        const struct route_record *r = account->state.routes[i].record;
        a->is_held = a->is_held || (r->state == ROUTE_ACTIVE && r->provider_id != NULL &&
                                    strcmp(r->provider_id, a->adoption->provider_id) == 0);
    }
}

bool one_pass_holds(struct one_pass *p, const char *account, const char *provider_id)
{
    const struct adoption adoption = {.provider_id = provider_id};
    struct adopting a = {.pass = p, .account = account, .adoption = &adoption};
    task_loop_call(p->modules.loop, look_for_id, &a);
    return a.is_held;
}

/* --- accounts --------------------------------------------------------------------------------- */

struct account_search {
    struct one_pass *pass;
    const char *account;
    bool is_known;
};

static void search_account(void *ctx)
{
    struct account_search *search = ctx;
    const struct reconciler_account *account =
        reconciler_accounts_find(search->pass->modules.accounts, search->account);
    search->is_known =
        account != NULL && (account->state.record != NULL || account->state.routes_len > 0);
}

bool one_pass_knows(struct one_pass *p, const char *account)
{
    struct account_search search = {.pass = p, .account = account};
    task_loop_call(p->modules.loop, search_account, &search);
    return search.is_known;
}

/* --- resources -------------------------------------------------------------------------------- */

struct resource_search {
    struct one_pass *pass;
    const char *account;    /* NULL: any */
    const char *resource;   /* NULL: any */
    int64_t before_unix_ms; /* created then */
    bool is_found;
};

static void look_for_resource(void *ctx, struct reconciler_account *account)
{
    struct resource_search *search = ctx;
    for (size_t i = 0; i < account->state.routes_len; i++) {
        const struct route_record *r = account->state.routes[i].record;
        search->is_found |= r->state == ROUTE_ACTIVE &&
                            r->created_at_unix_ms < search->before_unix_ms &&
                            (search->resource == NULL ||
                             strcmp(r->url.specification.resource, search->resource) == 0);
    }
}

static void search_resource(void *ctx)
{
    struct resource_search *search = ctx;
    struct reconciler_accounts *accounts = search->pass->modules.accounts;
    if (search->account == NULL) {
        reconciler_accounts_each(accounts, look_for_resource, search);
        return;
    }
    struct reconciler_account *account = reconciler_accounts_find(accounts, search->account);
    if (account != NULL)
        look_for_resource(search, account);
}

bool one_pass_has_resource(struct one_pass *p, const char *account, const char *resource)
{
    return one_pass_has_older(p, account, resource, INT64_MAX);
}

bool one_pass_has_older(struct one_pass *p, const char *account, const char *resource,
                        int64_t before_unix_ms)
{
    struct resource_search search = {
        .pass = p, .account = account, .resource = resource, .before_unix_ms = before_unix_ms};
    task_loop_call(p->modules.loop, search_resource, &search);
    return search.is_found;
}

/* --- the report ------------------------------------------------------------------------------- */

const struct pass_report *one_pass_lock(struct one_pass *p)
{
    pthread_mutex_lock(&p->lock);
    return &p->report;
}

void one_pass_unlock(struct one_pass *p)
{
    pthread_mutex_unlock(&p->lock);
}

/* --- life ------------------------------------------------------------------------------------- */

/* Asked for before anything is waited for: a reader waits for brokers without an end. */
static enum status check_topics(const struct cluster *cluster, const struct settings *s,
                                struct diag *diag)
{
    int32_t partitions;
    enum status status =
        compacted_topic_check(cluster, s->topics_registry, false, &partitions, diag);
    if (status == STATUS_OK)
        status = compacted_topic_check(cluster, s->topics_accounts, false, &partitions, diag);
    if (status == STATUS_OK)
        status = compacted_topic_check(cluster, s->topics_token, true, &partitions, diag);
    return status;
}

static enum status start(struct one_pass *p, struct diag *diag)
{
    const struct settings *s = p->options.settings;
    CLEANUP(cluster_settings_done) struct cluster_settings cluster;
    enum status status = cluster_settings_init(&cluster, s);
    if (status == STATUS_OK)
        status = check_topics(&cluster.cluster, s, diag);
    if (status == STATUS_OK)
        status = metrics_new(&p->metrics);
    if (status != STATUS_OK)
        return status;
    p->listener = (struct pass_listener){p, on_plan, on_call, on_end};
    p->modules.settings = s;
    p->modules.metrics = p->metrics;
    p->modules.purpose = p->options.only_plans ? PASSES_PLAN : PASSES_ONCE;
    p->modules.only_account = p->options.account;
    p->modules.listener = &p->listener;
    /* Somebody waits: what does not answer within two time-outs is told of. */
    p->modules.start_within_ms = 2 * (int64_t)s->http_timeout_ms;
    p->modules.on_known = on_known;
    p->modules.on_share = on_share;
    p->modules.ctx = p;
    p->heard_mono_ms = clock_mono_ms();
    return reconciler_modules_start(&p->modules, diag);
}

enum status one_pass_new(const struct one_pass_options *opt, struct one_pass **ret,
                         struct diag *diag)
{
    struct one_pass *p = calloc(1, sizeof(*p));
    if (p == NULL || pthread_mutex_init(&p->lock, NULL) != 0) {
        free(p);
        return STATUS_NOMEM;
    }
    p->options = *opt;
    enum status status = start(p, diag);
    if (status == STATUS_OK)
        *ret = p;
    else
        one_pass_free(p);
    return status;
}

void one_pass_free(struct one_pass *p)
{
    if (p == NULL)
        return;
    reconciler_modules_stop(&p->modules);
    reconciler_modules_done(&p->modules);
    metrics_free(p->metrics);
    pass_report_done(&p->report);
    pthread_mutex_destroy(&p->lock);
    free(p);
}
