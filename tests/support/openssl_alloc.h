/* OpenSSL's memory fails like our own: with tests/support/alloc_fail.h, what it allocates counts.
 */
#pragma once

#include <stdbool.h>

/* From now on OpenSSL allocates with our malloc and realloc. Before it has allocated anything, or
 * false is returned. Source: OPENSSL_malloc(3), OpenSSL 3.0. */
bool openssl_alloc_start(void);
