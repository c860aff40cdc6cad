/* JSON written piece by piece into a buffer: for log lines, /rejections.json and the like. */
#pragma once

#include "bridge/base/buf.h"

/* Appends a JSON string with its quotes. Control characters are escaped; bytes that are no UTF-8
 * become U+FFFD, so that a stranger's text cannot break a line. b->status tells of failure (buf.h).
 */
void json_text_string(struct buf *b, struct bytes text);

/* Appends a member of an object that has one already: a comma, the name, which needs no escapes,
 * and the text. NULL: nothing. */
void json_text_member(struct buf *b, const char *name, const char *text);

/* The same of an instant, as timestamp_format() has it. 0: nothing. */
void json_text_instant(struct buf *b, const char *name, int64_t unix_ms);
