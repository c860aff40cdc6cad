#include "bridge/registry/route_index.h"

#include <pthread.h>
#include <stdlib.h>

#include "bridge/base/crypto.h"
#include "bridge/base/scoped.h"
#include "bridge/base/secret.h"
#include "bridge/base/secret_memory.h"
#include "bridge/domain/murmur2.h"
#include "bridge/domain/provider.h"

/* A route as it is kept: what the record's key does not say. About 200 bytes, where a struct route
 * with its keyed HMAC takes some 5 KB, which 100,000 routes do not have; making one takes
 * microseconds, and few of the routes have a callback at any one time. */
struct entry {
    uint32_t size; /* of all of it */
    uint32_t hash; /* of the key */
    uint32_t secret_at;
    uint32_t token_at;
    uint32_t system_at;
    uint8_t state; /* enum route_state */
    bool disabled; /* there is only the key */
    char texts[];  /* the key, system, secret and token, each with a NUL; "" stands for none */
};

struct route_index {
    const struct provider *const *providers;
    pthread_rwlock_t lock; /* guards the rest */
    struct keyring *route_keys;
    struct entry **slots; /* open addressing, linear probing; NULL: free */
    size_t mask;          /* slots - 1; at most three quarters of them are taken */
    struct route_index_counts counts;
    struct route_index *former; /* NULL: none, or no longer */
};

DEFINE_CLEANUP(struct secret *, secret_unref)

/* --- entries ------------------------------------------------------------------------------- */

static const struct provider *find_provider(const struct route_index *x, const char *name)
{
    for (size_t i = 0; x->providers[i] != NULL; i++)
        if (strcmp(x->providers[i]->name, name) == 0)
            return x->providers[i];
    return NULL;
}

/* Whether secret_new() takes it, or there is none. */
static bool secret_fits(const char *text)
{
    size_t len = text == NULL ? 1 : strlen(text);
    return len >= 1 && len <= SECRET_MAX;
}

/* Whether a route can be made of it: otherwise its callbacks wait for a record of which one can. */
static bool is_usable(const struct route_index *x, const struct route_record *r)
{
    bool verifies = r->state == ROUTE_PENDING || r->secret != NULL || r->token != NULL;
    return find_provider(x, r->url.specification.provider) != NULL && r->system != NULL &&
           verifies && secret_fits(r->secret) && secret_fits(r->token);
}

static uint32_t append(struct entry *e, uint32_t at, const char *text)
{
    size_t size = text == NULL ? 1 : strlen(text) + 1;
    memcpy(e->texts + at, text == NULL ? "" : text, size);
    return at + (uint32_t)size;
}

static size_t text_size(const char *text)
{
    return text == NULL ? 1 : strlen(text) + 1;
}

/* r == NULL: a disabled one. NULL when memory is short. */
static struct entry *entry_new(const char *key, const struct route_record *r)
{
    static const struct route_record none = {.state = ROUTE_PENDING};
    const struct route_record *from = r == NULL ? &none : r;
    size_t size = sizeof(struct entry) + text_size(key) + text_size(from->system) +
                  text_size(from->secret) + text_size(from->token);
    struct entry *e = size > UINT32_MAX ? NULL : secret_memory_alloc(size);
    if (e == NULL)
        return NULL;
    e->size = (uint32_t)size;
    e->hash = murmur2(bytes_of_text(key));
    e->state = (uint8_t)from->state;
    e->disabled = r == NULL;
    e->system_at = append(e, 0, key);
    e->secret_at = append(e, e->system_at, from->system);
    e->token_at = append(e, e->secret_at, from->secret);
    append(e, e->token_at, from->token);
    return e;
}

static void entry_free(struct entry *e)
{
    if (e != NULL)
        secret_memory_free(e, e->size);
}

/* --- the table ----------------------------------------------------------------------------- */

/* The slot that holds the key, or the free one where it belongs. */
static size_t find_slot(const struct route_index *x, struct bytes key, uint32_t hash)
{
    size_t slot = hash & x->mask;
    for (; x->slots[slot] != NULL; slot = (slot + 1) & x->mask) {
        const struct entry *e = x->slots[slot];
        if (e->hash == hash && bytes_equal(bytes_of_text(e->texts), key))
            return slot;
    }
    return slot;
}

/* Makes sure that there is room for one more. */
static enum status make_room(struct route_index *x)
{
    size_t slots = x->mask + 1;
    if (x->counts.routes + 1 <= slots / 4 * 3)
        return STATUS_OK;
    struct entry **former = x->slots, **grown = calloc(slots * 2, sizeof(*grown));
    if (grown == NULL)
        return STATUS_NOMEM;
    x->slots = grown;
    x->mask = slots * 2 - 1;
    for (size_t i = 0; i < slots; i++)
        if (former[i] != NULL)
            x->slots[find_slot(x, bytes_of_text(former[i]->texts), former[i]->hash)] = former[i];
    free(former);
    return STATUS_OK;
}

/* Takes the entry out of its slot, and moves those behind it that would no longer be found. */
static void vacate(struct route_index *x, size_t slot)
{
    x->counts.routes--;
    x->counts.disabled -= x->slots[slot]->disabled;
    entry_free(x->slots[slot]);
    x->slots[slot] = NULL;
    for (size_t next = (slot + 1) & x->mask; x->slots[next] != NULL; next = (next + 1) & x->mask) {
        struct entry *e = x->slots[next];
        x->slots[next] = NULL;
        x->slots[find_slot(x, bytes_of_text(e->texts), e->hash)] = e;
    }
}

static enum status put_take(struct route_index *x, struct entry *e)
{
    if (e == NULL)
        return STATUS_NOMEM;
    pthread_rwlock_wrlock(&x->lock);
    struct bytes key = bytes_of_text(e->texts);
    enum status status = make_room(x);
    size_t slot = find_slot(x, key, e->hash);
    struct entry *former = x->slots[slot];
    if (former == NULL && status != STATUS_OK) {
        pthread_rwlock_unlock(&x->lock);
        entry_free(e);
        return status;
    }
    x->slots[slot] = e;
    x->counts.routes += former == NULL;
    x->counts.disabled += e->disabled;
    x->counts.disabled -= former != NULL && former->disabled;
    pthread_rwlock_unlock(&x->lock);
    entry_free(former);
    return STATUS_OK;
}

enum status route_index_apply(struct route_index *x, const struct route_record *r)
{
    char key[CALLBACK_URL_KEY_SIZE];
    callback_url_key(&r->url, key);
    return put_take(x, entry_new(key, is_usable(x, r) ? r : NULL));
}

enum status route_index_disable(struct route_index *x, const struct callback_url *u)
{
    char key[CALLBACK_URL_KEY_SIZE];
    callback_url_key(u, key);
    return put_take(x, entry_new(key, NULL));
}

void route_index_remove(struct route_index *x, const struct callback_url *u)
{
    char key[CALLBACK_URL_KEY_SIZE];
    callback_url_key(u, key);
    struct bytes text = bytes_of_text(key);
    pthread_rwlock_wrlock(&x->lock);
    size_t slot = find_slot(x, text, murmur2(text));
    if (x->slots[slot] != NULL)
        vacate(x, slot);
    pthread_rwlock_unlock(&x->lock);
}

/* --- looking up ---------------------------------------------------------------------------- */

/* "": none. */
static enum status make_secret(const char *text, struct secret **ret)
{
    return text[0] == '\0' ? STATUS_OK : secret_new(bytes_of_text(text), ret, NULL);
}

/* e == NULL: a pending route without secret, of which no system is known. */
static enum status make_route(const char *path, const struct specification *s,
                              const struct provider *provider, const struct entry *e,
                              struct route **ret)
{
    CLEANUP(secret_unref_scoped) struct secret *secret = NULL;
    CLEANUP(secret_unref_scoped) struct secret *token = NULL;
    enum status status = e == NULL ? STATUS_OK : make_secret(e->texts + e->secret_at, &secret);
    if (status == STATUS_OK && e != NULL)
        status = make_secret(e->texts + e->token_at, &token);
    if (status != STATUS_OK)
        return status;
    const struct route_fields fields = {
        .path = path,
        .provider = provider,
        .account = s->account,
        .system = e == NULL ? "" : e->texts + e->system_at,
        .resource = s->resource,
        .event = s->event,
        .state = e == NULL ? ROUTE_PENDING : (enum route_state)e->state,
        .current_secret = secret,
        .token = token,
    };
    return route_new(&fields, ret);
}

static bool is_young(int64_t generation_unix_ms, int64_t now_unix_ms)
{
    return generation_unix_ms > now_unix_ms - ROUTE_INDEX_YOUNG_MS &&
           generation_unix_ms <= now_unix_ms + ROUTE_INDEX_AHEAD_MS;
}

/* The path's token is ours. */
static enum route_lookup find_ours(const struct route_index *x, const char *path,
                                   const struct callback_url *u, int64_t now_unix_ms,
                                   struct route **ret)
{
    struct bytes key = bytes_of(path, strlen(path) - CALLBACK_URL_TOKEN_LEN - 1);
    const struct entry *e = x->slots[find_slot(x, key, murmur2(key))];
    bool young = is_young(u->generation_unix_ms, now_unix_ms);
    if (e == NULL && x->counts.caught_up && !young)
        return ROUTE_UNKNOWN;
    /* Until all is read, a record may not be its route's latest. */
    bool usable = e != NULL && !e->disabled && x->counts.caught_up;
    const struct provider *provider = find_provider(x, u->specification.provider);
    /* A probe comes when a webhook is made. What comes later unsigned may be authentic by its token
     * (Moneybird): it must not be taken for a probe while its route cannot be read. */
    if (provider == NULL || (!usable && !young) ||
        make_route(path, &u->specification, provider, usable ? e : NULL, ret) != STATUS_OK)
        return ROUTE_NOT_YET;
    return usable ? ROUTE_FOUND : ROUTE_NOT_YET;
}

/* What is no longer, or not yet, in it may be in the topic: only what is there counts. */
/* NOLINTNEXTLINE(misc-no-recursion): a former index has no former */
static bool find_in_former(struct route_index *former, const char *path, int64_t now_unix_ms,
                           struct route **ret)
{
    struct route *route = NULL;
    if (route_index_find(former, path, now_unix_ms, &route) == ROUTE_FOUND) {
        *ret = route;
        return true;
    }
    route_unref(route);
    return false;
}

/* NOLINTNEXTLINE(misc-no-recursion): a former index has no former */
enum route_lookup route_index_find(struct route_index *x, const char *path, int64_t now_unix_ms,
                                   struct route **ret)
{
    *ret = NULL;
    pthread_rwlock_rdlock(&x->lock);
    struct callback_url_match match;
    if (x->former != NULL && find_in_former(x->former, path, now_unix_ms, ret)) {
        pthread_rwlock_unlock(&x->lock);
        return ROUTE_FOUND;
    }
    enum route_lookup lookup = x->counts.caught_up ? ROUTE_UNKNOWN : ROUTE_NOT_YET;
    if (callback_url_match_path(path, x->route_keys, &match) != STATUS_OK)
        lookup = ROUTE_NOT_YET; /* memory is short */
    else if (match.ours)
        lookup = find_ours(x, path, &match.url, now_unix_ms, ret);
    pthread_rwlock_unlock(&x->lock);
    return lookup;
}

/* --- the index ----------------------------------------------------------------------------- */

enum status route_index_new(const struct provider *const providers[],
                            const struct keyring *route_keys, struct route_index **ret)
{
    static const size_t slots_min = 64;
    struct route_index *x = calloc(1, sizeof(*x));
    struct entry **slots = calloc(slots_min, sizeof(*slots));
    if (x == NULL || slots == NULL || pthread_rwlock_init(&x->lock, NULL) != 0) {
        free(slots);
        free(x);
        return STATUS_NOMEM;
    }
    x->providers = providers;
    x->route_keys = keyring_ref(route_keys);
    x->slots = slots;
    x->mask = slots_min - 1;
    *ret = x;
    return STATUS_OK;
}

/* NOLINTNEXTLINE(misc-no-recursion): a former index has no former */
void route_index_free(struct route_index *x)
{
    if (x == NULL)
        return;
    for (size_t slot = 0; slot <= x->mask; slot++)
        entry_free(x->slots[slot]);
    free(x->slots);
    route_index_free(x->former);
    keyring_unref(x->route_keys);
    pthread_rwlock_destroy(&x->lock);
    free(x);
}

/* NOLINTNEXTLINE(misc-no-recursion): a former index has no former */
void route_index_set_keys(struct route_index *x, const struct keyring *route_keys)
{
    pthread_rwlock_wrlock(&x->lock);
    struct keyring *former = x->route_keys;
    x->route_keys = keyring_ref(route_keys);
    if (x->former != NULL)
        route_index_set_keys(x->former, route_keys);
    pthread_rwlock_unlock(&x->lock);
    keyring_unref(former);
}

void route_index_set_former_take(struct route_index *x, struct route_index *former)
{
    pthread_rwlock_wrlock(&x->lock);
    struct route_index *replaced = x->former;
    x->former = former;
    pthread_rwlock_unlock(&x->lock);
    route_index_free(replaced);
}

void route_index_set_caught_up(struct route_index *x)
{
    pthread_rwlock_wrlock(&x->lock);
    x->counts.caught_up = true;
    struct route_index *former = TAKE(x->former);
    pthread_rwlock_unlock(&x->lock);
    route_index_free(former);
}

struct route_index_counts route_index_count(struct route_index *x)
{
    pthread_rwlock_rdlock(&x->lock);
    struct route_index_counts counts = x->counts;
    pthread_rwlock_unlock(&x->lock);
    return counts;
}
