/* The callback URL, which is a subscription's identity at the provider: it says what for, since
 * when, and, by a token that only holders of the route key can compute, that it is ours.
 *
 *     {public_base_url}/in/maesn/acme-42/journal-entry/created/1795293215356-{token}
 *
 * The path begins at /in/: a proxy in front takes away the path that a public base URL may have.
 * Token: 26 characters, lower-case base32 without padding (RFC 4648 section 6) of the first 128
 * bits of HMAC-SHA256(route key, path up to and with the generation).
 */
#pragma once

#include "bridge/base/buf.h"
#include "bridge/base/keyring.h"
#include "bridge/domain/specification.h"

struct callback_url {
    struct specification specification;
    int64_t generation_unix_ms; /* the instant of the intent: unique for a specification */
};

#define CALLBACK_URL_TOKEN_LEN 26

/* Until 5138-11-16, in 14 digits. */
#define CALLBACK_URL_GENERATION_MAX 99999999999999

/* "/in/", the specification, "/", the generation and a NUL. */
#define CALLBACK_URL_KEY_SIZE (4 + SPECIFICATION_TEXT_SIZE + 14 + 1)
/* The same with "-" and the token. */
#define CALLBACK_URL_PATH_SIZE (CALLBACK_URL_KEY_SIZE + 1 + CALLBACK_URL_TOKEN_LEN)

/* The path without its token, "/in/maesn/acme-42/journal-entry/created/1795293215356": the key of
 * the registry's records. */
void callback_url_key(const struct callback_url *u, char ret[CALLBACK_URL_KEY_SIZE]);

/* Reads callback_url_key() back. Returns false, with *ret undefined, for anything else. */
bool callback_url_read_key(struct bytes key, struct callback_url *ret);

/* The path with its token, under the ring's first key. Errors: STATUS_NOMEM. */
enum status callback_url_path(const struct callback_url *u, const struct keyring *route_keys,
                              char ret[CALLBACK_URL_PATH_SIZE]) MUST_CHECK;

/* Appends the whole URL; base has no trailing slash. Errors: STATUS_NOMEM; STATUS_INVALID it is
 * longer than ret's maximum. */
enum status callback_url_text(const struct callback_url *u, const char *base,
                              const struct keyring *route_keys, struct buf *ret) MUST_CHECK;

/* What is known of a path or URL that came from outside. */
struct callback_url_match {
    bool ours;               /* it has the form and a valid token; otherwise the rest is unset */
    struct callback_url url; /* what it is for */
    size_t key;              /* of the ring, which made the token; 0: the one that writes */
    size_t base;             /* of the base URLs; 0: the present one, also for a bare path */
};

/* Ours, but of a former base URL or route key: it works, and is to be renewed. */
static inline bool callback_url_is_former(const struct callback_url_match *m)
{
    return m->key != 0 || m->base != 0;
}

/* Judges a bare, decoded path, as the ingress gets it. Errors: STATUS_NOMEM. Thread: any number. */
enum status callback_url_match_path(const char *path, const struct keyring *route_keys,
                                    struct callback_url_match *ret) MUST_CHECK;

/* Judges a whole URL from a provider's list. bases: the present public base URL, then the former
 * ones. Scheme and host compare without regard to case, and a default port is as none: a provider
 * may hand them back in normal form (RFC 3986 section 6.2.2.1, 6.2.3).
 * Errors: STATUS_NOMEM.
 */
enum status callback_url_match(const char *url, const char *const bases[], size_t bases_len,
                               const struct keyring *route_keys, struct callback_url_match *ret)
    MUST_CHECK;
