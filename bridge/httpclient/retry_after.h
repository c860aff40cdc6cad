/* The Retry-After header, in the three forms that are met. */
#pragma once

#include "bridge/base/bytes.h"

/* What asks for more is believed this much. */
#define RETRY_AFTER_MAX_MS 3600000

/* How long to wait, 0..RETRY_AFTER_MAX_MS; -1: the text is none of the forms.
 *
 * Units:  now_unix_ms is the instant the answer was made: its Date header, by the clock that an
 *         instant in the text was made with.
 * Source: RFC 9110 section 10.2.3 (delta-seconds, HTTP-date); Moneybird's OpenAPI description
 *         v2-20260821, response 429: a UTC epoch timestamp.
 */
int64_t retry_after_parse(struct bytes text, int64_t now_unix_ms);

/* An HTTP-date in any of its forms; -1: it is none.
 * Source: RFC 9110 section 5.6.7. */
int64_t retry_after_date(struct bytes text);
