#include "bridge/domain/route.h"

#include <stdatomic.h>
#include <stdlib.h>

#include "bridge/base/arena.h"
#include "bridge/base/secret.h"
#include "bridge/domain/provider.h"
#include "bridge/domain/resource.h"
#include "bridge/domain/specification.h"

/* Paths, names and the two derived texts together; paths are bounded by the HTTP header block. */
static const size_t route_bytes_max = 65536;

struct route_box {
    struct route route; /* first: a route is found again from its address */
    atomic_uint refs;
    struct arena *arena;
};

/* A static route's names need no form in a URL: "___" is a resource like any other here. */
static const char *specification(struct arena *a, const struct route_fields *fields)
{
    struct specification s;
    (void)specification_set(&s, fields->provider->name, fields->account, fields->resource,
                            fields->event);
    char text[SPECIFICATION_TEXT_SIZE];
    specification_text(&s, text);
    return arena_dup(a, bytes_of_text(text));
}

enum status route_new(const struct route_fields *fields, struct route **ret)
{
    struct arena *a = arena_new(route_bytes_max);
    struct route_box *box = calloc(1, sizeof(*box));
    if (a == NULL || box == NULL) {
        arena_free(a);
        free(box);
        return STATUS_NOMEM;
    }
    atomic_init(&box->refs, 1);
    box->arena = a;
    struct route *r = &box->route;
    r->path = arena_dup(a, bytes_of_text(fields->path));
    r->provider = fields->provider;
    r->account = arena_dup(a, bytes_of_text(fields->account));
    r->system = arena_dup(a, bytes_of_text(fields->system));
    r->specification = specification(a, fields);
    r->source =
        arena_printf(a, "/%s/%s/%s", fields->provider->name, fields->system, fields->account);
    r->state = fields->state;
    r->current_secret = fields->current_secret == NULL ? NULL : secret_ref(fields->current_secret);
    r->previous_secret =
        fields->previous_secret == NULL ? NULL : secret_ref(fields->previous_secret);
    r->token = fields->token == NULL ? NULL : secret_ref(fields->token);
    if (r->path == NULL || r->account == NULL || r->system == NULL || r->specification == NULL ||
        r->source == NULL) {
        route_unref(r);
        return STATUS_NOMEM;
    }
    *ret = r;
    return STATUS_OK;
}

struct route *route_ref(const struct route *r)
{
    struct route_box *box = (struct route_box *)r;
    atomic_fetch_add_explicit(&box->refs, 1, memory_order_relaxed);
    return &box->route;
}

void route_unref(const struct route *r)
{
    struct route_box *box = (struct route_box *)r;
    if (box == NULL || atomic_fetch_sub_explicit(&box->refs, 1, memory_order_acq_rel) != 1)
        return;
    secret_unref(box->route.current_secret);
    secret_unref(box->route.previous_secret);
    secret_unref(box->route.token);
    arena_free(box->arena);
    free(box);
}

bool route_is_probe(const struct route *r)
{
    struct specification s;
    return specification_parse(bytes_of_text(r->specification), &s) &&
           resource_is_probe(s.resource);
}

bool route_has_secret(const struct route *r)
{
    return r->current_secret != NULL || r->previous_secret != NULL || r->token != NULL;
}
