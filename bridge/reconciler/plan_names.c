#include "bridge/reconciler/plan.h"

static const char *const action_names[PLAN_ACTIONS] = {
    [PLAN_KEEP] = "keep",     [PLAN_CREATE] = "create",     [PLAN_ACTIVATE] = "activate",
    [PLAN_RETIRE] = "retire", [PLAN_DELETE] = "delete",     [PLAN_GONE] = "gone",
    [PLAN_FORGET] = "forget", [PLAN_WAIT] = "wait",         [PLAN_LEAVE] = "leave",
    [PLAN_STUCK] = "stuck",   [PLAN_WITHHOLD] = "withhold",
};

static const char *const reason_texts[PLAN_REASONS] = {
    [REASON_FINE] = "as it should be",
    [REASON_NEW] = "wanted, and not there",
    [REASON_REPLACES_GONE] = "the former one is gone",
    [REASON_REPLACES_ORPHAN] = "the one that is there has no known secret",
    [REASON_EXPIRES] = "the present one expires",
    [REASON_ROTATION] = "a rotation was asked for",
    [REASON_MOVED] = "the public base URL or the route key has changed",
    [REASON_SCOPE_CHANGED] = "the company or the environment has changed",
    [REASON_EVENTS_CHANGED] = "the set of events has changed",
    [REASON_REPLACED] = "replaced by a newer one",
    [REASON_NOT_WANTED] = "not wanted any more",
    [REASON_ORPHAN] = "its secret never reached the registry",
    [REASON_DUPLICATE] = "another subscription has the same URL",
    [REASON_RESURFACED] = "it was gone, and is there again",
    [REASON_NO_LONGER_LISTED] = "the provider does not list it any more",
    [REASON_GRACE_OVER] = "its grace is over",
    [REASON_NEVER_MADE] = "it was never made",
    [REASON_MISSING] = "missing, waiting for a second look",
    [REASON_UNCERTAIN] = "maybe made, waiting for a second look",
    [REASON_OVERLAP] = "waiting for the end of the overlap",
    [REASON_NO_REPLACEMENT] = "waiting for its replacement",
    [REASON_DELETE_DELAY] = "not wanted any more, waiting for the delay of deletes",
    [REASON_SETBACK] = "waiting after a failure",
    [REASON_UNLISTED] = "its company could not be listed",
    [REASON_REFUSED] = "refused by the provider",
    [REASON_DEACTIVATED] = "the provider has deactivated it",
};

const char *plan_action_name(enum plan_action action)
{
    return action_names[action];
}

const char *plan_reason_text(enum plan_reason reason)
{
    return reason_texts[reason];
}
