#include "bridge/reconciler/plan.h"

#include <assert.h>
#include <stdlib.h>
#include <string.h>

#include "bridge/reconciler/plan_rules.h"

static int compare_specifications(const void *a, const void *b)
{
    const struct specification *const *left = a;
    const struct specification *const *right = b;
    int order = strcmp((*left)->resource, (*right)->resource);
    return order != 0 ? order : strcmp((*left)->event, (*right)->event);
}

/* Every specification that is wanted, held or seen, each once, in order. */
static enum status collect(const struct plan_input *in, struct arena *a,
                           const struct specification ***ret, size_t *ret_len)
{
    size_t max = in->desired->wanted_len + in->state->routes_len + in->observation->len;
    const struct specification **all = arena_alloc(a, (max + 1) * sizeof(const void *));
    if (all == NULL)
        return STATUS_NOMEM;
    size_t len = 0;
    for (size_t i = 0; i < in->desired->wanted_len; i++)
        all[len++] = &in->desired->wanted[i].specification;
    for (size_t i = 0; i < in->state->routes_len; i++)
        all[len++] = &in->state->routes[i].record->url.specification;
    for (size_t i = 0; i < in->observation->len; i++)
        all[len++] = &in->observation->sightings[i].url.specification;
    qsort(all, len, sizeof(*all), compare_specifications);
    size_t unique = 0;
    for (size_t i = 0; i < len; i++) {
        if (unique == 0 || !specification_equal(all[unique - 1], all[i]))
            all[unique++] = all[i];
    }
    *ret = all;
    *ret_len = unique;
    return STATUS_OK;
}

static void plan_specification(struct plan_view *v, const struct specification *specification)
{
    const struct plan_input *in = v->in;
    plan_view_look(v, specification);
    for (size_t i = 0; i < in->state->routes_len; i++) {
        if (plan_view_is_of(v, &in->state->routes[i].record->url))
            plan_route(v, &in->state->routes[i]);
    }
    for (size_t i = 0; i < in->observation->len; i++) {
        if (plan_view_is_of(v, &in->observation->sightings[i].url))
            plan_sighting(v, &in->observation->sightings[i]);
    }
    plan_create(v);
}

static int64_t earliest_due(const struct plan_view *v)
{
    int64_t earliest_unix_ms = 0;
    for (size_t i = 0; i < v->len; i++) {
        int64_t due_unix_ms = v->steps[i].due_unix_ms;
        if (due_unix_ms != 0 && (earliest_unix_ms == 0 || due_unix_ms < earliest_unix_ms))
            earliest_unix_ms = due_unix_ms;
    }
    return earliest_unix_ms;
}

enum status plan_make(const struct plan_input *in, struct arena *a, struct plan *ret)
{
    assert(observation_is_trusted(
        in->observation, (struct scope){in->desired->company_id, in->desired->environment_name}));
    const struct specification **specifications;
    size_t specifications_len;
    enum status status = collect(in, a, &specifications, &specifications_len);
    if (status != STATUS_OK)
        return status;

    /* One step a route, one a sighting, one a wanted specification, at most. */
    size_t max = in->state->routes_len + in->observation->len + in->desired->wanted_len;
    struct plan_view v = {
        .in = in,
        .steps = arena_alloc(a, (max + 1) * sizeof(*v.steps)),
        .generation_unix_ms = in->state->generation_unix_ms,
    };
    if (v.steps == NULL)
        return STATUS_NOMEM;
    for (size_t i = 0; i < specifications_len; i++)
        plan_specification(&v, specifications[i]);
    assert(v.len <= max);
    *ret = (struct plan){
        .steps = v.steps,
        .len = v.len,
        .again_at_unix_ms = earliest_due(&v),
        .without_expiry = v.without_expiry,
    };
    return STATUS_OK;
}
