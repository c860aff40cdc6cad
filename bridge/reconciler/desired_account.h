/* What is wanted of one account: its declaration, expanded. */
#pragma once

#include "bridge/domain/provider_api.h"

/* Borrowed for the length of a pass. */
struct desired_account {
    const char *account;
    const char *provider;
    const char *system;
    const char *company_id;       /* NULL: none */
    const char *environment_name; /* NULL: none */
    const char *account_key;      /* secret */
    const struct wanted *wanted;  /* no specification twice */
    size_t wanted_len;
    const char *invalid; /* why the declaration cannot be carried out; NULL: it can */
};

/* The wanted subscription of this specification, or NULL. */
const struct wanted *desired_account_find(const struct desired_account *d,
                                          const struct specification *s);
