#include "bridge/app/event_topics.h"

#include <stdlib.h>

#include "bridge/settings/settings.h"

/* A million names of a topic's greatest length. */
static const size_t names_bytes_max = (size_t)249 << 20;

void event_topics_init(struct event_topics *t)
{
    *t = (struct event_topics){0};
}

void event_topics_done(struct event_topics *t)
{
    arena_free(t->arena);
    free(t->names);
    event_topics_init(t);
}

static int compare_names(const void *a, const void *b)
{
    return strcmp(*(const char *const *)a, *(const char *const *)b);
}

static size_t sort_unique(const char **names, size_t len)
{
    size_t kept = 0;
    qsort(names, len, sizeof(names[0]), compare_names);
    for (size_t i = 0; i < len; i++)
        if (kept == 0 || strcmp(names[kept - 1], names[i]) != 0)
            names[kept++] = names[i];
    return kept;
}

static bool template_names_an_account(const char *template)
{
    return strstr(template, "{account}") != NULL || strstr(template, "{system}") != NULL ||
           strstr(template, "{provider}") != NULL;
}

enum status event_topics_add_name(struct event_topics *t, const char *name)
{
    if (t->len == t->capacity) {
        size_t capacity = t->capacity == 0 ? 32 : t->capacity * 2;
        const char **names = realloc(t->names, capacity * sizeof(names[0]));
        if (names == NULL)
            return STATUS_NOMEM;
        t->names = names;
        t->capacity = capacity;
    }
    t->names[t->len++] = name;
    return STATUS_OK;
}

static enum status add_account(struct event_topics *t, const struct envelope_options *opt,
                               const char *provider, const char *system, const char *account)
{
    struct topic_list list;
    enum status status = envelope_topics(opt, provider, system, account, t->arena, &list);
    for (size_t i = 0; status == STATUS_OK && i < list.len; i++)
        status = event_topics_add_name(t, list.names[i]);
    return status;
}

/* Of the routes that `probe` sends to: nobody else does. */
static enum status add_probe_topics(struct event_topics *t, const struct envelope_options *opt,
                                    const struct settings *s)
{
    enum status status = STATUS_OK;
    for (size_t i = 0; status == STATUS_OK && i < s->routes_len; i++) {
        if (!route_is_probe(s->routes[i]))
            continue;
        const char *name = envelope_probe_topic(opt, s->routes[i], t->arena);
        status = name == NULL ? STATUS_NOMEM : event_topics_add_name(t, name);
    }
    return status;
}

enum status event_topics_add(struct event_topics *t, const struct envelope_options *opt,
                             const struct settings *s)
{
    if (t->arena == NULL)
        t->arena = arena_new(names_bytes_max);
    if (t->arena == NULL)
        return STATUS_NOMEM;

    enum status status = STATUS_OK;
    if (!template_names_an_account(opt->topic_template)) {
        status = add_account(t, opt, "any", "any", "any"); /* the template has no place for them */
    } else {
        for (size_t i = 0; status == STATUS_OK && i < s->routes_len; i++) {
            const struct route *r = s->routes[i];
            status = add_account(t, opt, r->provider->name, r->system, r->account);
        }
    }
    if (status == STATUS_OK)
        status = add_probe_topics(t, opt, s);
    const char *const always[] = {opt->other_topic, opt->token_topic, opt->dead_letter_topic};
    for (size_t i = 0; status == STATUS_OK && i < sizeof(always) / sizeof(always[0]); i++)
        status = event_topics_add_name(t, always[i]);
    t->len = sort_unique(t->names, t->len);
    return status;
}
