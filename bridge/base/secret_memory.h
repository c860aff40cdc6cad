/* Memory for secrets of the long-running processes: never swapped, as far as it could be locked, in
 * no dump, not in a child of fork(), wiped when it is given back. */
#pragma once

#include <stddef.h>

#include "bridge/base/status.h"

/* Room for 100,000 routes, of 256 bytes each. Only what is used takes memory. */
#define SECRET_MEMORY_SIZE ((size_t)64 << 20)

/* Sets SECRET_MEMORY_SIZE aside and locks the first *ret_locked bytes of it: all, or as many as
 * RLIMIT_MEMLOCK lets. Called again, it does nothing. Without it, and beyond it, secrets lie in the
 * heap.
 * Errors: STATUS_UNAVAILABLE there is no such memory.
 * Thread: before any other is started.
 */
enum status secret_memory_start(size_t *ret_locked) MUST_CHECK;

/* Zeroed, and aligned as malloc()'s. NULL when memory is short.
 * Owns:   the caller gives it back with secret_memory_free(), which wipes it.
 * Thread: any, as for secret_memory_free().
 */
void *secret_memory_alloc(size_t len);

/* len: as it was asked for. secret_memory_free(NULL, 0) is fine. */
void secret_memory_free(void *memory, size_t len);
