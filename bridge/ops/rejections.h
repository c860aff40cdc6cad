/* The last refusals, so that "what did we refuse, and why" has an answer. Never bodies, signatures
 * or secrets. */
#pragma once

#include "bridge/base/buf.h"

struct rejections;

/* How many are kept. */
#define REJECTIONS_MAX 100

struct rejection {
    int64_t at_unix_ms;
    const char *path;     /* as received, cut to 256 bytes; an unguessable token in it is masked */
    const char *provider; /* NULL: no route was found */
    const char *reason;   /* static: "signature-bad", "path-unknown", ... */
    unsigned status;      /* the HTTP answer */
    uint64_t body_len;    /* bytes received of it, or announced */
};

enum status rejections_new(struct rejections **ret) MUST_CHECK;
void rejections_free(struct rejections *r);

/* Copies what it keeps; forgets the oldest. Thread: any. */
void rejections_add(struct rejections *r, const struct rejection *rejection);

/* Appends {"rejections":[...]}, newest first. Thread: any. */
void rejections_print(struct rejections *r, struct buf *ret);
