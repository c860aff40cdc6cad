#include "bridge/cli/topic_survey.h"

#include <stdlib.h>
#include <string.h>

#include "bridge/app/envelope_settings.h"
#include "bridge/replay/mark.h"

/* A plan takes about a kilobyte a topic: more than TOPIC_MAP_MAX of them. */
#define ARENA_MAX ((size_t)256 << 20)

static enum topics_purpose purpose_of(const struct settings *s, const char *topic)
{
    return strcmp(topic, s->topics_dead_letter) == 0 ? TOPICS_DEAD_LETTERS : TOPICS_EVENTS;
}

static enum status wish(const struct settings *s, struct topic_survey *survey, size_t *ret_len)
{
    const struct envelope_options envelope = envelope_settings(s);
    enum status status = event_topics_add(&survey->event_topics, &envelope, s);
    if (status != STATUS_OK)
        return status;
    size_t len = survey->event_topics.len;
    /* The marks, and three more with a registry. */
    survey->wishes = calloc(len + 4, sizeof *survey->wishes);
    const char *marks = mark_topic(s->topics_dead_letter, survey->arena);
    if (survey->wishes == NULL || marks == NULL)
        return STATUS_NOMEM;
    for (size_t i = 0; i < len; i++) {
        const char *name = survey->event_topics.names[i];
        survey->wishes[i] = (struct topics_wish){name, purpose_of(s, name)};
    }
    survey->wishes[len++] = (struct topics_wish){marks, TOPICS_REPLAYED};
    if (s->topics_registry[0] != '\0') {
        survey->wishes[len++] = (struct topics_wish){s->topics_registry, TOPICS_REGISTRY};
        survey->wishes[len++] = (struct topics_wish){s->topics_accounts, TOPICS_ACCOUNTS};
        survey->wishes[len++] = (struct topics_wish){s->topics_activity, TOPICS_ACTIVITY};
    }
    *ret_len = len;
    return STATUS_OK;
}

enum status topic_survey_make(const struct settings *s, const struct topics_sizes *sizes,
                              struct topic_survey *ret, struct diag *diag)
{
    *ret = (struct topic_survey){0};
    event_topics_init(&ret->event_topics);
    size_t wishes_len = 0;
    ret->arena = arena_new(ARENA_MAX);
    if (ret->arena == NULL)
        return STATUS_NOMEM;
    enum status status = cluster_settings_init(&ret->cluster, s);
    if (status == STATUS_OK)
        status = wish(s, ret, &wishes_len);
    if (status == STATUS_OK)
        status = topics_admin_new(&ret->cluster.cluster, &ret->admin, diag);
    if (status != STATUS_OK)
        return status;
    return topics_admin_plan(ret->admin, ret->wishes, wishes_len, sizes, ret->arena, &ret->plan,
                             diag);
}

void topic_survey_done(struct topic_survey *survey)
{
    topics_admin_free(survey->admin);
    free(survey->wishes);
    event_topics_done(&survey->event_topics);
    cluster_settings_done(&survey->cluster);
    arena_free(survey->arena);
    *survey = (struct topic_survey){0};
}
