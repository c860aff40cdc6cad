/* HTML written piece by piece into a buffer. */
#pragma once

#include "bridge/base/buf.h"

/* Appends the text so that it means only itself, between tags and between quotes of an attribute.
 * Bytes that are no UTF-8, and control characters, become U+FFFD. NULL appends nothing. b->status
 * tells of failure (buf.h).
 *
 * Source: HTML Living Standard, "Escaping a string"; "'" too, for attributes in single quotes.
 */
void html_text(struct buf *b, const char *text);

/* Appends one value of a query, percent-encoded; it needs no html_text().
 * Source: RFC 3986 section 2.3, the unreserved characters stay. */
void html_query_value(struct buf *b, const char *text);

/* Appends <time datetime="...">, with how far it is from now as its text; 0: "never". */
void html_distance(struct buf *b, int64_t unix_ms, int64_t now_unix_ms);
