#include "bridge/app/reconciler_modules.h"

#include <stdlib.h>

#include "bridge/app/file_accounts.h"
#include "bridge/base/clock.h"
#include "bridge/base/scoped.h"
#include "bridge/domain/log_events.h"

/* Passes at once for each call at once: while one waits for a commit another one calls. */
#define PASSES_PER_CALL 4

/* A call that could not begin within this time is given up: its pass comes again. */
static const int64_t start_within_ms = 60000;

/* The registry, the accounts, and the TOKEN events. */
#define TOPICS 3

DEFINE_CLEANUP(struct secret *, secret_unref)

/* --- what the modules ask of each other ----------------------------------------------------- */

/* In the HTTP client's thread. Who only plans looks at what others own. */
static bool may_send(void *ctx, uint64_t owner)
{
    struct reconciler_modules *m = ctx;
    (void)owner; /* one that has lost its partition is cancelled */
    return m->purpose == PASSES_PLAN || clock_mono_ms() < reconciler_feed_deadline_mono_ms(m->feed);
}

static bool may_act(void *ctx, const char *account)
{
    struct reconciler_modules *m = ctx;
    int32_t partition = reconciler_accounts_partition_of(m->accounts, account);
    return reconciler_accounts_leads(m->accounts, partition) &&
           clock_mono_ms() < reconciler_feed_deadline_mono_ms(m->feed);
}

static int32_t partition_of(void *ctx, const char *account)
{
    struct reconciler_modules *m = ctx;
    return reconciler_accounts_partition_of(m->accounts, account);
}

static void on_claimed(void *ctx, int32_t partition)
{
    struct reconciler_modules *m = ctx;
    reconciler_feed_on_claimed(m->feed, partition);
}

static void on_lost(void *ctx, int32_t partition, const struct diag *why)
{
    struct reconciler_modules *m = ctx;
    reconciler_feed_on_lost(m->feed, partition, why);
}

static const struct last_events *last_events(void *ctx)
{
    struct reconciler_modules *m = ctx;
    return m->activity_topic == NULL ? NULL : reconciler_activity_topic_events(m->activity_topic);
}

static void on_records_unknown(void *ctx, int32_t partition)
{
    struct reconciler_modules *m = ctx;
    reconciler_feed_on_records_unknown(m->feed, partition);
}

/* --- the modules' options ------------------------------------------------------------------- */

static enum status make_options(struct reconciler_modules *m, const struct settings *s)
{
    size_t len = 1 + s->previous_public_base_urls.len;
    m->bases = calloc(len, sizeof(*m->bases));
    if (m->bases == NULL)
        return STATUS_NOMEM;
    m->bases[0] = s->public_base_url;
    for (size_t i = 1; i < len; i++)
        m->bases[i] = s->previous_public_base_urls.items[i - 1];
    m->options = (struct reconciler_options){
        .policy = (enum reconciler_policy)s->reconciler_policy,
        .interval_ms = (int64_t)s->reconciler_interval_s * 1000,
        .overlap_ms = (int64_t)s->reconciler_overlap_s * 1000,
        .retire_grace_ms = (int64_t)s->reconciler_retire_grace_s * 1000,
        .pending_ttl_ms = (int64_t)s->reconciler_pending_ttl_s * 1000,
        .delete_delay_ms = (int64_t)s->reconciler_delete_delay_s * 1000,
        .second_look_ms = (int64_t)s->reconciler_second_look_s * 1000,
        .blocked_retry_ms = (int64_t)s->reconciler_blocked_retry_s * 1000,
        .bases = m->bases,
        .bases_len = len,
        .route_keys = m->route_keys,
    };
    return STATUS_OK;
}

static enum status start_http(struct reconciler_modules *m, const struct settings *s,
                              struct diag *diag)
{
    const struct provider_http_options opt = {
        .settings = s,
        .loop = m->loop,
        .metrics = m->metrics,
        .calls_max = (size_t)s->reconciler_concurrency * PASSES_PER_CALL + 1,
        .start_within_ms = m->start_within_ms == 0 ? start_within_ms : m->start_within_ms,
        .ctx = m,
        .may_send = may_send,
    };
    return provider_http_new(&opt, &m->http, diag);
}

static enum status make_writer(struct reconciler_modules *m, const struct settings *s)
{
    const struct reconciler_writer_options opt = {
        .loop = m->loop,
        .cluster = &m->cluster.cluster,
        .topic = s->topics_registry,
        .ctx = m,
        .may_act = may_act,
        .partition_of = partition_of,
        .on_claimed = on_claimed,
        .on_lost = on_lost,
    };
    return reconciler_writer_new(&opt, m->keyring, &m->writer);
}

static enum status make_passes(struct reconciler_modules *m, const struct settings *s)
{
    const struct reconciler_passes_options opt = {
        .loop = m->loop,
        .accounts = m->accounts,
        .calls = provider_http_port(m->http),
        .writer = reconciler_writer_port(m->writer),
        .reconciler = &m->options,
        .silent_after_ms = (int64_t)s->reconciler_silent_after_s * 1000,
        .metrics = m->metrics,
        .purpose = m->purpose,
        .only_account = m->only_account,
        .listener = m->listener,
        .passes_max = (size_t)s->reconciler_concurrency * PASSES_PER_CALL,
        .ctx = m,
        .last_events = last_events,
        .on_records_unknown = on_records_unknown,
    };
    return reconciler_passes_new(&opt, &m->passes);
}

void reconciler_modules_begin(struct reconciler_modules *m)
{
    if (m->purpose == PASSES_PLAN)
        reconciler_passes_begin(m->passes);
    else
        reconciler_feed_join(m->feed);
}

/* Nothing is judged by half of what is known: an account that is declared at run time would seem to
 * be no longer declared, one whose key was revoked to be fine. */
static void on_known(void *ctx)
{
    struct reconciler_modules *m = ctx;
    if (++m->topics_known < TOPICS)
        return;
    if (m->on_known != NULL)
        m->on_known(m->ctx);
    else
        reconciler_modules_begin(m);
}

static void on_share(void *ctx, size_t partitions, size_t all)
{
    struct reconciler_modules *m = ctx;
    if (m->on_share != NULL)
        m->on_share(m->ctx, partitions, all);
}

static enum status make_feed(struct reconciler_modules *m, const struct settings *s)
{
    const struct reconciler_feed_options opt = {
        .loop = m->loop,
        .cluster = &m->cluster.cluster,
        .topic = s->topics_registry,
        .any_settings = m->any_topic_settings,
        .session_timeout_ms = s->reconciler_session_timeout_ms,
        .accounts = m->accounts,
        .metrics = m->metrics,
        .on_known = on_known,
        .on_share = on_share,
        .ctx = m,
    };
    return reconciler_feed_new(&opt, &m->feed);
}

static enum status start_accounts_topic(struct reconciler_modules *m, const struct settings *s,
                                        struct diag *diag)
{
    const struct reconciler_accounts_topic_options opt = {
        .loop = m->loop,
        .cluster = &m->cluster.cluster,
        .topic = s->topics_accounts,
        .any_settings = m->any_topic_settings,
        .overrides = &s->maesn_integrations,
        .accounts = m->accounts,
        .passes = m->passes,
        .on_known = on_known,
        .ctx = m,
    };
    return reconciler_accounts_topic_new(&opt, m->keyring, &m->accounts_topic, diag);
}

static enum status start_token_topic(struct reconciler_modules *m, const struct settings *s,
                                     struct diag *diag)
{
    const struct reconciler_token_topic_options opt = {
        .loop = m->loop,
        .cluster = &m->cluster.cluster,
        .topic = s->topics_token,
        .accounts = m->accounts,
        .passes = m->passes,
        .on_known = on_known,
        .ctx = m,
    };
    return reconciler_token_topic_new(&opt, &m->token_topic, diag);
}

static enum status start_activity_topic(struct reconciler_modules *m, const struct settings *s,
                                        struct diag *diag)
{
    const struct reconciler_activity_topic_options opt = {
        .loop = m->loop,
        .cluster = &m->cluster.cluster,
        .topic = s->topics_activity,
        .any_settings = m->any_topic_settings,
    };
    return reconciler_activity_topic_new(&opt, &m->activity_topic, diag);
}

/* --- what changes without a restart ---------------------------------------------------------- */

static void on_redeclared(void *ctx, struct reconciler_account *account)
{
    struct reconciler_modules *m = ctx;
    if (account->by_files != NULL && account->by_topic != NULL)
        LOG(ACCOUNT_TWICE_DECLARED, log_text("account", account->id),
            log_text("topic", m->settings->topics_accounts));
    reconciler_passes_wake(m->passes, account);
}

static enum status declare_all(struct reconciler_modules *m, const struct settings *s)
{
    return file_accounts_declare(s, m->loop, m->accounts, on_redeclared, m);
}

/* What the key files say, read before anything is changed. */
struct new_keys {
    struct reconciler_modules *modules;
    struct keyring *keyring;
    struct keyring *route_keys;
    struct secret *api_key;
};

static void new_keys_done(struct new_keys *k)
{
    keyring_unref(k->keyring);
    keyring_unref(k->route_keys);
    secret_unref(k->api_key);
}

/* The tenant's key at Maesn; no file, no key. */
static enum status read_api_key(const struct settings *s, struct secret **ret, struct diag *diag)
{
    *ret = NULL;
    return s->maesn_api_key_file[0] == '\0' ? STATUS_OK
                                            : secret_from_file(s->maesn_api_key_file, ret, diag);
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
    struct reconciler_modules *m = k->modules;
    reconciler_accounts_topic_set_keyring(m->accounts_topic, k->keyring);
    reconciler_writer_set_keyring(m->writer, k->keyring);
    reconciler_accounts_set_keyring(m->accounts, k->keyring);
    reconciler_passes_set_route_keys(m->passes, k->route_keys);
    provider_http_set_maesn_key(m->http, k->api_key);
    reconciler_accounts_each(m->accounts, wake_waiting, m->passes);
}

/* Where a credential or certificate of Kafka's has changed. */
static void reload_clients(struct reconciler_modules *m)
{
    reconciler_feed_reload(m->feed);
    reconciler_accounts_topic_reload(m->accounts_topic);
    reconciler_token_topic_reload(m->token_topic);
    reconciler_activity_topic_reload(m->activity_topic);
}

enum status reconciler_modules_reload(struct reconciler_modules *m, const struct settings *s,
                                      struct diag *diag)
{
    CLEANUP(new_keys_done) struct new_keys keys = {.modules = m};
    enum status status = keyring_from_file(s->keyring_file, &keys.keyring, diag);
    if (status == STATUS_OK)
        status = keyring_from_file(s->route_key_file, &keys.route_keys, diag);
    if (status == STATUS_OK)
        status = read_api_key(s, &keys.api_key, diag);
    if (status == STATUS_OK)
        status = declare_all(m, s);
    if (status != STATUS_OK)
        return status;
    task_loop_call(m->loop, take_keys, &keys);
    reload_clients(m);
    return STATUS_OK;
}

/* --- life ------------------------------------------------------------------------------------- */

static enum status check_fits(const struct settings *s, struct diag *diag)
{
    if (s->topics_registry[0] == '\0')
        return diag_set(diag, STATUS_INVALID,
                        "topics.registry: \"\", expected a topic: without one there is nothing to "
                        "reconcile");
    return STATUS_OK;
}

static enum status read_keys(struct reconciler_modules *m, const struct settings *s,
                             struct diag *diag)
{
    enum status status = keyring_from_file(s->keyring_file, &m->keyring, diag);
    if (status == STATUS_OK)
        status = keyring_from_file(s->route_key_file, &m->route_keys, diag);
    return status;
}

static enum status set_maesn_key(struct reconciler_modules *m, const struct settings *s,
                                 struct diag *diag)
{
    CLEANUP(secret_unref_scoped) struct secret *api_key = NULL;
    enum status status = read_api_key(s, &api_key, diag);
    if (status == STATUS_OK)
        provider_http_set_maesn_key(m->http, api_key);
    return status;
}

/* What starts no thread but the loop's. */
static enum status make_modules(struct reconciler_modules *m, const struct settings *s,
                                struct diag *diag)
{
    enum status status = read_keys(m, s, diag);
    if (status == STATUS_OK)
        status = make_options(m, s);
    if (status == STATUS_OK)
        status = cluster_settings_init(&m->cluster, s);
    if (status == STATUS_OK)
        status = task_loop_new(&m->loop);
    if (status == STATUS_OK)
        status = reconciler_accounts_new(s->topics_registry, m->keyring, &m->accounts);
    return status;
}

enum status reconciler_modules_start(struct reconciler_modules *m, struct diag *diag)
{
    const struct settings *s = m->settings;
    enum status status = check_fits(s, diag);
    if (status == STATUS_OK)
        status = make_modules(m, s, diag);
    if (status == STATUS_OK)
        status = start_http(m, s, diag);
    if (status == STATUS_OK)
        status = set_maesn_key(m, s, diag);
    if (status == STATUS_OK)
        status = make_writer(m, s);
    if (status == STATUS_OK)
        status = make_passes(m, s);
    if (status == STATUS_OK)
        status = make_feed(m, s);
    if (status == STATUS_OK)
        status = declare_all(m, s);
    if (status == STATUS_OK)
        status = reconciler_feed_start(m->feed, m->passes, m->writer, diag);
    if (status == STATUS_OK)
        status = start_accounts_topic(m, s, diag);
    if (status == STATUS_OK)
        status = start_token_topic(m, s, diag);
    if (status == STATUS_OK && m->purpose == PASSES_KEEP)
        status = start_activity_topic(m, s, diag);
    return status;
}

/* What no partition that is given up would end. */
static void end_planning(void *ctx)
{
    struct reconciler_modules *m = ctx;
    reconciler_passes_end(m->passes);
}

void reconciler_modules_stop(struct reconciler_modules *m)
{
    if (m->passes != NULL && m->purpose == PASSES_PLAN)
        task_loop_call(m->loop, end_planning, m);
    if (m->activity_topic != NULL)
        reconciler_activity_topic_stop(m->activity_topic);
    if (m->token_topic != NULL)
        reconciler_token_topic_stop(m->token_topic);
    if (m->accounts_topic != NULL)
        reconciler_accounts_topic_stop(m->accounts_topic);
    if (m->feed != NULL)
        reconciler_feed_stop(m->feed);
    if (m->http != NULL)
        provider_http_stop(m->http);
    if (m->loop != NULL)
        task_loop_stop(m->loop);
}

enum status reconciler_modules_refusal(struct reconciler_modules *m, struct diag *diag)
{
    enum status status = reconciler_feed_refusal(m->feed, diag);
    if (status == STATUS_OK)
        status = reconciler_accounts_topic_refusal(m->accounts_topic, diag);
    if (status == STATUS_OK)
        status = reconciler_token_topic_refusal(m->token_topic, diag);
    return status;
}

static void begin_nothing(void *ctx)
{
    struct reconciler_modules *m = ctx;
    reconciler_passes_drain(m->passes);
}

void reconciler_modules_drain(struct reconciler_modules *m)
{
    task_loop_call(m->loop, begin_nothing, m);
    provider_http_drain(m->http);
}

void reconciler_modules_done(struct reconciler_modules *m)
{
    reconciler_activity_topic_free(m->activity_topic);
    reconciler_token_topic_free(m->token_topic);
    reconciler_accounts_topic_free(m->accounts_topic);
    reconciler_feed_free(m->feed);
    reconciler_passes_free(m->passes);
    reconciler_writer_free(m->writer);
    reconciler_accounts_free(m->accounts);
    provider_http_free(m->http);
    task_loop_free(m->loop);
    cluster_settings_done(&m->cluster);
    free(m->bases);
    keyring_unref(m->keyring);
    keyring_unref(m->route_keys);
}
