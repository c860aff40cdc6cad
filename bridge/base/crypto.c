#include "bridge/base/crypto.h"

#include <assert.h>
#include <limits.h>
#include <stdlib.h>

#include <openssl/crypto.h>
#include <openssl/evp.h>
#include <openssl/rand.h>

#include "bridge/base/scoped.h"

static EVP_MD *digest_256;  /* fetched once: a fetch a message costs as much as the message */
static EVP_CIPHER *gcm_256; /* likewise */

/* Bytes that SHA-256 takes at a time. Source: FIPS 180-4, figure 1. */
#define HMAC_BLOCK 64

/* Two hashes begun with the key's two pads, only ever copied after hmac_key_new(). */
struct hmac_key {
    EVP_MD_CTX *inner;
    EVP_MD_CTX *outer;
};

DEFINE_CLEANUP(EVP_MD_CTX *, EVP_MD_CTX_free)
DEFINE_CLEANUP(struct hmac_key *, hmac_key_free)
DEFINE_CLEANUP(EVP_CIPHER_CTX *, EVP_CIPHER_CTX_free)

enum status crypto_start(void)
{
    if (digest_256 == NULL)
        digest_256 = EVP_MD_fetch(NULL, "SHA256", NULL);
    if (gcm_256 == NULL)
        gcm_256 = EVP_CIPHER_fetch(NULL, "AES-256-GCM", NULL);
    bool has_all = digest_256 != NULL && gcm_256 != NULL;
    return has_all ? STATUS_OK : STATUS_INTERNAL;
}

/* A hash that has seen these parts; NULL when memory is short. */
static EVP_MD_CTX *digest_begin(const struct bytes parts[], size_t parts_len)
{
    assert(digest_256 != NULL); /* crypto_start() was called */
    CLEANUP(EVP_MD_CTX_free_scoped) EVP_MD_CTX *ctx = EVP_MD_CTX_new();
    if (ctx == NULL || EVP_DigestInit_ex2(ctx, digest_256, NULL) != 1)
        return NULL;
    for (size_t i = 0; i < parts_len; i++)
        if (EVP_DigestUpdate(ctx, parts[i].data, parts[i].len) != 1)
            return NULL;
    return TAKE(ctx);
}

/* What `begun` makes of these parts; ctx is overwritten. */
static bool digest_continue(EVP_MD_CTX *ctx, const EVP_MD_CTX *begun, const struct bytes parts[],
                            size_t parts_len, uint8_t ret[CRYPTO_SHA256_SIZE])
{
    if (EVP_MD_CTX_copy_ex(ctx, begun) != 1)
        return false;
    for (size_t i = 0; i < parts_len; i++)
        if (EVP_DigestUpdate(ctx, parts[i].data, parts[i].len) != 1)
            return false;
    return EVP_DigestFinal_ex(ctx, ret, NULL) == 1;
}

enum status sha256(const struct bytes parts[], size_t parts_len, uint8_t ret[CRYPTO_SHA256_SIZE])
{
    CLEANUP(EVP_MD_CTX_free_scoped) EVP_MD_CTX *ctx = digest_begin(parts, parts_len);
    return ctx != NULL && EVP_DigestFinal_ex(ctx, ret, NULL) == 1 ? STATUS_OK : STATUS_NOMEM;
}

/* A block of the key and then zeroes, each byte changed by the pad's. */
static EVP_MD_CTX *begin_with_pad(const uint8_t key[HMAC_BLOCK], uint8_t pad)
{
    uint8_t block[HMAC_BLOCK];
    for (size_t i = 0; i < HMAC_BLOCK; i++)
        block[i] = key[i] ^ pad;
    EVP_MD_CTX *begun = digest_begin(&(struct bytes){block, HMAC_BLOCK}, 1);
    crypto_wipe(block, sizeof(block));
    return begun;
}

/* Source: RFC 2104, section 2. */
enum status hmac_key_new(struct bytes key, struct hmac_key **ret)
{
    uint8_t block[HMAC_BLOCK] = {0};
    if (key.len > HMAC_BLOCK) {
        enum status status = sha256(&key, 1, block);
        if (status != STATUS_OK)
            return status;
    } else if (key.len > 0) {
        memcpy(block, key.data, key.len);
    }
    CLEANUP(hmac_key_free_scoped) struct hmac_key *made = calloc(1, sizeof(*made));
    if (made != NULL) {
        made->inner = begin_with_pad(block, 0x36);
        made->outer = begin_with_pad(block, 0x5c);
    }
    crypto_wipe(block, sizeof(block));
    if (made == NULL || made->inner == NULL || made->outer == NULL)
        return STATUS_NOMEM;
    *ret = TAKE(made);
    return STATUS_OK;
}

void hmac_key_free(struct hmac_key *key)
{
    if (key == NULL)
        return;
    EVP_MD_CTX_free(key->inner); /* OpenSSL's provider wipes the state */
    EVP_MD_CTX_free(key->outer);
    free(key);
}

enum status hmac_sha256(const struct hmac_key *key, const struct bytes parts[], size_t parts_len,
                        uint8_t ret[CRYPTO_SHA256_SIZE])
{
    uint8_t inner[CRYPTO_SHA256_SIZE];
    CLEANUP(EVP_MD_CTX_free_scoped) EVP_MD_CTX *ctx = EVP_MD_CTX_new();
    if (ctx == NULL || !digest_continue(ctx, key->inner, parts, parts_len, inner) ||
        !digest_continue(ctx, key->outer, &(struct bytes){inner, sizeof(inner)}, 1, ret))
        return STATUS_NOMEM;
    return STATUS_OK;
}

struct sha256_prefix {
    EVP_MD_CTX *begun; /* only ever copied after sha256_prefix_new() */
    EVP_MD_CTX *copy;
};

DEFINE_CLEANUP(struct sha256_prefix *, sha256_prefix_free)

enum status sha256_prefix_new(const struct bytes parts[], size_t parts_len,
                              struct sha256_prefix **ret)
{
    CLEANUP(sha256_prefix_free_scoped) struct sha256_prefix *made = calloc(1, sizeof(*made));
    if (made == NULL)
        return STATUS_NOMEM;
    made->begun = digest_begin(parts, parts_len);
    made->copy = EVP_MD_CTX_new();
    if (made->begun == NULL || made->copy == NULL)
        return STATUS_NOMEM;
    *ret = TAKE(made);
    return STATUS_OK;
}

void sha256_prefix_free(struct sha256_prefix *prefix)
{
    if (prefix == NULL)
        return;
    EVP_MD_CTX_free(prefix->begun);
    EVP_MD_CTX_free(prefix->copy);
    free(prefix);
}

enum status sha256_finish(struct sha256_prefix *prefix, struct bytes ending,
                          uint8_t ret[CRYPTO_SHA256_SIZE])
{
    return digest_continue(prefix->copy, prefix->begun, &ending, 1, ret) ? STATUS_OK : STATUS_NOMEM;
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

enum status crypto_random_id(uint8_t *ret, size_t len)
{
    static _Thread_local struct {
        uint8_t bytes[512];
        size_t left;
    } stock;
    assert(len <= sizeof(stock.bytes));
    if (stock.left < len) {
        stock.left = 0;
        enum status status = crypto_random(stock.bytes, sizeof(stock.bytes));
        if (status != STATUS_OK)
            return status;
        stock.left = sizeof(stock.bytes);
    }
    stock.left -= len;
    memcpy(ret, stock.bytes + stock.left, len);
    return STATUS_OK;
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
