/* What the registry says of one account: enough to clean up after it when the files no longer name
 * it, and whether it is worth calling its provider. */
#pragma once

#include "bridge/base/buf.h"
#include "bridge/base/diag.h"
#include "bridge/domain/account.h"

enum account_status {
    ACCOUNT_OK = 0,
    ACCOUNT_BLOCKED, /* the provider refuses its key: it needs a new authentication */
    ACCOUNT_INVALID, /* its declaration cannot be carried out */
};

/* 16 hex digits and a NUL. */
#define ACCOUNT_FINGERPRINT_SIZE 17

/* A plain value whose texts are borrowed, or, from account_record_copy() and account_record_read(),
 * one block with its texts. A text that is NULL, or an instant that is 0, is not known.
 */
struct account_record {
    char account[ACCOUNT_ID_MAX + 1];
    const char *provider;         /* "maesn" */
    const char *system;           /* never changes: another system is another account */
    const char *company_id;       /* the last wanted one; NULL: none */
    const char *environment_name; /* likewise */
    const char *account_key;      /* secret */
    char fingerprint[ACCOUNT_FINGERPRINT_SIZE]; /* of account_key; "" without one */
    int64_t key_since_unix_ms;                  /* when that key was first seen */
    enum account_status status;
    const char *reason;           /* of a status that is not ok, a sentence */
    int64_t status_since_unix_ms; /* likewise */
    const char *refused;          /* specifications the provider refuses, a blank between them */
    char configuration[ACCOUNT_FINGERPRINT_SIZE]; /* that it refuses them of; "": none */
    int64_t forced_unix_ms; /* the last request to force that was carried out: when it was made */
};

/* As route_record_copy(). */
struct account_record *account_record_copy(const struct account_record *r);
void account_record_free(struct account_record *r);

bool account_record_equal(const struct account_record *a, const struct account_record *b);

/* "ok", "blocked", "invalid". Static. */
const char *account_record_status_name(enum account_status status);

/* Tells one key from another without telling the key: the first 16 hex digits of its SHA-256.
 * Errors: STATUS_NOMEM. */
enum status account_record_fingerprint(struct bytes key, char ret[ACCOUNT_FINGERPRINT_SIZE])
    MUST_CHECK;

/* As route_record_write() and route_record_read(). */
enum status account_record_write(const struct account_record *r, struct buf *ret) MUST_CHECK;
enum status account_record_read(struct bytes json, struct account_record **ret, struct diag *diag)
    MUST_CHECK;
