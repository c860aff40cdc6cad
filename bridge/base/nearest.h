/* "Did you mean": the known name that a misspelt one is nearest to. */
#pragma once

/* The name that is fewest single-character edits (insert, delete, replace, swap of neighbours) away
 * from `given`, if that is at most a third of its length, at least one; NULL if none is. `names`
 * ends with NULL. Borrowed from names.
 */
const char *nearest_name(const char *const names[], const char *given);
