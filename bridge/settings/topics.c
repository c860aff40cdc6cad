#include "bridge/settings/topics.h"

#include <stdio.h>

#include "bridge/base/scoped.h"
#include "bridge/domain/envelope.h"
#include "bridge/domain/naming.h"
#include "bridge/domain/resource.h"
#include "bridge/settings/load.h"

struct named_topic {
    enum setting_id id;
    const char *name;
    bool holds_events; /* may share its topic with another such */
};

#define NAMED_TOPICS 6

static void name_topics(const struct settings *s, struct named_topic ret[NAMED_TOPICS])
{
    const struct named_topic topics[NAMED_TOPICS] = {
        {SETTING_ID_topics_accounts, s->topics_accounts, false},
        {SETTING_ID_topics_activity, s->topics_activity, false},
        {SETTING_ID_topics_dead_letter, s->topics_dead_letter, false},
        {SETTING_ID_topics_other, s->topics_other, true},
        {SETTING_ID_topics_registry, s->topics_registry, false},
        {SETTING_ID_topics_token, s->topics_token, true},
    };
    memcpy(ret, topics, sizeof(topics));
}

/* Kafka's metrics write "." as "_", so a broker refuses a topic whose name differs from another's
 * in these only. Source: Topic.hasCollision, org.apache.kafka.common.internals, Kafka 4.3.0.
 */
static bool collide(const char *a, const char *b)
{
    for (; *a != '\0' && *b != '\0'; a++, b++) {
        bool both_separate = (*a == '.' || *a == '_') && (*b == '.' || *b == '_');
        if (*a != *b && !both_separate)
            return false;
    }
    return *a == *b;
}

/* What is compacted, or only for people, must not mix with events; and no two names may collide. */
static bool may_not_both_be(const struct named_topic *a, const struct named_topic *b)
{
    bool may_share = a->holds_events && b->holds_events && strcmp(a->name, b->name) == 0;
    return !may_share && collide(a->name, b->name);
}

static bool is_set(const struct load *l, enum setting_id id)
{
    return l->settings->origins[id].file != NULL;
}

static void check_pairs(struct load *l)
{
    struct named_topic topics[NAMED_TOPICS];
    name_topics(l->settings, topics);
    for (size_t i = 0; i < NAMED_TOPICS; i++)
        for (size_t j = i + 1; j < NAMED_TOPICS; j++) {
            if (!may_not_both_be(&topics[i], &topics[j]))
                continue;
            /* The one that was set is the one to change. */
            size_t wrong = is_set(l, topics[j].id) ? j : i, other = wrong == i ? j : i;
            load_error(l, load_origin(l, topics[wrong].id), settings_table[topics[wrong].id].key,
                       "%s, expected another name than that of %s", topics[wrong].name,
                       settings_table[topics[other].id].key);
        }
}

static void check_template(struct load *l, enum setting_id id, const char *template,
                           enum status (*check)(const char *text, struct diag *diag))
{
    struct diag diag = {0};
    enum status status = check(template, &diag);
    load_note_status(l, status);
    if (status == STATUS_INVALID)
        load_error(l, load_origin(l, id), settings_table[id].key, "%s", diag.text);
}

void topics_check(struct load *l)
{
    check_template(l, SETTING_ID_topics_template, l->settings->topics_template,
                   envelope_check_topic_template);
    check_template(l, SETTING_ID_topics_key, l->settings->topics_key, envelope_check_key_template);
    check_pairs(l);
}

/* --- what a template makes ----------------------------------------------------------------- */

/* What the template leaves open for one route: a name for each resource and event. */
static const char *const events[] = {"CREATED",        "DELETED", "UPDATED", NAMING_NO_EVENT_TYPE,
                                     "SOMETHING-ELSE", NULL};

/* The longest topic with its NUL, several times over: naming's own scratch is in it too. */
#define SCRATCH_MAX 8192

DEFINE_CLEANUP(struct arena *, arena_free)

static void check_topic(struct load *l, const struct naming *names,
                        const struct named_topic fixed[NAMED_TOPICS])
{
    CLEANUP(arena_free_scoped) struct arena *a = arena_new(SCRATCH_MAX);
    const char *topic = a == NULL ? NULL : naming_topic(l->settings->topics_template, names, a);
    if (topic == NULL) {
        l->problems->status = STATUS_NOMEM;
        return;
    }
    const struct named_topic made = {SETTING_ID_topics_template, topic, true};
    for (size_t i = 0; i < NAMED_TOPICS; i++) {
        if (!may_not_both_be(&made, &fixed[i]))
            continue;
        enum setting_id at =
            is_set(l, SETTING_ID_topics_template) ? SETTING_ID_topics_template : fixed[i].id;
        load_error(l, load_origin(l, at), settings_table[at].key,
                   "%s of account %s would go to %s, expected another name than that of %s",
                   names->resource, names->account, topic, settings_table[fixed[i].id].key);
    }
}

static void check_route(struct load *l, const struct route *r,
                        const struct named_topic fixed[NAMED_TOPICS])
{
    bool has_event = strstr(l->settings->topics_template, "{event}") != NULL;
    for (const char *const *resource = resources; *resource != NULL; resource++) {
        if (resource_is_token(*resource))
            continue;
        for (const char *const *event = events; *event != NULL && (has_event || event == events);
             event++) {
            const struct naming names = {r->provider->name, r->system, r->account,
                                         *resource,         *event,    NULL};
            check_topic(l, &names, fixed);
        }
    }
}

/* Most templates leave the account out: then one route is like any other. */
void topics_check_routes(struct load *l)
{
    const char *template = l->settings->topics_template;
    enum status status = envelope_check_topic_template(template, NULL);
    load_note_status(l, status);
    if (status != STATUS_OK)
        return;
    bool differs = strstr(template, "{account}") != NULL || strstr(template, "{system}") != NULL ||
                   strstr(template, "{provider}") != NULL;
    struct named_topic fixed[NAMED_TOPICS];
    name_topics(l->settings, fixed);
    for (size_t i = 0; i < l->settings->routes_len && (differs || i == 0); i++)
        check_route(l, l->settings->routes[i], fixed);
}
