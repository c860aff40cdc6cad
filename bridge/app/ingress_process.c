#include "bridge/app/ingress_process.h"

#include <stdlib.h>

#include "bridge/app/activity_writer.h"
#include "bridge/app/cluster_settings.h"
#include "bridge/app/envelope_settings.h"
#include "bridge/app/event_topics.h"
#include "bridge/app/ingress_status.h"
#include "bridge/app/process_admin.h"
#include "bridge/app/registry_feed.h"
#include "bridge/app/routes.h"
#include "bridge/app/static_routes.h"
#include "bridge/app/version.h"
#include "bridge/base/clock.h"
#include "bridge/base/scoped.h"
#include "bridge/domain/log_events.h"
#include "bridge/ingress/ingress.h"
#include "bridge/kafka/producer.h"
#include "bridge/providers/providers.h"
#include "bridge/spool/spooling.h"
#include "bridge/spool/spooling_sink.h"

/* A loop thread turns at least every 100 ms; one that has not for this long hangs. */
static const int64_t loop_age_max_ms = 10000;

/* What a callback noted is in its topic after a second. */
static const int64_t activity_turn_ms = 1000;

/* The first callbacks find their topics known, if Kafka is there. Those that do not are spooled
 * where there is a spool, so that nobody needs to wait. */
static const int64_t prefetch_ms = 1000;
static const int64_t prefetch_with_spool_ms = 200;

struct ingress_process {
    struct process_admin admin;
    struct process_status_source status;
    const struct settings *settings; /* of the start: every module borrows from them to the end */
    bool any_topic_settings;
    struct envelope_options envelope;

    struct static_routes *static_routes;
    struct registry_feed *feed; /* NULL: there is no registry */
    struct routes *routes;      /* of both */
    struct producer *producer;
    struct spooling *spooling;        /* NULL: there is no spool */
    struct activity_writer *activity; /* NULL: there is no registry */
    struct ingress *ingress;

    int64_t stop_by_mono_ms; /* the hard stop, set by ingress_process_drain(); 0 before */
};

/* --- the modules' options ------------------------------------------------------------------ */

static bool has_registry(const struct ingress_process *p)
{
    return p->settings->topics_registry[0] != '\0';
}

static bool has_spool(const struct ingress_process *p)
{
    return p->settings->spool_directory[0] != '\0';
}

static enum status make_routes(struct ingress_process *p, const struct cluster *cluster,
                               struct diag *diag)
{
    const struct settings *s = p->settings;
    const struct registry_feed_options opt = {
        .cluster = cluster,
        .topic = s->topics_registry,
        .any_settings = p->any_topic_settings,
        .snapshot = s->spool_directory[0] == '\0' ? NULL : s,
        .keyring_file = s->keyring_file,
        .route_key_file = s->route_key_file,
        .providers = providers_all,
        .metrics = p->admin.metrics,
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
    return activity_writer_new(&opt, &p->activity);
}

static enum status start_producer(struct ingress_process *p, const struct cluster *cluster,
                                  struct diag *diag)
{
    const struct settings *s = p->settings;
    CLEANUP(event_topics_done) struct event_topics topics;
    event_topics_init(&topics);
    enum status status = event_topics_add(&topics, &p->envelope, s);
    if (status == STATUS_OK && has_registry(p)) /* start_activity()'s */
        status = event_topics_add_name(&topics, s->topics_activity);
    if (status != STATUS_OK)
        return status;
    struct producer_options opt = {
        .cluster = *cluster,
        .linger_ms = s->kafka_linger_ms,
        .idempotence = s->kafka_idempotence,
        .deadline_ms = s->ingress_deadline_ms,
        .stall_ms = has_spool(p) ? s->ingress_deadline_ms * SPOOLING_SOFT_PERCENT / 100 : 0,
        .prefetch_ms = has_spool(p) ? prefetch_with_spool_ms : prefetch_ms,
        .topics = topics.names,
        .topics_len = topics.len,
        .envelope = &p->envelope,
        .metrics = p->admin.metrics,
    };
    return producer_new(&opt, &p->producer, diag);
}

static struct ingress_limits ingress_limits(const struct settings *s)
{
    return (struct ingress_limits){
        .callbacks = {s->ingress_limits_callbacks_per_s, s->ingress_limits_callbacks_burst},
        .failed_signatures = {s->ingress_limits_failed_signatures_per_s,
                              s->ingress_limits_failed_signatures_burst},
        .unknown_paths = {s->ingress_limits_unknown_paths_per_s,
                          s->ingress_limits_unknown_paths_burst},
        .replay_window_s = s->ingress_replay_window_s,
    };
}

static enum status start_spooling(struct ingress_process *p, struct diag *diag)
{
    const struct settings *s = p->settings;
    struct diag why = {0};
    const struct spooling_options opt = {
        .directory = s->spool_directory,
        .max_bytes = (uint64_t)s->spool_max_bytes,
        .deadline_ms = s->ingress_deadline_ms,
        .inner = producer_sink(p->producer),
        .metrics = p->admin.metrics,
    };
    enum status status = spooling_new(&opt, &p->spooling, &why);
    return status == STATUS_OK ? STATUS_OK
                               : diag_set(diag, status, "spool.directory: %s", why.text);
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
        .limits = ingress_limits(s),
        .tls =
            {
                .certificate_file = s->ingress_tls_certificate_file,
                .key_file = s->ingress_tls_key_file,
                .client_ca_file = s->ingress_tls_client_ca_file,
            },
        .envelope = p->envelope,
        .provider = envelope_settings_provider(s),
        .providers = providers_all,
        .registry = routes_registry(p->routes),
        .sink = p->spooling == NULL ? producer_sink(p->producer) : spooling_sink(p->spooling),
        .activity = p->activity == NULL ? NULL : activity_writer_port(p->activity),
        .metrics = p->admin.metrics,
        .rejections = p->admin.rejections,
    };
    return ingress_new(&opt, &p->ingress, diag);
}

/* --- what the admin listener asks ---------------------------------------------------------- */

static bool is_alive(void *process)
{
    struct ingress_process *p = process;
    return ingress_is_alive(p->ingress, loop_age_max_ms);
}

static bool kafka_acknowledges(void *ctx, struct diag *diag)
{
    struct ingress_process *p = ctx;
    return producer_is_healthy(p->producer, diag);
}

static bool spool_takes_records(void *ctx, struct diag *diag)
{
    struct ingress_process *p = ctx;
    return spooling_is_healthy(p->spooling, diag);
}

static bool something_keeps_records(void *ctx, struct diag *diag)
{
    struct ingress_process *p = ctx;
    if (producer_is_healthy(p->producer, NULL) || spooling_is_healthy(p->spooling, NULL))
        return true;
    (void)diag_set(diag, STATUS_UNAVAILABLE, "neither Kafka nor the spool takes records");
    return false;
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

static enum status start_admin(struct ingress_process *p, struct diag *diag)
{
    /* Liveness never depends on Kafka: a broker's outage must not restart every pod. Readiness
     * neither: all replicas share Kafka, and our own 503 with Retry-After is the better answer than
     * a load balancer's. A spool is the replica's own: another one may have room.
     */
    health_add(p->admin.health, "kafka", HEALTH_REPORTED, kafka_acknowledges, p);
    if (p->spooling != NULL) {
        health_add(p->admin.health, "spool", HEALTH_REPORTED, spool_takes_records, p);
        health_add(p->admin.health, "kafka-or-spool", HEALTH_READY, something_keeps_records, p);
    }
    if (p->feed != NULL) {
        /* Without its routes this replica only answers 503; another one may know them. */
        health_add(p->admin.health, "registry", HEALTH_READY, registry_is_loaded, p);
        health_add(p->admin.health, "registry-followed", HEALTH_REPORTED, registry_is_followed, p);
    }

    ingress_status_source(p->static_routes, &p->status);
    const struct process_admin_options opt = {
        .listen = p->settings->admin_listen,
        .threads = "loops",
        .process = p,
        .is_alive = is_alive,
        .silence_max_ms = loop_age_max_ms,
        .status = &p->status,
    };
    return process_admin_start(&p->admin, &opt, diag);
}

static void tell_unsecured(const struct settings *s)
{
    for (size_t i = 0; i < s->routes_len; i++)
        if (!route_has_secret(s->routes[i]))
            LOG(ROUTE_UNSECURED, log_text("account", s->routes[i]->account),
                log_text("provider", s->routes[i]->provider->name));
}

/* --- start --------------------------------------------------------------------------------- */

static enum status start_modules(struct ingress_process *p, struct diag *diag)
{
    CLEANUP(cluster_settings_done) struct cluster_settings cluster = {.raw = NULL};
    enum status status = cluster_settings_init(&cluster, p->settings);
    if (status == STATUS_OK)
        status = make_routes(p, &cluster.cluster, diag);
    if (status != STATUS_OK)
        return status;

    p->envelope = envelope_settings(p->settings);
    /* While the producer waits for the brokers' first answer, the registry is read already. */
    if (p->feed != NULL)
        status = registry_feed_start(p->feed, routes_registry(p->routes), diag);
    if (status == STATUS_OK)
        status = start_producer(p, &cluster.cluster, diag);
    if (status == STATUS_OK && has_spool(p))
        status = start_spooling(p, diag);
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
    if (p->spooling != NULL)
        spooling_stop(p->spooling);
    return p->producer == NULL ? 0 : producer_stop(p->producer, until_mono_ms);
}

enum status ingress_process_start_take(struct configuration *configuration,
                                       struct ingress_process **ret, struct diag *diag)
{
    CLEANUP(configuration_done) struct configuration c = configuration_take(configuration);
    struct ingress_process *p = calloc(1, sizeof(*p));
    if (p == NULL)
        return STATUS_NOMEM;
    p->any_topic_settings = c.any_topic_settings;
    enum status status = process_admin_init_take(&p->admin, &c, SETTINGS_INGRESS);
    if (status == STATUS_OK) {
        p->settings = live_settings_first(p->admin.live);
        status = start_modules(p, diag);
    }
    if (status != STATUS_OK) {
        if (p->ingress != NULL)
            ingress_stop(p->ingress, clock_mono_ms());
        stop_behind_ingress(p, clock_mono_ms());
        ingress_process_free(p);
        return status;
    }
    tell_unsecured(p->settings);
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
    return process_admin_port(&p->admin);
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
    return live_settings_read_last(p->admin.live);
}

/* A topic that is not fetched ahead costs its first callbacks a second, and maybe their deadline.
 */
static void warm_up(struct ingress_process *p, const struct settings *s)
{
    CLEANUP(event_topics_done) struct event_topics topics;
    event_topics_init(&topics);
    if (event_topics_add(&topics, &p->envelope, s) == STATUS_OK)
        producer_add_topics(p->producer, topics.names, topics.len);
}

/* Puts in force what can change without a restart. The parts that can refuse come first, the routes
 * last: when they serve their topics are known. */
static enum status put_in_force(void *ctx, const struct settings *s, struct diag *diag)
{
    struct ingress_process *p = ctx;
    enum status status = producer_reload(p->producer, diag);
    if (status == STATUS_OK)
        status = ingress_reload_tls(p->ingress, diag);
    if (status == STATUS_OK && p->feed != NULL)
        status = registry_feed_reload(p->feed, diag);
    if (status != STATUS_OK)
        return status;
    warm_up(p, s);
    status = static_routes_replace(p->static_routes, s->routes, s->routes_len, diag);
    if (status != STATUS_OK)
        return status;
    const struct ingress_limits limits = ingress_limits(s);
    ingress_set_limits(p->ingress, &limits);
    tell_unsecured(s);
    return STATUS_OK;
}

static void reload(void *process)
{
    struct ingress_process *p = process;
    live_settings_reload(p->admin.live, put_in_force, p);
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
    process_admin_drain(&p->admin);
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
    process_admin_stop(&p->admin); /* the first to go: it asks all the others */
    ingress_free(p->ingress);
    spooling_free(p->spooling); /* after the sink's last reports; what it was handed is stored */
    producer_free(p->producer);
    activity_writer_free(p->activity); /* after the sink, which reports to it */
    routes_free(p->routes);
    registry_feed_free(p->feed);
    static_routes_free(p->static_routes);
    process_admin_done(&p->admin);
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
