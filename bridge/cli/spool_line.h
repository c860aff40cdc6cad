/* A record of the spool as a JSON object: what a person or a script reads of it. */
#pragma once

#include "bridge/base/buf.h"
#include "bridge/spool/store_reader.h"

/* Appends one line, with its end: {"sequence":, "stored_at":, "topic":, "key":, "value":,
 * "headers":[{"name":, "value":}], "reason":, "account":, "path":}. What is no UTF-8 is in base64,
 * under a name with "_base64" behind it. Errors: ret->status. */
void spool_line_record(const struct spooled_record *spooled, struct buf *ret);

/* Appends the line of a row that cannot be trusted: {"sequence":, "stored_at":, "unreadable": why,
 * "raw_base64":}. Errors: ret->status. */
void spool_line_damage(const struct store_damage *damage, struct buf *ret);

/* Appends `,"name":` and the bytes, or `,"name_base64":` and them in base64; nothing for NULL. */
void spool_line_bytes(struct buf *ret, const char *name, struct bytes bytes);

/* Appends `,"name":` and the instant. */
void spool_line_instant(struct buf *ret, const char *name, int64_t unix_ms);
