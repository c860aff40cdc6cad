/* UTF-8 taken apart: what a stranger sends as text is checked before it is passed on as text. */
#pragma once

#include <stddef.h>
#include <stdint.h>

/* U+FFFD, which stands where something was no text. */
#define UTF8_REPLACEMENT "\xef\xbf\xbd"

/* The length of the well-formed sequence at data, 1 to 4; 0 if there is none, or len is 0.
 * Source: RFC 3629 section 4.
 */
size_t utf8_sequence(const uint8_t *data, size_t len);

/* The code point of a well-formed sequence of this length. */
uint32_t utf8_decode(const uint8_t *data, size_t len);

/* Writes a code point below 0x110000 and returns how many bytes it took, 1 to 4. A surrogate is
 * written like any other, which is then no well-formed sequence.
 */
size_t utf8_encode(uint32_t code_point, uint8_t ret[4]);
