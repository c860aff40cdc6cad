/* A dead letter read back: the delivery it came of, as far as its headers tell. What
 * envelope_seal() and envelope_dead_letter() write, it reads; no route has to be there any more. */
#pragma once

#include "bridge/base/arena.h"
#include "bridge/base/diag.h"
#include "bridge/domain/record.h"

#define DEAD_LETTER_TYPE "com.maesn.bridge.dead-letter"

struct dead_letter {
    enum dead_letter_reason reason;
    const char *detail;   /* "": none */
    const char *id;       /* ce_id: of the delivery, or of its one element that this is */
    const char *provider; /* these three of ce_source; each fit for a topic and for JSON */
    const char *system;
    const char *account;
    const char *path;          /* of the callback, without a token */
    const char *specification; /* that ce_id hashed; NULL: the letter does not tell */
    const char *content_type;  /* NULL: none came */
    const char *traceparent;   /* NULL: none */
    const char *tracestate;
    const char *traceparent_in;
    int64_t recorded_at_unix_ms;
    struct bytes value; /* the bytes that came; never NULL */
    bool is_element;    /* the value is one element of an array; false: it is the whole body */

    /* Of a record that the broker refused: as it was to be produced. It has no topic when the
     * letter does not say enough. */
    struct record refused;
};

/* Owns:   what *ret points to lives in the arena, or in the record.
 * Errors: STATUS_INVALID it lacks what a dead letter must have; diag says what. STATUS_NOMEM.
 */
enum status dead_letter_read(const struct record *rec, struct arena *a, struct dead_letter *ret,
                             struct diag *diag) MUST_CHECK;
