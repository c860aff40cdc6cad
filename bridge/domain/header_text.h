/* A stranger's text made fit for a record header. */
#pragma once

#include "bridge/base/arena.h"

/* The longest text that goes into a header or a key, in bytes. Longer than any provider's id (a
 * UUID has 36 characters); a header counts towards the broker's message size as the value does.
 */
#define HEADER_TEXT_MAX 512

/* Whether the text is fit as it is: header_text() would only copy it. */
bool header_text_is_fit(const char *text);

/* A copy of the text with what CloudEvents does not allow in a string replaced by U+FFFD, cut at a
 * character's end to HEADER_TEXT_MAX bytes. NULL when memory is short.
 * Source: CloudEvents 1.0.2, section "Type System", String.
 */
const char *header_text(const char *text, struct arena *a);
