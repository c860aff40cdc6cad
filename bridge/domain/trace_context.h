/* W3C Trace Context: which trace a callback's records belong to. */
#pragma once

#include "bridge/base/arena.h"
#include "bridge/base/status.h"

/* A version-00 traceparent and its NUL. */
#define TRACEPARENT_SIZE 56

struct traceparent {
    char trace_id[33]; /* lower-case hex, not all zero */
    char parent_id[17];
    unsigned flags;
};

/* Reads a traceparent as a receiver must: exactly the form of version 00, or the beginning of a
 * later version's. Returns false, with ret undefined, for what has to be ignored. text may be NULL.
 * Source: W3C Trace Context Level 2, sections 3.2.2 and 4.3.
 */
bool traceparent_parse(const char *text, struct traceparent *ret);

/* Always writes version 00, with the flags this version knows. */
void traceparent_format(const struct traceparent *t, char ret[TRACEPARENT_SIZE]);

/* A new trace, random and marked as such. Errors: STATUS_INTERNAL no random bytes. */
enum status traceparent_restart(struct traceparent *ret) MUST_CHECK;

/* The same trace with a new parent id: our own hop. Errors: STATUS_INTERNAL no random bytes. */
enum status traceparent_continue(struct traceparent *t) MUST_CHECK;

/* What may be passed on of a tracestate: its list without empty members, at most 512 characters;
 * of a longer one the last members are dropped, those beyond 128 characters first. *ret is NULL
 * when there is none, or when any member is not well-formed, its key comes twice, or there are more
 * than 32. Owns:   *ret lives in the arena. Errors: STATUS_NOMEM. Source: W3C Trace Context Level
 * 2, section 3.3.
 */
enum status tracestate_forward(const char *text, struct arena *a, const char **ret) MUST_CHECK;
