/* A secret text: it has no way into a log line, and lies in secret_memory. */
#pragma once

#include "bridge/base/bytes.h"
#include "bridge/base/diag.h"

struct secret;
struct hmac_key;

/* The longest secret file that is read, in bytes. Providers' secrets are 64 characters; PEM keys
 * are read elsewhere. */
#define SECRET_MAX 4096

/* Copies the text.
 * Owns:   on STATUS_OK the caller holds one reference of *ret.
 * Errors: STATUS_INVALID it is empty or longer than SECRET_MAX. STATUS_NOMEM.
 */
enum status secret_new(struct bytes text, struct secret **ret, struct diag *diag) MUST_CHECK;

/* Reads a file whole and strips one trailing newline ("\n" or "\r\n").
 * Owns:   as secret_new().
 * Errors: STATUS_INVALID the file cannot be read, is empty or too long; diag names the path, never
 * the content. STATUS_NOMEM.
 */
enum status secret_from_file(const char *path, struct secret **ret, struct diag *diag) MUST_CHECK;

/* Thread: any. secret_unref(NULL) is fine. */
struct secret *secret_ref(struct secret *s);
void secret_unref(struct secret *s);

/* Borrowed while a reference is held. */
struct bytes secret_bytes(const struct secret *s);

/* The secret's text, as it stands in the file, as a key for HMAC-SHA256; borrowed while a reference
 * is held. Made when it is first asked for, because an account's key, of which there may be ten
 * thousands, signs nothing, and the key would take more than the text: 800 bytes (measured, OpenSSL
 * 3.0).
 * Source: Maesn's Node.js sample passes the secret's string to createHmac; Moneybird documents the
 * same.
 * Errors: STATUS_NOMEM, STATUS_INTERNAL as hmac_key_new(). Thread: any.
 */
enum status secret_hmac_key(struct secret *s, const struct hmac_key **ret) MUST_CHECK;
