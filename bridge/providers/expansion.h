/* An expansion being made: what an account wants, and what is wrong with how it says so. */
#pragma once

#include "bridge/base/buf.h"
#include "bridge/domain/account.h"
#include "bridge/domain/provider_api.h"

struct expanding {
    const struct account *account;
    struct arena *arena;
    struct buf wanted;   /* struct wanted each */
    struct buf problems; /* struct expansion_problem each */
    size_t errors;
    enum status status; /* the first failure; later calls then do nothing */
};

void expansion_begin(struct expanding *e, const struct account *account, struct arena *a);
void expansion_done(struct expanding *e);

/* Adds a subscription to resource and event (NULL: all) unless there is one already, which *e
 * tells. Returns whether it was added. */
bool expansion_want(struct expanding *e, const char *resource, const char *event,
                    const char **enabled_events, size_t enabled_events_len);

/* Where in the declaration a problem is. */
struct expansion_place {
    enum expansion_field field;
    size_t subscription;
    size_t item;
};

/* text lives in the arena; NULL: memory was short. */
void expansion_error(struct expanding *e, struct expansion_place place, const char *text);
void expansion_warning(struct expanding *e, struct expansion_place place, const char *text);

/* Takes the whole over into *ret, sorted; company and environment are for the caller to set.
 * Errors: STATUS_NOMEM, also of an earlier call. */
enum status expansion_end(struct expanding *e, struct expansion *ret) MUST_CHECK;

/* The name in the list that is this one in any case, or NULL. `names` ends with NULL. */
const char *expansion_find(const char *const names[], const char *given);

/* "one of A, B (did you mean "A"?)", in the arena; NULL when memory is short. */
const char *expansion_names(struct expanding *e, const char *const names[], const char *given);
