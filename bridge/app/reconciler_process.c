#include "bridge/app/reconciler_process.h"

#include <poll.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>

#include "bridge/app/cluster_settings.h"
#include "bridge/app/live_settings.h"
#include "bridge/app/reconciler_accounts_topic.h"
#include "bridge/app/reconciler_calls.h"
#include "bridge/app/reconciler_feed.h"
#include "bridge/app/reconciler_token_topic.h"
#include "bridge/app/version.h"
#include "bridge/base/clock.h"
#include "bridge/base/scoped.h"
#include "bridge/domain/log_events.h"
#include "bridge/ops/admin.h"
#include "bridge/ops/process_metrics.h"

/* The passes' thread turns at least twice a second; one that has not for this long hangs. */
static const int64_t loop_age_max_ms = 30000;

/* /version is a few hundred bytes. */
static const size_t version_max = 4096;

/* Passes at once for each call at once: while one waits for a commit another one calls. */
#define PASSES_PER_CALL 4

/* A call that could not begin within this time is given up: its pass comes again. */
static const int64_t start_within_ms = 60000;

/* Source: developer.moneybird.com, "Throttling", 2026: 150 requests every 5 minutes. */
static const int64_t moneybird_window_ms = 300000;

/* What leaving the group and ending the threads takes, of the time for the stop. */
static const int64_t leave_reserve_ms = 4000;

enum base { BASE_MAESN = 0, BASE_MONEYBIRD, BASES };
static const char *const base_providers[BASES] = {
    [BASE_MAESN] = "maesn",
    [BASE_MONEYBIRD] = "moneybird",
};

/* HTTP codes of a class have one series, but those that decide something. */
#define CODES 8
static const char *const codes[CODES] = {"none", "2xx", "3xx", "401", "403", "429", "4xx", "5xx"};

#define METHODS 4
static const char *const operations[METHODS] = {
    [HTTP_GET] = "list",
    [HTTP_POST] = "create",
    [HTTP_PATCH] = "activate",
    [HTTP_DELETE] = "delete",
};

struct reconciler_process {
    struct metrics *metrics;
    struct live_settings *live;
    struct cluster_settings cluster;
    struct reconciler_options options;
    const char **bases; /* of the options */
    bool any_topic_settings;
    struct keyring *keyring;
    struct keyring *route_keys;

    struct rejections *rejections;
    struct health *health;
    struct task_loop *loop;
    struct http_client *http;
    struct reconciler_calls *calls;
    struct reconciler_accounts *accounts;
    struct reconciler_writer *writer;
    struct reconciler_passes *passes;
    struct reconciler_feed *feed;
    struct reconciler_accounts_topic *accounts_topic;
    struct reconciler_token_topic *token_topic;
    struct admin *admin;
    struct buf version;

    struct counter *requests[BASES][METHODS][CODES];
    struct histogram *durations[BASES];

    atomic_bool draining;
    int64_t stop_by_mono_ms; /* the hard stop, set by drain(); 0 before */
};

/* --- what the modules ask ---------------------------------------------------------------------
 */

/* In the HTTP client's thread. */
static bool may_send(void *ctx, uint64_t owner)
{
    struct reconciler_process *p = ctx;
    (void)owner; /* one that has lost its partition is cancelled */
    return clock_mono_ms() < reconciler_feed_deadline_mono_ms(p->feed);
}

static size_t code_index(const struct http_attempt *a)
{
    if (a->outcome != HTTP_ANSWERED)
        return 0;
    switch (a->code) {
    case 401:
        return 3;
    case 403:
        return 4;
    case 429:
        return 5;
    default:
        return a->code < 300 ? 1 : a->code < 400 ? 2 : a->code < 500 ? 6 : 7;
    }
}

static void on_attempt(void *ctx, const struct http_attempt *attempt)
{
    struct reconciler_process *p = ctx;
    counter_add(p->requests[attempt->base][attempt->method][code_index(attempt)], 1);
    histogram_observe(p->durations[attempt->base], (double)attempt->duration_ms / 1000);
}

static bool may_act(void *ctx, const char *account)
{
    struct reconciler_process *p = ctx;
    int32_t partition = reconciler_accounts_partition_of(p->accounts, account);
    return reconciler_accounts_leads(p->accounts, partition) &&
           clock_mono_ms() < reconciler_feed_deadline_mono_ms(p->feed);
}

static int32_t partition_of(void *ctx, const char *account)
{
    struct reconciler_process *p = ctx;
    return reconciler_accounts_partition_of(p->accounts, account);
}

static void on_claimed(void *ctx, int32_t partition)
{
    struct reconciler_process *p = ctx;
    reconciler_feed_on_claimed(p->feed, partition);
}

static void on_lost(void *ctx, int32_t partition, const struct diag *why)
{
    struct reconciler_process *p = ctx;
    reconciler_feed_on_lost(p->feed, partition, why);
}

static void on_records_unknown(void *ctx, int32_t partition)
{
    struct reconciler_process *p = ctx;
    reconciler_feed_on_records_unknown(p->feed, partition);
}

static enum status submit(void *ctx, const struct http_request *request, http_done_fn *on_done,
                          void *done_ctx, struct diag *diag)
{
    return http_client_submit(ctx, request, on_done, done_ctx, diag);
}

static void cancel(void *ctx, uint64_t owner)
{
    http_client_cancel(ctx, owner);
}

/* --- the modules' options ---------------------------------------------------------------------
 */

static enum status make_options(struct reconciler_process *p, const struct settings *s)
{
    size_t len = 1 + s->previous_public_base_urls.len;
    p->bases = calloc(len, sizeof(*p->bases));
    if (p->bases == NULL)
        return STATUS_NOMEM;
    p->bases[0] = s->public_base_url;
    for (size_t i = 1; i < len; i++)
        p->bases[i] = s->previous_public_base_urls.items[i - 1];
    p->options = (struct reconciler_options){
        .policy = (enum reconciler_policy)s->reconciler_policy,
        .interval_ms = (int64_t)s->reconciler_interval_s * 1000,
        .overlap_ms = (int64_t)s->reconciler_overlap_s * 1000,
        .retire_grace_ms = (int64_t)s->reconciler_retire_grace_s * 1000,
        .pending_ttl_ms = (int64_t)s->reconciler_pending_ttl_s * 1000,
        .delete_delay_ms = (int64_t)s->reconciler_delete_delay_s * 1000,
        .second_look_ms = (int64_t)s->reconciler_second_look_s * 1000,
        .blocked_retry_ms = (int64_t)s->reconciler_blocked_retry_s * 1000,
        .bases = p->bases,
        .bases_len = len,
        .route_keys = p->route_keys,
    };
    return STATUS_OK;
}

static enum status start_http(struct reconciler_process *p, const struct settings *s,
                              struct diag *diag)
{
    const struct http_base bases[BASES] = {
        [BASE_MAESN] = {.url = s->maesn_base_url},
        [BASE_MONEYBIRD] = {.url = s->moneybird_base_url,
                            .requests_max = s->moneybird_requests_per_5_min,
                            .window_ms = moneybird_window_ms,
                            .is_held_whole = true},
    };
    char user_agent[64];
    snprintf(user_agent, sizeof(user_agent), "maesn-bridge/%s", version_text());
    const struct http_client_options opt = {
        .bases = bases,
        .bases_len = BASES,
        .concurrency = s->reconciler_concurrency,
        .calls_max = (size_t)s->reconciler_concurrency * PASSES_PER_CALL + 1,
        .connect_timeout_ms = s->http_connect_timeout_ms,
        .timeout_ms = s->http_timeout_ms,
        .response_max_bytes = s->http_response_max_bytes,
        .ca_file = s->http_ca_file,
        .user_agent = user_agent,
        .may_send = may_send,
        .on_attempt = on_attempt,
        .ctx = p,
    };
    enum status status = http_client_prepare();
    return status == STATUS_OK ? http_client_new(&opt, &p->http, diag) : status;
}

/* The tenant's key at Maesn; no file, no key. */
static enum status read_api_key(const struct settings *s, struct secret **ret, struct diag *diag)
{
    *ret = NULL;
    return s->maesn_api_key_file[0] == '\0' ? STATUS_OK
                                            : secret_from_file(s->maesn_api_key_file, ret, diag);
}

static enum status make_calls(struct reconciler_process *p, const struct settings *s,
                              struct diag *diag)
{
    const struct reconciler_calls_options opt = {
        .loop = p->loop,
        .http = {.ctx = p->http, .submit = submit, .cancel = cancel},
        .bases =
            {
                {base_providers[BASE_MAESN], s->maesn_base_url, start_within_ms},
                {base_providers[BASE_MONEYBIRD], s->moneybird_base_url,
                 moneybird_window_ms + start_within_ms},
            },
        .bases_len = BASES,
    };
    struct secret *api_key = NULL;
    enum status status = reconciler_calls_new(&opt, &p->calls);
    if (status == STATUS_OK)
        status = read_api_key(s, &api_key, diag);
    if (status == STATUS_OK)
        reconciler_calls_set_api_key(p->calls, base_providers[BASE_MAESN], api_key);
    secret_unref(api_key);
    return status;
}

static enum status make_writer(struct reconciler_process *p, const struct settings *s)
{
    const struct reconciler_writer_options opt = {
        .loop = p->loop,
        .cluster = &p->cluster.cluster,
        .topic = s->topics_registry,
        .ctx = p,
        .may_act = may_act,
        .partition_of = partition_of,
        .on_claimed = on_claimed,
        .on_lost = on_lost,
    };
    return reconciler_writer_new(&opt, p->keyring, &p->writer);
}

static enum status make_passes(struct reconciler_process *p, const struct settings *s)
{
    const struct reconciler_passes_options opt = {
        .loop = p->loop,
        .accounts = p->accounts,
        .calls = reconciler_calls_port(p->calls),
        .writer = reconciler_writer_port(p->writer),
        .reconciler = &p->options,
        .metrics = p->metrics,
        .passes_max = (size_t)s->reconciler_concurrency * PASSES_PER_CALL,
        .ctx = p,
        .on_records_unknown = on_records_unknown,
    };
    return reconciler_passes_new(&opt, &p->passes);
}

static enum status make_feed(struct reconciler_process *p, const struct settings *s)
{
    const struct reconciler_feed_options opt = {
        .loop = p->loop,
        .cluster = &p->cluster.cluster,
        .topic = s->topics_registry,
        .any_settings = p->any_topic_settings,
        .session_timeout_ms = s->reconciler_session_timeout_ms,
        .accounts = p->accounts,
        .metrics = p->metrics,
    };
    return reconciler_feed_new(&opt, &p->feed);
}

static void on_known(void *ctx)
{
    struct reconciler_process *p = ctx;
    reconciler_feed_allow_joining(p->feed);
}

static enum status start_accounts_topic(struct reconciler_process *p, const struct settings *s,
                                        struct diag *diag)
{
    const struct reconciler_accounts_topic_options opt = {
        .loop = p->loop,
        .cluster = &p->cluster.cluster,
        .topic = s->topics_accounts,
        .any_settings = p->any_topic_settings,
        .overrides = &s->maesn_integrations,
        .accounts = p->accounts,
        .passes = p->passes,
        .on_known = on_known,
        .ctx = p,
    };
    return reconciler_accounts_topic_new(&opt, p->keyring, &p->accounts_topic, diag);
}

static enum status start_token_topic(struct reconciler_process *p, const struct settings *s,
                                     struct diag *diag)
{
    const struct reconciler_token_topic_options opt = {
        .loop = p->loop,
        .cluster = &p->cluster.cluster,
        .topic = s->topics_token,
        .accounts = p->accounts,
        .passes = p->passes,
    };
    return reconciler_token_topic_new(&opt, &p->token_topic, diag);
}

/* --- declarations -----------------------------------------------------------------------------
 */

struct declarations {
    struct reconciler_process *process;
    struct declaration **items;
    size_t len;
    enum status status;
};

static void declarations_done(struct declarations *d)
{
    for (size_t i = 0; i < d->len; i++)
        declaration_unref(d->items[i]);
    free(d->items);
}

static enum status expand_all(struct declarations *d, const struct settings *s)
{
    d->items = calloc(s->accounts_len + 1, sizeof(*d->items));
    if (d->items == NULL)
        return STATUS_NOMEM;
    for (; d->len < s->accounts_len; d->len++) {
        enum status status =
            declaration_new(&s->accounts[d->len], &s->maesn_integrations, &d->items[d->len]);
        if (status != STATUS_OK)
            return status;
    }
    return STATUS_OK;
}

static void on_redeclared(void *ctx, struct reconciler_account *account)
{
    struct reconciler_process *p = ctx;
    if (account->by_files != NULL && account->by_topic != NULL)
        LOG(ACCOUNT_TWICE_DECLARED, log_text("account", account->id),
            log_text("topic", live_settings_first(p->live)->topics_accounts));
    reconciler_passes_wake(p->passes, account);
}

/* In the loop's thread. */
static void declare(void *ctx)
{
    struct declarations *d = ctx;
    d->status = reconciler_accounts_declare(d->process->accounts, d->items, d->len, on_redeclared,
                                            d->process);
    if (d->status == STATUS_OK)
        d->len = 0; /* taken over */
}

static enum status declare_all(struct reconciler_process *p, const struct settings *s)
{
    CLEANUP(declarations_done) struct declarations d = {.process = p};
    enum status status = expand_all(&d, s);
    if (status != STATUS_OK)
        return status;
    task_loop_call(p->loop, declare, &d);
    return d.status;
}

/* --- what the admin listener asks -------------------------------------------------------------
 */

static bool is_alive(void *process)
{
    const struct reconciler_process *p = process;
    return clock_mono_ms() - task_loop_turned_at_mono_ms(p->loop) < loop_age_max_ms;
}

static bool loop_turns(void *ctx, struct diag *diag)
{
    if (is_alive(ctx))
        return true;
    diag_set(diag, STATUS_INTERNAL, "the passes' thread has not turned for %lld ms",
             (long long)loop_age_max_ms);
    return false;
}

static bool not_draining(void *ctx, struct diag *diag)
{
    struct reconciler_process *p = ctx;
    if (!atomic_load(&p->draining))
        return true;
    diag_set(diag, STATUS_UNAVAILABLE, "the process is stopping");
    return false;
}

static bool has_joined(void *ctx, struct diag *diag)
{
    struct reconciler_process *p = ctx;
    return reconciler_feed_has_joined(p->feed, diag);
}

static void print_config(void *ctx, struct buf *ret)
{
    struct reconciler_process *p = ctx;
    live_settings_print(p->live, ret);
}

static enum status start_admin(struct reconciler_process *p, const struct settings *s,
                               struct diag *diag)
{
    health_add(p->health, "passes", HEALTH_LIVE, loop_turns, p);
    health_add(p->health, "serving", HEALTH_READY, not_draining, p);
    health_add(p->health, "group", HEALTH_READY, has_joined, p);
    const struct admin_options opt = {
        .listen = s->reconciler_admin_listen,
        .metrics = p->metrics,
        .health = p->health,
        .rejections = p->rejections,
        .version_json = buf_text(&p->version),
        .print_config = print_config,
        .print_config_ctx = p,
    };
    return admin_new(&opt, &p->admin, diag);
}

static void make_metrics(struct reconciler_process *p)
{
    for (int base = 0; base < BASES; base++) {
        for (int method = 0; method < METHODS; method++) {
            for (int code = 0; code < CODES; code++) {
                const struct metric_label labels[] = {
                    {"provider", base_providers[base]},
                    {"operation", operations[method]},
                    {"code", codes[code]},
                };
                p->requests[base][method][code] =
                    metrics_counter(p->metrics, "maesn_bridge_provider_api_requests_total",
                                    "Requests to providers, each attempt counted.", labels, 3);
            }
        }
        const struct metric_label label = {"provider", base_providers[base]};
        p->durations[base] =
            metrics_histogram(p->metrics, "maesn_bridge_provider_api_request_duration_seconds",
                              "How long requests to providers took.", &label, 1);
    }
    process_metrics_add(p->metrics);
}

/* --- start ------------------------------------------------------------------------------------
 */

static enum status check_fits(const struct settings *s, struct diag *diag)
{
    if (s->topics_registry[0] == '\0')
        return diag_set(diag, STATUS_INVALID,
                        "topics.registry: \"\", expected a topic: without one there is nothing to "
                        "reconcile");
    return STATUS_OK;
}

static enum status read_keys(struct reconciler_process *p, const struct settings *s,
                             struct diag *diag)
{
    enum status status = keyring_from_file(s->keyring_file, &p->keyring, diag);
    if (status == STATUS_OK)
        status = keyring_from_file(s->route_key_file, &p->route_keys, diag);
    return status;
}

/* What starts no thread but the loop's. */
static enum status make_modules(struct reconciler_process *p, const struct settings *s,
                                struct diag *diag)
{
    enum status status = read_keys(p, s, diag);
    if (status == STATUS_OK)
        status = make_options(p, s);
    if (status == STATUS_OK)
        status = cluster_settings_init(&p->cluster, s);
    if (status == STATUS_OK)
        status = rejections_new(&p->rejections);
    if (status == STATUS_OK)
        status = health_new(&p->health);
    if (status == STATUS_OK)
        status = task_loop_new(&p->loop);
    if (status == STATUS_OK)
        status = reconciler_accounts_new(s->topics_registry, p->keyring, &p->accounts);
    return status;
}

static enum status start_modules(struct reconciler_process *p, struct diag *diag)
{
    const struct settings *s = live_settings_first(p->live);
    enum status status = check_fits(s, diag);
    if (status == STATUS_OK)
        status = make_modules(p, s, diag);
    if (status != STATUS_OK)
        return status;
    make_metrics(p);
    version_json(&p->version);
    log_set_level((enum log_level)s->log_level);
    status = start_http(p, s, diag);
    if (status == STATUS_OK)
        status = make_calls(p, s, diag);
    if (status == STATUS_OK)
        status = make_writer(p, s);
    if (status == STATUS_OK)
        status = make_passes(p, s);
    if (status == STATUS_OK)
        status = make_feed(p, s);
    if (status == STATUS_OK)
        status = declare_all(p, s);
    if (status == STATUS_OK)
        status = reconciler_feed_start(p->feed, p->passes, p->writer, diag);
    if (status == STATUS_OK)
        status = start_accounts_topic(p, s, diag);
    if (status == STATUS_OK)
        status = start_token_topic(p, s, diag);
    if (status == STATUS_OK)
        status = start_admin(p, s, diag);
    return status;
}

static void end_threads(struct reconciler_process *p)
{
    if (p->token_topic != NULL)
        reconciler_token_topic_stop(p->token_topic);
    if (p->accounts_topic != NULL)
        reconciler_accounts_topic_stop(p->accounts_topic);
    if (p->feed != NULL)
        reconciler_feed_stop(p->feed);
    if (p->http != NULL)
        http_client_free(TAKE(p->http)); /* what it still tells goes to the loop */
    if (p->loop != NULL)
        task_loop_stop(p->loop);
}

enum status reconciler_process_start_take(struct configuration *configuration,
                                          struct reconciler_process **ret, struct diag *diag)
{
    CLEANUP(configuration_done) struct configuration c = configuration_take(configuration);
    struct reconciler_process *p = calloc(1, sizeof(*p));
    if (p == NULL)
        return STATUS_NOMEM;
    buf_init(&p->version, version_max);
    p->any_topic_settings = c.any_topic_settings;
    enum status status = metrics_new(&p->metrics);
    if (status == STATUS_OK)
        status = live_settings_new_take(&c, SETTINGS_RECONCILER, p->metrics, &p->live);
    if (status == STATUS_OK)
        status = start_modules(p, diag);
    if (status != STATUS_OK) {
        end_threads(p);
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
    return admin_port(p->admin);
}

/* --- reload -----------------------------------------------------------------------------------
 */

struct new_keys {
    struct reconciler_process *process;
    struct keyring *keyring;
    struct secret *api_key;
};

static void new_keys_done(struct new_keys *k)
{
    keyring_unref(k->keyring);
    secret_unref(k->api_key);
}

/* Wakes those that waited for a key. */
static void wake_waiting(void *ctx, struct reconciler_account *account)
{
    if (!account->slot.is_scheduled)
        reconciler_passes_wake(ctx, account);
}

/* In the loop's thread. */
static void take_keys(void *ctx)
{
    const struct new_keys *k = ctx;
    struct reconciler_process *p = k->process;
    reconciler_accounts_topic_set_keyring(p->accounts_topic, k->keyring);
    reconciler_writer_set_keyring(p->writer, k->keyring);
    reconciler_accounts_set_keyring(p->accounts, k->keyring);
    reconciler_calls_set_api_key(p->calls, base_providers[BASE_MAESN], k->api_key);
    reconciler_accounts_each(p->accounts, wake_waiting, p->passes);
}

/* Declarations, account keys, the API key, the keyring, and the log level. */
static enum status put_in_force(void *ctx, const struct settings *s, struct diag *diag)
{
    struct reconciler_process *p = ctx;
    CLEANUP(new_keys_done) struct new_keys keys = {.process = p};
    enum status status = keyring_from_file(s->keyring_file, &keys.keyring, diag);
    if (status == STATUS_OK)
        status = read_api_key(s, &keys.api_key, diag);
    if (status == STATUS_OK)
        status = declare_all(p, s);
    if (status == STATUS_OK)
        task_loop_call(p->loop, take_keys, &keys);
    return status;
}

static void reload(void *process)
{
    struct reconciler_process *p = process;
    live_settings_reload(p->live, put_in_force, p);
}

static const struct configuration *read_last(const void *process)
{
    const struct reconciler_process *p = process;
    return live_settings_read_last(p->live);
}

/* --- stop -------------------------------------------------------------------------------------
 */

static enum status refusal(void *process, struct diag *diag)
{
    struct reconciler_process *p = process;
    enum status status = reconciler_feed_refusal(p->feed, diag);
    if (status == STATUS_OK)
        status = reconciler_accounts_topic_refusal(p->accounts_topic, diag);
    if (status == STATUS_OK)
        status = reconciler_token_topic_refusal(p->token_topic, diag);
    return status;
}

/* Nobody has to look away first, as from an ingress. */
static int64_t drain_ms(const void *process)
{
    (void)process;
    return 0;
}

static int64_t hard_stop_ms(const void *process)
{
    const struct reconciler_process *p = process;
    return live_settings_first(p->live)->shutdown_hard_stop_ms;
}

static void begin_nothing(void *ctx)
{
    struct reconciler_process *p = ctx;
    reconciler_passes_drain(p->passes);
}

void reconciler_process_drain(struct reconciler_process *p)
{
    p->stop_by_mono_ms = clock_mono_ms() + hard_stop_ms(p);
    atomic_store(&p->draining, true);
    task_loop_call(p->loop, begin_nothing, p);
    LOG(PROCESS_STOPPING, log_number("hard_stop_ms", hard_stop_ms(p)));
}

static void drain(void *process)
{
    reconciler_process_drain(process);
}

size_t reconciler_process_stop(struct reconciler_process *p)
{
    while (reconciler_passes_running(p->passes) > 0 &&
           clock_mono_ms() < p->stop_by_mono_ms - leave_reserve_ms)
        poll(NULL, 0, 10);
    size_t cut = reconciler_passes_running(p->passes);
    end_threads(p);
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
    admin_free(p->admin); /* the first to go is the last to be asked: it reads from the others */
    reconciler_token_topic_free(p->token_topic);
    reconciler_accounts_topic_free(p->accounts_topic);
    reconciler_feed_free(p->feed);
    reconciler_passes_free(p->passes);
    reconciler_writer_free(p->writer);
    reconciler_accounts_free(p->accounts);
    reconciler_calls_free(p->calls);
    task_loop_free(p->loop);
    health_free(p->health);
    rejections_free(p->rejections);
    cluster_settings_done(&p->cluster);
    free(p->bases);
    keyring_unref(p->keyring);
    keyring_unref(p->route_keys);
    live_settings_free(p->live);
    metrics_free(p->metrics);
    buf_done(&p->version);
    free(p);
}

/* --- how it is served -------------------------------------------------------------------------
 */

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
