#include "bridge/app/live_settings.h"

#include <pthread.h>
#include <stdlib.h>

#include "bridge/app/version.h"
#include "bridge/base/clock.h"
#include "bridge/base/scoped.h"
#include "bridge/domain/log_events.h"

/* Keys that need a restart, in one log line. */
static const size_t keys_max = 4096;

struct live_settings {
    struct settings *first;
    enum settings_process process;
    struct configuration read_last; /* its settings are moved on once they are in force */
    struct gauge *reload_successful;
    struct gauge *reload_success_unix_s;
    struct gauge *restart_required;
    struct gauge *secret_files_missing;

    pthread_mutex_t lock;    /* guards what follows */
    struct settings *latest; /* in force since a reload; NULL: those of the start */
};

static void make_metrics(struct live_settings *l, struct metrics *m)
{
    l->reload_successful =
        metrics_gauge(m, "maesn_bridge_config_last_reload_successful",
                      "Whether the configuration was accepted when it was last read.", NULL, 0);
    l->reload_success_unix_s =
        metrics_gauge(m, "maesn_bridge_config_last_reload_success_timestamp_seconds",
                      "When the configuration was last accepted.", NULL, 0);
    l->restart_required = metrics_gauge(
        m, "maesn_bridge_config_restart_required",
        "Settings that were changed in the files and take effect with a restart only.", NULL, 0);
    l->secret_files_missing = metrics_gauge(
        m, "maesn_bridge_secret_files_missing",
        "Previous secrets' files that the configuration names and that are gone.", NULL, 0);
    const struct metric_label version = {"version", version_text()};
    gauge_set(metrics_gauge(m, "maesn_bridge_build_info", "1, with the version of the program.",
                            &version, 1),
              1);
}

static void tell_loaded(struct live_settings *l, const struct settings *s)
{
    log_set_level((enum log_level)s->log_level);
    gauge_set(l->reload_successful, 1);
    gauge_set(l->reload_success_unix_s, (double)clock_unix_ms() / 1000);
    gauge_set(l->secret_files_missing, (double)s->secret_files_missing);
    LOG(CONFIG_LOADED, log_text("file", s->file), log_number("routes", (int64_t)s->routes_len),
        log_number("accounts", (int64_t)s->accounts_len));
}

enum status live_settings_new_take(struct configuration *configuration,
                                   enum settings_process process, struct metrics *metrics,
                                   struct live_settings **ret)
{
    CLEANUP(configuration_done) struct configuration c = configuration_take(configuration);
    struct live_settings *l = calloc(1, sizeof(*l));
    if (l == NULL || pthread_mutex_init(&l->lock, NULL) != 0) {
        free(l);
        return STATUS_NOMEM;
    }
    l->process = process;
    l->first = TAKE(c.settings);
    l->read_last = configuration_take(&c);
    make_metrics(l, metrics);
    tell_loaded(l, l->first);
    *ret = l;
    return STATUS_OK;
}

void live_settings_free(struct live_settings *l)
{
    if (l == NULL)
        return;
    configuration_done(&l->read_last);
    settings_free(l->latest);
    settings_free(l->first);
    pthread_mutex_destroy(&l->lock);
    free(l);
}

const struct settings *live_settings_first(const struct live_settings *l)
{
    return l->first;
}

const struct configuration *live_settings_read_last(const struct live_settings *l)
{
    return &l->read_last;
}

static void tell_restart_required(struct live_settings *l, const struct settings *wanted)
{
    struct buf keys;
    buf_init(&keys, keys_max);
    size_t count = settings_restart_required(l->first, wanted, &keys);
    gauge_set(l->restart_required, (double)count);
    if (count > 0)
        LOG(CONFIG_RESTART_REQUIRED, log_text("keys", buf_text(&keys)));
    buf_done(&keys);
}

static void keep_latest_take(struct live_settings *l, struct settings *s)
{
    pthread_mutex_lock(&l->lock);
    struct settings *former = l->latest;
    l->latest = s;
    pthread_mutex_unlock(&l->lock);
    settings_free(former);
}

void live_settings_reload(struct live_settings *l,
                          enum status (*put_in_force)(void *ctx, const struct settings *s,
                                                      struct diag *diag),
                          void *ctx)
{
    struct problems problems;
    problems_init(&problems);
    configuration_done(&l->read_last);
    enum status status = configuration_load(l->first->file, l->process, &l->read_last, &problems);
    configuration_log(&problems);
    problems_done(&problems);

    struct diag diag = {0};
    if (status == STATUS_OK)
        status = put_in_force(ctx, l->read_last.settings, &diag);
    if (status != STATUS_OK) {
        gauge_set(l->reload_successful, 0);
        LOG(CONFIG_REJECTED, log_text("file", l->first->file),
            log_text("problem", diag.text[0] == '\0' ? status_name(status) : diag.text));
        return;
    }
    tell_restart_required(l, l->read_last.settings);
    tell_loaded(l, l->read_last.settings);
    keep_latest_take(l, TAKE(l->read_last.settings));
    settings_drop_declared(l->first); /* a secret that was replaced is not kept to the end */
}

void live_settings_print(struct live_settings *l, struct buf *ret)
{
    pthread_mutex_lock(&l->lock);
    settings_print(l->latest == NULL ? l->first : l->latest, ret);
    pthread_mutex_unlock(&l->lock);
}
