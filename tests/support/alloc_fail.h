/* Makes one allocation of the code under test fail: link with bridge_test(... ALLOC_FAIL).
 *
 *     bool failed = true;
 *     for (long n = 0; failed; n++) {
 *         alloc_fail_at(n);
 *         enum status status = thing_new(&ret);
 *         failed = alloc_fail_end();
 *         assert_int_equal(status, failed ? STATUS_NOMEM : STATUS_OK);
 *         ...
 *     }
 *
 * Reaches malloc, calloc, realloc, strdup and strndup of our own objects, in the thread that asked
 * for it; what a shared library allocates itself does not count.
 */
#pragma once

#include <stdbool.h>

/* From now on the nth allocation (counted from 0) fails, and only that one. */
void alloc_fail_at(long n);

/* No allocation fails any more; returns whether one did since alloc_fail_at(). */
bool alloc_fail_end(void);

/* Whether one did since alloc_fail_at(). */
bool alloc_fail_has_failed(void);
