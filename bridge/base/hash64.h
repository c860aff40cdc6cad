/* A hash for tables in memory. It keeps no secret and its values are never stored. */
#pragma once

#include "bridge/base/bytes.h"

/* Of the empty run; the first `before`. */
#define HASH64_START UINT64_C(0xcbf29ce484222325)

/* The hash of what `before` was of, followed by these bytes. Its low bits are fit for an index only
 * after hash64_mix(). Source: FNV-1a, draft-eastlake-fnv-21. */
uint64_t hash64(uint64_t before, struct bytes bytes);

/* Spreads every bit over all of them. Source: MurmurHash3's finaliser, fmix64. */
uint64_t hash64_mix(uint64_t hash);
