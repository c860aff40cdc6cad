#include "bridge/app/process_status.h"

#include <stdlib.h>
#include <unistd.h>

#include "bridge/app/version.h"
#include "bridge/base/clock.h"
#include "bridge/base/scoped.h"
#include "bridge/status/document.h"
#include "bridge/status/page.h"

/* Copies of a page of accounts, with all their subscriptions. */
static const size_t arena_max = 64 << 20;

/* Source: Linux, HOST_NAME_MAX and its NUL. In Kubernetes it is the pod's name. */
#define HOST_SIZE 65

struct process_status {
    struct process_status_options opt;
    struct sampler *sampler;
    int64_t started_at_unix_ms;
    char host[HOST_SIZE];
    char policy[PAGE_POLICY_SIZE];
    struct admin_page pages[PROCESS_STATUS_PAGES];
};

/* --- the view --------------------------------------------------------------------------------- */

static enum status add_checks(const struct process_status *s, struct arena *arena, struct view *v)
{
    struct health_result results[HEALTH_CHECKS_MAX];
    size_t len = health_check_all(s->opt.health, results);
    struct view_check *checks = arena_alloc(arena, (len + 1) * sizeof(*checks));
    if (checks == NULL)
        return STATUS_NOMEM;
    v->is_ready = true;
    for (size_t i = 0; i < len; i++) {
        const struct health_result *r = &results[i];
        checks[i] = (struct view_check){
            .name = r->name,
            .passed = r->passed,
            .is_decisive = r->kind >= HEALTH_READY,
            .why = arena_dup(arena, bytes_of_text(r->why.text)),
        };
        if (checks[i].why == NULL)
            return STATUS_NOMEM;
        v->is_ready = v->is_ready && (r->passed || !checks[i].is_decisive);
    }
    v->checks = checks;
    v->checks_len = len;
    return STATUS_OK;
}

static enum status add_tables(const struct process_status *s, struct arena *arena, struct view *v)
{
    const struct process_status_source *source = s->opt.source;
    struct view_table *tables = arena_alloc(arena, (source->tables_len + 1) * sizeof(*tables));
    if (tables == NULL)
        return STATUS_NOMEM;
    for (size_t i = 0; i < source->tables_len; i++) {
        enum status status =
            metric_table_read(&source->tables[i], s->opt.metrics, arena, &tables[i]);
        if (status != STATUS_OK)
            return status;
    }
    v->tables = tables;
    v->tables_len = source->tables_len;
    return STATUS_OK;
}

static enum status add_history(const struct process_status *s, struct arena *arena, struct view *v)
{
    struct history *history = arena_alloc(arena, sizeof(*history));
    if (history == NULL)
        return STATUS_NOMEM;
    sampler_read(s->sampler, history);
    v->history = history;
    v->charts = s->opt.source->charts;
    v->charts_len = s->opt.source->charts_len;
    return STATUS_OK;
}

/* A query that is none is told of in the page. */
static enum status add_filter(const struct admin_query *q, struct arena *arena, struct view *v)
{
    struct diag why = {0};
    if (filter_parse(admin_query_text(q, "account"), admin_query_text(q, "state"),
                     admin_query_text(q, "page"), &v->filter, &why) == STATUS_OK)
        return STATUS_OK;
    v->faulty_query = arena_dup(arena, bytes_of_text(why.text));
    return v->faulty_query == NULL ? STATUS_NOMEM : STATUS_OK;
}

static enum status make_view(const struct process_status *s, const struct admin_query *q,
                             struct arena *arena, struct view *v)
{
    *v = (struct view){
        .process = s->opt.source->process,
        .version = version_text(),
        .host = s->host,
        .started_at_unix_ms = s->started_at_unix_ms,
        .now_unix_ms = clock_unix_ms(),
        .now_mono_ms = clock_mono_ms(),
        .is_draining = atomic_load(s->opt.is_draining),
    };
    metrics_refresh(s->opt.metrics);
    enum status status = add_filter(q, arena, v);
    if (status == STATUS_OK)
        status = add_checks(s, arena, v);
    if (status == STATUS_OK)
        status = add_history(s, arena, v);
    if (status == STATUS_OK)
        status = add_tables(s, arena, v);
    if (status == STATUS_OK)
        status = s->opt.source->tell(s->opt.source->ctx, s->opt.metrics, arena, v);
    return status;
}

/* --- the pages -------------------------------------------------------------------------------- */

DEFINE_CLEANUP(struct arena *, arena_free)

static unsigned print(const struct process_status *s, const struct admin_query *q,
                      void (*print_view)(const struct view *v, struct buf *ret), struct buf *ret)
{
    CLEANUP(arena_free_scoped) struct arena *arena = arena_new(arena_max);
    struct view v;
    enum status status = arena == NULL ? STATUS_NOMEM : make_view(s, q, arena, &v);
    if (status != STATUS_OK) {
        ret->status = status;
        return 500;
    }
    print_view(&v, ret);
    return v.faulty_query == NULL ? 200 : 400;
}

static unsigned print_page(void *ctx, const struct admin_query *q, struct buf *ret)
{
    return print(ctx, q, page_print, ret);
}

static unsigned print_document(void *ctx, const struct admin_query *q, struct buf *ret)
{
    return print(ctx, q, document_print, ret);
}

const struct admin_page *process_status_pages(const struct process_status *s)
{
    return s->pages;
}

/* --- life ------------------------------------------------------------------------------------- */

static void make_pages(struct process_status *s)
{
    s->pages[0] = (struct admin_page){
        .path = "/status",
        .content_type = "text/html; charset=utf-8",
        .doc = "all of this for people; ?account=, ?state=, ?page=",
        .content_security_policy = s->policy,
        .print = print_page,
        .ctx = s,
    };
    s->pages[1] = (struct admin_page){
        .path = "/status.json",
        .content_type = "application/json",
        .doc = "the same for programs",
        .print = print_document,
        .ctx = s,
    };
}

enum status process_status_new(const struct process_status_options *opt,
                               struct process_status **ret)
{
    struct process_status *s = calloc(1, sizeof(*s));
    if (s == NULL)
        return STATUS_NOMEM;
    s->opt = *opt;
    s->started_at_unix_ms = clock_unix_ms();
    if (gethostname(s->host, HOST_SIZE - 1) != 0)
        s->host[0] = '\0';
    make_pages(s);
    enum status status = page_policy(s->policy);
    if (status == STATUS_OK)
        status = sampler_new(opt->metrics, opt->source->columns, opt->source->columns_len,
                             HISTORY_INTERVAL_MS, &s->sampler);
    if (status != STATUS_OK) {
        free(s);
        return status;
    }
    *ret = s;
    return STATUS_OK;
}

void process_status_free(struct process_status *s)
{
    if (s == NULL)
        return;
    sampler_free(s->sampler);
    free(s);
}
