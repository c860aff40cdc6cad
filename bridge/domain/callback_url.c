#include "bridge/domain/callback_url.h"

#include <assert.h>
#include <inttypes.h>
#include <stdio.h>
#include <strings.h>

#include "bridge/base/crypto.h"

static const char prefix[] = "/in/";
static const size_t prefix_len = sizeof(prefix) - 1;

/* Bits enough that nobody finds one, few enough that the URL stays short. */
#define TOKEN_BYTES 16
_Static_assert(BASE32_LEN(TOKEN_BYTES) == CALLBACK_URL_TOKEN_LEN, "128 bits in base32");

/* --- the key ------------------------------------------------------------------------------- */

void callback_url_key(const struct callback_url *u, char ret[CALLBACK_URL_KEY_SIZE])
{
    char specification[SPECIFICATION_TEXT_SIZE];
    specification_text(&u->specification, specification);
    snprintf(ret, CALLBACK_URL_KEY_SIZE, "%s%s/%" PRId64, prefix, specification,
             u->generation_unix_ms);
}

/* Decimal, with one form for each number: none begins with 0. */
static bool read_generation(struct bytes text, int64_t *ret)
{
    if (text.len < 1 || text.len > 14 || text.data[0] == '0')
        return false;
    int64_t value = 0;
    for (size_t i = 0; i < text.len; i++) {
        if (text.data[i] < '0' || text.data[i] > '9')
            return false;
        value = value * 10 + (text.data[i] - '0');
    }
    *ret = value;
    return true;
}

bool callback_url_read_key(struct bytes key, struct callback_url *ret)
{
    if (key.len <= prefix_len || memcmp(key.data, prefix, prefix_len) != 0)
        return false;
    const uint8_t *slash = memrchr(key.data, '/', key.len);
    if (slash < key.data + prefix_len)
        return false;
    const uint8_t *begin = key.data + prefix_len, *end = key.data + key.len;
    return specification_parse(bytes_of(begin, (size_t)(slash - begin)), &ret->specification) &&
           read_generation(bytes_of(slash + 1, (size_t)(end - slash) - 1),
                           &ret->generation_unix_ms);
}

/* --- the token ----------------------------------------------------------------------------- */

static enum status make_token(struct bytes key, const struct hmac_key *route_key,
                              char ret[CALLBACK_URL_TOKEN_LEN + 1])
{
    uint8_t mac[CRYPTO_SHA256_SIZE];
    enum status status = hmac_sha256(route_key, &key, 1, mac);
    if (status == STATUS_OK)
        base32_encode(bytes_of(mac, TOKEN_BYTES), ret);
    return status;
}

enum status callback_url_path(const struct callback_url *u, const struct keyring *route_keys,
                              char ret[CALLBACK_URL_PATH_SIZE])
{
    char key[CALLBACK_URL_KEY_SIZE], token[CALLBACK_URL_TOKEN_LEN + 1];
    callback_url_key(u, key);
    enum status status = make_token(bytes_of_text(key), keyring_hmac_key(route_keys, 0), token);
    if (status == STATUS_OK)
        snprintf(ret, CALLBACK_URL_PATH_SIZE, "%s-%s", key, token);
    return status;
}

enum status callback_url_text(const struct callback_url *u, const char *base,
                              const struct keyring *route_keys, struct buf *ret)
{
    char path[CALLBACK_URL_PATH_SIZE];
    enum status status = callback_url_path(u, route_keys, path);
    if (status != STATUS_OK)
        return status;
    buf_append_text(ret, base);
    buf_append_text(ret, path);
    return ret->status;
}

/* --- what comes from outside --------------------------------------------------------------- */

/* Which key of the ring made the token of this path; nothing is told of how near it was. */
static enum status find_token(struct bytes key, struct bytes token, const struct keyring *k,
                              struct callback_url_match *ret)
{
    for (size_t i = 0; i < keyring_len(k); i++) {
        char expected[CALLBACK_URL_TOKEN_LEN + 1];
        enum status status = make_token(key, keyring_hmac_key(k, i), expected);
        if (status != STATUS_OK)
            return status;
        if (!crypto_equal(bytes_of_text(expected), token))
            continue;
        ret->ours = true;
        ret->key = i;
        return STATUS_OK;
    }
    return STATUS_OK;
}

enum status callback_url_match_path(const char *path, const struct keyring *route_keys,
                                    struct callback_url_match *ret)
{
    *ret = (struct callback_url_match){.ours = false};
    size_t len = strnlen(path, CALLBACK_URL_PATH_SIZE), behind = CALLBACK_URL_TOKEN_LEN + 1;
    if (len == CALLBACK_URL_PATH_SIZE || len <= behind || path[len - behind] != '-')
        return STATUS_OK;
    struct bytes key = bytes_of(path, len - behind);
    if (!callback_url_read_key(key, &ret->url))
        return STATUS_OK;
    struct bytes token = bytes_of(path + len - CALLBACK_URL_TOKEN_LEN, CALLBACK_URL_TOKEN_LEN);
    return find_token(key, token, route_keys, ret);
}

/* The parts of a URL that compare differently. */
struct parts {
    struct bytes scheme;
    struct bytes authority; /* without a default port */
    const char *path;       /* "" if there is none */
};

static bool ends_with(struct bytes text, const char *end)
{
    size_t len = strlen(end);
    return text.len > len && memcmp(text.data + text.len - len, end, len) == 0;
}

static bool equal_in_any_case(struct bytes a, struct bytes b)
{
    return a.len == b.len && strncasecmp((const char *)a.data, (const char *)b.data, a.len) == 0;
}

static bool split(const char *url, struct parts *ret)
{
    const char *colon = strstr(url, "://");
    if (colon == NULL)
        return false;
    const char *authority = colon + strlen("://");
    ret->scheme = bytes_of(url, (size_t)(colon - url));
    ret->authority = bytes_of(authority, strcspn(authority, "/"));
    ret->path = authority + ret->authority.len;
    if (equal_in_any_case(ret->scheme, BYTES_LITERAL("https")) && ends_with(ret->authority, ":443"))
        ret->authority.len -= strlen(":443");
    else if (equal_in_any_case(ret->scheme, BYTES_LITERAL("http")) &&
             ends_with(ret->authority, ":80"))
        ret->authority.len -= strlen(":80");
    return true;
}

/* What follows the base in the URL; NULL if it does not begin with it. */
static const char *after_base(const struct parts *url, const char *base_text)
{
    struct parts base;
    if (!split(base_text, &base) || !equal_in_any_case(url->scheme, base.scheme) ||
        !equal_in_any_case(url->authority, base.authority))
        return NULL;
    size_t len = strlen(base.path);
    return strncmp(url->path, base.path, len) == 0 ? url->path + len : NULL;
}

enum status callback_url_match(const char *url, const char *const bases[], size_t bases_len,
                               const struct keyring *route_keys, struct callback_url_match *ret)
{
    struct parts parts;
    *ret = (struct callback_url_match){.ours = false};
    if (!split(url, &parts))
        return STATUS_OK;
    for (size_t i = 0; i < bases_len; i++) {
        const char *path = after_base(&parts, bases[i]);
        if (path == NULL)
            continue;
        enum status status = callback_url_match_path(path, route_keys, ret);
        if (status != STATUS_OK)
            return status;
        if (!ret->ours)
            continue; /* one base may begin like another */
        ret->base = i;
        return STATUS_OK;
    }
    return STATUS_OK;
}
