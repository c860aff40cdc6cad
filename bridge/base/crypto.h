/* The few cryptographic operations the bridge uses, all from OpenSSL. The only file that includes
 * <openssl/...>. */
#pragma once

#include "bridge/base/bytes.h"
#include "bridge/base/status.h"

#define CRYPTO_SHA256_SIZE 32

/* Fetches OpenSSL's algorithms once; call before threads start. Errors: STATUS_INTERNAL OpenSSL
 * lacks one. */
enum status crypto_start(void) MUST_CHECK;

/* A key ready to sign: the key's schedule is computed once and copied for each message. */
struct hmac_key;

/* Owns:   on STATUS_OK the caller frees *ret with hmac_key_free(), which wipes it.
 * Errors: STATUS_NOMEM.
 * Source: EVP_MAC_CTX_dup of a keyed template takes half the time of keying anew (OpenSSL 3.0.19,
 * 200-byte message).
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

/* SHA-256 over the prefix and the ending, in the time the ending takes. Errors: STATUS_NOMEM. */
enum status sha256_finish(const struct sha256_prefix *prefix, struct bytes ending,
                          uint8_t ret[CRYPTO_SHA256_SIZE]) MUST_CHECK;

/* Whether the contents are equal, in a time that tells nothing of them; lengths are no secret. */
bool crypto_equal(struct bytes a, struct bytes b);

/* Fills with bytes fit for keys and trace ids. Errors: STATUS_INTERNAL when the system has no
 * entropy. */
enum status crypto_random(uint8_t *ret, size_t len) MUST_CHECK;

/* Overwrites, and is not optimised away. */
void crypto_wipe(void *data, size_t len);

/* Lower-case hex and a NUL: ret holds 2 * bytes.len + 1 characters. */
void hex_encode(struct bytes bytes, char *ret);

/* Either case. Returns false, with ret undefined, unless text is exactly 2 * ret_len hex digits. */
bool hex_decode(struct bytes text, uint8_t *ret, size_t ret_len);
