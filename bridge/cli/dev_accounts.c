#include "bridge/cli/dev_accounts.h"

#include <stdlib.h>

#include "bridge/app/reconciler_process.h"
#include "bridge/app/watch.h"
#include "bridge/base/crypto.h"
#include "bridge/base/scoped.h"
#include "bridge/dev/subscription_deliveries.h"

/* Short enough to see renewals in a demonstration; the vendor's sample has a year. */
static const int64_t lifetime_ms = 120000;

static const size_t subscriptions_max = 1000;

/* Source: github.com/moneybird/openapi at ff5b679 (2026-08-21). */
static const unsigned moneybird_calls_max = 150;

#define KEY_SIZE 65
#define LENGTH(array) (sizeof(array) / sizeof((array)[0]))

static const struct {
    const char *id, *declaration, *system, *administration;
} rows[] = {
    {"maple-media", "system: lexware-office, subscriptions: [{resource: INVOICE}]",
     "lexware-office", NULL},
    {"nova-nails", "system: xero, subscriptions: all", "xero", NULL},
    {"oak-optics", "system: qonto, subscriptions: all", "qonto", NULL},
    {"pine-press", "provider: moneybird, company_id: \"123\", subscriptions: [{resource: CONTACT}]",
     NULL, "123"},
};

struct dev_accounts {
    char api_key[KEY_SIZE];
    char keys[LENGTH(rows)][KEY_SIZE];
    struct workspace_account declared[LENGTH(rows)];
    struct provider_world *world;
    struct faults *faults;
    struct provider_server *server;
    struct reconciler_process *reconciler;
    struct watch *watch;
    struct sender *sender;
};

DEFINE_CLEANUP(struct dev_accounts *, dev_accounts_free)

static enum status make_key(char ret[KEY_SIZE])
{
    uint8_t random[KEY_SIZE / 2];
    enum status status = crypto_random(random, sizeof(random));
    hex_encode(bytes_of(random, sizeof(random)), ret);
    return status;
}

static enum status make_keys(struct dev_accounts *a)
{
    enum status status = make_key(a->api_key);
    for (size_t i = 0; i < LENGTH(rows) && status == STATUS_OK; i++) {
        status = make_key(a->keys[i]);
        a->declared[i] = (struct workspace_account){rows[i].id, rows[i].declaration, a->keys[i]};
    }
    return status;
}

static enum status make_world(struct dev_accounts *a)
{
    struct world_account accounts[LENGTH(rows)];
    for (size_t i = 0; i < LENGTH(rows); i++)
        accounts[i] = (struct world_account){
            .provider = rows[i].system == NULL ? WORLD_MONEYBIRD : WORLD_MAESN,
            .key = a->keys[i],
            .system = rows[i].system == NULL ? NULL : tenant_system_find(rows[i].system),
            .administration = rows[i].administration};
    const struct world_options opt = {.api_key = a->api_key,
                                      .accounts = accounts,
                                      .accounts_len = LENGTH(rows),
                                      .lifetime_ms = lifetime_ms,
                                      .subscriptions_max = subscriptions_max,
                                      .moneybird_calls_max = moneybird_calls_max};
    return world_new(&opt, &a->world);
}

enum status dev_accounts_new(const char *faults, dev_accounts_call_fn *on_call, void *owner,
                             struct dev_accounts **ret, struct diag *diag)
{
    CLEANUP(dev_accounts_free_scoped) struct dev_accounts *a = calloc(1, sizeof(*a));
    if (a == NULL)
        return STATUS_NOMEM;
    enum status status = make_keys(a);
    if (status == STATUS_OK)
        status = make_world(a);
    if (status == STATUS_OK)
        status = faults_new(&a->faults);
    if (status == STATUS_OK && faults != NULL)
        status = faults_add(a->faults, bytes_of_text(faults), diag);
    const struct provider_server_options opt = {
        .world = a->world, .faults = a->faults, .on_call = on_call, .owner = owner};
    if (status == STATUS_OK)
        status = provider_server_new(&opt, &a->server, diag);
    if (status != STATUS_OK)
        return status;
    *ret = TAKE(a);
    return STATUS_OK;
}

uint16_t dev_accounts_port(const struct dev_accounts *a)
{
    return provider_server_port(a->server);
}

const char *dev_accounts_api_key(const struct dev_accounts *a)
{
    return a->api_key;
}

const struct workspace_account *dev_accounts_declared(const struct dev_accounts *a)
{
    return a->declared;
}

size_t dev_accounts_len(const struct dev_accounts *a)
{
    return LENGTH(a->declared);
}

static enum status watch_files(struct dev_accounts *a)
{
    const struct configuration *c = reconciler_process_served.read_last(a->reconciler);
    return watch_replace(a->watch, (const char *const *)c->read.items, c->read.len,
                         c->read_from_unix_ms);
}

enum status dev_accounts_start_take(struct dev_accounts *a, struct configuration *configuration,
                                    const struct sender_options *sender, struct diag *diag)
{
    struct sender_options opt = *sender;
    opt.source = subscription_deliveries_source(a->world);
    enum status status = reconciler_process_start_take(configuration, &a->reconciler, diag);
    if (status == STATUS_OK)
        status = watch_new(WATCH_POLL_MS, &a->watch, diag);
    if (status == STATUS_OK)
        status = watch_files(a);
    return status == STATUS_OK ? sender_new(&opt, &a->sender, diag) : status;
}

void dev_accounts_follow_files(struct dev_accounts *a)
{
    if (a->watch == NULL || !watch_changed(a->watch))
        return;
    reconciler_process_served.reload(a->reconciler);
    (void)watch_files(a); /* out of memory it watches what it watched */
}

static void stop_reconciler(struct dev_accounts *a)
{
    if (a->reconciler == NULL)
        return;
    reconciler_process_drain(a->reconciler);
    (void)reconciler_process_stop(a->reconciler);
    reconciler_process_free(TAKE(a->reconciler));
}

void dev_accounts_stop(struct dev_accounts *a)
{
    if (a == NULL)
        return;
    sender_free(TAKE(a->sender));
    watch_free(TAKE(a->watch));
    stop_reconciler(a);
}

void dev_accounts_free(struct dev_accounts *a)
{
    if (a == NULL)
        return;
    dev_accounts_stop(a);
    provider_server_free(a->server);
    faults_free(a->faults);
    world_free(a->world);
    crypto_wipe(a->keys, sizeof(a->keys));
    crypto_wipe(a->api_key, sizeof(a->api_key));
    free(a);
}
