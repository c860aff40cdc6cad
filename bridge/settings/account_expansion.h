/* What a declared account asks of its provider, checked where it is declared. */
#pragma once

#include "bridge/settings/load.h"

/* A problem for everything that the provider would refuse; key is "accounts[0]", n the account's
 * map, which was found well-formed. */
void account_expansion_check(struct load *l, const char *key, const struct node *n,
                             const struct account *a);
