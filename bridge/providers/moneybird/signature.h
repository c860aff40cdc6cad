/* Moneybird's signature header: "t=<unix seconds>,v1=<hex>[,v1=<hex>]". */
#pragma once

#include "bridge/base/bytes.h"
#include "bridge/base/crypto.h"

/* One for each active secret; a rotation has two. More than this are not looked at. */
#define SIGNATURES_MAX 8

struct signature {
    struct bytes timestamp; /* the digits as they came: they are signed */
    int64_t unix_ms;
    uint8_t v1[SIGNATURES_MAX][CRYPTO_SHA256_SIZE];
    size_t v1_len;
};

/* Unknown schemes and v1 values that are no 64 hex digits are ignored. Returns false, with ret
 * undefined, when no timestamp or no v1 is left. ret points into text.
 * Source: developer.moneybird.com, "Verifying signatures", 2026.
 */
bool signature_parse(const char *text, struct signature *ret);
