/* The few cryptographic operations the bridge uses, all from OpenSSL. The only file that includes
 * <openssl/...>. */
#pragma once

#include "bridge/base/bytes.h"
#include "bridge/base/status.h"

#define CRYPTO_SHA256_SIZE 32

/* Fetches OpenSSL's algorithms once; call before threads start. Errors: STATUS_INTERNAL OpenSSL
 * lacks one. */
enum status crypto_start(void) MUST_CHECK;

/* A key ready to sign: what depends on it alone is computed once and copied for each message. */
struct hmac_key;

/* Owns:   on STATUS_OK the caller frees *ret with hmac_key_free(), which wipes it.
 * Errors: STATUS_NOMEM.
 * Source: OpenSSL's own HMAC takes 1.1 us a message of 150 bytes from a keyed EVP_MAC_CTX that is
 * duplicated, eleven allocations; two EVP_MD_CTX that are copied 0.3 us, three (3.0.22, measured).
 */
enum status hmac_key_new(struct bytes key, struct hmac_key **ret) MUST_CHECK;
void hmac_key_free(struct hmac_key *key);

/* HMAC-SHA256 (RFC 2104) over the concatenation of the parts.
 * Errors: STATUS_NOMEM.
 * Thread: any number at once.
 */
enum status hmac_sha256(const struct hmac_key *key, const struct bytes parts[], size_t parts_len,
                        uint8_t ret[CRYPTO_SHA256_SIZE]) MUST_CHECK;

/* SHA-256 over the concatenation of the parts. Errors: STATUS_NOMEM. */
enum status sha256(const struct bytes parts[], size_t parts_len, uint8_t ret[CRYPTO_SHA256_SIZE])
    MUST_CHECK;

/* The hash of a beginning, computed once and finished with many endings. */
struct sha256_prefix;

/* Owns:   on STATUS_OK the caller frees *ret with sha256_prefix_free(). Errors: STATUS_NOMEM. */
enum status sha256_prefix_new(const struct bytes parts[], size_t parts_len,
                              struct sha256_prefix **ret) MUST_CHECK;
void sha256_prefix_free(struct sha256_prefix *prefix);

/* SHA-256 over the prefix and the ending, in the time the ending takes. Errors: STATUS_NOMEM.
 * Thread: one at a time. */
enum status sha256_finish(struct sha256_prefix *prefix, struct bytes ending,
                          uint8_t ret[CRYPTO_SHA256_SIZE]) MUST_CHECK;

/* Whether the contents are equal, in a time that tells nothing of them; lengths are no secret. */
bool crypto_equal(struct bytes a, struct bytes b);

/* Fills with bytes fit for keys and trace ids. Errors: STATUS_INTERNAL when the system has no
 * entropy. */
enum status crypto_random(uint8_t *ret, size_t len) MUST_CHECK;

/* Fills with at most 512 bytes fit for an id that is no secret: they lay in memory for a while, as
 * each thread fetches a stock of them. A child of fork() has the same stock. Errors: as
 * crypto_random().
 * Source: two calls of OpenSSL for the 24 bytes of a trace's ids take 1.7 us, one for 512 bytes 1.6
 * us (3.0.22, measured).
 */
enum status crypto_random_id(uint8_t *ret, size_t len) MUST_CHECK;

/* Overwrites, and is not optimised away. */
void crypto_wipe(void *data, size_t len);

#define AES_GCM_KEY_SIZE 32
#define AES_GCM_NONCE_SIZE 12
#define AES_GCM_TAG_SIZE 16

/* AES-256-GCM: writes the ciphertext and behind it the tag, plaintext.len + AES_GCM_TAG_SIZE bytes.
 * aad, in parts, is covered by the tag and not written. A nonce is used once with a key.
 * Errors: STATUS_NOMEM.
 * Source: NIST SP 800-38D.
 */
enum status aes_gcm_seal(const uint8_t key[AES_GCM_KEY_SIZE],
                         const uint8_t nonce[AES_GCM_NONCE_SIZE], const struct bytes aad[],
                         size_t aad_len, struct bytes plaintext, uint8_t *ret) MUST_CHECK;

/* Opens what aes_gcm_seal() wrote: writes sealed.len - AES_GCM_TAG_SIZE bytes.
 * Errors: STATUS_UNAUTHENTIC a bit of it, of the nonce or the aad is another, or the key is; ret is
 * then wiped. STATUS_NOMEM likewise.
 */
enum status aes_gcm_open(const uint8_t key[AES_GCM_KEY_SIZE],
                         const uint8_t nonce[AES_GCM_NONCE_SIZE], const struct bytes aad[],
                         size_t aad_len, struct bytes sealed, uint8_t *ret) MUST_CHECK;

/* Characters of base32_encode(), without the NUL. */
#define BASE32_LEN(bytes_len) (((bytes_len)*8 + 4) / 5)

/* Lower-case base32 without padding (RFC 4648 section 6) and a NUL: ret holds
 * BASE32_LEN(bytes.len) + 1 characters. */
void base32_encode(struct bytes bytes, char *ret);

/* Characters of base64_encode(), without the NUL. */
#define BASE64_LEN(bytes_len) (((bytes_len) + 2) / 3 * 4)

/* Base64 with padding (RFC 4648 section 4) and a NUL: ret holds BASE64_LEN(bytes.len) + 1
 * characters. */
void base64_encode(struct bytes bytes, char *ret);

/* Lower-case hex and a NUL: ret holds 2 * bytes.len + 1 characters. */
void hex_encode(struct bytes bytes, char *ret);

/* Either case. Returns false, with ret undefined, unless text is exactly 2 * ret_len hex digits. */
bool hex_decode(struct bytes text, uint8_t *ret, size_t ret_len);
