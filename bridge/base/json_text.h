/* JSON written piece by piece into a buffer: for log lines, /rejections.json and the like. */
#pragma once

#include "bridge/base/buf.h"

/* Appends a JSON string with its quotes. Control characters are escaped; bytes that are no UTF-8
 * become U+FFFD, so that a stranger's text cannot break a line. b->status tells of failure (buf.h).
 */
void json_text_string(struct buf *b, struct bytes text);
