/* Sealed record values: nothing of them can be read or changed without the keyring, nor can one be
 * moved under another key or into another topic.
 *
 *     0x01, length of the key's name (1 byte), the key's name, nonce (12 bytes),
 *     AES-256-GCM ciphertext, tag (16 bytes)
 *
 * Additional data: topic, 0x00, record key, 0x00, 0x01, the key's name.
 */
#pragma once

#include "bridge/base/buf.h"
#include "bridge/base/keyring.h"

/* The longest plaintext, in bytes: a record holds a few texts of at most 4096 bytes. */
#define SEALED_PLAINTEXT_MAX 65536
/* The longest value. */
#define SEALED_MAX (SEALED_PLAINTEXT_MAX + 2 + KEYRING_NAME_MAX + 12 + 16)

/* Appends the plaintext sealed under the ring's first key and a random nonce. Units: with one key
 * at most 2^32 times. Source: NIST SP 800-38D section 8.3.
 * Errors: STATUS_INVALID it is longer than SEALED_PLAINTEXT_MAX or ret's maximum. STATUS_NOMEM.
 *         STATUS_INTERNAL the system has no entropy.
 */
enum status sealed_seal(const struct keyring *k, const char *topic, struct bytes key,
                        struct bytes plaintext, struct buf *ret) MUST_CHECK;

/* Appends the plaintext of a value. It is secret: end ret with buf_wipe_done(). ret is then
 * unchanged but after STATUS_OK.
 * Errors: STATUS_INVALID the value has not the form. STATUS_UNAUTHENTIC the ring has not its key,
 *         or it was changed or moved: diag says which, and names the key. STATUS_NOMEM.
 */
enum status sealed_open(const struct keyring *k, const char *topic, struct bytes key,
                        struct bytes value, struct buf *ret, struct diag *diag) MUST_CHECK;

/* The name of the key it says it is sealed under, borrowed from value; data is NULL if the value
 * has not the form. */
struct bytes sealed_key_name(struct bytes value);
