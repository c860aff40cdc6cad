#include "bridge/app/reconciler_process.h"

#include <poll.h>
#include <stdlib.h>

#include "bridge/app/process_admin.h"
#include "bridge/app/reconciler_modules.h"
#include "bridge/app/reconciler_status.h"
#include "bridge/app/version.h"
#include "bridge/base/clock.h"
#include "bridge/base/scoped.h"
#include "bridge/domain/log_events.h"

/* The passes' thread turns at least twice a second; one that has not for this long hangs. */
static const int64_t loop_age_max_ms = 30000;

/* What leaving the group and ending the threads takes, of the time for the stop. */
static const int64_t leave_reserve_ms = 4000;

struct reconciler_process {
    struct process_admin admin;
    struct reconciler_modules modules;
    struct reconciler_status *status;
    int64_t stop_by_mono_ms; /* the hard stop, set by drain(); 0 before */
};

/* --- start ------------------------------------------------------------------------------------ */

static bool is_alive(void *process)
{
    const struct reconciler_process *p = process;
    return clock_mono_ms() - task_loop_turned_at_mono_ms(p->modules.loop) < loop_age_max_ms;
}

static bool has_joined(void *ctx, struct diag *diag)
{
    struct reconciler_process *p = ctx;
    return reconciler_feed_has_joined(p->modules.feed, diag);
}

static enum status start_admin(struct reconciler_process *p, struct diag *diag)
{
    health_add(p->admin.health, "group", HEALTH_READY, has_joined, p);
    const struct process_admin_options opt = {
        .listen = p->modules.settings->reconciler_admin_listen,
        .threads = "passes",
        .process = p,
        .is_alive = is_alive,
        .silence_max_ms = loop_age_max_ms,
        .status = reconciler_status_source(p->status),
    };
    return process_admin_start(&p->admin, &opt, diag);
}

static enum status start_all(struct reconciler_process *p, struct diag *diag)
{
    p->modules.settings = live_settings_first(p->admin.live);
    p->modules.metrics = p->admin.metrics;
    enum status status = reconciler_modules_start(&p->modules, diag);
    if (status == STATUS_OK)
        status = reconciler_status_new(&p->modules, &p->status);
    return status == STATUS_OK ? start_admin(p, diag) : status;
}

enum status reconciler_process_start_take(struct configuration *configuration,
                                          struct reconciler_process **ret, struct diag *diag)
{
    CLEANUP(configuration_done) struct configuration c = configuration_take(configuration);
    struct reconciler_process *p = calloc(1, sizeof(*p));
    if (p == NULL)
        return STATUS_NOMEM;
    p->modules.any_topic_settings = c.any_topic_settings;
    enum status status = process_admin_init_take(&p->admin, &c, SETTINGS_RECONCILER);
    if (status == STATUS_OK)
        status = start_all(p, diag);
    if (status != STATUS_OK) {
        reconciler_modules_stop(&p->modules);
        reconciler_process_free(p);
        return status;
    }
    LOG(PROCESS_STARTED, log_text("version", version_text()),
        log_number("admin_port", reconciler_process_admin_port(p)));
    *ret = p;
    return STATUS_OK;
}

uint16_t reconciler_process_admin_port(const struct reconciler_process *p)
{
    return process_admin_port(&p->admin);
}

/* --- reload ----------------------------------------------------------------------------------- */

static enum status put_in_force(void *ctx, const struct settings *s, struct diag *diag)
{
    struct reconciler_process *p = ctx;
    return reconciler_modules_reload(&p->modules, s, diag);
}

static void reload(void *process)
{
    struct reconciler_process *p = process;
    live_settings_reload(p->admin.live, put_in_force, p);
}

static const struct configuration *read_last(const void *process)
{
    const struct reconciler_process *p = process;
    return live_settings_read_last(p->admin.live);
}

static enum status refusal(void *process, struct diag *diag)
{
    struct reconciler_process *p = process;
    return reconciler_modules_refusal(&p->modules, diag);
}

/* --- stop ------------------------------------------------------------------------------------- */

/* Nobody has to look away first, as from an ingress. */
static int64_t drain_ms(const void *process)
{
    (void)process;
    return 0;
}

static int64_t hard_stop_ms(const void *process)
{
    const struct reconciler_process *p = process;
    return p->modules.settings->shutdown_hard_stop_ms;
}

void reconciler_process_drain(struct reconciler_process *p)
{
    p->stop_by_mono_ms = clock_mono_ms() + hard_stop_ms(p);
    process_admin_drain(&p->admin);
    reconciler_modules_drain(&p->modules);
    LOG(PROCESS_STOPPING, log_number("hard_stop_ms", hard_stop_ms(p)));
}

static void drain(void *process)
{
    reconciler_process_drain(process);
}

size_t reconciler_process_stop(struct reconciler_process *p)
{
    while (reconciler_passes_running(p->modules.passes) > 0 &&
           clock_mono_ms() < p->stop_by_mono_ms - leave_reserve_ms)
        poll(NULL, 0, 10);
    size_t cut = reconciler_passes_running(p->modules.passes);
    reconciler_modules_stop(&p->modules);
    LOG(PROCESS_STOPPED, log_number("unanswered", (int64_t)cut));
    return cut;
}

static size_t stop(void *process)
{
    return reconciler_process_stop(process);
}

void reconciler_process_free(struct reconciler_process *p)
{
    if (p == NULL)
        return;
    process_admin_stop(&p->admin); /* the first to go: it asks all the others */
    reconciler_status_free(p->status);
    reconciler_modules_done(&p->modules);
    process_admin_done(&p->admin);
    free(p);
}

/* --- how it is served ------------------------------------------------------------------------- */

static void free_process(void *process)
{
    reconciler_process_free(process);
}

static enum status start_take(struct configuration *configuration, void **ret, struct diag *diag)
{
    struct reconciler_process *p = NULL;
    enum status status = reconciler_process_start_take(configuration, &p, diag);
    if (status == STATUS_OK)
        *ret = p;
    return status;
}

const struct served_process reconciler_process_served = {
    .settings = SETTINGS_RECONCILER,
    .start_take = start_take,
    .reload = reload,
    .read_last = read_last,
    .refusal = refusal,
    .is_alive = is_alive,
    .drain_ms = drain_ms,
    .hard_stop_ms = hard_stop_ms,
    .drain = drain,
    .stop = stop,
    .free = free_process,
};
