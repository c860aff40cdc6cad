#include "bridge/base/crypto.h"

#include <assert.h>
#include <limits.h>
#include <stdlib.h>

#include <openssl/core_names.h>
#include <openssl/crypto.h>
#include <openssl/evp.h>
#include <openssl/rand.h>

#include "bridge/base/scoped.h"

static EVP_MAC *hmac;       /* fetched once: a fetch a message costs as much as the message */
static EVP_MD *digest_256;  /* likewise */
static EVP_CIPHER *gcm_256; /* likewise */

struct hmac_key {
    EVP_MAC_CTX *keyed; /* a template, only ever copied after hmac_key_new() */
};

DEFINE_CLEANUP(EVP_MAC_CTX *, EVP_MAC_CTX_free)
DEFINE_CLEANUP(EVP_MD_CTX *, EVP_MD_CTX_free)
DEFINE_CLEANUP(EVP_CIPHER_CTX *, EVP_CIPHER_CTX_free)

enum status crypto_start(void)
{
    if (hmac == NULL)
        hmac = EVP_MAC_fetch(NULL, "HMAC", NULL);
    if (digest_256 == NULL)
        digest_256 = EVP_MD_fetch(NULL, "SHA256", NULL);
    if (gcm_256 == NULL)
        gcm_256 = EVP_CIPHER_fetch(NULL, "AES-256-GCM", NULL);
    bool has_all = hmac != NULL && digest_256 != NULL && gcm_256 != NULL;
    return has_all ? STATUS_OK : STATUS_INTERNAL;
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

/* A context with key, nonce and additional data, ready for the text; NULL when memory is short. */
static EVP_CIPHER_CTX *gcm_begin(const uint8_t key[AES_GCM_KEY_SIZE],
                                 const uint8_t nonce[AES_GCM_NONCE_SIZE], const struct bytes aad[],
                                 size_t aad_len, bool seals)
{
    assert(gcm_256 != NULL); /* crypto_start() was called */
    CLEANUP(EVP_CIPHER_CTX_free_scoped) EVP_CIPHER_CTX *ctx = EVP_CIPHER_CTX_new();
    /* OpenSSL's default nonce for GCM is 12 bytes long. */
    if (ctx == NULL || EVP_CipherInit_ex2(ctx, gcm_256, key, nonce, seals, NULL) != 1)
        return NULL;
    for (size_t i = 0; i < aad_len; i++) {
        int len;
        assert(aad[i].len <= INT_MAX);
        if (aad[i].len > 0 && EVP_CipherUpdate(ctx, NULL, &len, aad[i].data, (int)aad[i].len) != 1)
            return NULL;
    }
    return TAKE(ctx);
}

/* A stream cipher: as many bytes come out as go in. No text at all must not be handed on: without a
 * place to write to, OpenSSL takes it for additional data. */
static bool gcm_text(EVP_CIPHER_CTX *ctx, struct bytes text, uint8_t *ret)
{
    int len;
    assert(text.len <= INT_MAX);
    return text.len == 0 || EVP_CipherUpdate(ctx, ret, &len, text.data, (int)text.len) == 1;
}

enum status aes_gcm_seal(const uint8_t key[AES_GCM_KEY_SIZE],
                         const uint8_t nonce[AES_GCM_NONCE_SIZE], const struct bytes aad[],
                         size_t aad_len, struct bytes plaintext, uint8_t *ret)
{
    CLEANUP(EVP_CIPHER_CTX_free_scoped)
    EVP_CIPHER_CTX *ctx = gcm_begin(key, nonce, aad, aad_len, true);
    if (ctx == NULL || !gcm_text(ctx, plaintext, ret))
        return STATUS_NOMEM;
    uint8_t *tag = ret + plaintext.len;
    int len;
    if (EVP_CipherFinal_ex(ctx, tag, &len) != 1 ||
        EVP_CIPHER_CTX_ctrl(ctx, EVP_CTRL_AEAD_GET_TAG, AES_GCM_TAG_SIZE, tag) != 1)
        return STATUS_NOMEM;
    return STATUS_OK;
}

enum status aes_gcm_open(const uint8_t key[AES_GCM_KEY_SIZE],
                         const uint8_t nonce[AES_GCM_NONCE_SIZE], const struct bytes aad[],
                         size_t aad_len, struct bytes sealed, uint8_t *ret)
{
    if (sealed.len < AES_GCM_TAG_SIZE)
        return STATUS_UNAUTHENTIC;
    CLEANUP(EVP_CIPHER_CTX_free_scoped)
    EVP_CIPHER_CTX *ctx = gcm_begin(key, nonce, aad, aad_len, false);
    if (ctx == NULL)
        return STATUS_NOMEM;
    struct bytes text = bytes_of(sealed.data, sealed.len - AES_GCM_TAG_SIZE);
    uint8_t tag[AES_GCM_TAG_SIZE], none[1];
    memcpy(tag, sealed.data + text.len, sizeof(tag));
    enum status status = STATUS_NOMEM;
    int len;
    if (gcm_text(ctx, text, ret) &&
        EVP_CIPHER_CTX_ctrl(ctx, EVP_CTRL_AEAD_SET_TAG, sizeof(tag), tag) == 1)
        status = EVP_CipherFinal_ex(ctx, none, &len) == 1 ? STATUS_OK : STATUS_UNAUTHENTIC;
    if (status != STATUS_OK)
        crypto_wipe(ret, text.len); /* what is not authentic is not handed out */
    return status;
}

void base32_encode(struct bytes bytes, char *ret)
{
    static const char digits[] = "abcdefghijklmnopqrstuvwxyz234567";
    uint32_t bits = 0;
    unsigned bits_len = 0;
    for (size_t i = 0; i < bytes.len; i++) {
        bits = bits << 8 | bytes.data[i];
        for (bits_len += 8; bits_len >= 5; bits_len -= 5)
            *ret++ = digits[bits >> (bits_len - 5) & 31];
    }
    if (bits_len > 0)
        *ret++ = digits[bits << (5 - bits_len) & 31];
    *ret = '\0';
}

void base64_encode(struct bytes bytes, char *ret)
{
    assert(bytes.len <= INT_MAX);
    EVP_EncodeBlock((unsigned char *)ret, bytes.data, (int)bytes.len);
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
