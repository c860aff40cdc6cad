/* The simulated providers of `dev`, called as the reconciler would call them: by the builders and
 * parsers of bridge/providers, over the real HTTP client.
 */
#pragma once

#include "bridge/dev/faults.h"
#include "bridge/dev/provider_server.h"
#include "bridge/dev/provider_world.h"
#include "bridge/domain/account.h"
#include "bridge/domain/provider.h"
#include "bridge/domain/provider_api.h"
#include "bridge/httpclient/http_client.h"

#define BENCH_API_KEY "api-key-of-the-tenant"
#define BENCH_LIFETIME_MS 86400000

struct provider_bench {
    struct provider_world *world;
    struct faults *faults;
    struct provider_server *server;
    struct http_client *http;
    struct arena *arena;
    struct secret *api_key;
    unsigned moneybird_calls_max; /* read by start */
    _Atomic int64_t later_ms;     /* how far the world's clock is ahead */
    char base_url[64];
    char moneybird_url[80];
    unsigned calls;      /* a key of its own for each */
    int64_t retry_in_ms; /* of the last call; 0: at once */
};

/* Accounts: each of Maesn's nine systems, with the key "key-of-SYSTEM", and Moneybird's
 * administration 123 with the token "token-of-123". */
void provider_bench_start(struct provider_bench *b);
void provider_bench_stop(struct provider_bench *b);

/* Credentials of an account. Owns: secret_unref(c->account_key) by the caller. */
struct provider_credentials provider_bench_maesn(const struct provider_bench *b, const char *system,
                                                 const char *company_id);
struct provider_credentials provider_bench_moneybird(const struct provider_bench *b,
                                                     const char *administration);

/* Makes the call and waits for its answer, which lives in the arena. */
struct provider_answer provider_bench_call(struct provider_bench *b,
                                           const struct provider_request *request);

/* A call of any kind, without headers; the code is that of its answer. */
struct provider_answer provider_bench_plain(struct provider_bench *b, enum provider_method method,
                                            const char *path, const char *body);

/* The operations of the API. The caller ends a creation with created_done(). */
struct created provider_bench_create(struct provider_bench *b, const struct provider *provider,
                                     const struct provider_credentials *c,
                                     const struct wanted *wanted, const char *callback_url);
struct listing provider_bench_list(struct provider_bench *b, const struct provider *provider,
                                   const struct provider_credentials *c);
enum provider_verdict provider_bench_delete(struct provider_bench *b,
                                            const struct provider *provider,
                                            const struct provider_credentials *c, const char *id);
enum provider_verdict provider_bench_activate(struct provider_bench *b,
                                              const struct provider *provider,
                                              const struct provider_credentials *c, const char *id);

/* Adds rules to the fault switch. */
void provider_bench_fault(struct provider_bench *b, const char *rules);
