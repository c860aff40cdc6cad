/* The plan: from what is wanted, what the registry holds, what was seen at the provider and the
 * time, what is to be done, and why. A pure function.
 *
 * Per specification there is at most one keeper: the newest active route that is alive at the
 * provider, rather one that fits what is wanted. Everything else follows from it:
 *
 *  - no keeper, or one that has to be replaced, and nothing in doubt: CREATE
 *  - active beside a keeper: RETIRE; retiring, alive and past the overlap with a keeper: DELETE
 *  - an intent found at the provider has no known secret (an orphan): a new generation first, then
 *    DELETE
 *  - a route missing from two trusted lists a second look apart: GONE; an intent likewise:
 * forgotten
 *
 * Nothing is deleted that no trusted list of this pass shows under our URL, nor an id that an
 * active route holds.
 */
#pragma once

#include "bridge/reconciler/account_state.h"
#include "bridge/reconciler/desired_account.h"
#include "bridge/reconciler/observation.h"
#include "bridge/reconciler/options.h"

enum plan_action {
    PLAN_KEEP = 0, /* as it should be; maybe a detail of the record is brought up to date */
    PLAN_CREATE,   /* an intent, a POST, its secret */
    PLAN_ACTIVATE, /* the provider has stopped sending */
    PLAN_RETIRE,   /* replaced: it is deleted after the overlap */
    PLAN_DELETE,   /* at the provider */
    PLAN_GONE,     /* it is no longer at the provider; its callbacks verify for the grace */
    PLAN_FORGET,   /* the record's time is over */
    PLAN_WAIT,     /* for an instant, due_unix_ms */
    PLAN_LEAVE,    /* not wanted, and the policy is to leave it */
    PLAN_WITHHOLD, /* not wanted, and a guard rail holds the delete */
    PLAN_STUCK,    /* wanted, and cannot be made until the configuration or the key changes */
};
#define PLAN_ACTIONS 11

enum plan_reason {
    REASON_FINE = 0,
    /* of a CREATE */
    REASON_NEW,
    REASON_REPLACES_GONE,
    REASON_REPLACES_ORPHAN,
    REASON_EXPIRES,
    REASON_ROTATION,
    REASON_MOVED,          /* the public base URL or the route key has changed */
    REASON_SCOPE_CHANGED,  /* the company or the environment has */
    REASON_EVENTS_CHANGED, /* the set of a native webhook has */
    /* of what ends */
    REASON_REPLACED,
    REASON_NOT_WANTED,
    REASON_ORPHAN,     /* its secret never reached us */
    REASON_DUPLICATE,  /* another id on a URL of ours */
    REASON_RESURFACED, /* it was believed gone */
    REASON_NO_LONGER_LISTED,
    REASON_GRACE_OVER,
    REASON_NEVER_MADE,
    /* of a WAIT */
    REASON_MISSING,        /* for a second look */
    REASON_UNCERTAIN,      /* an intent whose POST may have worked: for a second look */
    REASON_OVERLAP,        /* for the end of the overlap */
    REASON_NO_REPLACEMENT, /* for a living replacement */
    REASON_DELETE_DELAY,
    REASON_SETBACK,  /* after failures */
    REASON_UNLISTED, /* its company could not be listed */
    /* of the rest */
    REASON_REFUSED,
    REASON_DEACTIVATED,
};
#define PLAN_REASONS 26

/* "create", ... and "expires soon", ...: for people. Static. */
const char *plan_action_name(enum plan_action action);
const char *plan_reason_text(enum plan_reason reason);

struct plan_step {
    enum plan_action action;
    enum plan_reason reason;
    struct callback_url url;         /* generation 0: of a specification that has none */
    bool writes;                     /* the registry is to say `after` */
    bool forgets;                    /* the registry is to say nothing of the URL any more */
    struct route_record after;       /* texts borrowed from the plan's inputs */
    const struct sighting *sighting; /* what is deleted or activated; NULL: nothing */
    const struct wanted *wanted;     /* what is created; NULL: nothing */
    int64_t due_unix_ms;             /* of a WAIT; 0: no instant is known */
};

struct plan {
    const struct plan_step *steps; /* in the order of specifications */
    size_t len;
    int64_t again_at_unix_ms; /* when something falls due before the next interval; 0: nothing */
    unsigned without_expiry;  /* keepers that cannot be renewed in time */
};

/* What was created before is replaced. */
struct rotation {
    int64_t before_unix_ms; /* 0: nothing is */
    const char *resource;   /* kebab case; only that; NULL: all */
};

/* What is asked for now, and what was before and is not finished. */
#define ROTATIONS 2

struct plan_input {
    const struct desired_account *desired;
    const struct account_state *state;
    const struct observation *observation;
    const struct reconciler_options *options;
    int64_t now_unix_ms;
    int64_t listed_at_unix_ms; /* when the lists were begun: what they lack was missing then */
    bool may_create;           /* intents of this pass are still to come */
    bool withholds_deletes;    /* the guard rail holds */
    bool is_forced;            /* it was lifted: what is to be deleted now stays so */
    struct rotation rotations[ROTATIONS];
};

/* Whether anything is to be done or cannot be: what `plan` exits 2 for. Waiting is not, unless for
 * a second look or after a setback. */
bool plan_step_is_difference(const struct plan_step *step);

/* The present scope must have been listed, and be trusted.
 * Owns:   the plan lives in the arena, and borrows from the inputs.
 * Errors: STATUS_NOMEM, also when the arena's bound is met. */
enum status plan_make(const struct plan_input *in, struct arena *a, struct plan *ret) MUST_CHECK;
