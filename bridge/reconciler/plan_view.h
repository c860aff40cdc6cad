/* One specification of an account, seen from every side: what is wanted, what the registry holds
 * and what is at the provider. Private to the plan. */
#pragma once

#include "bridge/reconciler/plan.h"

struct plan_view {
    const struct plan_input *in;
    struct plan_step *steps; /* of the whole plan; room for all */
    size_t len;
    int64_t generation_unix_ms; /* the newest one given to an intent of this plan */
    unsigned without_expiry;

    /* Of the present specification: */
    const struct specification *specification;
    const struct wanted *wanted;   /* NULL: it is not */
    const struct setback *setback; /* NULL: none */
    const struct held_route *keeper;
    const struct sighting *keeper_seen;
    const struct held_route *unsent; /* an intent that may still be used */
    const struct sighting *newest_orphan;
    bool is_in_doubt;  /* something may be there, or be gone: the next list tells */
    bool has_lost_one; /* something of it was there once, and is the keeper or no more */
    size_t first;      /* its first step */
};

/* Turns to the specification; what the view says of one is of this one from then on. */
void plan_view_look(struct plan_view *v, const struct specification *specification);

/* The scope that it is listed in. Its texts are borrowed from the record. */
struct scope plan_view_scope_of(const struct route_record *r);

/* Whether the URL belongs to the present specification. */
bool plan_view_is_of(const struct plan_view *v, const struct callback_url *url);

/* Nothing that it sends could be verified. */
bool plan_view_is_useless(const struct route_record *r);

/* The route's own subscription; for one that has none any more, or none that is known or of use,
 * any at its URL. NULL: none is seen. */
const struct sighting *plan_view_seen_of(const struct plan_view *v, const struct route_record *r);

/* Whether the second of two trusted lists, far enough apart, lacks it as the first one did. */
bool plan_view_is_believed_missing(const struct plan_view *v, const struct route_record *r);

/* REASON_FINE, or why a living subscription is not the one that is wanted. */
enum plan_reason plan_view_misfit(const struct plan_view *v, const struct route_record *r,
                                  const struct sighting *seen);

/* Whether an active route holds the id: a provider that merges POSTs answers the same id again, and
 * a DELETE of what has the id elsewhere would end both. */
bool plan_view_is_held(const struct plan_view *v, const char *id);

/* Whether an orphan may go: what could take its place is there, or nothing is to; of several, the
 * newest is enough to wait with. */
bool plan_view_orphan_may_go(const struct plan_view *v, const struct sighting *seen);
