/* The fault switch of the simulated providers: which of the next calls go wrong, and how.
 *
 * A rule is a line of text, OPERATION:KIND[=NUMBER][*TIMES][/EVERY]:
 *
 *     create:reset-after*1     the next create is done, but not answered
 *     list:too-many=30         every list is answered 429 with a Retry-After of 30 s
 *     any:delay=500/3          every third call takes half a second longer
 */
#pragma once

#include "bridge/base/buf.h"
#include "bridge/base/diag.h"

struct faults;

enum fault_operation { FAULT_ANY = 0, FAULT_LIST, FAULT_CREATE, FAULT_DELETE, FAULT_ACTIVATE };

enum fault_kind {
    FAULT_NONE = 0,
    FAULT_DELAY, /* number: milliseconds; then it is done as always */

    /* Answered without being done. */
    FAULT_ERROR,        /* 500, or number */
    FAULT_TOO_MANY,     /* 429; number: seconds of Retry-After */
    FAULT_UNAUTHORIZED, /* 401 */
    FAULT_FORBIDDEN,    /* 403 */
    FAULT_HTML,         /* 200 and a page for people */
    FAULT_RESET,        /* the connection breaks */

    /* Done, and the answer does not say so. */
    FAULT_ERROR_AFTER, /* 500, or number */
    FAULT_HTML_AFTER,
    FAULT_RESET_AFTER,
    FAULT_TRUNCATED, /* the body ends in its middle, and the connection with it */

    /* Lists: 200, yet not the whole truth. */
    FAULT_EMPTY_LIST,   /* as if nothing were there */
    FAULT_PARTIAL_LIST, /* the first half, and word of a second page that never comes */
    FAULT_MISSING_ITEM, /* all but the last, without a word */
    FAULT_LIST_ERRORS,  /* all, and errors beside them; Maesn only */

    /* Creations. */
    FAULT_NO_SECRET, /* done and told, but for the secret */
    FAULT_OTHER_URL, /* the answer names another callback URL */
};

struct fault {
    enum fault_kind kind;
    unsigned number; /* 0: none was given */
};

/* Rules beyond this many are refused. */
#define FAULTS_RULES_MAX 32

/* Owns:   the caller frees *ret with faults_free(). Errors: STATUS_NOMEM. */
enum status faults_new(struct faults **ret) MUST_CHECK;
void faults_free(struct faults *f);

/* Adds rules, divided by commas or line ends, or none of them. Errors: STATUS_INVALID, diag says
 * what was expected. Thread: any. */
enum status faults_add(struct faults *f, struct bytes text, struct diag *diag) MUST_CHECK;

/* From now on nothing goes wrong. Thread: any. */
void faults_clear(struct faults *f);

/* The rules still in force, a line each. Thread: any. */
void faults_print(struct faults *f, struct buf *ret);

/* What becomes of a call: the first rule for its operation whose turn it is. Thread: any. */
struct fault faults_next(struct faults *f, enum fault_operation operation);
