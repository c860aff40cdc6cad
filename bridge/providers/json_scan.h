/* A stranger's JSON, checked and taken apart where it lies: nothing is printed anew, so big
 * numbers, "1.10", key order and unknown keys stay as they came.
 *
 * Why not jansson here: it gives no positions to splice by, refuses valid numbers (1e400), tells a
 * lack of memory from bad syntax only sometimes, and takes up to 79 times the body's size on the
 * heap (2.14, measured with "[{},{},...]" of 1 MiB). The tests compare this scanner with it.
 */
#pragma once

#include "bridge/base/arena.h"
#include "bridge/base/buf.h"

/* The deepest nesting of objects and arrays in one value. Source: jansson 2.14,
 * JSON_PARSER_MAX_DEPTH; what the consumers' parsers take is of that order. */
#define JSON_DEPTH_MAX 2048

enum json_verdict {
    JSON_MALFORMED = 0, /* no JSON: where the value ends is unknown */
    JSON_TOO_DEEP,      /* JSON, but nested deeper than JSON_DEPTH_MAX */
    JSON_DUPLICATE_KEYS,
    JSON_WELL_FORMED,
};

struct json_scan {
    struct bytes text;
    size_t at;         /* the next byte to read; of a malformed value the offending one */
    struct buf frames; /* uint32_t each: an open object or array */
    struct buf keys;   /* struct bytes each: the keys of the open objects, without escapes */
    struct buf named;  /* struct json_named each: the members of the object scanned last */
    struct arena *arena;
};

/* A member of an object. */
struct json_named {
    struct bytes name;  /* what its key spells */
    struct bytes value; /* without white space around it */
    struct bytes whole; /* from the key's first to the value's last byte */
};

/* text must live as long as the scan; keys with escapes are decoded into the arena. */
void json_scan_init(struct json_scan *s, struct bytes text, struct arena *a);
void json_scan_done(struct json_scan *s);

/* Moves over white space. Returns the next byte, or -1 at the end. */
int json_scan_peek(struct json_scan *s);

/* Moves over one value of any kind and tells what it is worth; *ret_value is its bytes, unless it
 * is malformed. Source: RFC 8259, UTF-8 as RFC 3629; a number's size is not limited. Errors:
 * STATUS_NOMEM.
 */
enum status json_scan_value(struct json_scan *s, enum json_verdict *ret_verdict,
                            struct bytes *ret_value) MUST_CHECK;

/* The members of the value that was scanned last, in their order; none if it was no object, or
 * malformed. Owns: they are the scan's until the next value. */
const struct json_named *json_scan_named(const struct json_scan *s, size_t *ret_len);

/* --- in a value that was found well-formed -------------------------------------------------- */

struct json_member {
    struct bytes key;   /* with its quotes */
    struct bytes value; /* without white space around it */
    struct bytes whole; /* from the key's first to the value's last byte */
};

/* The member after *at, which starts at 0 and moves. Returns false behind the last one. */
bool json_scan_next_member(struct bytes object, size_t *at, struct json_member *ret);

/* The element after *at, which starts at 0 and moves, without white space around it. Returns false
 * behind the last one. */
bool json_scan_next_element(struct bytes array, size_t *at, struct bytes *ret);

/* However the key is spelled: "\u0061ccount" is "account". */
bool json_scan_key_is(struct bytes key, const char *name);

bool json_scan_is_string(struct bytes value);
bool json_scan_is_number(struct bytes value);

/* A string's text. U+0000 and lone surrogates, which a C string or UTF-8 cannot hold, become
 * U+FFFD. NULL when memory is short.
 */
const char *json_scan_text(struct bytes value, struct arena *a);
