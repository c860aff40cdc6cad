/* What a request's header fields say of where it ends, and whether two readers could disagree about
 * it. Pure. */
#pragma once

#include "bridge/domain/provider.h"

/* What was seen so far; starts as {0}. */
struct framing {
    const struct provider *const
        *providers; /* NULL-terminated: whose signature header comes once */
    unsigned hosts;
    unsigned content_lengths;
    unsigned transfer_encodings;
    unsigned signatures; /* a bit for each provider whose header was seen */
    bool unknown_coding;
    bool malformed; /* a name that is no token, a length that is no number, a second signature */
    bool unknown_expectation;
    uint64_t content_length;
};

/* Whether the request may be read on. */
enum framing_verdict {
    FRAMING_REFUSED = 0, /* 400, and the connection closes: its end is a matter of opinion */
    FRAMING_UNEXPECTED,  /* 417 */
    FRAMING_FINE,
};

/* Takes one header field into account. */
void framing_see(struct framing *f, struct bytes name, struct bytes value);

/* After the last field.
 * Source: RFC 9112 sections 3.2, 5.1, 6.1 and 6.3: a sender's two lengths, or a length beside a
 * transfer coding, are how requests are smuggled; libmicrohttpd 0.9.75 accepts them (measured).
 */
enum framing_verdict framing_judge(const struct framing *f);

/* Decodes the %XX of a request target's path. Returns false for what no path can be: a broken
 * escape, an encoded NUL, or a text that does not fit.
 */
bool framing_decode_path(const char *target, char *ret, size_t ret_size);
