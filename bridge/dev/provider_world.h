/* What the simulated Maesn and Moneybird know: accounts, and the subscriptions that were made for
 * them. Both share it, as their subscriptions share one stream of callbacks.
 */
#pragma once

#include "bridge/base/arena.h"
#include "bridge/base/diag.h"
#include "bridge/dev/tenant.h"

struct provider_world;

enum world_provider { WORLD_MAESN = 0, WORLD_MONEYBIRD };

/* An end user's connection to an accounting system. */
struct world_account {
    enum world_provider provider;
    const char *key;                    /* X-ACCOUNT-KEY; Moneybird: the bearer token */
    const struct tenant_system *system; /* Maesn only */
    const char *administration;         /* Moneybird only */
};

struct world_options {
    const char *api_key;                  /* the tenant's at Maesn */
    const struct world_account *accounts; /* copied, but for the systems */
    size_t accounts_len;
    int64_t lifetime_ms;            /* of a Maesn subscription */
    size_t subscriptions_max;       /* beyond: STATUS_BUSY */
    unsigned moneybird_calls_max;   /* in a window of 5 minutes; 0: no limit */
    int64_t (*now_unix_ms)(void *); /* NULL: the clock */
    void *now_owner;
};

#define WORLD_ID_SIZE 37     /* a UUID's text; Moneybird's ids are shorter */
#define WORLD_SECRET_SIZE 65 /* 64 hex digits */
#define WORLD_TOKEN_SIZE 25
#define WORLD_PATH_SIZE 1024

/* Texts are "" where there is none. */
struct world_subscription {
    char id[WORLD_ID_SIZE];
    char secret[WORLD_SECRET_SIZE];
    char token[WORLD_TOKEN_SIZE]; /* Moneybird only */
    size_t account;               /* index in world_options.accounts */
    const char *callback_url;
    uint16_t port;    /* of the callback URL, which leads to this machine */
    const char *path; /* likewise */
    const char *company_id;
    const char *environment_name;
    const char *resource;
    const char *event_type;
    const char *const *enabled_events; /* Moneybird only */
    size_t enabled_events_len;
    int64_t created_unix_ms;
    int64_t expires_unix_ms;     /* INT64_MAX: never */
    int64_t deactivated_unix_ms; /* 0: it is active */
    int last_http_status;        /* what the callback URL answered last; 0: nothing yet */
    struct arena *arena;         /* of the texts */
};

/* Owns:   on STATUS_OK the caller frees *ret with world_free().
 * Errors: STATUS_NOMEM.
 * Thread: any number in all functions.
 */
enum status world_new(const struct world_options *opt, struct provider_world **ret) MUST_CHECK;
void world_free(struct provider_world *w);

int64_t world_now_unix_ms(const struct provider_world *w);

/* The keys compare exactly. NULL: none. Borrowed until world_free(). */
bool world_knows_api_key(const struct provider_world *w, const char *key);
const struct world_account *world_find_account(const struct provider_world *w,
                                               enum world_provider provider, const char *key,
                                               size_t *ret_index);

/* The account of that index; also under the lock. */
const struct world_account *world_account(const struct provider_world *w, size_t index);

/* Where a callback URL leads to: only http and this machine's loopback will do.
 * Errors: STATUS_INVALID, diag says what was expected. */
enum status world_read_callback_url(const char *url, uint16_t *ret_port,
                                    char ret_path[WORLD_PATH_SIZE], struct diag *diag) MUST_CHECK;

/* Looks at a subscription, under the lock of the world: it must call nothing that takes
 * it. */
typedef void world_look_fn(void *owner, const struct world_subscription *s);

/* Makes a subscription with an id and a secret of its own; of s the account, the texts and the
 * events are read. Two of the same are two.
 * Errors: STATUS_INVALID the callback URL leads elsewhere. STATUS_BUSY there are subscriptions_max.
 *         STATUS_INTERNAL no random bytes. STATUS_NOMEM. look is then not called.
 */
enum status world_create(struct provider_world *w, const struct world_subscription *s,
                         world_look_fn *look, void *owner, struct diag *diag) MUST_CHECK;

/* Which subscriptions are spoken of. */
struct world_scope {
    size_t account;
    const char *company_id; /* "" or the value that it was made with */
    const char *environment_name;
};

/* Those that have not expired, in the order in which they were made. */
void world_list(struct provider_world *w, const struct world_scope *scope, world_look_fn *look,
                void *owner);

/* Returns false when there is none with this id. */
bool world_delete(struct provider_world *w, const struct world_scope *scope, const char *id);

/* Returns false, and does not look, when there is none with this id. */
bool world_set_active(struct provider_world *w, const struct world_scope *scope, const char *id,
                      bool active, world_look_fn *look, void *owner);

/* Looks at one subscription that is alive and active; as n grows, all of them get their turn.
 * Returns false when there is none. */
bool world_take_turn(struct provider_world *w, uint64_t n, world_look_fn *look, void *owner);

/* What a callback URL answered; 0: nothing. */
void world_note_answer(struct provider_world *w, const char *id, int code);

/* Every subscription that is alive. */
size_t world_subscriptions(struct provider_world *w);

/* One more call to Moneybird: whether it is within the limit, and what is left of it.
 * Source: github.com/moneybird/openapi at ff5b679 (2026-08-21), the answer 429: 150 calls in 5
 * minutes.
 */
struct world_allowance {
    bool granted;
    unsigned limit; /* 0: none */
    unsigned remaining;
    int64_t reset_unix_s; /* when a new window begins */
};
struct world_allowance world_count_moneybird_call(struct provider_world *w);
