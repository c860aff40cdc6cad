/* The subscriptions stand in one array in the order in which they were made; what has expired is
 * dropped before anything else is looked at. The lock guards the array, what it points to, and the
 * window of Moneybird's calls; options and accounts never change.
 */
#include "bridge/dev/provider_world.h"

#include <pthread.h>
#include <stdlib.h>

#include "bridge/base/clock.h"
#include "bridge/base/crypto.h"
#include "bridge/base/scoped.h"

/* A callback URL, a few names, and Moneybird's 343 events of up to 80 characters. */
static const size_t texts_max = 128 * 1024;
static const size_t accounts_text_max = 64 << 20;

static const int64_t moneybird_window_ms = 300000;

/* Like Moneybird's own, 18 digits: more than a double can hold. */
static const uint64_t first_moneybird_id = 433546254174320000;

struct provider_world {
    struct world_options opt;
    struct arena *arena; /* of the accounts' texts */
    struct world_account *accounts;
    pthread_mutex_t lock;
    struct world_subscription **subscriptions;
    size_t len;
    size_t capacity;
    uint64_t made; /* ever */
    int64_t window_unix_ms;
    unsigned window_calls;
};

DEFINE_CLEANUP(struct provider_world *, world_free)

static void subscription_free(struct world_subscription *s)
{
    if (s == NULL)
        return;
    crypto_wipe(s->secret, sizeof(s->secret));
    arena_free(s->arena);
    free(s);
}

DEFINE_CLEANUP(struct world_subscription *, subscription_free)

/* --- life-cycle ------------------------------------------------------------------------------- */

static bool copy_accounts(struct provider_world *w)
{
    w->accounts = calloc(w->opt.accounts_len + 1, sizeof(w->accounts[0]));
    if (w->accounts == NULL)
        return false;
    for (size_t i = 0; i < w->opt.accounts_len; i++) {
        struct world_account *a = &w->accounts[i];
        *a = w->opt.accounts[i];
        a->key = arena_dup(w->arena, bytes_of_text(a->key));
        a->administration =
            arena_dup(w->arena, bytes_of_text(a->administration == NULL ? "" : a->administration));
        if (a->key == NULL || a->administration == NULL)
            return false;
    }
    return true;
}

enum status world_new(const struct world_options *opt, struct provider_world **ret)
{
    CLEANUP(world_free_scoped) struct provider_world *w = calloc(1, sizeof(*w));
    if (w == NULL)
        return STATUS_NOMEM;
    pthread_mutex_init(&w->lock, NULL);
    w->opt = *opt;
    w->arena = arena_new(accounts_text_max);
    if (w->arena == NULL || !copy_accounts(w))
        return STATUS_NOMEM;
    w->opt.api_key = arena_dup(w->arena, bytes_of_text(opt->api_key));
    if (w->opt.api_key == NULL)
        return STATUS_NOMEM;
    w->opt.accounts = w->accounts;
    *ret = TAKE(w);
    return STATUS_OK;
}

void world_free(struct provider_world *w)
{
    if (w == NULL)
        return;
    for (size_t i = 0; i < w->len; i++)
        subscription_free(w->subscriptions[i]);
    free(w->subscriptions);
    free(w->accounts);
    arena_free(w->arena);
    pthread_mutex_destroy(&w->lock);
    free(w);
}

int64_t world_now_unix_ms(const struct provider_world *w)
{
    return w->opt.now_unix_ms == NULL ? clock_unix_ms() : w->opt.now_unix_ms(w->opt.now_owner);
}

/* --- accounts --------------------------------------------------------------------------------- */

bool world_knows_api_key(const struct provider_world *w, const char *key)
{
    return key != NULL && strcmp(key, w->opt.api_key) == 0;
}

const struct world_account *world_find_account(const struct provider_world *w,
                                               enum world_provider provider, const char *key,
                                               size_t *ret_index)
{
    for (size_t i = 0; key != NULL && i < w->opt.accounts_len; i++)
        if (w->accounts[i].provider == provider && strcmp(w->accounts[i].key, key) == 0) {
            *ret_index = i;
            return &w->accounts[i];
        }
    return NULL;
}

const struct world_account *world_account(const struct provider_world *w, size_t index)
{
    return &w->accounts[index];
}

/* --- making ----------------------------------------------------------------------------------- */

enum status world_read_callback_url(const char *url, uint16_t *ret_port,
                                    char ret_path[WORLD_PATH_SIZE], struct diag *diag)
{
    static const char *const beginnings[] = {"http://127.0.0.1:", "http://localhost:"};
    unsigned port = 0;
    for (size_t i = 0; i < sizeof(beginnings) / sizeof(beginnings[0]); i++) {
        size_t len = strlen(beginnings[i]);
        if (strncmp(url, beginnings[i], len) != 0)
            continue;
        for (url += len; *url >= '0' && *url <= '9' && port <= UINT16_MAX; url++)
            port = port * 10 + (unsigned)(*url - '0');
        size_t path_len = strlen(url);
        if (port == 0 || port > UINT16_MAX || *url != '/' || path_len >= WORLD_PATH_SIZE ||
            strpbrk(url, " \t\r\n#") != NULL)
            break;
        *ret_port = (uint16_t)port;
        memcpy(ret_path, url, path_len + 1);
        return STATUS_OK;
    }
    return diag_set(diag, STATUS_INVALID,
                    "the callback URL is not of this machine: expected http://127.0.0.1:PORT/...");
}

static enum status make_random_texts(struct world_subscription *s)
{
    uint8_t random[32];
    if (crypto_random(random, sizeof(random)) != STATUS_OK)
        return STATUS_INTERNAL;
    hex_encode(bytes_of(random, sizeof(random)), s->secret);
    if (crypto_random(random, sizeof(random)) != STATUS_OK)
        return STATUS_INTERNAL;
    base32_encode(bytes_of(random, 15), s->token); /* 24 characters */
    return STATUS_OK;
}

/* A version 4 UUID for Maesn, digits for Moneybird. */
static enum status make_id(struct provider_world *w, struct world_subscription *s)
{
    uint8_t random[16];
    struct buf id;
    if (w->accounts[s->account].provider == WORLD_MONEYBIRD) {
        buf_init(&id, sizeof(s->id));
        buf_printf(&id, "%llu", (unsigned long long)(first_moneybird_id + 7 * w->made));
    } else {
        if (crypto_random(random, sizeof(random)) != STATUS_OK)
            return STATUS_INTERNAL;
        buf_init(&id, sizeof(s->id));
        tenant_write_uuid(&id, random);
    }
    enum status status = id.status;
    if (status == STATUS_OK)
        memcpy(s->id, buf_text(&id), id.len + 1);
    buf_done(&id);
    return status;
}

static const char *copy_text(struct arena *a, const char *text)
{
    return arena_dup(a, bytes_of_text(text == NULL ? "" : text));
}

static bool copy_events(const struct world_subscription *from, struct world_subscription *s)
{
    const char **events = arena_alloc(s->arena, (from->enabled_events_len + 1) * sizeof(events[0]));
    if (events == NULL)
        return false;
    for (size_t i = 0; i < from->enabled_events_len; i++)
        if ((events[i] = copy_text(s->arena, from->enabled_events[i])) == NULL)
            return false;
    s->enabled_events = events;
    s->enabled_events_len = from->enabled_events_len;
    return true;
}

static enum status copy_subscription(const struct world_subscription *from,
                                     struct world_subscription **ret, struct diag *diag)
{
    char path[WORLD_PATH_SIZE];
    CLEANUP(subscription_free_scoped) struct world_subscription *s = calloc(1, sizeof(*s));
    if (s == NULL || (s->arena = arena_new(texts_max)) == NULL)
        return STATUS_NOMEM;
    enum status status = world_read_callback_url(from->callback_url, &s->port, path, diag);
    if (status != STATUS_OK)
        return status;
    s->account = from->account;
    s->callback_url = copy_text(s->arena, from->callback_url);
    s->path = copy_text(s->arena, path);
    s->company_id = copy_text(s->arena, from->company_id);
    s->environment_name = copy_text(s->arena, from->environment_name);
    s->resource = copy_text(s->arena, from->resource);
    s->event_type = copy_text(s->arena, from->event_type);
    if (s->callback_url == NULL || s->path == NULL || s->company_id == NULL ||
        s->environment_name == NULL || s->resource == NULL || s->event_type == NULL ||
        !copy_events(from, s))
        return STATUS_NOMEM;
    *ret = TAKE(s);
    return STATUS_OK;
}

static enum status reserve_place(struct provider_world *w)
{
    if (w->len >= w->opt.subscriptions_max)
        return STATUS_BUSY;
    if (w->len < w->capacity)
        return STATUS_OK;
    size_t capacity = w->capacity == 0 ? 64 : 2 * w->capacity;
    void *grown = realloc(w->subscriptions, capacity * sizeof(w->subscriptions[0]));
    if (grown == NULL)
        return STATUS_NOMEM;
    w->subscriptions = grown;
    w->capacity = capacity;
    return STATUS_OK;
}

/* With the lock held. */
static void drop_expired(struct provider_world *w)
{
    int64_t now_unix_ms = world_now_unix_ms(w);
    size_t kept = 0;
    for (size_t i = 0; i < w->len; i++) {
        if (w->subscriptions[i]->expires_unix_ms <= now_unix_ms)
            subscription_free(w->subscriptions[i]);
        else
            w->subscriptions[kept++] = w->subscriptions[i];
    }
    w->len = kept;
}

/* With the lock held. Takes s on STATUS_OK. */
static enum status settle(struct provider_world *w, struct world_subscription *s)
{
    drop_expired(w);
    enum status status = reserve_place(w);
    if (status == STATUS_OK)
        status = make_id(w, s);
    if (status != STATUS_OK)
        return status;
    bool expires = w->accounts[s->account].provider == WORLD_MAESN;
    s->created_unix_ms = world_now_unix_ms(w);
    s->expires_unix_ms = expires ? s->created_unix_ms + w->opt.lifetime_ms : INT64_MAX;
    w->subscriptions[w->len++] = s;
    w->made++;
    return STATUS_OK;
}

enum status world_create(struct provider_world *w, const struct world_subscription *s,
                         world_look_fn *look, void *owner, struct diag *diag)
{
    CLEANUP(subscription_free_scoped) struct world_subscription *made = NULL;
    enum status status = copy_subscription(s, &made, diag);
    if (status == STATUS_OK)
        status = make_random_texts(made);
    if (status != STATUS_OK)
        return status;
    pthread_mutex_lock(&w->lock);
    status = settle(w, made);
    if (status == STATUS_OK)
        look(owner, TAKE(made));
    pthread_mutex_unlock(&w->lock);
    return status;
}

/* --- asking ----------------------------------------------------------------------------------- */

static bool is_within(const struct world_subscription *s, const struct world_scope *scope)
{
    return s->account == scope->account && strcmp(s->company_id, scope->company_id) == 0 &&
           strcmp(s->environment_name, scope->environment_name) == 0;
}

/* With the lock held. w->len: it is not there. */
static size_t find(struct provider_world *w, const struct world_scope *scope, const char *id)
{
    drop_expired(w);
    for (size_t i = 0; i < w->len; i++)
        if (is_within(w->subscriptions[i], scope) && strcmp(w->subscriptions[i]->id, id) == 0)
            return i;
    return w->len;
}

void world_list(struct provider_world *w, const struct world_scope *scope, world_look_fn *look,
                void *owner)
{
    pthread_mutex_lock(&w->lock);
    drop_expired(w);
    for (size_t i = 0; i < w->len; i++)
        if (is_within(w->subscriptions[i], scope))
            look(owner, w->subscriptions[i]);
    pthread_mutex_unlock(&w->lock);
}

bool world_delete(struct provider_world *w, const struct world_scope *scope, const char *id)
{
    pthread_mutex_lock(&w->lock);
    size_t at = find(w, scope, id);
    bool found = at < w->len;
    if (found) {
        subscription_free(w->subscriptions[at]);
        w->len--;
        memmove(&w->subscriptions[at], &w->subscriptions[at + 1],
                (w->len - at) * sizeof(w->subscriptions[0]));
    }
    pthread_mutex_unlock(&w->lock);
    return found;
}

bool world_set_active(struct provider_world *w, const struct world_scope *scope, const char *id,
                      bool active, world_look_fn *look, void *owner)
{
    pthread_mutex_lock(&w->lock);
    size_t at = find(w, scope, id);
    bool found = at < w->len;
    if (found) {
        w->subscriptions[at]->deactivated_unix_ms = active ? 0 : world_now_unix_ms(w);
        look(owner, w->subscriptions[at]);
    }
    pthread_mutex_unlock(&w->lock);
    return found;
}

/* --- sending ---------------------------------------------------------------------------------- */

bool world_take_turn(struct provider_world *w, uint64_t n, world_look_fn *look, void *owner)
{
    pthread_mutex_lock(&w->lock);
    drop_expired(w);
    const struct world_subscription *chosen = NULL;
    for (size_t i = 0; i < w->len && chosen == NULL; i++) {
        const struct world_subscription *s = w->subscriptions[(n + i) % w->len];
        if (s->deactivated_unix_ms == 0)
            chosen = s;
    }
    if (chosen != NULL)
        look(owner, chosen);
    pthread_mutex_unlock(&w->lock);
    return chosen != NULL;
}

void world_note_answer(struct provider_world *w, const char *id, int code)
{
    pthread_mutex_lock(&w->lock);
    for (size_t i = 0; i < w->len; i++)
        if (strcmp(w->subscriptions[i]->id, id) == 0)
            w->subscriptions[i]->last_http_status = code;
    pthread_mutex_unlock(&w->lock);
}

size_t world_subscriptions(struct provider_world *w)
{
    pthread_mutex_lock(&w->lock);
    drop_expired(w);
    size_t len = w->len;
    pthread_mutex_unlock(&w->lock);
    return len;
}

struct world_allowance world_count_moneybird_call(struct provider_world *w)
{
    unsigned limit = w->opt.moneybird_calls_max;
    if (limit == 0)
        return (struct world_allowance){.granted = true};
    pthread_mutex_lock(&w->lock);
    int64_t now_unix_ms = world_now_unix_ms(w);
    if (now_unix_ms >= w->window_unix_ms + moneybird_window_ms) {
        w->window_unix_ms = now_unix_ms;
        w->window_calls = 0;
    }
    bool granted = w->window_calls < limit;
    w->window_calls += granted;
    struct world_allowance allowance = {.granted = granted,
                                        .limit = limit,
                                        .remaining = limit - w->window_calls,
                                        .reset_unix_s =
                                            (w->window_unix_ms + moneybird_window_ms + 999) / 1000};
    pthread_mutex_unlock(&w->lock);
    return allowance;
}
