/* Memory that lives and dies together: what one callback needs, freed in one go. */
#pragma once

#include "bridge/base/bytes.h"

struct arena;

/* An empty arena; NULL when memory is short.
 *
 * Owns:   the caller frees it, and all it handed out, with arena_free().
 * Units:  max is the bound of all that is handed out, in bytes.
 */
struct arena *arena_new(size_t max);
void arena_free(struct arena *a);

/* Memory aligned for any type, valid until arena_free(). Returns NULL when memory is short or the
 * bound is met. Thread: one thread at a time.
 */
void *arena_alloc(struct arena *a, size_t size);

/* A copy with a NUL after it; NULL as arena_alloc(), or when there is nothing to copy (data ==
 * NULL). */
char *arena_dup(struct arena *a, struct bytes bytes);

/* The parts one behind the other, and a NUL after them; NULL as arena_alloc(). For what is made of
 * every callback: arena_printf() takes ten times as long. */
char *arena_join(struct arena *a, const struct bytes parts[], size_t parts_len);

/* NULL as arena_alloc(). */
char *arena_printf(struct arena *a, const char *format, ...) __attribute__((format(printf, 2, 3)));
