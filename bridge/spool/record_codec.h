/* A record as bytes, as the spool keeps it: everything that is in it, under a checksum.
 *
 *     check u32 | format u8 = 1 | headers u8 | reason | topic | account | path | key | value
 *               | headers x (name, value)
 *
 * Each part after the two numbers is a length (u32; 0xffffffff: there is none), the bytes and a
 * NUL. Integers are little-endian. The check covers what follows it. The reason is its name, which
 * stays when the enum grows; an event has an empty one.
 */
#pragma once

#include "bridge/base/buf.h"
#include "bridge/base/diag.h"
#include "bridge/domain/record.h"

/* What the spool's quota counts: the bytes of key, value and headers. */
size_t record_codec_payload(const struct record *r);

/* The length of the encoded record. */
size_t record_codec_size(const struct record *r);

/* Replaces the buffer's content. Errors: as buf_reserve(). */
enum status record_codec_encode(const struct record *r, struct buf *ret) MUST_CHECK;

/* Everything in *ret points into encoded, which must outlive it.
 * Errors: STATUS_INVALID not a bit of it can be trusted: the check differs, or it is of a format
 *         that is not known; diag says which. */
enum status record_codec_decode(struct bytes encoded, struct record *ret, struct diag *diag)
    MUST_CHECK;
