#include "bridge/providers/expansion.h"

#include <stdlib.h>
#include <strings.h>

#include "bridge/base/nearest.h"
#include "bridge/base/scoped.h"
#include "bridge/domain/provider.h"

void expansion_begin(struct expanding *e, const struct account *account, struct arena *a)
{
    *e = (struct expanding){.account = account, .arena = a};
    buf_init(&e->wanted, EXPANSION_ARENA_MAX);
    buf_init(&e->problems, EXPANSION_ARENA_MAX);
}

void expansion_done(struct expanding *e)
{
    buf_done(&e->wanted);
    buf_done(&e->problems);
}

static void note(struct expanding *e, enum status status)
{
    if (e->status == STATUS_OK)
        e->status = status == STATUS_OK ? STATUS_OK : STATUS_NOMEM;
}

/* --- problems ------------------------------------------------------------------------------- */

static void add_problem(struct expanding *e, bool is_warning, struct expansion_place place,
                        const char *text)
{
    struct expansion_problem problem = {is_warning, place.field, place.subscription, place.item,
                                        text};
    note(e, text == NULL ? STATUS_NOMEM : STATUS_OK);
    if (e->status != STATUS_OK)
        return;
    buf_append(&e->problems, &problem, sizeof(problem));
    note(e, e->problems.status);
    e->errors += !is_warning;
}

void expansion_error(struct expanding *e, struct expansion_place place, const char *text)
{
    add_problem(e, false, place, text);
}

void expansion_warning(struct expanding *e, struct expansion_place place, const char *text)
{
    add_problem(e, true, place, text);
}

const char *expansion_find(const char *const names[], const char *given)
{
    for (; *names != NULL; names++)
        if (strcasecmp(*names, given) == 0)
            return *names;
    return NULL;
}

/* What was given, as the names are written. */
static const char *as_name(struct expanding *e, const char *given)
{
    char *name = arena_dup(e->arena, bytes_of_text(given));
    for (char *at = name; at != NULL && *at != '\0'; at++) {
        if (*at >= 'a' && *at <= 'z')
            *at = (char)(*at - 'a' + 'A');
        if (*at == '-')
            *at = '_';
    }
    return name;
}

const char *expansion_names(struct expanding *e, const char *const names[], const char *given)
{
    CLEANUP(buf_done) struct buf text;
    buf_init(&text, EXPANSION_ARENA_MAX);
    buf_append_text(&text, "one of ");
    for (const char *const *name = names; *name != NULL; name++)
        buf_printf(&text, "%s%s", name == names ? "" : ", ", *name);
    const char *name = as_name(e, given);
    const char *nearest = name == NULL ? NULL : nearest_name(names, name);
    if (nearest != NULL)
        buf_printf(&text, " (did you mean \"%s\"?)", nearest);
    const char *copy =
        text.status == STATUS_OK && name != NULL ? arena_dup(e->arena, buf_bytes(&text)) : NULL;
    if (copy == NULL)
        note(e, STATUS_NOMEM);
    return copy;
}

/* --- subscriptions -------------------------------------------------------------------------- */

static size_t wanted_len(const struct expanding *e)
{
    return e->wanted.len / sizeof(struct wanted);
}

bool expansion_want(struct expanding *e, const char *resource, const char *event,
                    const char **enabled_events, size_t enabled_events_len)
{
    struct wanted wanted = {.enabled_events = enabled_events,
                            .enabled_events_len = enabled_events_len};
    if (e->status != STATUS_OK)
        return false;
    if (!specification_set(&wanted.specification, e->account->provider->name, e->account->id,
                           resource, event)) {
        expansion_error(e, (struct expansion_place){.field = EXPANSION_SUBSCRIPTIONS},
                        arena_printf(e->arena, "%s %s, expected names that can stand in a URL",
                                     resource == NULL ? "all" : resource,
                                     event == NULL ? "all" : event));
        return true;
    }
    const struct wanted *others = (const struct wanted *)e->wanted.data;
    for (size_t i = 0; i < wanted_len(e); i++)
        if (specification_equal(&others[i].specification, &wanted.specification))
            return false;
    buf_append(&e->wanted, &wanted, sizeof(wanted));
    note(e, e->wanted.status);
    return true;
}

static int compare_wanted(const void *left, const void *right)
{
    const struct wanted *a = left, *b = right;
    int order = strcmp(a->specification.resource, b->specification.resource);
    return order != 0 ? order : strcmp(a->specification.event, b->specification.event);
}

static void *take(struct expanding *e, const struct buf *items)
{
    void *copy = arena_alloc(e->arena, items->len);
    if (copy == NULL)
        note(e, STATUS_NOMEM);
    else if (items->len > 0)
        memcpy(copy, items->data, items->len);
    return copy;
}

enum status expansion_end(struct expanding *e, struct expansion *ret)
{
    *ret = (struct expansion){
        .wanted = take(e, &e->wanted),
        .wanted_len = wanted_len(e),
        .problems = take(e, &e->problems),
        .problems_len = e->problems.len / sizeof(struct expansion_problem),
        .errors = e->errors,
    };
    if (e->status == STATUS_OK && ret->wanted_len > 0)
        qsort(ret->wanted, ret->wanted_len, sizeof(*ret->wanted), compare_wanted);
    return e->status;
}
