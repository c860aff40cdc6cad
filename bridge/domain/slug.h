/* Names in the form that URLs, topics and types share: "JOURNAL_ENTRY" as "journal-entry". */
#pragma once

#include <stddef.h>

/* Lower kebab case of [a-z0-9-], every other run of characters one "-", none at the ends, at most
 * max_len characters: "JOURNAL_ENTRY" becomes "journal-entry". ret holds max_len + 1 characters.
 * The result may be empty.
 */
void slug_write(const char *text, size_t max_len, char *ret);
