/* Moneybird's webhook_token made unreadable in bytes that are kept as they came. */
#pragma once

#include "bridge/base/arena.h"

/* A copy in which the characters of each "webhook_token" member, and each place where the token
 * itself stands, are "*". Works on text, for what it is given may be no JSON. token.data == NULL:
 * not known. Returns bytes with data == NULL when memory is short.
 */
struct bytes token_mask(struct bytes raw, struct bytes token, struct arena *a);
