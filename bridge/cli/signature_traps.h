/* Why a signature does not match: the usual mistakes, each tried out. */
#pragma once

#include "bridge/base/arena.h"
#include "bridge/base/status.h"

/* A mistake that was recognised. Static texts. */
struct signature_trap {
    const char *name;   /* stable: "secret-hex-decoded" */
    const char *detail; /* one sentence: what was done, what is right */
};

#define SIGNATURE_TRAPS_MAX 4

struct signature_traps {
    const struct signature_trap *items[SIGNATURE_TRAPS_MAX];
    size_t len;
};

struct signature_attempt {
    struct bytes secret_file; /* its content, with whatever stands at its end */
    struct bytes body;
    const char *signature; /* the header's value */
    bool has_timestamp;    /* Moneybird's "t=,v1=" over the timestamp and the body; else hex over
                              the body */
};

/* Tries the fewest mistakes at once that make the signature match; none when nothing does.
 * Errors: STATUS_NOMEM.
 */
enum status signature_traps_find(const struct signature_attempt *attempt, struct arena *a,
                                 struct signature_traps *ret) MUST_CHECK;
