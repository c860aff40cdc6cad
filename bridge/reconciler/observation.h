/* What a pass has seen at the provider: of its lists, the entries that are this account's; and what
 * it has itself made and deleted since. */
#pragma once

#include "bridge/base/arena.h"
#include "bridge/domain/callback_url.h"
#include "bridge/domain/provider_api.h"

/* A list shows what one pair of query values lets it show. NULL: not given. */
struct scope {
    const char *company_id;
    const char *environment_name;
};

bool scope_equal(struct scope a, struct scope b);

/* An entry whose URL is this account's, with a valid token. */
struct sighting {
    const char *id;
    struct callback_url url;
    bool is_former;              /* of a former base URL or route key */
    struct scope scope;          /* of the list it stood in */
    int64_t expires_at_unix_ms;  /* 0: none, or none that parses */
    const char **enabled_events; /* sorted; NULL: not told */
    size_t enabled_events_len;
    bool is_deactivated;
    bool is_deleted; /* by this pass, or moved to another URL by a POST of its */
};

struct listed_scope {
    struct scope scope;
    bool is_trusted;
};

/* The present scope and former ones that something may still be alive in. */
#define OBSERVATION_SCOPES_MAX 16

struct observation {
    struct arena *arena; /* borrowed: holds all that is pointed to */
    struct sighting *sightings;
    size_t len;
    size_t capacity;
    struct listed_scope scopes[OBSERVATION_SCOPES_MAX];
    size_t scopes_len;
};

/* Whose entries count, and by what they are known. */
struct observer {
    const char *provider;
    const char *account;
    const char *const *bases;
    size_t bases_len;
    const struct keyring *route_keys;
};

/* Nothing was seen yet. */
void observation_init(struct observation *o, struct arena *a);

/* Adds the entries of a trusted list that are the account's. Errors: STATUS_NOMEM, also when the
 * arena's bound is met: what was seen is then not complete. */
enum status observation_add(struct observation *o, const struct observer *observer,
                            struct scope scope, const struct listing *listing) MUST_CHECK;

/* The scope was listed, and its list is worth nothing. */
void observation_add_untrusted(struct observation *o, struct scope scope);

/* A subscription that was just made. Errors: STATUS_NOMEM. */
enum status observation_add_created(struct observation *o, const struct callback_url *url,
                                    struct scope scope, const struct wanted *wanted,
                                    const struct created *created) MUST_CHECK;

bool observation_is_trusted(const struct observation *o, struct scope scope);

/* The living subscription of this URL and id (NULL: of any id), or NULL. */
const struct sighting *observation_find(const struct observation *o, const struct callback_url *url,
                                        const char *id);
