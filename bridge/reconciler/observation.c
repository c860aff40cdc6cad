#include "bridge/reconciler/observation.h"

#include <assert.h>
#include <string.h>

static bool text_equal(const char *a, const char *b)
{
    return a == b || (a != NULL && b != NULL && strcmp(a, b) == 0);
}

bool scope_equal(struct scope a, struct scope b)
{
    return text_equal(a.company_id, b.company_id) &&
           text_equal(a.environment_name, b.environment_name);
}

void observation_init(struct observation *o, struct arena *a)
{
    *o = (struct observation){.arena = a};
}

static struct sighting *append_sighting(struct observation *o)
{
    if (o->len == o->capacity) {
        size_t capacity = o->capacity == 0 ? 16 : 2 * o->capacity;
        struct sighting *sightings = arena_alloc(o->arena, capacity * sizeof(*sightings));
        if (sightings == NULL)
            return NULL;
        if (o->len > 0)
            memcpy(sightings, o->sightings, o->len * sizeof(*sightings));
        o->sightings = sightings;
        o->capacity = capacity;
    }
    return &o->sightings[o->len++];
}

/* Copies the entry: the listing goes when its callback returns. */
static enum status add_entry(struct observation *o, const struct listing_entry *entry,
                             const struct sighting *known)
{
    struct sighting seen = *known;
    seen.id = arena_dup(o->arena, bytes_of_text(entry->id));
    if (seen.id == NULL)
        return STATUS_NOMEM;
    if (entry->expires_at_unix_ms != PROVIDER_TIME_UNKNOWN)
        seen.expires_at_unix_ms = entry->expires_at_unix_ms;
    seen.is_deactivated = entry->is_deactivated;
    if (entry->enabled_events != NULL) {
        seen.enabled_events =
            arena_alloc(o->arena, (entry->enabled_events_len + 1) * sizeof(*seen.enabled_events));
        if (seen.enabled_events == NULL)
            return STATUS_NOMEM;
        for (size_t i = 0; i < entry->enabled_events_len; i++) {
            const char *copy = arena_dup(o->arena, bytes_of_text(entry->enabled_events[i]));
            if (copy == NULL)
                return STATUS_NOMEM;
            seen.enabled_events[seen.enabled_events_len++] = copy;
        }
    }
    struct sighting *place = append_sighting(o);
    if (place == NULL)
        return STATUS_NOMEM;
    *place = seen;
    return STATUS_OK;
}

static void add_scope(struct observation *o, struct scope scope, bool is_trusted)
{
    assert(o->scopes_len < OBSERVATION_SCOPES_MAX);
    o->scopes[o->scopes_len++] = (struct listed_scope){scope, is_trusted};
}

static bool is_account(const struct callback_url *url, const struct observer *observer)
{
    return strcmp(url->specification.provider, observer->provider) == 0 &&
           strcmp(url->specification.account, observer->account) == 0;
}

enum status observation_add(struct observation *o, const struct observer *observer,
                            struct scope scope, const struct listing *listing)
{
    assert(listing->trusted);
    for (size_t i = 0; i < listing->len; i++) {
        const struct listing_entry *entry = &listing->entries[i];
        struct callback_url_match match = {0};
        enum status status =
            entry->callback_url == NULL
                ? STATUS_OK
                : callback_url_match(entry->callback_url, observer->bases, observer->bases_len,
                                     observer->route_keys, &match);
        /* Whoever else's it is, it is none of this account's: it is not even looked at again. */
        if (status == STATUS_OK && entry->id != NULL && match.ours &&
            is_account(&match.url, observer) && observation_find(o, &match.url, entry->id) == NULL)
            status = add_entry(o, entry,
                               &(struct sighting){.url = match.url,
                                                  .is_former = callback_url_is_former(&match),
                                                  .scope = scope});
        if (status != STATUS_OK)
            return status;
    }
    add_scope(o, scope, true);
    return STATUS_OK;
}

void observation_add_untrusted(struct observation *o, struct scope scope)
{
    add_scope(o, scope, false);
}

enum status observation_add_created(struct observation *o, const struct callback_url *url,
                                    struct scope scope, const struct wanted *wanted,
                                    const struct created *created)
{
    struct listing_entry entry = created->entry;
    for (size_t i = 0; i < o->len; i++) /* a provider that merges POSTs has moved it */
        o->sightings[i].is_deleted |= strcmp(o->sightings[i].id, entry.id) == 0;
    /* What it was asked for, whether or not the answer repeats it. */
    entry.enabled_events = wanted->enabled_events;
    entry.enabled_events_len = wanted->enabled_events_len;
    entry.is_deactivated = false;
    return add_entry(o, &entry, &(struct sighting){.url = *url, .scope = scope});
}

bool observation_is_trusted(const struct observation *o, struct scope scope)
{
    for (size_t i = 0; i < o->scopes_len; i++) {
        if (scope_equal(o->scopes[i].scope, scope))
            return o->scopes[i].is_trusted;
    }
    return false;
}

const struct sighting *observation_find(const struct observation *o, const struct callback_url *url,
                                        const char *id)
{
    for (size_t i = 0; i < o->len; i++) {
        const struct sighting *seen = &o->sightings[i];
        if (!seen->is_deleted && seen->url.generation_unix_ms == url->generation_unix_ms &&
            (id == NULL || strcmp(seen->id, id) == 0) &&
            specification_equal(&seen->url.specification, &url->specification))
            return seen;
    }
    return NULL;
}
