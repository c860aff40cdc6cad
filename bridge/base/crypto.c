#include "bridge/base/crypto.h"

#include <assert.h>
#include <limits.h>
#include <stdlib.h>

#include <openssl/core_names.h>
#include <openssl/crypto.h>
#include <openssl/evp.h>
#include <openssl/rand.h>

#include "bridge/base/scoped.h"

static EVP_MAC *hmac;      /* fetched once: a fetch a message costs as much as the message */
static EVP_MD *digest_256; /* likewise */

struct hmac_key {
    EVP_MAC_CTX *keyed; /* a template, only ever copied after hmac_key_new() */
};

DEFINE_CLEANUP(EVP_MAC_CTX *, EVP_MAC_CTX_free)
DEFINE_CLEANUP(EVP_MD_CTX *, EVP_MD_CTX_free)

enum status crypto_start(void)
{
    if (hmac == NULL)
        hmac = EVP_MAC_fetch(NULL, "HMAC", NULL);
    if (digest_256 == NULL)
        digest_256 = EVP_MD_fetch(NULL, "SHA256", NULL);
    return hmac == NULL || digest_256 == NULL ? STATUS_INTERNAL : STATUS_OK;
}

enum status hmac_key_new(struct bytes key, struct hmac_key **ret)
{
    assert(hmac != NULL); /* crypto_start() was called */
    CLEANUP(EVP_MAC_CTX_free_scoped) EVP_MAC_CTX *ctx = EVP_MAC_CTX_new(hmac);
    if (ctx == NULL)
        return STATUS_NOMEM;
    char digest[] = "SHA256";
    const OSSL_PARAM params[] = {
        OSSL_PARAM_construct_utf8_string(OSSL_MAC_PARAM_DIGEST, digest, 0),
        OSSL_PARAM_construct_end(),
    };
    /* EVP_MAC_init takes a NULL key as "keep the one you have": an empty key needs an address. */
    const uint8_t *data = key.len == 0 ? (const uint8_t *)"" : key.data;
    if (EVP_MAC_init(ctx, data, key.len, params) != 1)
        return STATUS_NOMEM;

    struct hmac_key *made = malloc(sizeof(*made));
    if (made == NULL)
        return STATUS_NOMEM;
    made->keyed = TAKE(ctx);
    *ret = made;
    return STATUS_OK;
}

void hmac_key_free(struct hmac_key *key)
{
    if (key == NULL)
        return;
    EVP_MAC_CTX_free(key->keyed); /* OpenSSL's provider wipes the key schedule */
    free(key);
}

enum status hmac_sha256(const struct hmac_key *key, const struct bytes parts[], size_t parts_len,
                        uint8_t ret[CRYPTO_SHA256_SIZE])
{
    CLEANUP(EVP_MAC_CTX_free_scoped) EVP_MAC_CTX *ctx = EVP_MAC_CTX_dup(key->keyed);
    if (ctx == NULL)
        return STATUS_NOMEM;
    for (size_t i = 0; i < parts_len; i++)
        if (EVP_MAC_update(ctx, parts[i].data, parts[i].len) != 1)
            return STATUS_NOMEM;
    size_t len;
    return EVP_MAC_final(ctx, ret, &len, CRYPTO_SHA256_SIZE) == 1 ? STATUS_OK : STATUS_NOMEM;
}

enum status sha256(const struct bytes parts[], size_t parts_len, uint8_t ret[CRYPTO_SHA256_SIZE])
{
    assert(digest_256 != NULL); /* crypto_start() was called */
    CLEANUP(EVP_MD_CTX_free_scoped) EVP_MD_CTX *ctx = EVP_MD_CTX_new();
    if (ctx == NULL || EVP_DigestInit_ex2(ctx, digest_256, NULL) != 1)
        return STATUS_NOMEM;
    for (size_t i = 0; i < parts_len; i++)
        if (EVP_DigestUpdate(ctx, parts[i].data, parts[i].len) != 1)
            return STATUS_NOMEM;
    return EVP_DigestFinal_ex(ctx, ret, NULL) == 1 ? STATUS_OK : STATUS_NOMEM;
}

struct sha256_prefix {
    EVP_MD_CTX *begun; /* only ever copied after sha256_prefix_new() */
};

enum status sha256_prefix_new(const struct bytes parts[], size_t parts_len,
                              struct sha256_prefix **ret)
{
    CLEANUP(EVP_MD_CTX_free_scoped) EVP_MD_CTX *ctx = EVP_MD_CTX_new();
    if (ctx == NULL || EVP_DigestInit_ex2(ctx, digest_256, NULL) != 1)
        return STATUS_NOMEM;
    for (size_t i = 0; i < parts_len; i++)
        if (EVP_DigestUpdate(ctx, parts[i].data, parts[i].len) != 1)
            return STATUS_NOMEM;
    struct sha256_prefix *made = malloc(sizeof(*made));
    if (made == NULL)
        return STATUS_NOMEM;
    made->begun = TAKE(ctx);
    *ret = made;
    return STATUS_OK;
}

void sha256_prefix_free(struct sha256_prefix *prefix)
{
    if (prefix == NULL)
        return;
    EVP_MD_CTX_free(prefix->begun);
    free(prefix);
}

enum status sha256_finish(const struct sha256_prefix *prefix, struct bytes ending,
                          uint8_t ret[CRYPTO_SHA256_SIZE])
{
    CLEANUP(EVP_MD_CTX_free_scoped) EVP_MD_CTX *ctx = EVP_MD_CTX_new();
    if (ctx == NULL || EVP_MD_CTX_copy_ex(ctx, prefix->begun) != 1 ||
        EVP_DigestUpdate(ctx, ending.data, ending.len) != 1)
        return STATUS_NOMEM;
    return EVP_DigestFinal_ex(ctx, ret, NULL) == 1 ? STATUS_OK : STATUS_NOMEM;
}

bool crypto_equal(struct bytes a, struct bytes b)
{
    return a.len == b.len && CRYPTO_memcmp(a.data, b.data, a.len) == 0;
}

enum status crypto_random(uint8_t *ret, size_t len)
{
    assert(len <= INT_MAX);
    return RAND_bytes(ret, (int)len) == 1 ? STATUS_OK : STATUS_INTERNAL;
}

void crypto_wipe(void *data, size_t len)
{
    OPENSSL_cleanse(data, len);
}

void hex_encode(struct bytes bytes, char *ret)
{
    static const char digits[] = "0123456789abcdef";
    for (size_t i = 0; i < bytes.len; i++) {
        *ret++ = digits[bytes.data[i] >> 4];
        *ret++ = digits[bytes.data[i] & 15];
    }
    *ret = '\0';
}

static int hex_digit(uint8_t c)
{
    if (c >= '0' && c <= '9')
        return c - '0';
    if (c >= 'a' && c <= 'f')
        return c - 'a' + 10;
    if (c >= 'A' && c <= 'F')
        return c - 'A' + 10;
    return -1;
}

bool hex_decode(struct bytes text, uint8_t *ret, size_t ret_len)
{
    if (text.len != 2 * ret_len)
        return false;
    for (size_t i = 0; i < ret_len; i++) {
        int high = hex_digit(text.data[2 * i]), low = hex_digit(text.data[2 * i + 1]);
        if (high < 0 || low < 0)
            return false;
        ret[i] = (uint8_t)(high << 4 | low);
    }
    return true;
}
