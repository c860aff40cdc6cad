/* The last refusals, so that "what did we refuse, and why" has an answer. Never bodies, signatures
 * or secrets. */
#pragma once

#include "bridge/base/buf.h"

struct rejections;

/* How many are kept. */
#define REJECTIONS_MAX 100

struct rejection {
    int64_t at_unix_ms;
    const char *path;     /* as received, decoded; kept are 256 bytes, without a route's token */
    const char *provider; /* NULL: no route was found; 63 bytes are kept */
    const char *reason;   /* static: "signature-bad", "path-unknown", ... */
    unsigned status;      /* the HTTP answer */
    uint64_t body_len;    /* bytes received of it, or announced */
};

/* Owns: the caller frees *ret with rejections_free(). Errors: STATUS_NOMEM. */
enum status rejections_new(struct rejections **ret) MUST_CHECK;
void rejections_free(struct rejections *r);

/* Copies what it keeps; forgets the oldest. What looks like the token of a path, "{generation}-"
 * and 16 or more letters and digits, is kept as "{generation}-***". Thread: any.
 */
void rejections_add(struct rejections *r, const struct rejection *rejection);

/* Appends {"rejections":[...]} and a line feed, newest first; a failure is in ret->status.
 * Thread: any.
 */
void rejections_print(struct rejections *r, struct buf *ret);
