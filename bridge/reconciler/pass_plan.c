/* The second stage of a pass: the plan, and the commit of what it says, with every intent. */
#include "bridge/reconciler/pass_state.h"
#include "bridge/reconciler/refusals.h"

#include <assert.h>

/* Whether a request lifts the guard rail that no pass has carried out yet. */
static bool is_forced(const struct pass *p)
{
    const struct account_record *r = p->state->record;
    return p->opt.force_unix_ms != 0 && (r == NULL || r->forced_unix_ms != p->opt.force_unix_ms);
}

/* Whether, after this plan, nothing is left of an account that is no longer declared. */
static bool is_finished_with(const struct pass *p)
{
    size_t forgotten = 0;
    for (size_t i = 0; i < p->plan.len; i++) {
        if (!p->plan.steps[i].forgets)
            return false;
        forgotten++;
    }
    for (size_t i = 0; i < p->observation.len; i++) {
        if (!p->observation.sightings[i].is_deleted)
            return false;
    }
    return !p->is_declared && forgotten == p->state->routes_len;
}

static enum status collect_account(struct pass *p)
{
    const struct account_record *old = p->state->record;
    if (old != NULL && is_finished_with(p))
        return pass_commit_add_account(p, old, true);
    struct account_record r = pass_standing(p, ACCOUNT_OK, NULL);
    if (is_forced(p))
        r.forced_unix_ms = p->opt.force_unix_ms; /* with the intents that it has let through */
    enum status status = refusals_keep(p->state, p->planned, pass_now_unix_ms(p), &r);
    if (status != STATUS_OK)
        return status;
    if (old == NULL ? p->desired.wanted_len == 0 && p->state->routes_len == 0 && p->plan.len == 0
                    : account_record_equal(old, &r))
        return STATUS_OK;
    return pass_commit_add_account(p, &r, false);
}

static enum status collect_changes(struct pass *p)
{
    pass_commit_clear(p);
    enum status status = collect_account(p);
    for (size_t i = 0; status == STATUS_OK && i < p->plan.len; i++) {
        const struct plan_step *step = &p->plan.steps[i];
        if (step->writes || step->forgets)
            status =
                pass_commit_add_route(p, &step->after, step->forgets, step->action == PLAN_CREATE);
    }
    return status;
}

static void start_creating(struct pass *p)
{
    p->step = 0;
    p->has_created = false;
    pass_create_next(p);
}

void pass_plan(struct pass *p)
{
    arena_free(p->planned);
    p->planned = arena_new(PASS_ARENA_MAX);
    const struct plan_input in = {
        .desired = &p->desired,
        .state = p->state,
        .observation = &p->observation,
        .options = p->opt.reconciler,
        .now_unix_ms = pass_now_unix_ms(p),
        .listed_at_unix_ms = p->listed_at_unix_ms,
        .may_create = !p->is_after_create,
        .withholds_deletes = p->opt.withholds_deletes && !is_forced(p),
        .is_forced = is_forced(p),
        .rotations = {p->opt.rotations[0], p->opt.rotations[1]},
    };
    enum status status = p->planned == NULL ? STATUS_NOMEM : plan_make(&in, p->planned, &p->plan);
    if (status != STATUS_OK) {
        pass_end_failed(p, status);
        return;
    }
    p->result.again_at_unix_ms = p->plan.again_at_unix_ms;
    if (p->opt.on_plan != NULL)
        p->opt.on_plan(p->opt.ctx, &p->plan);
    if (p->opt.only_plans) {
        pass_end(p, PASS_COMPLETE);
        return;
    }
    status = collect_changes(p);
    if (status == STATUS_OK)
        pass_commit(p, PASS_COMMITTING, start_creating);
    else
        pass_end_failed(p, status);
}

const struct plan_step *pass_present_step(const struct pass *p)
{
    return &p->plan.steps[p->step];
}

struct held_route *pass_present_route(const struct pass *p)
{
    struct held_route *held = account_state_find(p->state, &pass_present_step(p)->url);
    assert(held != NULL);
    return held;
}
