#include "bridge/app/process_admin.h"

#include "bridge/app/version.h"
#include "bridge/base/scoped.h"
#include "bridge/ops/process_metrics.h"

/* /version is a few hundred bytes. */
static const size_t version_max = 4096;

enum status process_admin_init_take(struct process_admin *a, struct configuration *configuration,
                                    enum settings_process process)
{
    CLEANUP(configuration_done) struct configuration c = configuration_take(configuration);
    *a = (struct process_admin){.metrics = NULL};
    buf_init(&a->version, version_max);
    version_json(&a->version);
    enum status status = metrics_new(&a->metrics);
    if (status == STATUS_OK)
        status = rejections_new(&a->rejections);
    if (status == STATUS_OK)
        status = health_new(&a->health);
    if (status == STATUS_OK)
        status = live_settings_new_take(&c, process, a->metrics, &a->live);
    if (status == STATUS_OK)
        process_metrics_add(a->metrics);
    return status;
}

/* --- what the listener asks ---------------------------------------------------------------- */

static bool threads_turn(void *ctx, struct diag *diag)
{
    struct process_admin *a = ctx;
    if (a->is_alive(a->process))
        return true;
    diag_set(diag, STATUS_INTERNAL, "a thread has not turned for %lld ms",
             (long long)a->silence_max_ms);
    return false;
}

static bool not_draining(void *ctx, struct diag *diag)
{
    struct process_admin *a = ctx;
    if (!atomic_load(&a->draining))
        return true;
    diag_set(diag, STATUS_UNAVAILABLE, "the process is stopping");
    return false;
}

static void print_config(void *ctx, struct buf *ret)
{
    struct process_admin *a = ctx;
    live_settings_print(a->live, ret);
}

/* --- life ---------------------------------------------------------------------------------- */

enum status process_admin_start(struct process_admin *a, const struct process_admin_options *opt,
                                struct diag *diag)
{
    a->process = opt->process;
    a->is_alive = opt->is_alive;
    a->silence_max_ms = opt->silence_max_ms;
    health_add(a->health, opt->threads, HEALTH_LIVE, threads_turn, a);
    health_add(a->health, "serving", HEALTH_READY, not_draining, a);
    const struct process_status_options status_options = {
        .source = opt->status,
        .metrics = a->metrics,
        .health = a->health,
        .is_draining = &a->draining,
    };
    enum status status = process_status_new(&status_options, &a->status);
    if (status != STATUS_OK)
        return status;
    const struct admin_options admin = {
        .listen = opt->listen,
        .metrics = a->metrics,
        .health = a->health,
        .rejections = a->rejections,
        .version_json = buf_text(&a->version),
        .print_config = print_config,
        .print_config_ctx = a,
        .pages = process_status_pages(a->status),
        .pages_len = PROCESS_STATUS_PAGES,
    };
    return admin_new(&admin, &a->admin, diag);
}

uint16_t process_admin_port(const struct process_admin *a)
{
    return admin_port(a->admin);
}

void process_admin_drain(struct process_admin *a)
{
    atomic_store(&a->draining, true);
}

void process_admin_stop(struct process_admin *a)
{
    admin_free(a->admin);
    a->admin = NULL;
    process_status_free(a->status);
    a->status = NULL;
}

void process_admin_done(struct process_admin *a)
{
    live_settings_free(a->live);
    health_free(a->health);
    rejections_free(a->rejections);
    metrics_free(a->metrics);
    buf_done(&a->version);
}
