/* What a function tells its caller to do. The sentence for a person is in struct diag. */
#pragma once

#define MUST_CHECK __attribute__((warn_unused_result))

enum status {
    STATUS_OK = 0,
    STATUS_NOMEM,       /* shed this piece of work; the process goes on */
    STATUS_INVALID,     /* the input is wrong: reject, never retry */
    STATUS_UNAUTHENTIC, /* signature does not match: reject, say nothing more */
    STATUS_BUSY,        /* our own limit: retry later, nothing was done */
    STATUS_UNAVAILABLE, /* the other side is down: retry with backoff */
    STATUS_REFUSED,     /* the other side refuses until somebody mends it: alert */
    STATUS_INTERNAL,    /* a bug: alert */
};

/* The status's name in lower case, for logs. Static. */
const char *status_name(enum status status);
