#include "bridge/app/ingress_process.h"

#include <pthread.h>
#include <stdatomic.h>
#include <stdlib.h>

#include "bridge/app/activity_writer.h"
#include "bridge/app/cluster_settings.h"
#include "bridge/app/configuration.h"
#include "bridge/app/event_topics.h"
#include "bridge/app/registry_feed.h"
#include "bridge/app/routes.h"
#include "bridge/app/static_routes.h"
#include "bridge/app/version.h"
#include "bridge/base/clock.h"
#include "bridge/base/scoped.h"
#include "bridge/domain/log_events.h"
#include "bridge/ingress/ingress.h"
#include "bridge/kafka/producer.h"
#include "bridge/ops/admin.h"
#include "bridge/ops/process_metrics.h"
#include "bridge/providers/providers.h"

/* A loop thread turns at least every 100 ms; one that has not for this long hangs. */
static const int64_t loop_age_max_ms = 10000;

/* What a callback noted is in its topic after a second. */
static const int64_t activity_turn_ms = 1000;

/* /version is a few hundred bytes. */
static const size_t version_max = 4096;

struct ingress_process {
    struct settings *settings; /* of the start: every module borrows from them to the end */
    bool any_topic_settings;
    struct envelope_options envelope;

    struct metrics *metrics;
    struct rejections *rejections;
    struct health *health;
    struct static_routes *static_routes;
    struct registry_feed *feed; /* NULL: there is no registry */
    struct routes *routes;      /* of both */
    struct producer *producer;
    struct activity_writer *activity; /* NULL: there is no registry */
    struct ingress *ingress;
    struct admin *admin;
    struct buf version;

    struct gauge *reload_successful;
    struct gauge *reload_success_unix_s;
    struct gauge *restart_required;
    struct gauge *secret_files_missing;

    atomic_bool draining;
    int64_t stop_by_mono_ms; /* the hard stop, set by ingress_process_drain(); 0 before */

    struct configuration read_last; /* its settings are moved on once they are in force */
    pthread_mutex_t latest_lock;
    struct settings
        *latest; /* in force since a reload, guarded by the lock; NULL: those of the start */
};

/* --- the modules' options ------------------------------------------------------------------ */

static struct envelope_options envelope_options(const struct settings *s)
{
    return (struct envelope_options){
        .topic_template = s->topics_template,
        .key_template = s->topics_key,
        .other_topic = s->topics_other,
        .token_topic = s->topics_token,
        .dead_letter_topic = s->topics_dead_letter,
        .format = (enum envelope_format)s->format,
        .trace = (enum envelope_trace)s->ingress_trace,
    };
}

static bool has_registry(const struct ingress_process *p)
{
    return p->settings->topics_registry[0] != '\0';
}

static enum status make_routes(struct ingress_process *p, const struct cluster *cluster,
                               struct diag *diag)
{
    const struct settings *s = p->settings;
    const struct registry_feed_options opt = {
        .cluster = cluster,
        .topic = s->topics_registry,
        .any_settings = p->any_topic_settings,
        .keyring_file = s->keyring_file,
        .route_key_file = s->route_key_file,
        .providers = providers_all,
        .metrics = p->metrics,
    };
    enum status status = static_routes_new(&p->static_routes);
    if (status == STATUS_OK)
        status = static_routes_replace(p->static_routes, s->routes, s->routes_len, diag);
    if (status == STATUS_OK && has_registry(p))
        status = registry_feed_new(&opt, &p->feed, diag);
    if (status != STATUS_OK)
        return status;
    return routes_new(static_routes_registry(p->static_routes),
                      p->feed == NULL ? NULL : registry_feed_index(p->feed), &p->routes);
}

static enum status start_activity(struct ingress_process *p)
{
    const struct activity_writer_options opt = {
        .sink = producer_sink(p->producer),
        .topic = p->settings->topics_activity,
        .interval_ms = ACTIVITY_INTERVAL_MS,
        .turn_ms = activity_turn_ms,
    };
    producer_add_topics(p->producer, &opt.topic, 1);
    return activity_writer_new(&opt, &p->activity);
}

static enum status start_producer(struct ingress_process *p, const struct cluster *cluster,
                                  struct diag *diag)
{
    const struct settings *s = p->settings;
    CLEANUP(event_topics_done) struct event_topics topics;
    event_topics_init(&topics);
    enum status status = event_topics_add(&topics, &p->envelope, s);
    if (status != STATUS_OK)
        return status;
    struct producer_options opt = {
        .cluster = *cluster,
        .linger_ms = s->kafka_linger_ms,
        .idempotence = s->kafka_idempotence,
        .deadline_ms = s->ingress_deadline_ms,
        .topics = topics.names,
        .topics_len = topics.len,
        .envelope = &p->envelope,
        .metrics = p->metrics,
    };
    return producer_new(&opt, &p->producer, diag);
}

static enum status start_ingress(struct ingress_process *p, struct diag *diag)
{
    const struct settings *s = p->settings;
    struct ingress_options opt = {
        .listen = s->ingress_listen,
        .threads = s->ingress_threads,
        .deadline_ms = s->ingress_deadline_ms,
        .header_timeout_ms = s->ingress_header_timeout_ms,
        .body_timeout_ms = s->ingress_body_timeout_ms,
        .idle_timeout_ms = s->ingress_idle_timeout_ms,
        .connections_max = s->ingress_connections_max,
        .in_flight_max = s->ingress_in_flight_max,
        .in_flight_max_bytes = s->ingress_in_flight_max_bytes,
        .body_max_bytes = s->ingress_body_max_bytes,
        .tls =
            {
                .certificate_file = s->ingress_tls_certificate_file,
                .key_file = s->ingress_tls_key_file,
                .client_ca_file = s->ingress_tls_client_ca_file,
            },
        .envelope = p->envelope,
        .provider =
            {
                .signature_tolerance_ms = (int64_t)s->moneybird_signature_tolerance_s * 1000,
                .pass_entity = s->moneybird_entity == 1,
            },
        .providers = providers_all,
        .registry = routes_registry(p->routes),
        .sink = producer_sink(p->producer),
        .activity = p->activity == NULL ? NULL : activity_writer_port(p->activity),
        .metrics = p->metrics,
        .rejections = p->rejections,
    };
    return ingress_new(&opt, &p->ingress, diag);
}

/* --- what the admin listener asks ---------------------------------------------------------- */

static bool is_alive(void *process)
{
    struct ingress_process *p = process;
    return ingress_is_alive(p->ingress, loop_age_max_ms);
}

static bool loops_turn(void *ctx, struct diag *diag)
{
    struct ingress_process *p = ctx;
    if (is_alive(p))
        return true;
    diag_set(diag, STATUS_INTERNAL, "a loop thread has not turned for %lld ms",
             (long long)loop_age_max_ms);
    return false;
}

static bool not_draining(void *ctx, struct diag *diag)
{
    struct ingress_process *p = ctx;
    if (!atomic_load(&p->draining))
        return true;
    diag_set(diag, STATUS_UNAVAILABLE, "the process is stopping");
    return false;
}

static bool kafka_acknowledges(void *ctx, struct diag *diag)
{
    struct ingress_process *p = ctx;
    return producer_is_healthy(p->producer, diag);
}

static bool registry_is_loaded(void *ctx, struct diag *diag)
{
    struct ingress_process *p = ctx;
    return registry_feed_is_loaded(p->feed, diag);
}

static bool registry_is_followed(void *ctx, struct diag *diag)
{
    struct ingress_process *p = ctx;
    return registry_feed_refusal(p->feed, diag) == STATUS_OK;
}

static void print_config(void *ctx, struct buf *ret)
{
    struct ingress_process *p = ctx;
    pthread_mutex_lock(&p->latest_lock);
    settings_print(p->latest == NULL ? p->settings : p->latest, ret);
    pthread_mutex_unlock(&p->latest_lock);
}

static enum status start_admin(struct ingress_process *p, struct diag *diag)
{
    /* Liveness never depends on Kafka: a broker's outage must not restart every pod. Readiness
     * neither: all replicas share Kafka, and our own 503 with Retry-After is the better answer than
     * a load balancer's.
     */
    health_add(p->health, "loops", HEALTH_LIVE, loops_turn, p);
    health_add(p->health, "serving", HEALTH_READY, not_draining, p);
    health_add(p->health, "kafka", HEALTH_REPORTED, kafka_acknowledges, p);
    if (p->feed != NULL) {
        /* Without its routes this replica only answers 503; another one may know them. */
        health_add(p->health, "registry", HEALTH_READY, registry_is_loaded, p);
        health_add(p->health, "registry-followed", HEALTH_REPORTED, registry_is_followed, p);
    }

    struct admin_options opt = {
        .listen = p->settings->admin_listen,
        .metrics = p->metrics,
        .health = p->health,
        .rejections = p->rejections,
        .version_json = buf_text(&p->version),
        .print_config = print_config,
        .print_config_ctx = p,
    };
    return admin_new(&opt, &p->admin, diag);
}

static void make_metrics(struct ingress_process *p)
{
    p->reload_successful =
        metrics_gauge(p->metrics, "maesn_bridge_config_last_reload_successful",
                      "Whether the configuration was accepted when it was last read.", NULL, 0);
    p->reload_success_unix_s =
        metrics_gauge(p->metrics, "maesn_bridge_config_last_reload_success_timestamp_seconds",
                      "When the configuration was last accepted.", NULL, 0);
    p->restart_required = metrics_gauge(
        p->metrics, "maesn_bridge_config_restart_required",
        "Settings that were changed in the files and take effect with a restart only.", NULL, 0);
    p->secret_files_missing = metrics_gauge(
        p->metrics, "maesn_bridge_secret_files_missing",
        "Previous secrets' files that the configuration names and that are gone.", NULL, 0);
    const struct metric_label version = {"version", version_text()};
    gauge_set(metrics_gauge(p->metrics, "maesn_bridge_build_info",
                            "1, with the version of the program.", &version, 1),
              1);
    process_metrics_add(p->metrics);
}

static void tell_loaded(struct ingress_process *p, const struct settings *s)
{
    gauge_set(p->reload_successful, 1);
    gauge_set(p->reload_success_unix_s, (double)clock_unix_ms() / 1000);
    gauge_set(p->secret_files_missing, (double)s->secret_files_missing);
    LOG(CONFIG_LOADED, log_text("file", s->file), log_number("routes", (int64_t)s->routes_len));
    for (size_t i = 0; i < s->routes_len; i++)
        if (!route_has_secret(s->routes[i]))
            LOG(ROUTE_UNSECURED, log_text("account", s->routes[i]->account),
                log_text("provider", s->routes[i]->provider->name));
}

/* --- start --------------------------------------------------------------------------------- */

/* What is declared, but has no part that does it, must not look as if it did. */
static enum status check_fits(const struct settings *s, struct diag *diag)
{
    if (s->spool_directory[0] != '\0')
        return diag_set(diag, STATUS_INVALID,
                        "spool.directory: %s, expected \"\": this version has no spool",
                        s->spool_directory);
    return STATUS_OK;
}

static enum status make_modules(struct ingress_process *p, const struct cluster *cluster,
                                struct diag *diag)
{
    enum status status = metrics_new(&p->metrics);
    if (status == STATUS_OK)
        status = rejections_new(&p->rejections);
    if (status == STATUS_OK)
        status = health_new(&p->health);
    if (status == STATUS_OK)
        status = make_routes(p, cluster, diag);
    return status;
}

static enum status start_modules(struct ingress_process *p, struct diag *diag)
{
    CLEANUP(cluster_settings_done) struct cluster_settings cluster = {.raw = NULL};
    enum status status = check_fits(p->settings, diag);
    if (status == STATUS_OK)
        status = cluster_settings_init(&cluster, p->settings);
    if (status == STATUS_OK)
        status = make_modules(p, &cluster.cluster, diag);
    if (status != STATUS_OK)
        return status;

    make_metrics(p);
    version_json(&p->version);
    p->envelope = envelope_options(p->settings);
    log_set_level((enum log_level)p->settings->log_level);
    /* While the producer waits for the brokers' first answer, the registry is read already. */
    if (p->feed != NULL)
        status = registry_feed_start(p->feed, routes_registry(p->routes), diag);
    if (status == STATUS_OK)
        status = start_producer(p, &cluster.cluster, diag);
    if (status == STATUS_OK && p->feed != NULL)
        status = start_activity(p);
    if (status == STATUS_OK)
        status = start_ingress(p, diag);
    if (status == STATUS_OK)
        status = start_admin(p, diag);
    return status;
}

/* What the ingress asks and publishes to, after it. Returns how many records were given up. */
static size_t stop_behind_ingress(struct ingress_process *p, int64_t until_mono_ms)
{
    if (p->feed != NULL)
        registry_feed_stop(p->feed);
    if (p->activity != NULL)
        activity_writer_stop(p->activity);
    return p->producer == NULL ? 0 : producer_stop(p->producer, until_mono_ms);
}

enum status ingress_process_start_take(struct configuration *configuration,
                                       struct ingress_process **ret, struct diag *diag)
{
    CLEANUP(configuration_done) struct configuration c = configuration_take(configuration);
    struct ingress_process *p = calloc(1, sizeof(*p));
    if (p == NULL || pthread_mutex_init(&p->latest_lock, NULL) != 0) {
        free(p);
        return STATUS_NOMEM;
    }
    p->settings = TAKE(c.settings);
    p->any_topic_settings = c.any_topic_settings;
    p->read_last = configuration_take(&c);
    buf_init(&p->version, version_max);

    enum status status = start_modules(p, diag);
    if (status != STATUS_OK) {
        if (p->ingress != NULL)
            ingress_stop(p->ingress, clock_mono_ms());
        stop_behind_ingress(p, clock_mono_ms());
        ingress_process_free(p);
        return status;
    }
    tell_loaded(p, p->settings);
    LOG(PROCESS_STARTED, log_text("version", version_text()),
        log_number("port", ingress_process_port(p)),
        log_number("admin_port", ingress_process_admin_port(p)));
    *ret = p;
    return STATUS_OK;
}

uint16_t ingress_process_port(const struct ingress_process *p)
{
    return ingress_port(p->ingress);
}

uint16_t ingress_process_admin_port(const struct ingress_process *p)
{
    return admin_port(p->admin);
}

static enum status refusal(void *process, struct diag *diag)
{
    struct ingress_process *p = process;
    if (p->feed == NULL || registry_feed_is_loaded(p->feed, NULL))
        return STATUS_OK;
    return registry_feed_refusal(p->feed, diag);
}

/* --- reload -------------------------------------------------------------------------------- */

static const struct configuration *read_last(const void *process)
{
    const struct ingress_process *p = process;
    return &p->read_last;
}

/* Puts in force what can change without a restart. The parts that can refuse come first, the routes
 * last. */
static enum status put_in_force(struct ingress_process *p, const struct settings *s,
                                struct diag *diag)
{
    enum status status = producer_reload(p->producer, diag);
    if (status == STATUS_OK)
        status = ingress_reload_tls(p->ingress, diag);
    if (status == STATUS_OK && p->feed != NULL)
        status = registry_feed_reload(p->feed, diag);
    if (status == STATUS_OK)
        status = static_routes_replace(p->static_routes, s->routes, s->routes_len, diag);
    if (status != STATUS_OK)
        return status;

    log_set_level((enum log_level)s->log_level);
    struct event_topics topics;
    event_topics_init(&topics);
    /* Only a warm-up: a topic that is not fetched ahead costs its first record a second. */
    if (event_topics_add(&topics, &p->envelope, s) == STATUS_OK)
        producer_add_topics(p->producer, topics.names, topics.len);
    event_topics_done(&topics);
    return STATUS_OK;
}

static void tell_restart_required(struct ingress_process *p, const struct settings *wanted)
{
    struct buf keys;
    buf_init(&keys, 4096);
    size_t count = settings_restart_required(p->settings, wanted, &keys);
    gauge_set(p->restart_required, (double)count);
    if (count > 0)
        LOG(CONFIG_RESTART_REQUIRED, log_text("keys", buf_text(&keys)));
    buf_done(&keys);
}

static void keep_latest_take(struct ingress_process *p, struct settings *s)
{
    pthread_mutex_lock(&p->latest_lock);
    struct settings *former = p->latest;
    p->latest = s;
    pthread_mutex_unlock(&p->latest_lock);
    settings_free(former);
}

static void reload(void *process)
{
    struct ingress_process *p = process;
    struct problems problems;
    problems_init(&problems);
    configuration_done(&p->read_last);
    enum status status =
        configuration_load(p->settings->file, SETTINGS_INGRESS, &p->read_last, &problems);
    configuration_log(&problems);
    problems_done(&problems);

    struct diag diag = {0};
    if (status == STATUS_OK)
        status = put_in_force(p, p->read_last.settings, &diag);
    if (status != STATUS_OK) {
        gauge_set(p->reload_successful, 0);
        LOG(CONFIG_REJECTED, log_text("file", p->settings->file),
            log_text("problem", diag.text[0] == '\0' ? status_name(status) : diag.text));
        return;
    }
    tell_restart_required(p, p->read_last.settings);
    tell_loaded(p, p->read_last.settings);
    keep_latest_take(p, TAKE(p->read_last.settings));
}

/* --- stop ---------------------------------------------------------------------------------- */

static int64_t drain_ms(const void *process)
{
    const struct ingress_process *p = process;
    return p->settings->shutdown_delay_ms;
}

static int64_t hard_stop_ms(const void *process)
{
    const struct ingress_process *p = process;
    return p->settings->shutdown_hard_stop_ms;
}

void ingress_process_drain(struct ingress_process *p)
{
    p->stop_by_mono_ms = clock_mono_ms() + p->settings->shutdown_hard_stop_ms;
    atomic_store(&p->draining, true);
    ingress_drain(p->ingress);
    LOG(PROCESS_STOPPING, log_number("delay_ms", p->settings->shutdown_delay_ms),
        log_number("hard_stop_ms", p->settings->shutdown_hard_stop_ms));
}

size_t ingress_process_stop(struct ingress_process *p)
{
    size_t unanswered = ingress_stop(p->ingress, p->stop_by_mono_ms);
    size_t undelivered = stop_behind_ingress(p, p->stop_by_mono_ms);
    LOG(PROCESS_STOPPED, log_number("unanswered", (int64_t)unanswered),
        log_number("undelivered", (int64_t)undelivered));
    return unanswered;
}

void ingress_process_free(struct ingress_process *p)
{
    if (p == NULL)
        return;
    admin_free(
        p->admin); /* the first to go is the last to be asked: it reads from all the others */
    ingress_free(p->ingress);
    producer_free(p->producer);
    activity_writer_free(p->activity); /* after the sink, which reports to it */
    routes_free(p->routes);
    registry_feed_free(p->feed);
    static_routes_free(p->static_routes);
    health_free(p->health);
    rejections_free(p->rejections);
    metrics_free(p->metrics);
    buf_done(&p->version);
    configuration_done(&p->read_last);
    settings_free(p->latest);
    settings_free(p->settings);
    pthread_mutex_destroy(&p->latest_lock);
    free(p);
}

/* --- how it is served ------------------------------------------------------------------------ */

static enum status start_take(struct configuration *configuration, void **ret, struct diag *diag)
{
    struct ingress_process *p = NULL;
    enum status status = ingress_process_start_take(configuration, &p, diag);
    if (status == STATUS_OK)
        *ret = p;
    return status;
}

static void drain(void *process)
{
    ingress_process_drain(process);
}

static size_t stop(void *process)
{
    return ingress_process_stop(process);
}

static void free_process(void *process)
{
    ingress_process_free(process);
}

const struct served_process ingress_process_served = {
    .settings = SETTINGS_INGRESS,
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
