/* A file of keys: the first one writes, all of them read, so that keys can be changed one by one.
 *
 *     # the key since May
 *     2026-05-01:5f70...   (name:64 hex digits)
 *     2025-11-01:a3b2...
 */
#pragma once

#include "bridge/base/bytes.h"
#include "bridge/base/diag.h"

struct hmac_key;

#define KEYRING_KEY_SIZE 32
#define KEYRING_KEYS_MAX 64
#define KEYRING_NAME_MAX 63

/* Immutable and shared by reference; a changed file is a new ring. */
struct keyring;

/* Reads a key file. Lines end in "\n" or "\r\n"; empty lines, blanks around a line, and what
 * follows a "#" say nothing.
 * Owns:   on STATUS_OK the caller holds one reference of *ret.
 * Errors: STATUS_INVALID the file cannot be read, holds no key, more than KEYRING_KEYS_MAX, a line
 *         that is none, a name or key twice: diag says path:line, never what stands there.
 *         STATUS_NOMEM.
 */
enum status keyring_from_file(const char *path, struct keyring **ret, struct diag *diag) MUST_CHECK;

/* The same from memory; source stands in diag for the path. */
enum status keyring_parse(struct bytes text, const char *source, struct keyring **ret,
                          struct diag *diag) MUST_CHECK;

/* Thread: any. The last reference wipes the keys; keyring_unref(NULL) is fine. */
struct keyring *keyring_ref(const struct keyring *k);
void keyring_unref(const struct keyring *k);

/* At least 1; key 0 writes. */
size_t keyring_len(const struct keyring *k);

/* Borrowed while a reference is held. */
const char *keyring_name(const struct keyring *k, size_t key);
const uint8_t *keyring_key(const struct keyring *k, size_t key);
const struct hmac_key *keyring_hmac_key(const struct keyring *k, size_t key);

/* Finds the key of this name. Returns false, with *ret_key untouched, if there is none. */
bool keyring_find(const struct keyring *k, struct bytes name, size_t *ret_key);
