/* RFC 3339 date-times as text. */
#pragma once

#include "bridge/base/bytes.h"

/* "2026-01-02T03:04:05.123Z" and its NUL. */
#define TIMESTAMP_SIZE 25

/* Writes UTC with a Z; the fraction has 3 digits, or is left out where it is zero.
 * Units:  unix_ms from 0000-01-01 to 9999-12-31; outside that range the text is empty.
 * Source: CloudEvents 1.0.2 `time`; the JavaScript SDK cuts to milliseconds, so no more digits are
 * written.
 */
void timestamp_format(int64_t unix_ms, char ret[TIMESTAMP_SIZE]);

/* Reads a date-time with a zone (Z or an offset), in any case of T and Z; digits beyond the
 * millisecond are cut off. A leap second (":60") is read as the second after. Returns false, and
 * leaves *ret_unix_ms untouched, for anything else, and for an instant that timestamp_format()
 * cannot write. Source: RFC 3339 section 5.6.
 */
bool timestamp_parse(struct bytes text, int64_t *ret_unix_ms);
