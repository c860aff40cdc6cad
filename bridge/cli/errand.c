#include "bridge/cli/errand.h"

#include <poll.h>
#include <stdio.h>
#include <stdlib.h>

#include "bridge/base/clock.h"
#include "bridge/base/scoped.h"
#include "bridge/cli/errand_view.h"
#include "bridge/cli/interruption.h"
#include "bridge/cli/output.h"
#include "bridge/cli/progress_line.h"
#include "bridge/registry/sealed.h"

/* How often the registry is looked at, and how often the group. */
static const int look_ms = 500;
static const int64_t count_members_ms = 2000;

/* How often reconcilers may come while it is done here, or go while they are followed. */
static const int turns_max = 10;

/* A request is a few hundred bytes, one to adopt has a secret. */
static const size_t request_max = 16384;

DEFINE_CLEANUP(struct topic_table *, topic_table_close)
DEFINE_CLEANUP(struct request_record *, request_record_free)

/* --- what is told meanwhile ------------------------------------------------------------------- */

struct telling {
    struct errand *errand;
    struct progress_line progress;
    bool also_unchanged; /* accounts are planned again */
};

/* A line for an account that is done, once. */
static void tell_account(struct telling *t, const struct reported_account *account, size_t index)
{
    struct errand_account *mark = &t->errand->accounts[index];
    if (!t->errand->prints_lines || mark->is_told || mark->is_awaited)
        return;
    CLEANUP(buf_done) struct buf line;
    buf_init(&line, OUTPUT_MAX);
    mark->is_told = true;
    errand_view_print_line(account, mark, t->errand->with_colour, &line);
    if (line.len == 0)
        return;
    progress_line_clear(&t->progress);
    (void)output_write(stdout, &line);
}

static enum status make_marks(struct errand *e, size_t len)
{
    if (e->accounts != NULL && e->len == len)
        return STATUS_OK;
    free(e->accounts);
    e->accounts = calloc(len + 1, sizeof(*e->accounts));
    e->len = e->accounts == NULL ? 0 : len;
    return e->accounts == NULL ? STATUS_NOMEM : STATUS_OK;
}

/* --- done here -------------------------------------------------------------------------------- */

static void take_done(struct errand *e, const struct reported_account *account, size_t index)
{
    struct errand_account *mark = &e->accounts[index];
    mark->is_asked = true;
    mark->is_awaited = !account->has_ended;
    mark->created = pass_report_count_done(account, CALL_CREATE);
    mark->deleted = pass_report_count_done(account, CALL_DELETE);
    mark->activated = pass_report_count_done(account, CALL_ACTIVATE);
}

static void on_progress(void *ctx, size_t ended, size_t all)
{
    struct telling *t = ctx;
    struct errand *e = t->errand;
    if (e->pass == NULL || make_marks(e, all) != STATUS_OK)
        return;
    const struct pass_report *report = one_pass_lock(e->pass);
    for (size_t i = 0; i < e->len && i < report->len; i++) {
        take_done(e, &report->accounts[i], i);
        tell_account(t, &report->accounts[i], i);
    }
    one_pass_unlock(e->pass);
    progress_line_draw(&t->progress, ended, all);
}

static enum status start_pass(struct errand *e, bool only_plans, struct telling *telling,
                              struct diag *diag)
{
    const struct one_pass_options opt = {
        .settings = e->access->settings,
        .only_plans = only_plans,
        .account = e->account,
        .request = &e->request,
        .on_progress = only_plans ? NULL : on_progress,
        .is_cancelled = interruption_came,
        .ctx = telling,
    };
    one_pass_free(TAKE(e->pass));
    free(TAKE(e->accounts));
    e->len = 0;
    enum status status = one_pass_new(&opt, &e->pass, diag);
    return status == STATUS_OK ? one_pass_await(e->pass, diag) : status;
}

static enum status do_it(struct errand *e, struct diag *diag)
{
    struct telling telling = {.errand = e, .progress = {.what = "accounts done"}};
    e->members = 0;
    enum status status = start_pass(e, false, &telling, diag);
    progress_line_clear(&telling.progress);
    return status;
}

/* --- asking ----------------------------------------------------------------------------------- */

struct asking {
    const struct errand *errand;
    const struct pass_report *report;
    int32_t partitions;
};

/* Whether the rotation is not finished. */
static bool is_rotating(const struct errand *e, const char *account, int64_t asked_unix_ms,
                        const char *resource)
{
    return asked_unix_ms != 0 && one_pass_has_older(e->pass, account, resource, asked_unix_ms);
}

/* Takes the rotation up into what is carried on; of two that are carried, one for all. */
static void carry_rotation(int64_t asked_unix_ms, const char *resource, struct request_record *ret)
{
    bool is_same = ret->former_resource != NULL && resource != NULL &&
                   strcmp(ret->former_resource, resource) == 0;
    ret->former_resource = ret->former_rotate_unix_ms == 0 || is_same ? resource : NULL;
    if (ret->former_rotate_unix_ms < asked_unix_ms)
        ret->former_rotate_unix_ms = asked_unix_ms;
}

/* A request takes the place of the one before: what is not finished of that goes on with it. */
static void carry_on(const struct errand *e, const char *account,
                     const struct request_record *former, struct request_record *ret)
{
    if (former->kind == REQUEST_ROTATE &&
        is_rotating(e, account, former->requested_at_unix_ms, former->resource))
        carry_rotation(former->requested_at_unix_ms, former->resource, ret);
    if (is_rotating(e, account, former->former_rotate_unix_ms, former->former_resource))
        carry_rotation(former->former_rotate_unix_ms, former->former_resource, ret);
    /* Whether it was carried out is known to the owner, who does it once. */
    ret->former_force_unix_ms =
        former->kind == REQUEST_FORCE ? former->requested_at_unix_ms : former->former_force_unix_ms;
}

/* Who asks for a pass only asks again for what was asked for before: it may not have been carried
 * out yet. */
static enum status keep_former(const struct errand *e, const char *account,
                               const struct topic_row *row, struct request_record *ret,
                               struct request_record **ret_former)
{
    CLEANUP(buf_wipe_done) struct buf json;
    buf_init(&json, SEALED_PLAINTEXT_MAX);
    if (row == NULL)
        return STATUS_OK;
    enum status status =
        registry_access_unseal(e->access, e->access->settings->topics_accounts, row, &json, NULL);
    if (status == STATUS_OK)
        status = request_record_read(buf_bytes(&json), ret_former, NULL);
    if (status == STATUS_OK && e->request.kind == REQUEST_PASS)
        *ret = **ret_former;
    else if (status == STATUS_OK)
        carry_on(e, account, *ret_former, ret);
    return status == STATUS_NOMEM ? status : STATUS_OK; /* what cannot be read is replaced */
}

static enum status add_request(const struct errand *e, const char *account,
                               const struct topic_rows *rows, int32_t partition,
                               struct topic_changes *ret)
{
    CLEANUP(buf_wipe_done) struct buf json;
    CLEANUP(request_record_free_scoped) struct request_record *former = NULL;
    char key[REGISTRY_KEY_SIZE];
    struct request_record wanted = e->request;
    buf_init(&json, request_max);
    registry_key_of_request(account, key);
    memcpy(wanted.account, account, strlen(account) + 1);
    enum status status = keep_former(
        e, account, topic_rows_find(rows, partition, bytes_of_text(key)), &wanted, &former);
    if (status == STATUS_OK)
        status = buf_reserve(&json, request_max);
    if (status == STATUS_OK)
        status = request_record_write(&wanted, &json);
    if (status == STATUS_OK)
        status = registry_access_add_sealed(e->access, e->access->settings->topics_accounts,
                                            bytes_of_text(key), buf_bytes(&json), ret);
    return status;
}

static enum status decide(void *ctx, const struct topic_rows *rows, int32_t partition,
                          struct topic_changes *ret, struct diag *diag)
{
    const struct asking *a = ctx;
    const struct errand *e = a->errand;
    enum status status = STATUS_OK;
    for (size_t i = 0; status == STATUS_OK && i < e->len; i++) {
        const char *account = a->report->accounts[i].id;
        if (e->accounts[i].is_asked && registry_key_partition(account, a->partitions) == partition)
            status = add_request(e, account, rows, partition, ret);
    }
    return status == STATUS_OK ? status : diag_set(diag, status, "the requests cannot be made");
}

static bool has_asked(const struct asking *a, int32_t partition)
{
    for (size_t i = 0; i < a->errand->len; i++)
        if (a->errand->accounts[i].is_asked &&
            registry_key_partition(a->report->accounts[i].id, a->partitions) == partition)
            return true;
    return false;
}

/* The report's ids stay as they are, without its lock. */
static enum status ask(struct errand *e, struct diag *diag)
{
    CLEANUP(topic_table_close_scoped) struct topic_table *table = NULL;
    struct asking a = {.errand = e, .report = one_pass_lock(e->pass)};
    one_pass_unlock(e->pass);
    enum status status =
        registry_access_open(e->access, e->access->settings->topics_accounts, &table, diag);
    if (status != STATUS_OK)
        return status;
    a.partitions = topic_table_partitions(table);
    for (int32_t partition = 0; status == STATUS_OK && partition < a.partitions; partition++)
        if (has_asked(&a, partition))
            status = registry_access_change(table, partition, decide, &a, diag);
    return status;
}

/* --- following -------------------------------------------------------------------------------- */

/* Whether it is the registry that shows what was asked for, and not what is planned. */
static bool shows_in_registry(const struct errand *e)
{
    return e->request.kind == REQUEST_ADOPT || e->request.kind == REQUEST_FORGET;
}

/* Of what shows there. */
static bool is_done(const struct errand *e)
{
    return e->request.kind == REQUEST_ADOPT
               ? one_pass_holds(e->pass, e->account, e->request.provider_id)
               : !one_pass_knows(e->pass, e->account);
}

static void mark(struct errand *e, const struct reported_account *account, size_t index)
{
    struct errand_account *m = &e->accounts[index];
    if (shows_in_registry(e)) {
        m->is_asked = m->is_awaited = true;
        return;
    }
    m->is_asked = account->is_readable && !pass_report_is_unknown(account) &&
                  (e->request.kind == REQUEST_ROTATE || pass_report_has_difference(account));
    m->is_awaited = m->is_asked && pass_report_has_work(account);
    for (size_t i = 0; i < account->plan.len; i++) {
        m->created += account->plan.steps[i].action == PLAN_CREATE;
        m->deleted += account->plan.steps[i].action == PLAN_DELETE;
        m->activated += account->plan.steps[i].action == PLAN_ACTIVATE;
    }
}

/* Returns how many are to be asked. */
static enum status mark_all(struct errand *e, size_t *ret_asked)
{
    const struct pass_report *report = one_pass_lock(e->pass);
    enum status status = make_marks(e, report->len);
    *ret_asked = 0;
    for (size_t i = 0; i < e->len; i++) {
        mark(e, &report->accounts[i], i);
        *ret_asked += e->accounts[i].is_asked;
    }
    one_pass_unlock(e->pass);
    return status;
}

static enum one_pass_again wants_again(void *ctx, size_t index)
{
    const struct telling *t = ctx;
    const struct errand_account *m = &t->errand->accounts[index];
    if (!m->is_awaited)
        return ONE_PASS_NOT_AGAIN;
    return t->also_unchanged || m->is_doubted ? ONE_PASS_AGAIN : ONE_PASS_AGAIN_IF_CHANGED;
}

/* Whether the owner has more to do, as it seems. A list that was made in the middle of a pass may
 * lack what the registry has since: what then waits is looked at once more. */
static bool is_open(const struct reported_account *account, struct errand_account *m)
{
    if (pass_report_is_unknown(account) || pass_report_has_work(account) ||
        pass_report_is_under_way(account))
        return true;
    bool was_doubted = m->is_doubted;
    m->is_doubted = pass_report_has_difference(account);
    return m->is_doubted && !was_doubted;
}

/* Takes note of those that are done. Returns how many are still awaited. */
static size_t take_notes(struct telling *t)
{
    struct errand *e = t->errand;
    size_t awaited = 0;
    bool shows = shows_in_registry(e), is_there = shows && is_done(e);
    const struct pass_report *report = one_pass_lock(e->pass);
    for (size_t i = 0; i < e->len; i++) {
        const struct reported_account *account = &report->accounts[i];
        struct errand_account *m = &e->accounts[i];
        m->is_awaited = m->is_awaited && (shows ? !is_there : is_open(account, m));
        awaited += m->is_awaited;
        tell_account(t, account, i);
    }
    one_pass_unlock(e->pass);
    return awaited;
}

/* Whether it is time again for what comes every so often. */
static bool is_due(int64_t *at_mono_ms, int64_t every_ms)
{
    if (clock_mono_ms() < *at_mono_ms + every_ms)
        return false;
    *at_mono_ms = clock_mono_ms();
    return true;
}

/* Until everything is done. Errors: STATUS_BUSY nobody is left who could do it. */
static enum status watch(struct telling *t, struct diag *diag)
{
    struct errand *e = t->errand;
    int64_t timeout_ms = e->access->settings->http_timeout_ms, now = clock_mono_ms();
    int64_t progressed_mono_ms = now, counted_mono_ms = now, planned_mono_ms = now;
    size_t all = 0, awaited = take_notes(t);
    for (all = awaited; awaited > 0;) {
        (void)poll(NULL, 0, look_ms);
        /* Not every step leaves a trace in the registry. */
        t->also_unchanged = is_due(&planned_mono_ms, timeout_ms / 2);
        size_t before = awaited, changed = one_pass_again(e->pass, wants_again, t);
        enum status status = one_pass_await(e->pass, diag);
        awaited = take_notes(t);
        progress_line_draw(&t->progress, all - awaited, all);
        if (changed > 0 || awaited < before)
            progressed_mono_ms = clock_mono_ms();
        e->is_stalled = awaited > 0 && clock_mono_ms() > progressed_mono_ms + 2 * timeout_ms;
        size_t members = e->members;
        if (status == STATUS_OK && awaited > 0 && is_due(&counted_mono_ms, count_members_ms))
            status = registry_access_members(e->access, &members, diag);
        if (status == STATUS_OK && members == 0)
            status = diag_set(diag, STATUS_BUSY, "no reconciler is left");
        if (status != STATUS_OK || e->is_stalled)
            return status;
    }
    return STATUS_OK;
}

static enum status follow(struct errand *e, struct diag *diag)
{
    struct telling telling = {.errand = e, .progress = {.what = "accounts done"}};
    size_t asked = 0;
    enum status status = start_pass(e, true, &telling, diag);
    if (status == STATUS_OK)
        status = mark_all(e, &asked);
    if (status == STATUS_OK && asked > 0)
        status = ask(e, diag);
    if (status == STATUS_OK)
        status = watch(&telling, diag);
    progress_line_clear(&telling.progress);
    return status;
}

/* --- the errand ------------------------------------------------------------------------------- */

enum status errand_run(struct errand *e, struct diag *diag)
{
    enum status status = STATUS_BUSY;
    struct diag why = {0};
    /* What is under way is ended and the group left: reconcilers need not wait for a session. */
    interruption_heed();
    for (int turn = 0; status == STATUS_BUSY && turn < turns_max && !interruption_came(NULL);
         turn++) {
        why = (struct diag){0};
        one_pass_free(TAKE(e->pass)); /* or it would count itself */
        status = registry_access_members(e->access, &e->members, &why);
        if (status == STATUS_OK)
            status = e->members == 0 ? do_it(e, &why) : follow(e, &why);
    }
    return status == STATUS_OK ? status : diag_set(diag, status, "%s", why.text);
}

void errand_done(struct errand *e)
{
    one_pass_free(e->pass);
    free(e->accounts);
}
