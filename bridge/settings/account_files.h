/* accounts_dir: the accounts and the subscriptions wanted for each. */
#pragma once

#include "bridge/settings/field.h"

/* Of one account, and of one of its subscriptions; each ends with a row without a name. */
extern const struct field account_fields[];
extern const struct field account_subscription_fields[];

/* Fills settings->accounts. */
void account_files_read(struct load *l);

/* The same from one file, wherever it is. */
void account_files_read_one(struct load *l, const char *path);

/* Drops what is not in the settings' arena. */
struct account;
void account_files_done(struct account *accounts, size_t len);
