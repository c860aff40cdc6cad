/* What the accounts topic says of one account: what a file of accounts.d would, with the account's
 * key itself. The record's key is the account's id, its value is sealed. */
#pragma once

#include "bridge/base/arena.h"
#include "bridge/base/buf.h"
#include "bridge/base/diag.h"
#include "bridge/domain/account.h"

struct provider;

/* Beyond any provider's resources and events. */
#define ACCOUNT_DECLARATION_ITEMS_MAX 1000

struct account_declaration {
    struct account account; /* of no file: account_key_file is "", file is NULL */
    struct arena *arena;    /* holds its texts */
};

/* Appends the account as JSON, schema version 1, always in the same order; its provider and its key
 * are set.
 * Errors: STATUS_NOMEM. STATUS_INVALID it is longer than ret's maximum, or a text is no UTF-8.
 */
enum status account_declaration_write(const struct account *a, struct buf *ret) MUST_CHECK;

/* Reads account_declaration_write()'s JSON; members it does not know are left out. What the account
 * asks for is not judged: that is provider_api's expand(). `providers` ends with NULL.
 * Owns:   on STATUS_OK the caller frees *ret with account_declaration_free().
 * Errors: STATUS_INVALID it is no such record of schema version 1, or of a provider that is not
 *         there; diag says why, without its values. STATUS_NOMEM.
 */
enum status account_declaration_read(struct bytes json, const struct provider *const providers[],
                                     struct account_declaration **ret, struct diag *diag)
    MUST_CHECK;
void account_declaration_free(struct account_declaration *d);
